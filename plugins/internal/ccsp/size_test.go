package ccsp_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

func TestFits(t *testing.T) {
	for _, tt := range []struct {
		text string
		unit sdk.TextUnit
		size int
	}{
		{"aé😀", sdk.UTF16, 4},
		{"aé😀", sdk.Rune, 3},
		{"aé😀", sdk.Byte, 7},
		{"e\u0301👩‍👩‍👧", sdk.Grapheme, 2},
		{"a[", sdk.GSM7, 3},
		{"é", sdk.GSM7, 1},
		{"a`", sdk.GSM7, 2},
		{"ж😀", sdk.GSM7, 3},
		{"a", sdk.TextUnit(99), 1},
	} {
		if !ccsp.Fits(tt.text, sdk.TextLimit{Limit: tt.size, Unit: tt.unit}) ||
			ccsp.Fits(tt.text, sdk.TextLimit{Limit: tt.size - 1, Unit: tt.unit}) && tt.size > 1 {
			t.Errorf("%q in unit %d is not %d long", tt.text, tt.unit, tt.size)
		}
	}
	if !ccsp.Fits(strings.Repeat("a", 1e6), sdk.TextLimit{}) {
		t.Error("no limit, and it does not fit")
	}
}

func TestChop(t *testing.T) {
	for _, tt := range []struct {
		text  string
		limit sdk.TextLimit
		want  []string
	}{
		{"", sdk.TextLimit{Limit: 2}, []string{""}},
		{"ab", sdk.TextLimit{Limit: 2}, []string{"ab"}},
		{"abc", sdk.TextLimit{Limit: 2}, []string{"ab", "c"}},
		{"a😀b", sdk.TextLimit{Limit: 2}, []string{"a", "😀", "b"}},
		{"😀😀", sdk.TextLimit{Limit: 1}, []string{"😀", "😀"}},
		{"éé", sdk.TextLimit{Limit: 3, Unit: sdk.Byte}, []string{"é", "é"}},
	} {
		if diff := cmp.Diff(tt.want, ccsp.Chop(tt.text, tt.limit)); diff != "" {
			t.Errorf("%q by %+v (-want +got):\n%s", tt.text, tt.limit, diff)
		}
	}
}
