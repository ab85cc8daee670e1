package rules_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func description(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rulesDir, "README.md"))
	do(t, err)
	return string(text)
}

// examples are those of the language's description.
func examples(t *testing.T) (list []string) {
	t.Helper()
	for _, b := range strings.Split(description(t), "```yaml\n")[1:] {
		example, _, _ := strings.Cut(b, "```")
		list = append(list, example)
	}
	return list
}

// Each example is loaded and nothing is wrong with it, not even a warning.
func TestExamplesLoad(t *testing.T) {
	loaded := 0
	for _, example := range examples(t) {
		dir(t, map[string]string{"a.yaml": example})
		set, problems := rules.Load("rules.d", able())
		for _, p := range problems {
			if !isOfFlows(p) {
				t.Errorf("%s\n%s", p, example)
			}
		}
		if set != nil {
			loaded++
			if w := set.Warnings(); len(w) > 0 {
				t.Errorf("%s\n%s", w.Error(), example)
			}
		}
	}
	if loaded < 15 {
		t.Errorf("only %d examples are loaded", loaded)
	}
}

// isOfFlows reports the part of the language that is described and does not exist
// yet.
func isOfFlows(p *diag.Problem) bool {
	return p.Summary == `the key "flows" is not supported yet` || p.Summary == `the action "flow" is not supported yet`
}

// Each key has a heading, and each key of the schema an example.
func TestDescriptionIsWhole(t *testing.T) {
	headings := map[string]bool{}
	for line := range strings.Lines(description(t)) {
		if keys, ok := strings.CutPrefix(line, "### "); ok {
			for key := range strings.SplitSeq(strings.TrimSpace(keys), ", ") {
				headings[key] = true
			}
		}
	}
	for _, key := range slices.Concat(rules.FileKeys, rules.RuleKeys, rules.ActionNames) {
		if !headings[key] {
			t.Errorf("there is no heading ### %s", key)
		}
	}
	shown := map[string]bool{}
	for _, example := range examples(t) {
		var doc any
		do(t, yaml.Unmarshal([]byte(example), &doc))
		keysOf(doc, shown)
	}
	var whole any
	do(t, json.Unmarshal(rules.Schema(), &whole))
	known := map[string]bool{}
	propertiesOf(whole, known)
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if !shown[key] {
			t.Errorf("there is no example of %s", key)
		}
	}
}

// keysOf collects the keys of all mappings in v.
func keysOf(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			into[k] = true
			keysOf(e, into)
		}
	case []any:
		for _, e := range v {
			keysOf(e, into)
		}
	}
}

// propertiesOf collects the names of all properties in a schema.
func propertiesOf(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if names, ok := e.(map[string]any); ok && k == "properties" {
				for name := range names {
					into[name] = true
				}
			}
			propertiesOf(e, into)
		}
	case []any:
		for _, e := range v {
			propertiesOf(e, into)
		}
	}
}

// Each row of the table of operators is true and false for what it says.
func TestOperators(t *testing.T) {
	_, table, ok := strings.Cut(description(t), "| condition | expression | true for | false for |\n|---|---|---|---|\n")
	if !ok {
		t.Fatal("there is no table of operators")
	}
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) < 2 {
			break
		}
		rows++
		if len(cells) != 4 {
			t.Fatalf("%d cells: %s", len(cells), line)
		}
		when := strings.Trim(strings.TrimSpace(cells[1]), "`")
		set := load(t, oneRule("customer_message", "when: '"+when+"'", "do: [{tag: x}]"))
		for i, want := range []string{"matched", "not matched"} {
			text := strings.TrimSpace(cells[2+i])
			if got := outcome(t, set, event("customer_message", &pluginv1.Event{Text: text})); got != want {
				t.Errorf("%s with %q: %s, want %s", when, text, got, want)
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d rows", rows)
	}
}

// The table of events is that of the loader.
func TestTableOfEvents(t *testing.T) {
	text := description(t)
	for _, name := range rules.EventNames {
		if !strings.Contains(text, "| "+name) && !strings.Contains(text, ", "+name) {
			t.Errorf("there is no row of %s", name)
		}
	}
}
