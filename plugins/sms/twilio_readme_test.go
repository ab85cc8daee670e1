package main

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestTwilioPage: twilio.md names every setting.
func TestTwilioPage(t *testing.T) {
	b, err := os.ReadFile("twilio.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[TwilioSettings]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "-" && name != "" && !strings.Contains(string(b), "`"+name+"`") {
			t.Errorf("twilio.md does not tell of %s", name)
		}
	}
}
