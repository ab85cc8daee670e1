package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/openccsp/gateway/core/config"
)

var (
	fenced   = regexp.MustCompile("(?s)```hcl\n(.*?)```")
	variable = regexp.MustCompile(`env\("([A-Z_]+)"\)`)
)

// TestReadmeExamples: what the READMEs show can be copied into gateway.hcl.
func TestReadmeExamples(t *testing.T) {
	seen := 0
	for _, pattern := range []string{"../../plugins/*/README.md", "../../plugins/*/twilio.md", "../../plugins/*/sip.md", "../../examples/*/README.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range fenced.FindAllSubmatch(text, -1) {
				seen++
				for _, v := range variable.FindAllSubmatch(m[1], -1) {
					t.Setenv(string(v[1]), "0123456789abcdef")
				}
				if _, ps := config.Parse(m[1], "gateway.hcl"); len(ps) > 0 {
					t.Errorf("%s: %v", file, ps)
				}
			}
		}
	}
	if seen < 4 {
		t.Errorf("%d examples seen, want 4 or more", seen)
	}
}

// TestOperatorsPages: who does the steps of a page one after the other has a
// gateway.hcl that is right.
func TestOperatorsPages(t *testing.T) {
	files, err := filepath.Glob("../../plugins/*/connect.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var whole []byte
		for _, m := range fenced.FindAllSubmatch(text, -1) {
			whole = append(whole, m[1]...)
		}
		for _, v := range variable.FindAllSubmatch(whole, -1) {
			t.Setenv(string(v[1]), "0123456789abcdef")
		}
		if c, ps := config.Parse(whole, "gateway.hcl"); len(ps) > 0 || len(c.Services) == 0 {
			t.Errorf("%s: %v", file, ps)
		}
	}
}
