package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/config"
)

func TestSecretDoesNotPrint(t *testing.T) {
	s := config.NewSecret("hunter2")
	type inside struct {
		Shown  config.Secret
		hidden config.Secret
	}
	c, ps := config.Parse([]byte(`channel "rtm" "a" {
  settings { app_secret = "hunter2" }
}`), "gateway.hcl")
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, v := range []any{s, &s, inside{s, s}, c, c.Channels[0], *c.Channels[0], c.Channels[0].Settings} {
		fmt.Fprintf(&out, "%v %+v %#v\n", v, v, v)
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("a secret", "value", v)
		}
	}
	fmt.Fprintf(&out, "%s %q %x %d\n", s, s, s, s)
	if got := out.String(); strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("the secret was printed:\n%s", got)
	}
	if got := out.String(); !strings.Contains(got, "[redacted]") {
		t.Errorf("no [redacted] in:\n%s", got)
	}
}

func TestSecretEqual(t *testing.T) {
	a, b, none := config.NewSecret("a"), config.NewSecret("b"), config.NewSecret("")
	if !a.Equal(config.NewSecret("a")) || a.Equal(b) || a.Equal(none) || !none.Equal(config.Secret{}) {
		t.Error("Equal compares the wrong thing")
	}
	if !none.IsZero() || none.String() != "" || none.Reveal() != "" {
		t.Errorf("no secret = %q, %q", none.String(), none.Reveal())
	}
}
