package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// TestAside: typing and seen are shown where OAuth 1.0a is to be had, and there
// alone.
func TestAside(t *testing.T) {
	both := func(url string) settings {
		s := byOAuth2(url)
		s.AccessToken, s.AccessTokenSecret = byOAuth1(url).AccessToken, byOAuth1(url).AccessTokenSecret
		return s
	}
	for name, by := range map[string]func(string) settings{"oauth 1.0a": byOAuth1, "both": both} {
		t.Run(name, func(t *testing.T) {
			r := dial(t, by)
			for _, err := range []error{
				r.TypingToCustomer(t.Context(), toAda, true), r.TypingToCustomer(t.Context(), toAda, false),
				r.ReceiptToCustomer(t.Context(), toAda, "9544", "delivered"), r.ReceiptToCustomer(t.Context(), toAda, "9545", "read"),
				r.ReceiptToCustomer(t.Context(), toAda, "e4f4d3fc-8bbf", "delivered"), // an encrypted message
			} {
				if err != nil {
					t.Error(err)
				}
			}
			if d := cmp.Diff([]sim.Aside{{To: ada}, {To: ada, Read: "9544"}, {To: ada, Read: "9545"}}, r.x.Asides()); d != "" {
				t.Error(d)
			}
			r.sound(t)
		})
	}
	r := dial(t, byOAuth2)
	if err := r.TypingToCustomer(t.Context(), toAda, true); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("by OAuth 2.0 alone: %v", err)
	}
	if err := r.ReceiptToCustomer(t.Context(), toAda, "9544", "read"); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("by OAuth 2.0 alone: %v", err)
	}
	if err := dial(t, byOAuth1).TypingToCustomer(t.Context(), sdk.Customer{Address: "ada"}, true); plugintest.Verdict(err) != "rejected address" {
		t.Errorf("to a handle: %v", err)
	}
}

// TestAsideTrouble: what is worth little is no trouble of the channel, holds up no
// message, and is not tried again and again where X refuses it for good.
func TestAsideTrouble(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault sim.Fault
		want  string
		quiet bool
	}{
		{"the plan", sim.Fault{Status: 403, Body: `{"errors":[{"code":453}]}`}, "rejected not_shown", true},
		{"no such call", sim.Fault{Status: 404}, "rejected not_shown", true},
		{"blocked", sim.Fault{Status: 403, Body: `{"errors":[{"code":349}]}`}, "rejected not_shown", false},
		{"a wrong message", sim.Fault{Status: 400, Body: `{"errors":[{"code":214}]}`}, "rejected not_shown", false},
		{"down", sim.Fault{Status: 503}, "retry", false},
		{"no answer", sim.Fault{Status: 504}, "retry", false},
		{"limited", sim.Fault{Status: 429, Header: http.Header{"Retry-After": {"60"}}}, "retry", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, byOAuth1)
			tt.fault.Path = "/1.1/direct_messages"
			r.x.Fail(tt.fault)
			if err := r.TypingToCustomer(t.Context(), toAda, true); plugintest.Verdict(err) != tt.want || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %s", err, tt.want)
			}
			r.pass(2 * time.Minute)
			err := r.TypingToCustomer(t.Context(), toAda, true)
			if asked := len(r.x.Asides()) == 1; asked == tt.quiet || asked != (err == nil) {
				t.Errorf("then %v, shown %v", err, r.x.Asides())
			}
			if err := r.ReceiptToCustomer(t.Context(), toAda, "9544", "read"); err != nil {
				t.Errorf("the other call: %v", err)
			}
			if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
				t.Error(err)
			}
			if why, _ := r.health.state(); why != "" {
				t.Errorf("trouble: %s", why)
			}
			r.pass(quietFor)
			if err := r.TypingToCustomer(t.Context(), toAda, true); err != nil {
				t.Errorf("later: %v", err)
			}
		})
	}
}
