package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// settingsType knows the struct of a driver's settings.
type settingsType struct {
	typ    reflect.Type
	schema *jsonschema.Schema
	json   []byte // the schema
	err    error  // the author's mistake
}

func newSettingsType[S any]() settingsType {
	st := settingsType{typ: reflect.TypeFor[S]()}
	if st.typ.Kind() != reflect.Struct {
		st.err = fmt.Errorf("%v is not a struct", st.typ)
		return st
	}
	r := jsonschema.Reflector{
		Anonymous:                  true,
		ExpandedStruct:             true,
		DoNotReference:             true,
		RequiredFromJSONSchemaTags: true,
	}
	st.schema = r.ReflectFromType(st.typ)
	if st.json, st.err = json.Marshal(st.schema); st.err == nil {
		st.err = checkSecrets(st.schema, "")
	}
	return st
}

func secret(s *jsonschema.Schema) bool { return s.Extras["x-secret"] == true }

// checkSecrets refuses secrets where the gateway would not find them.
func checkSecrets(s *jsonschema.Schema, path string) error {
	if s.Items != nil {
		if err := checkSecrets(s.Items, path+"/*"); err != nil {
			return err
		}
	}
	if s.Properties == nil {
		return nil
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		at := path + "/" + p.Key
		if secret(p.Value) && (path != "" || p.Value.Type != "string") {
			return fmt.Errorf("%s: a secret is a string at the top of the settings", at)
		}
		if err := checkSecrets(p.Value, at); err != nil {
			return err
		}
	}
	return nil
}

// checked says whether there is more to look at than the schema.
func (st *settingsType) checked() bool {
	p := reflect.PointerTo(st.typ)
	return p.Implements(reflect.TypeFor[Checker]()) || p.Implements(reflect.TypeFor[Validator]())
}

// check finds what is wrong with decoded settings, each at its place. v points to them.
func (st *settingsType) check(v any) (ps []*pluginv1.Problem) {
	c, ok := v.(Checker)
	if !ok {
		return nil
	}
	if err := c.Check(); err != nil {
		for line := range strings.Lines(err.Error()) {
			line = clip(strings.TrimSpace(line), maxDetail)
			ps = append(ps, &pluginv1.Problem{Pointer: st.place(line), Message: line})
		}
	}
	return ps
}

var settingName = regexp.MustCompile(`^[.: ]*([A-Za-z0-9_]+)`)

// place is the pointer to the setting whose name a text begins with, "" if there is
// none.
func (st *settingsType) place(text string) (at string) {
	for s := st.schema; s.Properties != nil; {
		m := settingName.FindStringSubmatch(text)
		if m == nil {
			break
		}
		p, known := s.Properties.Get(m[1])
		if !known {
			break
		}
		at, s, text = pointer(at, m[1]), p, text[len(m[0]):]
	}
	return at
}

// validate makes the live check of decoded settings, if they have one.
func (st *settingsType) validate(ctx context.Context, settings any) error {
	p := reflect.New(st.typ)
	p.Elem().Set(reflect.ValueOf(settings))
	if v, ok := p.Interface().(Validator); ok {
		return v.Validate(ctx)
	}
	return nil
}

// decode makes a value of the settings' type. Unknown settings are problems,
// secrets are merged in, absent ones get the defaults of their schema; then the
// settings are asked themselves.
func (st *settingsType) decode(settings []byte, secrets map[string][]byte) (any, []*pluginv1.Problem) {
	tree, problem := parseSettings(settings)
	if problem != nil {
		return nil, []*pluginv1.Problem{problem}
	}
	for name, value := range secrets {
		tree[name] = string(value)
	}
	if ps := fit(tree, st.schema, st.typ, ""); len(ps) > 0 {
		return nil, ps
	}
	whole, err := json.Marshal(tree)
	if err != nil {
		return nil, []*pluginv1.Problem{{Message: "settings cannot be read"}}
	}
	v := reflect.New(st.typ)
	if err := json.Unmarshal(whole, v.Interface()); err != nil {
		return nil, []*pluginv1.Problem{decodeProblem(err)}
	}
	if ps := st.check(v.Interface()); len(ps) > 0 {
		return nil, ps
	}
	return v.Elem().Interface(), nil
}

