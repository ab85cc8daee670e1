package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // "": an error
		repaired bool
	}{
		{"strict", `{"a":"b","c":[1,-2.5e3,true,false,null]}`, `{"a":"b","c":[1,-2.5e3,true,false,null]}`, false},
		{"strict keeps typographic quotes in texts", `{"a":"“b” // c"}`, `{"a":"“b” // c"}`, false},
		{"repaired keeps them, too", `{"a":"“b” // c",}`, `{"a":"“b” // c"}`, true},
		{"typographic quotes", `{“a”: “b”}`, `{"a":"b"}`, true},
		{"German ones", `{„a“: „b”}`, `{"a":"b"}`, true},
		{"both kinds", `{“a”: "b", "c": “d”}`, `{"a":"b","c":"d"}`, true},
		{"straight ones inside typographic ones", `{“a”: “say "b"”}`, `{"a":"say \"b\""}`, true},
		{"escapes", `{“a”: “\"\\\n\u00e9 \” c”}`, `{"a":"\"\\\n\u00e9 ” c"}`, true},
		{"line comment", "{\"a\": \"15\" //in minutes\n}", `{"a":"15"}`, true},
		{"comment at the end", `{"a":1} // b`, `{"a":1}`, true},
		{"block comment", `/* b */ {"a": /* c " */ 1}`, `{"a":1}`, true},
		{"no comment in a text", `{"a": "http://b", }`, `{"a":"http://b"}`, true},
		{"missing comma", "{\"a\": \"b\"\n \"c\": 1 \"d\": {} \"e\": []}", `{"a":"b","c":1,"d":{},"e":[]}`, true},
		{"trailing commas", `{"a":[1,2,],"b":{"c":1,},}`, `{"a":[1,2],"b":{"c":1}}`, true},
		{"byte order mark", "\uFEFF{\"a\":1}", `{"a":1}`, true},
		{"blanks that do not break", "{\u00A0\"a\":\u00A01}", `{"a":1}`, true},
		{"lines in a text", "{\"a\":\"b\nc\td\"}", `{"a":"b\u000ac\u0009d"}`, true},
		{"no UTF-8", "{\"a\":\"\xff\"}", `{"a":"` + "\uFFFD" + `"}`, false},
		{"depth 16", strings.Repeat("[", 16) + strings.Repeat("]", 16), strings.Repeat("[", 16) + strings.Repeat("]", 16), false},

		{"nothing", ``, "", true},
		{"blank", ` `, "", true},
		{"half", `{"a":"b`, "", true},
		{"half a key", `{"a`, "", true},
		{"half an object", `{"a":1`, "", true},
		{"half a list", `[1`, "", true},
		{"half a comment", `{"a":1 /* `, "", true},
		{"kinds mixed", `{“a":1}`, "", true},
		{"typographic ones in typographic ones", `{“a”: “he said “b””}`, "", true},
		{"key twice", `{"a":1,"a":2}`, "", false},
		{"key twice, escaped", `{"a":1,"\u0061":2}`, "", false},
		{"key twice, repaired", `{"a":1 “a”:2}`, "", true},
		{"too deep", strings.Repeat("[", 17) + strings.Repeat("]", 17), "", false},
		{"far too deep", strings.Repeat("{\"a\":", 100_000), "", true},
		{"list without comma", `[1 2]`, "", true},
		{"comma first", `{,"a":1}`, "", true},
		{"two commas", `{"a":1,,"b":2}`, "", true},
		{"no colon", `{"a" 1}`, "", true},
		{"no value", `{"a":}`, "", true},
		{"bare word", `{"a":b}`, "", true},
		{"bare key", `{a:1}`, "", true},
		{"wrong number", `{"a":01}`, "", true},
		{"wrong escape", `{"a":"\x"}`, "", true},
		{"two values", `{"a":1} {"b":2}`, "", true},
		{"web page", `<!DOCTYPE html><html></html>`, "", true},
		{"form", `a=b&c=d`, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, repaired, err := parse([]byte(tt.in))
			if tt.want == "" {
				if err == nil {
					t.Fatalf("%.80s became %.80s, want an error", tt.in, got)
				}
				if strings.Contains(err.Error(), "said") {
					t.Errorf("%v shows the text", err)
				}
				return
			}
			if err != nil || string(got) != tt.want || repaired != tt.repaired {
				t.Errorf("%s, repaired %t, %v; want %s, %t", got, repaired, err, tt.want, tt.repaired)
			}
		})
	}
}

// FuzzParse: no panic; what comes out is JSON, as deep as is allowed, and stays
// the same; strict JSON keeps its meaning.
func FuzzParse(f *testing.F) {
	for _, name := range samples {
		f.Add(sample(f, name))
	}
	for _, s := range []string{`{"a":"b"}`, `{“a”: “b” //c` + "\n}", `[1,2,]`, `{"a":1 "b":2}`, `"\ud800"`, "", "{", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, repaired, err := parse(body)
		if err != nil {
			return
		}
		if !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("%q became %q", body, got)
		}
		if again, more, err := parse(got); err != nil || more || !bytes.Equal(again, got) {
			t.Errorf("%q became %q, %t, %v", got, again, more, err)
		}
		if repaired == json.Valid(body) {
			t.Errorf("%q: repaired %t", body, repaired)
		}
		// The repairer reads strict JSON as encoding/json does.
		r := repairer{in: got}
		var a, b any
		if err := r.document(); err != nil || json.Unmarshal(r.out.Bytes(), &a) != nil || json.Unmarshal(got, &b) != nil {
			return // numbers out of range
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%q was copied as %q", got, r.out.Bytes())
		}
	})
}
