package ccsp

import (
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/openccsp/gateway/sdk"
)

// Fits reports whether text is within the limit, which is none if it is 0.
func Fits(text string, l sdk.TextLimit) bool { return l.Limit <= 0 || size(text, l.Unit) <= l.Limit }

// Mark puts before text, which is made of m, who wrote it, where the limit has
// room for that.
func Mark(m sdk.Message, text string, l sdk.TextLimit) string {
	if marked := authorMark(m) + text; text != "" && Fits(marked, l) {
		return marked
	}
	return text
}

// Chop cuts text into pieces that fit. It is for what has no words to cut
// between, such as an address; texts that people write come split.
func Chop(text string, l sdk.TextLimit) []string {
	var pieces []string
	for !Fits(text, l) {
		n := 0
		for i := range text {
			if i > 0 && !Fits(text[:i], l) {
				break
			}
			n = i
		}
		if n == 0 { // not even one letter fits
			_, n = utf8.DecodeRuneInString(text)
		}
		pieces, text = append(pieces, text[:n]), text[n:]
	}
	if text == "" && len(pieces) > 0 {
		return pieces
	}
	return append(pieces, text)
}

func size(text string, unit sdk.TextUnit) int {
	switch unit {
	case sdk.Byte:
		return len(text)
	case sdk.Rune:
		return utf8.RuneCountInString(text)
	case sdk.Grapheme:
		return uniseg.GraphemeClusterCount(text)
	case sdk.GSM7:
		return gsmSize(text)
	default:
		return utf16Len(text)
	}
}

// gsmSize counts septets of an ASCII text. Of any other it counts UTF-16 units,
// which is right where a letter needs UCS-2, and else too little by the few of
// ^{}\[~]| that are in it.
func gsmSize(text string) int {
	twice := 0
	for _, r := range text {
		switch {
		case r >= utf8.RuneSelf || r == '`':
			return utf16Len(text)
		case strings.ContainsRune("\f^{}\\[~]|", r):
			twice++
		}
	}
	return len(text) + twice
}
