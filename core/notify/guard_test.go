package notify_test

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/core/notify"
	"github.com/openccsp/gateway/core/outbound/outboundtest"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestForbiddenAddresses(t *testing.T) {
	n := newNotifier(t, notify.Config{Timeout: time.Minute})
	for _, url := range outboundtest.Forbidden {
		if err := n.SetEndpoints(map[string]notify.Endpoint{"e": {URL: url}}); err != nil {
			continue
		}
		if r, _ := n.Do(t.Context(), "e", "1", nil); r.GetOutcome() != pluginv1.Outcome_REJECTED || r.GetCode() != "private_address" {
			t.Errorf("%s: got %v", url, r)
		}
	}
}

// TestCredentials: also who may be in a private network is not where clouds keep
// credentials.
func TestCredentials(t *testing.T) {
	n := newNotifier(t, notify.Config{Endpoints: map[string]notify.Endpoint{"e": {URL: "http://169.254.169.254/", AllowPrivate: true}}})
	if r, _ := n.Do(t.Context(), "e", "1", nil); r.GetOutcome() != pluginv1.Outcome_REJECTED || r.GetCode() != "private_address" {
		t.Errorf("got %v", r)
	}
}

// A name that leads to a public address when it is checked and to a private one
// when it is dialled gets nowhere, because only what is dialled counts.
func TestRebinding(t *testing.T) {
	tests := map[string][]string{
		"private.test.":  {"127.0.0.1"},
		"metadata.test.": {"169.254.169.254"},
		"all.test.":      {"10.0.0.1", "192.168.1.1", "127.0.0.1"},
	}
	resolver := outboundtest.Resolver(t, func(name string) []string { return tests[name] })
	n := newNotifier(t, notify.Config{Resolver: resolver, Timeout: time.Minute})
	for name := range tests {
		if err := n.SetEndpoints(map[string]notify.Endpoint{"e": {URL: "http://" + name + ":8081/"}}); err != nil {
			t.Fatal(err)
		}
		if r, _ := n.Do(t.Context(), "e", "1", nil); r.GetCode() != "private_address" {
			t.Errorf("%s: got %v", name, r)
		}
	}
}
