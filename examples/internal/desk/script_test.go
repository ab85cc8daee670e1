package desk_test

import (
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/internal/desk"
)

var commands = desk.Commands[string]{
	Names: []string{"hold", "push", "close"},
	Read:  func(name, arg string) (string, string, error) { return name, arg, nil },
}

func TestReadScriptErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"hello", `s.txt:1: no "=>"; write words => answer`},
		{"\n, => a", "s.txt:2: an empty word; write * to match everything"},
		{"a =>", "s.txt:1: an empty act"},
		{"a => !dance", "s.txt:1: unknown act !dance; want hold, push or close"},
	} {
		_, err := desk.ReadScript(strings.NewReader(tt.text), "s.txt", commands)
		if err == nil || err.Error() != tt.want {
			t.Errorf("ReadScript(%q) = %v, want %s", tt.text, err, tt.want)
		}
	}
}

func FuzzReadScript(f *testing.F) {
	f.Add("# a comment\n\nhello, hi => Hello {name}. => !push https://example.com/a\n* => You wrote: {text}")
	f.Add("a => !push")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := desk.ReadScript(strings.NewReader(text), "s.txt", commands)
		if err == nil {
			for _, r := range rules {
				if len(r.Match) == 0 || len(r.Acts) == 0 {
					t.Errorf("rule %+v of %q does nothing", r, text)
				}
			}
			return
		}
		if !strings.HasPrefix(err.Error(), "s.txt:") {
			t.Errorf("error %v has no place", err)
		}
	})
}
