package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/sdk"
)

// public is a host that X can call.
type public struct {
	*fakeHost
	url string
}

func (h public) PublicURL() string { return h.url }

// registering is a channel that registers itself, and the X where it does.
func registering(t *testing.T, change ...func(*settings)) (*channel, *sim.Sim) {
	t.Helper()
	r := dial(t, byOAuth2, func(o *sim.Options) { o.Bearer = "app" })
	s := r.set
	s.Register, s.BearerToken = true, "app"
	for _, f := range change {
		f(&s)
	}
	var c *channel
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		res, err := c.Webhook(q.Context(), &sdk.WebhookRequest{Method: q.Method, Query: q.URL.RawQuery, Header: q.Header})
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(max(res.Status, 200))
		_, _ = w.Write(res.Body)
	}))
	t.Cleanup(hook.Close)
	c, err := new(accounts).open(t.Context(), s, public{r.host, hook.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c, r.x
}

// TestRegister: the hook is registered and subscribed once, and found again.
func TestRegister(t *testing.T) {
	c, x := registering(t)
	for range 2 {
		if err := c.register(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"chat.received", "dm.indicate_typing", "dm.read", "dm.received", "oauth.revoke"}
	if d := cmp.Diff(want, x.Subscribed()); d != "" {
		t.Error(d)
	}
	for _, b := range x.Breaks() {
		t.Error(b)
	}
}

// TestRegisterTrouble: what X has against it is told to the operator.
func TestRegisterTrouble(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*settings)
		fault  sim.Fault
		want   string
	}{
		{"another app's token", func(s *settings) { s.BearerToken = "x" }, sim.Fault{}, "register the hook at X: credentials refused with status 401"},
		{"another secret", func(s *settings) { s.ConsumerSecret, s.WebhookSecret = "x", "consumer" }, sim.Fault{}, "CrcValidationFailed"},
		{"too many", nil, sim.Fault{Path: "/2/webhooks", Status: 400, Body: `{"errors":[{"message":"WebhookLimitExceeded: 1"}]}`}, "WebhookLimitExceeded"},
		{"no subscription", nil, sim.Fault{Path: "/2/activity", Status: 500}, "list the subscriptions at X: "},
		{"nonsense", nil, sim.Fault{Path: "/2/webhooks", Status: 200, Body: `[]`}, "the answer of X cannot be read"},
		{"nobody has authorized", func(s *settings) { s.RefreshToken = "" }, sim.Fault{}, "nobody has authorized the gateway yet; open http://"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := tt.change
			if change == nil {
				change = func(*settings) {}
			}
			c, x := registering(t, change)
			if tt.fault.Status != 0 {
				x.Fail(tt.fault)
			}
			err := c.Listen(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestRegisterRevalidates: a hook that X has switched off is switched on again, and a
// subscription that was lost is made again, while the gateway runs.
func TestRegisterRevalidates(t *testing.T) {
	c, x := registering(t)
	if err := c.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.recheck = 10 * time.Millisecond
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.Listen(ctx, nil) }()
	for range 2 { // at the start, and later
		x.SwitchOff()
		for {
			status, err := x.Post(ctx, x.Typing(ada))
			if err == nil && status > 0 && len(x.Subscribed()) == len(wanted) {
				break
			}
			if ctx.Err() != nil {
				t.Fatal(err, x.Subscribed())
			}
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("listen: %v", err)
	}
}

// TestUnauthorizedIsSeen: the operator is told what to do from the start.
func TestUnauthorizedIsSeen(t *testing.T) {
	r := dial(t, unauthorized)
	if err := r.Listen(t.Context(), nil); err == nil || !strings.Contains(err.Error(), r.startURL()) {
		t.Errorf("listen: %v", err)
	}
	r.authorizeAll(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := r.Listen(ctx, nil); err != nil {
		t.Errorf("listen, authorized: %v", err)
	}
}
