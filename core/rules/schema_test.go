package rules_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/openccsp/gateway/core/rules"
)

const rulesDir = "../../rules.d"

func TestSchemaIsCommitted(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(rulesDir, "schema.json"))
	do(t, err)
	if !bytes.Equal(b, rules.Schema()) {
		t.Error("rules.d/schema.json is not what is printed; write it anew: go run . rules schema > rules.d/schema.json")
	}
}

// properties are the keys that the schema knows at a place.
func properties(t *testing.T, path ...string) []string {
	t.Helper()
	var at any
	do(t, json.Unmarshal(rules.Schema(), &at))
	for _, key := range append(path, "properties") {
		at = at.(map[string]any)[key]
	}
	return slices.Sorted(maps.Keys(at.(map[string]any)))
}

// TestSchemaHasTheKeysOfTheLoader keeps the schema and what is loaded equal.
func TestSchemaHasTheKeysOfTheLoader(t *testing.T) {
	tests := []struct {
		what   string
		loader []string
		schema []string
	}{
		{"a file", rules.FileKeys, properties(t)},
		{"a rule", rules.RuleKeys, properties(t, "$defs", "rule")},
		{"an action", rules.ActionNames, properties(t, "$defs", "action")},
		{"a flow", rules.FlowKeys, properties(t, "$defs", "flow")},
	}
	for _, tt := range tests {
		if d := cmp.Diff(slices.Sorted(slices.Values(tt.loader)), tt.schema); d != "" {
			t.Errorf("keys of %s: -loader +schema:\n%s", tt.what, d)
		}
	}
}

// TestSchemaHasTheStepsOfTheLoader keeps the kinds of steps, and what goes with
// each, equal.
func TestSchemaHasTheStepsOfTheLoader(t *testing.T) {
	var whole struct {
		Defs struct {
			Step struct {
				AnyOf []struct{ Properties map[string]any }
			}
		} `json:"$defs"`
	}
	do(t, json.Unmarshal(rules.Schema(), &whole))
	got := map[string][]string{}
	for _, kind := range whole.Defs.Step.AnyOf {
		keys := slices.Sorted(maps.Keys(kind.Properties))
		beside := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return slices.Contains(rules.StepNames, key) })
		for _, key := range keys {
			if slices.Contains(rules.StepNames, key) {
				got[key] = beside
			}
		}
	}
	want := map[string][]string{}
	for _, name := range rules.StepNames {
		want[name] = append([]string{}, slices.Sorted(slices.Values(rules.StepKeys[name]))...)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("steps: -loader +schema:\n%s", d)
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(rules.Schema()))
	do(t, err)
	c := jsonschema.NewCompiler()
	do(t, c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	do(t, err)
	return s
}

// valid checks a rule file against the schema, as an editor does.
func valid(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if doc == nil {
		return nil // an empty file
	}
	b, err := json.Marshal(doc)
	do(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	do(t, err)
	return s.Validate(v)
}

// All examples, and all files of rules.d, are good by the schema.
func TestExamplesFitTheSchema(t *testing.T) {
	s := compileSchema(t)
	texts := examples(t)
	files, err := filepath.Glob(filepath.Join(rulesDir, "*.yaml"))
	do(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		do(t, err)
		if !strings.HasPrefix(string(b), "# yaml-language-server: $schema=schema.json\n") {
			t.Errorf("%s does not name its schema in the first line", f)
		}
		texts = append(texts, string(b))
	}
	for _, text := range texts {
		if err := valid(t, s, text); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// What the loader refuses for its form the schema refuses, too.
func TestSchemaRefuses(t *testing.T) {
	s := compileSchema(t)
	for _, text := range []string{
		"ruls: []\n",
		"rules: {}\n",
		"- a\n",
		"rules: [{ name: a, on: chat_idle }]\n",
		"rules: [{ on: chat_idle, do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [] }]\n",
		"rules: [{ name: a, on: chat_idel, do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: [chat_idle, chat_idle], do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, wen: x, do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, active: 'no', do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, when: [x], do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ tga: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ tag: x, send: y }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ send: { txt: x } }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ forward: cccp }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ notify: {} }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ set: {} }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ set: { customer.naem: x } }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ set: { customer.address: x } }] }]\n",
		"rules: [{ name: a, on: chat_idle, do: [{ close: { why: x } }] }]\n",
		"rules: [{ name: a, on: chat_idle, after: soon, do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, mode: test, do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, mode: canary, canary: half, do: [{ tag: x }] }]\n",
		"rules: [{ name: a, on: chat_idle, throttle: often, do: [{ tag: x }] }]\n",
		"let: [a]\n",
		"let: { a: [b] }\n",
		"events: { a: { b: date } }\n",
		"attributes: { chat: { a: bool } }\n",
		"texts: { a: Hello }\n",
		"flows: [{ name: a, steps: [{ sand: x }] }]\n",
		"flows: [{ name: a, steps: [{ ask: x, retries: many }] }]\n",
		"flows: [{ name: a, steps: [] }]\n",
		"flows: [{ name: a, steps: [stop] }]\n",
		"flows: [{ name: a, params: { A: string }, steps: [{ tag: x }] }]\n",
		"flows: [{ name: a, ends_on: chat_idel, steps: [{ tag: x }] }]\n",
		"flows: [{ name: a, ends_on: [customer_message], steps: [{ tag: x }] }]\n",
		"flows: [{ name: a, steps: [{ tag: x, send: y }] }]\n",
		"flows: [{ name: a, steps: [{ ask: x, then: [end] }] }]\n",
		"flows: [{ name: a, steps: [{ ask: { text: x, channel: webshop } }] }]\n",
		"flows: [{ name: a, steps: [{ ask: x, as: My Score }] }]\n",
		"flows: [{ name: a, steps: [{ ask: x, within: 10 }] }]\n",
		"flows: [{ name: a, steps: [{ when: true }] }]\n",
		"flows: [{ name: a, steps: [{ wait: soon }] }]\n",
		"flows: [{ name: a, steps: [{ end: now }] }]\n",
		"tests: [{ name: a, events: [], expects: [] }]\n",
		"tests: [{ name: a, events: [{ at: noon }], expect: [] }]\n",
	} {
		if valid(t, s, text) == nil {
			t.Errorf("this is good by the schema:\n%s", text)
		}
		dir(t, map[string]string{"a.yaml": text})
		if _, problems := rules.Load("rules.d", able()); problems == nil {
			t.Errorf("the loader takes this:\n%s", text)
		}
	}
}
