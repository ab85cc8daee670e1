package media_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/media"
)

const someID = "0123456789abcdef0123456789abcdef"

func TestLinks(t *testing.T) {
	links := media.NewLinks([]byte("0123456789abcdef0123456789abcdef"))
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	token := links.Token(someID, now.Add(time.Hour))
	if got := links.ID(token, now); got != someID {
		t.Fatalf("ID = %q", got)
	}
	if len(token) != 48 || links.Token(someID, now.Add(time.Hour)) != token {
		t.Errorf("token %q is long or by chance", token)
	}
	if raw, _ := base64.RawURLEncoding.DecodeString(token); strings.Contains(string(raw), "\x01\x23\x45\x67") {
		t.Error("the token shows the id")
	}
	if links.ID(token, now.Add(time.Hour)) != "" {
		t.Error("an old link still leads to the file")
	}
	other := media.NewLinks([]byte("another key, another key, anothe"))
	if other.ID(token, now) != "" {
		t.Error("another key's link leads to the file")
	}
	for _, id := range []string{"", "x", someID[1:], someID + "0", strings.ToUpper(someID), "../" + someID[3:]} {
		if got := links.Token(id, now); got != "" {
			t.Errorf("Token(%q) = %q", id, got)
		}
	}
}

// TestForgedLinks changes each character of a token, and cuts it.
func TestForgedLinks(t *testing.T) {
	links := media.NewLinks([]byte("0123456789abcdef0123456789abcdef"))
	now := time.Now()
	token := links.Token(someID, now.Add(time.Hour))
	for i := range token {
		for _, c := range []byte("AZaz09-_=.+/ \x00") {
			if c != token[i] && links.ID(token[:i]+string(rune(c))+token[i+1:], now) != "" {
				t.Fatalf("character %d changed to %q leads somewhere", i, c)
			}
		}
		if links.ID(token[:i], now) != "" || links.ID(token[i:]+token, now) != "" {
			t.Fatalf("cut at %d it leads somewhere", i)
		}
	}
}

func FuzzLinkID(f *testing.F) {
	links := media.NewLinks([]byte("0123456789abcdef0123456789abcdef"))
	now := time.Unix(1_800_000_000, 0)
	f.Add(links.Token(someID, now.Add(time.Hour)))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		id := links.ID(token, now)
		if id != "" && links.Token(id, now.Add(time.Hour)) != token {
			t.Errorf("%q leads to %q", token, id)
		}
	})
}
