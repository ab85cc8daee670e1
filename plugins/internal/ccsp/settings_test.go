package ccsp_test

import (
	"strings"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

func TestServer(t *testing.T) {
	for text, want := range map[string]string{
		"":             `server is not an http or https address; write one such as "https://a.example.com"`,
		"a.example":    "server is not an http or https address",
		"ftp://a":      "server is not an http or https address",
		"http://":      "server is not an http or https address",
		"http://a/b":   "server has more than scheme and host; the rest goes to path",
		"http://a?b":   "server has more than scheme and host",
		"http://u:p@a": "server has more than scheme and host",
		"http://a:1/":  "",
	} {
		u, err := ccsp.Server("server", text, "https://a.example.com", "path")
		switch {
		case want == "" && (err != nil || u.String() != "http://a:1"):
			t.Errorf("%q: %v, %v, want http://a:1", text, u, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
