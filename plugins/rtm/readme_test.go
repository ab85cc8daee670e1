package main

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// Every setting and every route stands in the README.
func TestReadmeIsComplete(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the setting %s is missing", name)
		}
	}
	for _, rt := range routes() {
		if !strings.Contains(text, strings.TrimPrefix(rt.path, "/")) {
			t.Errorf("the route %s is missing", rt.path)
		}
	}
	last := -1
	for _, h := range []string{"Name", "Description", "Configuration", "Examples", "Metrics", "Errors"} {
		at := strings.Index(text, "\n## "+h+"\n")
		if at <= last {
			t.Errorf("the heading %s is missing or not in order", h)
		}
		last = at
	}
}
