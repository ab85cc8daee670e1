package media_test

import (
	"testing"

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
