package main

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestReadme: it names every setting, route and event, under the headings that all
// plugins have.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	fields := append(reflect.VisibleFields(reflect.TypeFor[settings]()), reflect.VisibleFields(reflect.TypeFor[TwilioSettings]())...)
	for _, f := range fields {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "-" && name != "" && !strings.Contains(text, "`"+name+"`") {
			t.Errorf("README.md does not tell of %s", name)
		}
	}
	for _, word := range []string{"call_answered", "call_digits", "call_ended", "incoming_call", "ambiguous"} {
		if !strings.Contains(text, "`"+word+"`") {
			t.Errorf("README.md does not tell of %s", word)
		}
	}
	page, err := os.ReadFile("sip.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| setting |")
	for _, f := range reflect.VisibleFields(reflect.TypeFor[SIPSettings]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && !strings.Contains(table, name) {
			t.Errorf("sip.md does not tell of %s", name)
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