func parseSettings(settings []byte) (map[string]any, *pluginv1.Problem) {
	if len(bytes.TrimSpace(settings)) == 0 {
		return map[string]any{}, nil
	}
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(settings))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, &pluginv1.Problem{Message: "settings are not a JSON object"}
	}
	if _, err := d.Token(); err == nil || tree == nil {
		return nil, &pluginv1.Problem{Message: "settings are not one JSON object"}
	}
	return tree, nil
}

// fit compares a tree with its schema: names, what is required, defaults. The
// gateway has checked the rest against the schema already.
func fit(tree any, s *jsonschema.Schema, t reflect.Type, at string) (ps []*pluginv1.Problem) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := tree.(type) {
	case []any:
		if s.Items == nil || t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return nil
		}
		for i, e := range v {
			ps = append(ps, fit(e, s.Items, t.Elem(), at+"/"+strconv.Itoa(i))...)
		}
	case map[string]any:
		if s.Properties == nil || t.Kind() != reflect.Struct {
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if p, known := s.Properties.Get(name); known {
				ps = append(ps, fit(v[name], p, fieldType(t, name), pointer(at, name))...)
				continue
			}
			ps = append(ps, &pluginv1.Problem{Pointer: pointer(at, name), Message: unknownSetting(name, s)})
		}
		ps = append(ps, complete(v, s, t, at)...)
	}
	return ps
}

// complete adds the defaults of what is absent in v, also in blocks that are
// absent, unless the driver can tell by a nil pointer that they are.
func complete(v map[string]any, s *jsonschema.Schema, t reflect.Type, at string) (ps []*pluginv1.Problem) {
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		if _, set := v[p.Key]; set {
			continue
		}
		ft := fieldType(t, p.Key)
		switch {
		case p.Value.Default != nil:
			v[p.Key] = p.Value.Default
		case slices.Contains(s.Required, p.Key):
			ps = append(ps, &pluginv1.Problem{Pointer: pointer(at, p.Key),
				Message: fmt.Sprintf("setting %q is missing", p.Key)})
		case p.Value.Properties != nil && ft.Kind() == reflect.Struct:
			block := map[string]any{}
			if len(fit(block, p.Value, ft, "")) == 0 && len(block) > 0 {
				v[p.Key] = block
			}
		}
	}
	return ps
}

// fieldType returns the type of the field with that name in JSON. A type that
// makes its own schema may have none: then it stands for anything.
func fieldType(t reflect.Type, name string) reflect.Type {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && (tag == name || tag == "" && f.Name == name) {
			return f.Type
		}
	}
	return reflect.TypeFor[any]()
}

func pointer(at, name string) string {
	return at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func unknownSetting(name string, s *jsonschema.Schema) string {
	var names []string
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		names = append(names, p.Key)
	}
	if len(names) == 0 {
		return fmt.Sprintf("unknown setting %q; there are none here", name)
	}
	return fmt.Sprintf("unknown setting %q; known are %s", name, strings.Join(names, ", "))
}

// decodeProblem says what is wrong and never the value, which may be a secret.
func decodeProblem(err error) *pluginv1.Problem {
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		found, _, _ := strings.Cut(te.Value, " ")
		return &pluginv1.Problem{
			Pointer: "/" + strings.ReplaceAll(te.Field, ".", "/"),
			Message: fmt.Sprintf("setting %q is a %s; want %s", te.Field, found, te.Type),
		}
	}
	return &pluginv1.Problem{Message: "settings cannot be read: " + err.Error()}
}
