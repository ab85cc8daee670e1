package media_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/media"
)

func TestTypeOf(t *testing.T) {
	for address, want := range map[string]string{
		"https://x/a.PNG":        "image/png",
		"https://x/a.jpg?size=9": "image/jpeg",
		"https://x/a.b/c":        "",
		"https://x/a.exe":        "",
		"https://x.png":          "",
		"%zz":                    "",
		"":                       "",
	} {
		if got := media.TypeOf(address); got != want {
			t.Errorf("TypeOf(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestTakes(t *testing.T) {
	tests := []struct {
		given []string
		mime  string
		want  bool
	}{
		{nil, "image/png", false},
		{nil, "", false},
		{[]string{"image/*"}, "image/png", true},
		{[]string{"image/*"}, "Image/PNG; q=1", true},
		{[]string{"image/*"}, "video/mp4", false},
		{[]string{"image/*"}, "", true},
		{[]string{"video/mp4", "image/jpeg"}, "image/jpeg", true},
		{[]string{"image/jpeg"}, "image/jpegs", false},
		{[]string{"*/*"}, "application/pdf", true},
	}
	for _, tt := range tests {
		if got := media.Takes(tt.given, tt.mime); got != tt.want {
			t.Errorf("Takes(%q, %q) = %v, want %v", tt.given, tt.mime, got, tt.want)
		}
	}
}

func TestNarrowed(t *testing.T) {
	tests := []struct{ a, b, want []string }{
		{nil, nil, nil},
		{nil, []string{"image/*"}, []string{"image/*"}},
		{[]string{"image/*"}, nil, []string{"image/*"}},
		{[]string{"image/*", "video/*"}, []string{"image/png", "audio/*"}, []string{"image/png"}},
		{[]string{"*/*"}, []string{"image/*"}, []string{"image/*"}},
		{[]string{"image/*"}, []string{}, []string{}},
		{[]string{}, nil, []string{}},
		{[]string{"image/png"}, []string{"image/jpeg"}, []string{}},
	}
	for _, tt := range tests {
		for _, got := range [][]string{media.Narrowed(tt.a, tt.b), media.Narrowed(tt.b, tt.a)} {
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("%q and %q (-want +got):\n%s", tt.a, tt.b, d)
			}
		}
	}
}
