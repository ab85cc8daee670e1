package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

const maxDepth = 16 // of nested objects and lists in a request's body

// decode reads body, one JSON object, into v. It refuses what two readers
// could understand differently, or what a store cannot keep: invalid UTF-8,
// NUL, duplicate keys, deep nesting, trailing bytes. Unknown keys are ignored.
func decode(body []byte, v any) error {
	if !utf8.Valid(body) {
		return fmt.Errorf("body is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	first, err := dec.Token()
	if err != nil {
		return fmt.Errorf("body is not JSON")
	}
	if first != json.Delim('{') {
		return fmt.Errorf("body is not a JSON object")
	}
	if err := object(dec, 1); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("body has more than one JSON value")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("body: %s", mismatch(err))
	}
	return nil
}

// object reads the rest of an object whose brace has been read.
func object(dec *json.Decoder, depth int) error {
	seen := map[string]struct{}{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("body is not JSON")
		}
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("body is not JSON")
		}
		if strings.ContainsRune(name, 0) {
			return fmt.Errorf("body contains NUL")
		}
		// encoding/json matches names regardless of case, so they clash so.
		name = strings.ToLower(name)
		if _, twice := seen[name]; twice {
			return fmt.Errorf("body has a key twice")
		}
		seen[name] = struct{}{}
		if err := value(dec, depth); err != nil {
			return err
		}
	}
	return closing(dec)
}

func value(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return fmt.Errorf("body is not JSON")
	}
	switch t := t.(type) {
	case string:
		if strings.ContainsRune(t, 0) {
			return fmt.Errorf("body contains NUL")
		}
	case json.Delim:
		if depth == maxDepth {
			return fmt.Errorf("body is nested deeper than %d", maxDepth)
		}
		if t == '{' {
			return object(dec, depth+1)
		}
		for dec.More() {
			if err := value(dec, depth+1); err != nil {
				return err
			}
		}
		return closing(dec)
	}
	return nil
}

func closing(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("body is not JSON")
	}
	return nil
}

// mismatch says what is wrong with a value, and nothing of its content.
func mismatch(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return fmt.Sprintf("%s: got %s, want %s", e.Field, strings.Fields(e.Value)[0], jsonType(e.Type.Kind()))
	}
	return "not of the expected form"
}

// jsonType is what a client calls a kind of value.
func jsonType(k reflect.Kind) string {
	switch k {
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "object"
	case reflect.Bool, reflect.String:
		return k.String()
	}
	return "number"
}

// threadID names a thread of a client that has several, as {"id":"7"} or "7". It is
// the client's own: rules read it as payload["thread"].
type threadID string

// UnmarshalJSON implements json.Unmarshaler.
func (t *threadID) UnmarshalJSON(b []byte) error {
	var id flexible
	if err := json.Unmarshal(b, &id); err != nil {
		var in struct {
			ID flexible `json:"id"`
		}
		if err := json.Unmarshal(b, &in); err != nil {
			return err
		}
		id = in.ID
	}
	*t = threadID(id)
	return nil
}

// flexible is a value that clients write as a number or as a string.
type flexible string

// UnmarshalJSON implements json.Unmarshaler.
func (f *flexible) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, &n); err == nil {
		*f = flexible(n)
		return nil
	}
	return json.Unmarshal(b, (*string)(f))
}
