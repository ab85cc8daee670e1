package config

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/openccsp/gateway/core/diag"
)

// Settings are what a driver is given: one JSON object. It may hold secrets,
// so it prints as little as a Secret does.
type Settings struct {
	Secret // the JSON object

	// Hidden are the keys whose value came from env or file, sorted. Inner
	// keys are joined with dots: "auth.password", "keys.0".
	Hidden []string

	at     diag.Pos            // of the block
	places map[string]diag.Pos // of the values by outer key
	keys   map[string]diag.Pos // of the outer keys
	leaves []string            // keys of all strings that are not hidden and not empty
}

// JSON returns the settings as a JSON object with its secrets in clear.
func (s Settings) JSON() []byte {
	if s.IsZero() {
		return []byte("{}")
	}
	return []byte(s.Reveal())
}

// Split returns the settings without their secrets, and the secrets by name:
// the outer strings that came from env or file, and those in declared, which
// the driver says are secret.
func (s Settings) Split(declared []string) (public []byte, secrets map[string][]byte) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(s.JSON(), &object); err != nil {
		panic(err) // settings wrote it
	}
	secrets = map[string][]byte{}
	for name, raw := range object {
		var value string
		if !slices.Contains(s.Hidden, name) && !slices.Contains(declared, name) || json.Unmarshal(raw, &value) != nil {
			continue
		}
		secrets[name] = []byte(value)
		delete(object, name)
	}
	public, err := json.Marshal(object)
	if err != nil {
		panic(err) // it is made of valid JSON
	}
	return public, secrets
}

// At returns the place of the value of key, or of the settings block if it is
// not there. An inner key may be written "auth.password" or, as a JSON pointer,
// "/auth/password"; its place is that of the outer one.
func (s Settings) At(key string) diag.Pos {
	outer := strings.TrimPrefix(key, "/")
	if i := strings.IndexAny(outer, "./"); i >= 0 {
		outer = outer[:i]
	}
	if pos, ok := s.places[outer]; ok {
		return pos
	}
	return s.at
}

// KeyAt is At for a key that should not be there: it returns its own place, if
// it is an outer one.
func (s Settings) KeyAt(key string) diag.Pos {
	if pos, ok := s.keys[strings.TrimPrefix(key, "/")]; ok {
		return pos
	}
	return s.At(key)
}

// LiteralSecrets returns a warning for each of keys, the secrets that a driver
// declares, whose value stands in gateway.hcl itself. Keys that look like
// secrets are in Config.Warnings already and not repeated.
func (s Settings) LiteralSecrets(keys []string) (ps diag.Problems) {
	for _, k := range keys {
		if slices.Contains(s.leaves, k) && !looksSecret(k) {
			ps = append(ps, newProblem(s.At(k), literalSecret, k))
		}
	}
	return ps
}

const literalSecret = `%s is a secret and stands here in clear; use env("NAME") or file("path")`

// secretWord finds keys that name a secret: app_secret, token, apiKey.
var secretWord = regexp.MustCompile(`(?i)(secret|password|passwd|passphrase|token|credential|(api|private|access|auth)_?key)$`)

func looksSecret(key string) bool {
	return secretWord.MatchString(key[strings.LastIndexByte(key, '.')+1:])
}

// settings reads the settings block, whose keys only the driver knows.
func (b *block) settings() Settings {
	s := Settings{at: b.pos, places: map[string]diag.Pos{}, keys: map[string]diag.Pos{}}
	blocks := b.content.Blocks.OfType("settings")
	if len(blocks) == 0 {
		return s
	}
	s.at = at(blocks[0].DefRange)
	for _, second := range blocks[1:] {
		b.r.problem(at(second.DefRange), "a second settings block; the first is at line %d", s.at.Line)
	}
	attrs, diags := blocks[0].Body.JustAttributes()
	b.r.report(diags)
	object := map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		expr := attrs[name].Expr
		s.places[name], s.keys[name] = at(expr.Range()), at(attrs[name].NameRange)
		v, diags := expr.Value(b.r.eval)
		b.r.report(diags)
		if diags.HasErrors() {
			continue
		}
		plain, marks := v.UnmarkDeepWithPaths()
		raw, err := ctyjson.Marshal(plain, plain.Type())
		if err != nil {
			b.r.problem(s.places[name], "%s cannot be written as JSON", name)
			continue
		}
		object[name] = raw
		s.classify(name, plain, marks)
	}
	slices.Sort(s.Hidden)
	for _, leaf := range s.leaves {
		if looksSecret(leaf) {
			b.r.warn(s.At(leaf), literalSecret, leaf)
		}
	}
	raw, err := json.Marshal(object)
	if err != nil {
		b.r.problem(s.at, "settings cannot be written as JSON")
		return s
	}
	s.Secret = NewSecret(string(raw))
	return s
}

// classify sorts the strings in v into hidden ones and leaves.
func (s *Settings) classify(name string, v cty.Value, marks []cty.PathValueMarks) {
	for _, m := range marks {
		s.Hidden = append(s.Hidden, dotted(name, m.Path))
	}
	_ = cty.Walk(v, func(p cty.Path, v cty.Value) (bool, error) { // the function returns no error
		key := dotted(name, p)
		if slices.Contains(s.Hidden, key) {
			return false, nil
		}
		if !v.IsNull() && v.Type() == cty.String && v.AsString() != "" {
			s.leaves = append(s.leaves, key)
		}
		return true, nil
	})
}

// dotted returns a path as a key: name, then its steps, joined with dots.
func dotted(name string, path cty.Path) string {
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			name += "." + step.Name
		case cty.IndexStep:
			if key, err := ctyjson.Marshal(step.Key, step.Key.Type()); err == nil {
				name += "." + strings.Trim(string(key), `"`)
			}
		}
	}
	return name
}

// NewSettings returns settings that were kept: a JSON object, and which of its
// keys are hidden. They have no place in a file.
func NewSettings(object json.RawMessage, hidden []string) Settings {
	return Settings{Secret: NewSecret(cmp.Or(string(object), "{}")), Hidden: hidden}
}
