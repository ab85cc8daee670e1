package conversation

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Split cuts text into parts that each fit limit, at the last space that fits,
// else between graphemes, else (a single grapheme over the limit) between code
// points. The parts joined are the text again. Text that fits is one part.
func Split(text string, limit *pluginv1.TextLimit) []string {
	room, unit := int(limit.GetLimit()), limit.GetUnit()
	if room <= 0 || len(text) <= room || size(text, unit) <= room {
		return []string{text} // no unit counts more than the bytes
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
	end, space, used := 0, 0, 0
	rest, state := text, -1
	for rest != "" {
		var g string
		g, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		w := size(g, unit)
		if used+w > room {
			break
		}
		used += w
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

func cutRunes(text string, room int, unit pluginv1.TextUnit) int {
	end, used := 0, 0
	for end < len(text) {
		_, n := utf8.DecodeRuneInString(text[end:])
		w := size(text[end:end+n], unit)
		if end > 0 && used+w > room {
			break
		}
		used += w
		end += n
	}
	return end
}

// size counts s in units.
func size(s string, unit pluginv1.TextUnit) int {
	switch unit {
	case pluginv1.TextUnit_BYTE:
		return len(s)
	case pluginv1.TextUnit_RUNE:
		return utf8.RuneCountInString(s)
	case pluginv1.TextUnit_GRAPHEME:
		return uniseg.GraphemeClusterCount(s)
	}
	n := 0
	for _, r := range s {
		if n++; r > 0xFFFF {
			n++
		}
	}
	return n
}
