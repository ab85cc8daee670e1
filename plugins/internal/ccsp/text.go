// Package ccsp is what the connectors to contact centers do alike: what the
// agent reads, what an answer of the far side means, and settings that all have.
package ccsp

import (
	"fmt"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// AddLine appends a line unless it is empty.
func AddLine(b *strings.Builder, line string) {
	if line == "" {
		return
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(line)
}

// AddFile appends the caption of a file, and where it is or at least what.
func AddFile(b *strings.Builder, f sdk.Attachment) {
	AddLine(b, f.Caption)
	AddLine(b, FileLine(f))
}

// FileLine says where a file is, or at least what.
func FileLine(f sdk.Attachment) string {
	if f.URL != "" {
		return f.URL
	}
	return strings.TrimSpace("[file "+f.Name+" "+f.MIME) + "]"
}

// Marked returns text, made of m, with a mark of who wrote it where there is
// room. Text that is longer than limit, in UTF-16 units, is rejected, because
// the rest would vanish at the far side.
func Marked(m sdk.Message, text string, limit int) (string, error) {
	if n := utf16Len(text); n > limit {
		return "", sdk.Rejected("too_long", fmt.Sprintf("%d UTF-16 units; the far side cuts at %d", n, limit))
	}
	if marked := authorMark(m) + text; text != "" && utf16Len(marked) <= limit {
		return marked, nil
	}
	return text, nil
}

// authorMark tells the agent who wrote, where it was not the customer. Copies
// of what rules sent come marked by the gateway.
func authorMark(m sdk.Message) string {
	switch m.Author {
	case sdk.AuthorCustomer:
		if m.Copy { // somebody else answers it
			return "[copy] "
		}
	case sdk.AuthorBot:
		return "[bot] "
	case sdk.AuthorSystem:
		return "[system] "
	case sdk.AuthorAgent:
		return "[" + strings.TrimSpace("agent "+m.Agent.Name) + "] "
	}
	return ""
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
