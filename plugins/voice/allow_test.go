package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"

	"github.com/openccsp/gateway/examples/twilio-sim/sim"
)

func TestAllow(t *testing.T) {
	for _, tt := range []struct {
		allow  allow
		number string
		ok     bool
	}{
		{nil, "+41791234567", true}, {nil, "100", true}, {nil, "*21#", false}, {nil, "1*2", false},
		{allow{"+41", "+49"}, "+41791234567", true}, {allow{"+41", "+49"}, "+882991234", false}, {allow{"+41"}, "0041791234567", false},
		{allow{"+41"}, "", false}, {allow{"*21"}, "*21#", true}, {allow{"+41"}, "*21#", false},
	} {
		if err := tt.allow.number(tt.number); (err == nil) != tt.ok {
			t.Errorf("%q, %q: %v", tt.allow, tt.number, err)
		}
	}
	if (allow{"+41", "*"}).check() != nil || (allow{""}).check() == nil || (allow{"+41 79"}).check() == nil {
		t.Error("check")
	}
}

// A number that is not allowed is not called.
func TestTwilioAllow(t *testing.T) {
	r := startTwilio(t, sim.Options{}, func(s *TwilioSettings) { s.Allow = allow{"+41"} })
	_, err := r.Call(t.Context(), sdk.Customer{Address: ada}, sdk.Message{ID: "m1", Text: "Hi"})
	if got := plugintest.Verdict(err); got != "rejected not_allowed" || r.sim.Asked() != 0 {
		t.Errorf("%s, asked %d times", got, r.sim.Asked())
	}
}
