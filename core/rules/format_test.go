package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/rules"
)

func TestFormat(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"spaces", "rules:\n- name:   a\n  on: [ x,y ]   # why\n", "rules:\n- name: a\n  on: [x, y] # why\n"},
		{"braces", "do: [{tag:  {}}, {  a: \"ä {b}\", c: [{d: 1}]}]\n", "do: [{ tag: {} }, { a: \"ä {b}\", c: [{ d: 1 }] }]\n"},
		{"blank lines", "\n\n# a\n\n\n\nrules: []\n\n\n", "# a\n\nrules: []\n"},
		{"block", "when: |\n   a\n     b\n# c\n", "when: |\n   a\n     b\n# c\n"},
		{"empty", "", ""},
		{"only a comment", "# a\n", "# a\n"},
	}
	for _, tt := range tests {
		got, err := rules.Format("a.yaml", tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	for _, bad := range []string{"rules: [", "a:\n\tb: c\n", "\xff"} {
		if got, err := rules.Format("a.yaml", bad); err == nil || !strings.HasPrefix(err.Error(), "a.yaml:") {
			t.Errorf("%q: %q, %v; want a problem with a place", bad, got, err)
		}
	}
}

// The shipped rules are in their normal form.
func TestFormatShipped(t *testing.T) {
	files, err := filepath.Glob("../../rules.d/*.yaml")
	do(t, err)
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		do(t, err)
		if got, err := rules.Format(file, string(b)); err != nil || got != string(b) {
			t.Errorf("%s: %v\n%s", file, err, got)
		}
	}
}

// FuzzFormat: what is formatted is so for good, and compiles to the same or to the
// same problems.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{
		oneRule("customer_message", "when: |", "  true  ", "", "do: [{tag: a}, {send: \"x: # y\"}] # c"), "a: &x 1\nb: *x\n", "# c\n- 'a'\n", "a: >-\n  b\n\n  c\n# d\n",
		"rules:\n  # c\n  - name: a # d\n    on: chat_closed\n\n\n    do:\n    - tag: x\n    # e\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := rules.Format("a.yaml", text)
		if err != nil {
			return
		}
		again, err := rules.Format("a.yaml", out)
		if err != nil || again != out {
			t.Fatalf("%q became %q, then %q, %v", text, out, again, err)
		}
		compile := func(text string) int {
			_, ps := rules.Compile("d", []rules.Source{{Path: "a.yaml", Text: text}}, world)
			return len(ps)
		}
		if a, b := compile(text), compile(out); a != b {
			t.Errorf("%q has %d problems, as %q it has %d", text, a, out, b)
		}
	})
}
