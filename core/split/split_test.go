package split_test

import (
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/openccsp/gateway/core/split"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// measure counts text in a unit, by other means than the code.
func measure(text string, unit pluginv1.TextUnit) int {
	units := len(utf16.Encode([]rune(text)))
	switch unit {
	case pluginv1.TextUnit_BYTE:
		return len(text)
	case pluginv1.TextUnit_RUNE:
		return utf8.RuneCountInString(text)
	case pluginv1.TextUnit_GRAPHEME:
		return uniseg.GraphemeClusterCount(text)
	case pluginv1.TextUnit_GSM7:
		n := 0
		for _, r := range text {
			switch {
			case strings.ContainsRune("^{}\\[~]|€\f", r):
				n += 2
			case r == '`' || r > 'z' && !strings.ContainsRune("£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà", r) || r < ' ' && r != '\n' && r != '\r':
				return units
			default:
				n++
			}
		}
		return n
	}
	return units
}

func TestText(t *testing.T) {
	family := "👨\u200d👩\u200d👧" // 5 code points, 8 UTF-16 units, 18 bytes
	tests := []struct {
		name  string
		text  string
		limit uint32
		unit  pluginv1.TextUnit
		want  []string
	}{
		{"empty", "", 5, pluginv1.TextUnit_UTF16, []string{""}},
		{"no limit", strings.Repeat("x", 1000), 0, pluginv1.TextUnit_UTF16, []string{strings.Repeat("x", 1000)}},
		{"fits", "12345", 5, pluginv1.TextUnit_UTF16, []string{"12345"}},
		{"at a space", "one two three", 8, pluginv1.TextUnit_UTF16, []string{"one two ", "three"}},
		{"at a line", "one\ntwo three", 6, pluginv1.TextUnit_UTF16, []string{"one\n", "two ", "three"}},
		{"no space", "abcdefgh", 3, pluginv1.TextUnit_UTF16, []string{"abc", "def", "gh"}},
		{"Chinese in bytes", "客户在网页", 7, pluginv1.TextUnit_BYTE, []string{"客户", "在网", "页"}},
		{"Chinese in UTF-16", "客户在网页", 2, pluginv1.TextUnit_UTF16, []string{"客户", "在网", "页"}},
		{"surrogates", "😀😀😀", 3, pluginv1.TextUnit_UTF16, []string{"😀", "😀", "😀"}},
		{"a family stays together", "a" + family + "b", 8, pluginv1.TextUnit_UTF16, []string{"a", family, "b"}},
		{"a family larger than the limit", family, 5, pluginv1.TextUnit_UTF16, []string{"👨\u200d👩", "\u200d👧"}},
		{"combining marks", "e\u0301e\u0301e\u0301", 4, pluginv1.TextUnit_BYTE, []string{"e\u0301", "e\u0301", "e\u0301"}},
		{"flags", "🇨🇭🇩🇪🇫🇷", 2, pluginv1.TextUnit_GRAPHEME, []string{"🇨🇭🇩🇪", "🇫🇷"}},
		{"a code point larger than the limit", "😀a", 1, pluginv1.TextUnit_UTF16, []string{"😀", "a"}},
		{"invalid bytes", "\xff\xfe\xfd", 2, pluginv1.TextUnit_BYTE, []string{"\xff\xfe", "\xfd"}},
		{"septets", "[[a", 4, pluginv1.TextUnit_GSM7, []string{"[[", "a"}},
		{"septets fit", "éàñ@", 4, pluginv1.TextUnit_GSM7, []string{"éàñ@"}},
		{"a text that GSM cannot write", "abc客客", 3, pluginv1.TextUnit_GSM7, []string{"abc", "客客"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := split.Text(tt.text, &pluginv1.TextLimit{Limit: tt.limit, Unit: tt.unit})
			if strings.Join(got, "|") != strings.Join(tt.want, "|") {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if got := split.Text("any", nil); len(got) != 1 || got[0] != "any" {
		t.Errorf("without a limit: %q", got)
	}
}

func FuzzSplit(f *testing.F) {
	seeds := []string{
		"", " ", "plain words, many of them", "客户在网页上写字", "👨‍👩‍👧🇨🇭👍🏽", "e\u0301\u0302 a\u0308", "\xff\xfe ok \xc3", "[]{}€^~",
		"\r\n\r\n", strings.Repeat("x", 300), "a\u200d\u200d\u200d", "한국어 각", "\u0301\u0301",
	}
	for _, s := range seeds {
		for unit := range int32(5) {
			f.Add(s, uint16(3), unit)
		}
	}
	f.Fuzz(func(t *testing.T, text string, limit uint16, unit int32) {
		u := pluginv1.TextUnit(unit)
		l := &pluginv1.TextLimit{Limit: uint32(limit), Unit: u}
		parts := split.Text(text, l)
		if got := strings.Join(parts, ""); got != text {
			t.Fatalf("parts make %q of %q", got, text)
		}
		if limit == 0 {
			if len(parts) != 1 {
				t.Fatalf("%d parts without a limit", len(parts))
			}
			return
		}
		if measure(text, u) <= int(limit) && len(parts) != 1 {
			t.Fatalf("%q fits %v and was split into %q", text, l, parts)
		}
		for _, p := range parts {
			if p == "" && text != "" {
				t.Fatalf("an empty part of %q", text)
			}
			if n := measure(p, u); n > int(limit) && utf8.RuneCountInString(p) > 1 {
				t.Fatalf("part %q has %d of %v", p, n, l)
			}
		}
		graphemesStayWhole(t, text, parts, u, int(limit))
	})
}

// graphemesStayWhole: a cut inside a code point never happens, one inside a
// grapheme only where the grapheme does not fit a part.
func graphemesStayWhole(t *testing.T, text string, parts []string, u pluginv1.TextUnit, limit int) {
	t.Helper()
	cuts := map[int]bool{}
	at := 0
	for _, p := range parts[:len(parts)-1] {
		at += len(p)
		cuts[at] = true
	}
	fits := true
	g := uniseg.NewGraphemes(text)
	for g.Next() {
		from, to := g.Positions()
		fits = fits && measure(g.Str(), u) <= limit
		for i := from + 1; i < to; i++ {
			if cuts[i] && utf8.ValidString(g.Str()) && !utf8.RuneStart(text[i]) {
				t.Fatalf("a cut inside a code point of %q: %q", g.Str(), parts)
			}
			if cuts[i] && fits {
				t.Fatalf("a cut inside %q, which fits: %q", g.Str(), parts)
			}
		}
	}
}
