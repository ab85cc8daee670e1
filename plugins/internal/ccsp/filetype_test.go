package ccsp_test

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

func TestFileAt(t *testing.T) {
	for address, want := range map[string]string{
		"https://e.com/a.PNG":             "a.PNG image/png true",
		"https://e.com/a%2Fb.pdf?x=y.doc": "b.pdf application/pdf true",
		"https://e.com/a":                 "  false",
		"https://e.com/a.html":            "  false",
		"https://e.com/.png":              "  false",
		"https://e.png":                   "  false",
		"/a.png":                          "  false",
		"ftp://e.com/a.png":               "  false",
		"http://[":                        "  false",
		"":                                "  false",
	} {
		name, mime, ok := ccsp.FileAt(address)
		got := name + " " + mime + " false"
		if ok {
			got = name + " " + mime + " true"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
