package plugintest

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// Readme checks that README.md names every setting of the structs: one that it
// does not name is found by nobody.
func Readme(t *testing.T, structs ...any) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range structs {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(s)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !regexp.MustCompile("[`{ ]" + name + "[`, ]").Match(text) {
				t.Errorf("README.md does not name %s", name)
			}
		}
	}
}
