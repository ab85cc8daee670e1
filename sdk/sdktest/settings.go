package sdktest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

func (s *suite) describe(t *testing.T) {
	g := start(t, s.Plugin, "conformance", s.Driver)
	m := g.manifest
	if !regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`).MatchString(m.PluginId) {
		t.Errorf("plugin id %q is not reverse DNS", m.PluginId)
	}
	if !regexp.MustCompile(`^\d+\.\d+\.\d+([-+].*)?$`).MatchString(m.Version) {
		t.Errorf("version %q is not semantic", m.Version)
	}
	if m.StateSchema < m.MinStateSchema || m.MinStateSchema < 1 {
		t.Errorf("state schema %d, oldest %d", m.StateSchema, m.MinStateSchema)
	}
	if m.SdkName == "" || m.SdkLanguage == "" {
		t.Error("the manifest names no SDK")
	}
	for i, d := range m.Drivers {
		if slices.ContainsFunc(m.Drivers[:i], func(e *pluginv1.Driver) bool { return e.Name == d.Name }) {
			t.Errorf("two drivers are called %q", d.Name)
		}
		if _, err := compileSchema(d); err != nil {
			t.Errorf("driver %s: %v", d.Name, err)
		}
		if d.Kind == pluginv1.DriverKind_CHANNEL && d.Capabilities.GetChannelType() == "" {
			t.Errorf("driver %s: Capabilities.ChannelType says what kind of channel it is", d.Name)
		}
	}
	sch, err := compileSchema(g.driver)
	if err != nil {
		return
	}
	if err := sch.Validate(asTree(t, s.Settings)); err != nil {
		t.Errorf("the settings that should work do not fit the schema: %v", err)
	}
}

func compileSchema(d *pluginv1.Driver) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(d.SettingsSchema))
	if err != nil {
		return nil, fmt.Errorf("settings schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("settings.json", doc); err != nil {
		return nil, fmt.Errorf("settings schema: %w", err)
	}
	return c.Compile("settings.json")
}

func asTree(t *testing.T, settings any) any {
	t.Helper()
	b, err := json.Marshal(settings)
	if err != nil {
		t.Fatalf("settings: %v", err)
	}
	tree, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatalf("settings: %v", err)
	}
	return tree
}

func (s *suite) settings(t *testing.T) {
	g := start(t, s.Plugin, "conformance", s.Driver)
	refuse := func(what string, settings any) *pluginv1.InstanceState {
		t.Helper()
		if err := g.Validate(t.Context(), settings); err != nil && strings.Contains(err.Error(), "panicked") {
			t.Errorf("%s: %v", what, err)
		}
		state, err := g.open(t.Context(), settings)
		switch {
		case err != nil:
			t.Fatalf("%s: %v", what, err)
		case state.Ok:
			t.Errorf("%s were taken", what)
		case state.Message == "":
			t.Errorf("%s were refused without a word", what)
		case strings.Contains(state.Message, "panicked"):
			t.Errorf("%s: %s", what, state.Message)
		}
		return state
	}
	for i, bad := range s.BadSettings {
		refuse(fmt.Sprintf("bad settings %d", i), bad)
	}
	for _, raw := range []string{"[]", "null", "7", `"x"`, "{", "{} {}", "\xff"} {
		refuse(fmt.Sprintf("settings %q", raw), []byte(raw))
	}
	tree, ok := asTree(t, s.Settings).(map[string]any)
	if !ok {
		t.Fatal("the settings that should work are no JSON object")
	}
	tree["surely_unknown"] = true
	state := refuse("settings with an unknown name", tree)
	if len(state.Problems) == 0 || state.Problems[0].Pointer != "/surely_unknown" {
		t.Errorf("problems = %v, want one at /surely_unknown", state.Problems)
	}
	if state, err := g.open(t.Context(), s.Settings); err != nil || !state.Ok {
		t.Errorf("settings that should work: %v %v", state, err)
	}
}

// secrets looks for the values of secrets in what the driver logs.
func (s *suite) secrets(t *testing.T) {
	g := s.start(t)
	ask(t, g, s.message(g, 0, "m1", "a text that is nobody's business"))
	_, secrets, err := g.split(s.Settings)
	if err != nil {
		t.Fatal(err)
	}
	g.Stop()
	for name, value := range secrets {
		if len(value) >= 6 && g.logs.contains(string(value)) {
			t.Errorf("the log has the value of %q", name)
		}
	}
	if g.logs.contains("nobody's business") {
		t.Error("the log has the text of a message")
	}
}
