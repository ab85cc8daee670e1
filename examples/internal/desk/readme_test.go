package desk_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestControls: what the README promises to those who drive the page is there.
func TestControls(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	readme := read("README.md")
	page := read("index.html.tmpl") + read("page/list.js") + read("page/lines.js") + read("page/compose.js")
	made := regexp.MustCompile(`^(chat|act|canned)-`) // while the page runs
	n := 0
	for _, m := range regexp.MustCompile("`([#[])([A-Za-z0-9-]+)\\]?`").FindAllStringSubmatch(readme, -1) {
		want := `data-testid="` + m[2] + `"`
		if m[1] == "#" {
			want = `id="` + m[2] + `"`
		} else if made.MatchString(m[2]) && m[2] != "canned-menu" {
			continue
		}
		n++
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if n < 40 {
		t.Errorf("%d controls were found in the README, want all of them", n)
	}
}
