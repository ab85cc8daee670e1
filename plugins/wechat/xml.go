package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	maxDepth    = 8   // of elements in each other
	maxElements = 500 // of one document
)

// element is one element of what WeChat sends, without attributes.
type element struct {
	name     string
	text     string
	children []*element
}

// parseXML reads a whole document. Document types, and with them entities of their
// own, are refused; so is what is deep, or what has many elements.
func parseXML(body []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	top := &element{}
	path := []*element{top}
	count := 0
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.New("it is not XML in UTF-8")
		}
		in := path[len(path)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if count++; count > maxElements || len(path) > maxDepth {
				return nil, errors.New("it has too many elements, or too deep ones")
			}
			e := &element{name: t.Name.Local}
			in.children = append(in.children, e)
			path = append(path, e)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			in.text += string(t)
		case xml.Directive:
			return nil, errors.New("it has a document type")
		}
	}
	if len(top.children) != 1 || top.children[0].name != "xml" || strings.TrimSpace(top.text) != "" {
		return nil, errors.New("it is not one element xml")
	}
	return top.children[0], top.children[0].unique()
}

// unique refuses a field that is there twice: nobody knows which one counts.
func (e *element) unique() error {
	known := make(map[string]bool)
	for _, c := range e.children {
		if known[c.name] {
			return fmt.Errorf("%.40q is there twice", c.name)
		}
		known[c.name] = true
	}
	return nil
}

// child returns the element of that name, nil if there is none.
func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// get returns the text of a field, "" if there is none.
func (e *element) get(name string) string {
	if c := e.child(name); c != nil {
		return strings.TrimSpace(c.text)
	}
	return ""
}

// value is e as rules see it: a text, or an object; elements of the same name are
// a list.
func (e *element) value() any {
	if len(e.children) == 0 {
		return strings.TrimSpace(e.text)
	}
	out := make(map[string]any)
	for _, c := range e.children {
		v := c.value()
		switch before := out[c.name].(type) {
		case nil:
			out[c.name] = v
		case []any:
			out[c.name] = append(before, v)
		default:
			out[c.name] = []any{before, v}
		}
	}
	return out
}

// json is the value as JSON.
func (e *element) json() json.RawMessage {
	b, err := json.Marshal(e.value())
	if err != nil {
		return nil // it consists of texts
	}
	return b
}

// leaves are the texts of e by their names, those in other elements with a dot.
func (e *element) leaves(prefix string, into map[string]string) {
	for _, c := range e.children {
		if name := prefix + c.name; len(c.children) > 0 {
			c.leaves(name+".", into)
		} else if _, twice := into[name]; !twice {
			into[name] = strings.TrimSpace(c.text)
		}
	}
}
