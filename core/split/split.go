// Package split cuts a text that is longer than the other side takes into parts.
package split

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Text cuts text into parts that each fit limit, at the last space that fits,
// else between graphemes, else (a single grapheme over the limit) between code
// points. The parts joined are the text again. Text that fits is one part.
func Text(text string, limit *pluginv1.TextLimit) []string {
	room, unit := int(limit.GetLimit()), limit.GetUnit()
	if room <= 0 || 2*len(text) <= room || size(text, unit) <= room {
		return []string{text} // no unit counts more than two for a byte
	}
	var parts []string
	for text != "" {
		n := cut(text, room, unit)
		parts = append(parts, text[:n])
		text = text[n:]
	}
	return parts
}

// cut returns how many bytes of text go into the next part; at least one code
// point, so that a limit below one code point cannot loop for ever.
func cut(text string, room int, unit pluginv1.TextUnit) int {
	end, space := 0, 0
	rest, state := text, -1
	used := count{unit: unit}
	for rest != "" {
		var g string
		g, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		used.add(g)
		if used.size() > room {
			break
		}
		end += len(g)
		if strings.TrimFunc(g, unicode.IsSpace) == "" {
			space = end
		}
	}
	switch {
	case end == len(text):
		return end
	case space > 0:
		return space
	case end > 0:
		return end
	}
	return cutRunes(text, room, unit)
}

// cutRunes is cut for a grapheme that is over the limit alone.
func cutRunes(text string, room int, unit pluginv1.TextUnit) int {
	end := 0
	used := count{unit: unit}
	for end < len(text) {
		_, n := utf8.DecodeRuneInString(text[end:])
		used.add(text[end : end+n])
		if end > 0 && used.size() > room {
			break
		}
		end += n
	}
	return end
}

// size counts text in units.
func size(text string, unit pluginv1.TextUnit) int {
	if unit == pluginv1.TextUnit_GRAPHEME {
		return uniseg.GraphemeClusterCount(text)
	}
	c := count{unit: unit}
	c.add(text)
	return c.size()
}

// count counts a text in a unit, piece by piece.
type count struct {
	unit  pluginv1.TextUnit
	n     int
	utf16 int
	ucs2  bool // GSM 03.38 cannot write it
}

// add counts one more piece: a grapheme, where these are what counts.
func (c *count) add(s string) {
	switch c.unit {
	case pluginv1.TextUnit_BYTE:
		c.n += len(s)
	case pluginv1.TextUnit_RUNE:
		c.n += utf8.RuneCountInString(s)
	case pluginv1.TextUnit_GRAPHEME:
		c.n++
	default:
		for _, r := range s {
			c.utf16 += max(utf16.RuneLen(r), 1)
			if c.unit == pluginv1.TextUnit_GSM7 && !c.ucs2 {
				c.septet(r)
			}
		}
	}
}

func (c *count) septet(r rune) {
	switch {
	case strings.ContainsRune(gsmBasic, r):
		c.n++
	case strings.ContainsRune(gsmExtended, r):
		c.n += 2
	default:
		c.ucs2 = true
	}
}

func (c *count) size() int {
	switch c.unit {
	case pluginv1.TextUnit_BYTE, pluginv1.TextUnit_RUNE, pluginv1.TextUnit_GRAPHEME:
		return c.n
	case pluginv1.TextUnit_GSM7:
		if !c.ucs2 {
			return c.n
		}
	}
	return c.utf16
}

// The letters of GSM 03.38: of one septet, and of two.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)
