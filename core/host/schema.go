package host

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxSchema is the longest settings schema of a driver, in bytes.
const maxSchema = 256 << 10

// Problem is a mistake in the settings of an instance. Pointer is the JSON
// pointer of what is wrong, "" for all of them. A Problem never holds a
// secret.
type Problem struct {
	Pointer, Message string
	Key              bool // the setting itself must not be there, whatever its value
}

// ValidateSettings checks settings, a JSON object or nothing, against the
// driver's schema. Secrets stand for the settings of their names; their values
// are checked and never shown. No problem: nil.
func ValidateSettings(driver *pluginv1.Driver, settings []byte, secrets map[string][]byte) []Problem {
	schema, err := compileSchema(driver)
	if err != nil {
		return []Problem{{Message: err.Error()}}
	}
	return checkSettings(schema, settings, secrets)
}

// compileSchema returns nil if the driver has no schema. A schema cannot name
// others: nothing is loaded from files or from the network.
func compileSchema(d *pluginv1.Driver) (*jsonschema.Schema, error) {
	if d.GetSettingsSchema() == "" {
		return nil, nil
	}
	if len(d.SettingsSchema) > maxSchema {
		return nil, fmt.Errorf("driver %s: settings schema is longer than %d bytes", d.Name, maxSchema)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(d.SettingsSchema))
	if err != nil {
		return nil, fmt.Errorf("driver %s: settings schema: %w", d.Name, err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{})
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat() // or "format" would only be a remark
	if err := c.AddResource("urn:settings", doc); err != nil {
		return nil, fmt.Errorf("driver %s: settings schema: %w", d.Name, err)
	}
	s, err := c.Compile("urn:settings")
	if err != nil {
		return nil, fmt.Errorf("driver %s: settings schema: %w", d.Name, err)
	}
	return s, nil
}

func checkSettings(s *jsonschema.Schema, settings []byte, secrets map[string][]byte) []Problem {
	value := map[string]any{}
	if len(bytes.TrimSpace(settings)) > 0 {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(settings))
		if err != nil {
			return []Problem{{Message: "settings are not JSON"}}
		}
		object, ok := doc.(map[string]any)
		if !ok {
			return []Problem{{Message: "settings are not a JSON object"}}
		}
		value = object
	}
	if s == nil {
		return nil
	}
	for name, secret := range secrets {
		value[name] = string(secret)
	}
	err := s.Validate(value)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return []Problem{{Message: "settings do not match the driver's schema"}}
	}
	var problems []Problem
	collect(s, invalid, secrets, &problems)
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Pointer, b.Pointer) })
	return slices.Compact(problems)
}

// collect adds the leaves of e: the others only repeat them.
func collect(s *jsonschema.Schema, e *jsonschema.ValidationError, secrets map[string][]byte, to *[]Problem) {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			collect(s, cause, secrets, to)
		}
		return
	}
	if k, ok := e.ErrorKind.(*kind.AdditionalProperties); ok {
		known := settingsAt(s, e.InstanceLocation)
		for _, name := range k.Properties {
			*to = append(*to, Problem{
				Pointer: pointer(append(slices.Clone(e.InstanceLocation), name)), Message: unknownSetting(name, known), Key: true,
			})
		}
		return
	}
	p := Problem{Pointer: pointer(e.InstanceLocation)}
	if len(e.InstanceLocation) > 0 && secrets[e.InstanceLocation[0]] != nil {
		p.Message = "this secret does not match the driver's schema"
	} else {
		p.Message = e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	}
	*to = append(*to, p)
}

// settingsAt returns the names that a schema knows at a place, none if it is
// not plain what they are.
func settingsAt(s *jsonschema.Schema, at []string) []string {
	for _, token := range at {
		if s.Properties == nil && s.Ref != nil {
			s = s.Ref
		}
		inner := s.Properties[token]
		if inner == nil {
			inner = s.Items2020
		}
		if inner == nil {
			return nil
		}
		s = inner
	}
	return slices.Sorted(maps.Keys(s.Properties))
}

func unknownSetting(name string, known []string) string {
	text := fmt.Sprintf("unknown setting %q", name)
	if hint := diag.DidYouMean(name, known); hint != "" {
		text += "; " + hint
	}
	return text
}

func pointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return b.String()
}
