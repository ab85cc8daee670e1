package rules_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/openccsp/gateway/core/rules"
)

var fencedYAML = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestOperatorsPages: the rules that the plugins' pages show can be saved as
// they are, without a warning.
func TestOperatorsPages(t *testing.T) {
	pages, err := filepath.Glob("../../plugins/*/connect.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		examples := fencedYAML.FindAllSubmatch(text, -1)
		if len(examples) == 0 {
			t.Errorf("%s shows no rules", page)
		}
		for _, m := range examples {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "a.yaml"), m[1], 0o600); err != nil {
				t.Fatal(err)
			}
			set, problems := rules.Load(folder, rules.World{
				Services: []string{"retail"}, Channels: map[string]rules.Channel{"webshop": {Type: "rtm", Service: "retail"}},
				Integrations: []string{"ChatEngineEnghouse", "ChatEngineIMIchat"}, Endpoints: []string{"crm"},
			})
			if len(problems) > 0 {
				t.Errorf("%s: %v", page, problems)
			} else if w := set.Warnings(); len(w) > 0 {
				t.Errorf("%s: %v", page, w)
			}
		}
	}
}
