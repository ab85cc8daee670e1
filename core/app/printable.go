package app

import (
	"strconv"
	"strings"
	"unicode"
)

// printable returns s without what a terminal would take for a command, or what
// would make it read differently.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexFunc(s, func(r rune) bool { return !isPlain(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isPlain(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

func isPlain(r rune) bool { return unicode.IsPrint(r) || r == '\t' }

// clip bounds what errors quote.
func clip(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
