package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type testSettings struct {
	URL   string            `json:"url" jsonschema:"required"`
	Token string            `json:"token" jsonschema:"required" jsonschema_extras:"x-secret=true"`
	Count int               `json:"count" jsonschema:"default=3"`
	Extra map[string]string `json:"extra"`
	Hosts []testHost        `json:"hosts"`
	Poll  struct {
		Every string `json:"every" jsonschema:"default=2s"`
	} `json:"poll"`
	TLS *testTLS `json:"tls"`
}

type testHost struct {
	Name string `json:"name" jsonschema:"required"`
	Port int    `json:"port" jsonschema:"default=80"`
}

type testTLS struct {
	Version string `json:"version" jsonschema:"default=1.3"`
}

func (s testSettings) Check() error {
	var errs [3]error
	if s.Count > 99 {
		errs[0] = errors.New("count: 99 are most")
	}
	if s.Poll.Every == "0s" {
		errs[1] = errors.New("poll.every \"0s\" is too often")
	}
	if s.Extra["a"] == "b" {
		errs[2] = errors.New("extra a is b, and hosts are many")
	}
	return errors.Join(errs[:]...)
}

func TestDecodeSettings(t *testing.T) {
	st := newSettingsType[testSettings]()
	if st.err != nil {
		t.Fatal(st.err)
	}
	got, problems := st.decode([]byte(`{"url":"u","hosts":[{"name":"a"},{"name":"b","port":1}],"extra":{"k":"v"}}`),
		map[string][]byte{"token": []byte("s\"3")})
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	want := testSettings{URL: "u", Token: `s"3`, Count: 3, Extra: map[string]string{"k": "v"},
		Hosts: []testHost{{"a", 80}, {"b", 1}}}
	want.Poll.Every = "2s"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSettingsProblems(t *testing.T) {
	st := newSettingsType[testSettings]()
	for _, test := range []struct{ settings, pointer, message string }{
		{`{"token":"t"}`, "/url", `setting "url" is missing`},
		{`{"url":"u"}`, "/token", `setting "token" is missing`},
		{`{"url":"u","token":"t","ulr":1}`, "/ulr", `unknown setting "ulr"; known are url, token,`},
		{`{"url":"u","token":"t","URL":"v"}`, "/URL", `unknown setting "URL"`},
		{`{"url":"u","token":"t","poll":{"evry":1}}`, "/poll/evry", `unknown setting "evry"`},
		{`{"url":"u","token":"t","hosts":[{}]}`, "/hosts/0/name", `setting "name" is missing`},
		{`{"url":"u","token":"t","count":"many"}`, "/count", `setting "count" is a string; want int`},
		{`{"url":{},"token":"t"}`, "/url", `setting "url" is a object; want string`},
		{`{"url":"u","token":"t","a/b~c":1}`, "/a~1b~0c", `unknown setting "a/b~c"`},
		{`{"url":"u","token":"t","count":100}`, "/count", "count: 99 are most"},
		{`{"url":"u","token":"t","poll":{"every":"0s"}}`, "/poll/every", `poll.every "0s" is too often`},
		{`{"url":"u","token":"t","extra":{"a":"b"}}`, "/extra", "extra a is b"},
		{`[]`, "", "settings are not a JSON object"},
		{`{} {}`, "", "settings are not one JSON object"},
		{`null`, "", "settings are not one JSON object"},
	} {
		_, problems := st.decode([]byte(test.settings), nil)
		if len(problems) == 0 {
			t.Errorf("%s was taken", test.settings)
			continue
		}
		p := problems[0]
		if p.Pointer != test.pointer || !strings.HasPrefix(p.Message, test.message) {
			t.Errorf("%s: %s %s, want %s %s", test.settings, p.Pointer, p.Message, test.pointer, test.message)
		}
	}
}

func TestChecksAreProblemsEach(t *testing.T) {
	st := newSettingsType[testSettings]()
	_, problems := st.decode([]byte(`{"url":"u","token":"t","count":100,"poll":{"every":"0s"}}`), nil)
	var at []string
	for _, p := range problems {
		at = append(at, p.Pointer)
	}
	if d := cmp.Diff([]string{"/count", "/poll/every"}, at); d != "" {
		t.Error(d)
	}
}

func TestSettingsSchema(t *testing.T) {
	st := newSettingsType[testSettings]()
	var schema struct {
		Schema     string `json:"$schema"`
		Properties map[string]struct {
			Type   string
			Secret any `json:"x-secret"`
		}
		Required             []string
		AdditionalProperties any
	}
	if err := json.Unmarshal(st.json, &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema = %q", schema.Schema)
	}
	if schema.Properties["token"].Secret != true || schema.Properties["url"].Secret != nil {
		t.Errorf("x-secret: %v", schema.Properties)
	}
	if d := cmp.Diff([]string{"url", "token"}, schema.Required); d != "" {
		t.Error(d)
	}
	if schema.AdditionalProperties != false {
		t.Errorf("additionalProperties = %v", schema.AdditionalProperties)
	}
}

func TestSettingsTypeMistakes(t *testing.T) {
	type nested struct {
		Block struct {
			Key string `json:"key" jsonschema_extras:"x-secret=true"`
		} `json:"block"`
	}
	type number struct {
		Pin int `json:"pin" jsonschema_extras:"x-secret=true"`
	}
	for name, err := range map[string]error{
		"nested secret": newSettingsType[nested]().err,
		"number secret": newSettingsType[number]().err,
		"no struct":     newSettingsType[string]().err,
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzDecodeSettings: never a panic, and a refusal has a message without the
// secret.
func FuzzDecodeSettings(f *testing.F) {
	f.Add([]byte(`{"url":"u","hosts":[{"name":"a"}]}`), []byte("t"))
	f.Add([]byte(`{"url":1,"tls":{},"poll":null}`), []byte("\xff"))
	f.Add([]byte(`{"url":"u","count":1e400,"extra":{"a":1}}`), []byte(""))
	st := newSettingsType[testSettings]()
	f.Fuzz(func(t *testing.T, settings, token []byte) {
		v, problems := st.decode(settings, map[string][]byte{"token": token})
		if len(problems) == 0 {
			if _, ok := v.(testSettings); !ok {
				t.Errorf("decode gave %T", v)
			}
			return
		}
		for _, p := range problems {
			if p.Message == "" {
				t.Error("a problem without a message")
			}
			if len(token) > 16 && !bytes.Contains(settings, token) && strings.Contains(p.Message, string(token)) {
				t.Errorf("the secret shows in %q", p.Message)
			}
		}
	})
}
