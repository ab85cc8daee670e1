package media_test

import (
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/media"
)

func TestRefs(t *testing.T) {
	link := func(id string) (string, bool) {
		if id != someID {
			return "", false
		}
		return "https://gw/media/" + id[:4], true
	}
	other := strings.Repeat("f", 32)
	ref := media.Ref(someID)
	tests := []struct{ text, want string }{
		{"", ""},
		{"no file", "no file"},
		{ref, "https://gw/media/0123"},
		{media.LongRef(someID), "https://gw/media/0123"},
		{"a.jpg " + media.LongRef(someID) + "\nand " + ref + ".", "a.jpg https://gw/media/0123\nand https://gw/media/0123."},
		{"media:0123", "media:0123"},
		{"somebody wrote " + media.Ref(other), "somebody wrote " + media.Ref(other)},
		{"old.png " + media.LongRef(other), "old.png "},
		{"media:" + strings.ToUpper(someID), "media:" + strings.ToUpper(someID)},
	}
	for _, tt := range tests {
		if got := media.Linked(tt.text, link); got != tt.want {
			t.Errorf("Linked(%q) = %q, want %q", tt.text, got, tt.want)
		}
		if got := string(media.LinkedBytes([]byte(tt.text), link)); got != tt.want {
			t.Errorf("LinkedBytes(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
	if n := len(media.LongRef(someID)); n != 96 {
		t.Errorf("LongRef has %d bytes", n)
	}
	for text, want := range map[string]string{ref: someID, media.LongRef(someID): someID, "x" + ref: "", ref + "x": "", "": "", "media:": ""} {
		if got := media.RefID(text); got != want {
			t.Errorf("RefID(%q) = %q, want %q", text, got, want)
		}
	}
	if media.Ref("") != "" {
		t.Error("no file has a reference")
	}
}

func TestCleanName(t *testing.T) {
	tests := []struct{ name, want string }{
		{"", ""},
		{"photo.jpg", "photo.jpg"},
		{"../../etc/passwd", "passwd"},
		{`..\..\boot.ini`, "boot.ini"},
		{"..", ""}, {".", ""}, {"/", ""}, {"...", ""}, {"~", ""},
		{"/etc/", "etc"},
		{"a\x00b.png", "ab.png"},
		{"a\r\nX-Evil: 1.png", "aX-Evil 1.png"},
		{"gnp.\u202eexe.png", "gnp.exe.png"},
		{"a\u2066b\u2069\u200b\ufeff.png", "ab.png"},
		{"\u2028x.png", "x.png"},
		{".htaccess", "htaccess"},
		{"C:\\Windows\\system32\\cmd.exe", "cmd.exe"},
		{"file:///etc/shadow", "shadow"},
		{`a"b<c>d|e*f?g;h%20i.png`, "abcdefgh20i.png"},
		{"bad \xff\xfe utf8.png", "bad  utf8.png"},
		{"naïve Übersicht 图.pdf", "naïve Übersicht 图.pdf"},
		{strings.Repeat("a", 300) + ".PDF", strings.Repeat("a", 96) + ".pdf"},
		{strings.Repeat("图", 60), strings.Repeat("图", 33)},
		{"a." + strings.Repeat("x", 300), "a." + strings.Repeat("x", 98)},
		{"tab\there.txt", "tabhere.txt"},
	}
	for _, tt := range tests {
		if got := media.CleanName(tt.name); got != tt.want {
			t.Errorf("CleanName(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"a.png", "../../x", "a\x00b", "\u202egpj.exe", strings.Repeat("x", 400) + ".jpeg", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := media.CleanName(name)
		if len(got) > 100 || strings.ContainsAny(got, "/\\\x00\r\n\"\u202e") || got == "." || got == ".." || strings.ToValidUTF8(got, "") != got {
			t.Errorf("CleanName(%q) = %q", name, got)
		}
		if again := media.CleanName(got); again != got {
			t.Errorf("CleanName(%q) = %q, and of that %q", name, got, again)
		}
	})
}
