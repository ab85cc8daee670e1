package conform

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Setup is how an instance of the plugin is made for the test: the contents of
// a conform.json. Everything may be absent.
//
// In the texts of Settings, Secrets and Inbound, {{vendor}} becomes the URL of
// an HTTP server on loopback that takes everything and answers {}, and
// {{listen}} a free TCP address on loopback, the same for all processes of a
// case.
type Setup struct {
	Driver   string            `json:"driver"`   // of a plugin with several; "": the first
	Settings json.RawMessage   `json:"settings"` // absent: made of the schema's defaults and examples
	Secrets  map[string]string `json:"secrets"`
	Address  string            `json:"address"` // of a customer; "": 4179000001

	// Outcome is what a send has with these settings, such as "OK". "": any
	// outcome is right, as long as there is one.
	Outcome string `json:"outcome"`

	// BadSettings are refused, beside those that conform makes of the schema.
	BadSettings []json.RawMessage `json:"bad_settings"`

	// Inbound says how somebody outside makes the plugin emit events. Absent:
	// the cases that need events do not apply.
	Inbound *Inbound `json:"inbound"`
}

// Inbound provokes events over TCP: conform dials, writes First once and Each
// for every event, in which {{n}} counts. Raw HTTP requests are such text, too.
type Inbound struct {
	Dial  string `json:"dial"`
	First string `json:"first"`
	Each  string `json:"each"`
}

const defaultAddress = "4179000001"

func (s *Setup) chooseDriver(m *pluginv1.Manifest) (*pluginv1.Driver, error) {
	if len(m.GetDrivers()) == 0 {
		return nil, fmt.Errorf("the plugin offers no driver")
	}
	if s.Driver == "" {
		return m.Drivers[0], nil
	}
	for _, d := range m.Drivers {
		if d.Name == s.Driver {
			return d, nil
		}
	}
	return nil, fmt.Errorf("the plugin has no driver %q", s.Driver)
}

// schema is as much of a JSON Schema as conform reads itself.
type schema struct {
	Type       any               `json:"type"`
	Format     string            `json:"format"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Additional any               `json:"additionalProperties"`
	Default    any               `json:"default"`
	Const      any               `json:"const"`
	Enum       []any             `json:"enum"`
	Examples   []any             `json:"examples"`
	Secret     bool              `json:"x-secret"`
}

func schemaOf(d *pluginv1.Driver) schema {
	var s schema
	_ = json.Unmarshal([]byte(d.GetSettingsSchema()), &s) // describe/valid tells
	return s
}

// complete makes settings if there are none, and checks them as the gateway
// would.
func (s *Setup) complete(d *pluginv1.Driver) error {
	s.Address = cmp.Or(s.Address, defaultAddress)
	made := "the settings given"
	if len(s.Settings) == 0 {
		made = "the settings made of the schema's defaults and examples"
		if err := s.makeSettings(schemaOf(d)); err != nil {
			return err
		}
	}
	plain, secrets := s.fill(dummyPlaces)
	if problems := host.ValidateSettings(d, plain, secrets); len(problems) > 0 {
		return fmt.Errorf("%s do not match the driver's schema: %s %s; write a %s",
			made, problems[0].Pointer, problems[0].Message, setupFile)
	}
	return nil
}

// makeSettings gives what is required a value, and leaves the rest to the
// plugin's own defaults.
func (s *Setup) makeSettings(sch schema) error {
	settings := make(map[string]any)
	secrets := maps.Clone(s.Secrets)
	for _, name := range sch.Required {
		p := sch.Properties[name]
		if !p.Secret {
			settings[name] = p.example(name)
		} else if secrets[name] == "" {
			secrets = maps.Clone(secrets)
			if secrets == nil {
				secrets = make(map[string]string)
			}
			secrets[name] = fmt.Sprint(p.example(name))
		}
	}
	b, err := json.Marshal(settings)
	s.Settings, s.Secrets = b, secrets
	return err
}

func (p schema) example(name string) any {
	for _, v := range slices.Concat(p.Examples, []any{p.Default, p.Const}, p.Enum) {
		if v != nil {
			return v
		}
	}
	switch p.kind() {
	case "integer", "number":
		return 1
	case "boolean":
		return false
	case "array":
		return []any{}
	case "object":
		return map[string]any{}
	}
	if p.Format == "uri" || strings.Contains(strings.ToLower(name), "url") {
		return "{{vendor}}"
	}
	return "conform-" + name
}

// kind is the schema's type, or the first of several.
func (p schema) kind() string {
	if list, ok := p.Type.([]any); ok && len(list) > 0 {
		return fmt.Sprint(list[0])
	}
	s, _ := p.Type.(string)
	return s
}

// places are the values of placeholders.
type places struct{ vendor, listen string }

// dummyPlaces stand where only the form matters.
var dummyPlaces = places{vendor: "http://127.0.0.1:1", listen: "127.0.0.1:1"}

func (p places) in(text string) string {
	return strings.NewReplacer("{{vendor}}", p.vendor, "{{listen}}", p.listen).Replace(text)
}

// fill returns settings and secrets with the placeholders replaced. The values
// are URLs and addresses: they need no escapes in JSON.
func (s *Setup) fill(p places) ([]byte, map[string][]byte) {
	secrets := make(map[string][]byte, len(s.Secrets))
	for name, value := range s.Secrets {
		secrets[name] = []byte(p.in(value))
	}
	return []byte(p.in(string(s.Settings))), secrets
}

// wrong is a set of settings that must be refused.
type wrong struct {
	what     string
	settings []byte
	secrets  map[string][]byte
}

// garbage is what is no settings at all.
func garbage() []wrong {
	var all []wrong
	for _, raw := range []string{"[]", "null", "7", `"x"`, "{", "{} {}", "\xff\x00"} {
		all = append(all, wrong{what: fmt.Sprintf("settings %q", raw), settings: []byte(raw)})
	}
	return all
}

// violations makes settings that break the schema in one place each.
func (s *Setup) violations(d *pluginv1.Driver, p places) []wrong {
	sch := schemaOf(d)
	plain, secrets := s.fill(p)
	var tree map[string]any
	_ = json.Unmarshal(plain, &tree) // they are valid: see complete
	var all []wrong
	add := func(what string, change func(map[string]any, map[string][]byte)) {
		t, sec := maps.Clone(tree), maps.Clone(secrets)
		change(t, sec)
		b, err := json.Marshal(t)
		if err == nil && len(host.ValidateSettings(d, b, sec)) > 0 {
			all = append(all, wrong{what, b, sec})
		}
	}
	for _, name := range sch.Required {
		add(fmt.Sprintf("settings without %q", name), func(t map[string]any, sec map[string][]byte) {
			delete(t, name)
			delete(sec, name)
		})
	}
	for _, name := range slices.Sorted(maps.Keys(sch.Properties)) {
		if !sch.Properties[name].Secret {
			add(fmt.Sprintf("settings with %q of the wrong type", name), func(t map[string]any, _ map[string][]byte) {
				t[name] = otherType(sch.Properties[name].kind())
			})
		}
	}
	if sch.Additional == false {
		add("settings with an unknown name", func(t map[string]any, _ map[string][]byte) { t["surely_unknown"] = true })
	}
	for i, raw := range s.BadSettings {
		all = append(all, wrong{fmt.Sprintf("bad_settings[%d]", i), []byte(p.in(string(raw))), secrets})
	}
	return all
}

func otherType(kind string) any {
	if kind == "string" {
		return 7
	}
	return "x"
}
