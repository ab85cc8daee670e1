package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// What the vectors of the protocol have.
const (
	appID   = "wx5823bf96d3bd56c7"
	token   = "wxtoken"
	key     = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	nextKey = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefG"
	secret  = "canary-app-secret"
	user    = "oUser1"
	nonce   = "1372623149"
)

var (
	noon = time.Unix(1_700_000_000, 0)
	ada  = sdk.Customer{Address: user}
)

func settingsAt(url string) Settings {
	return Settings{AppID: appID, AppSecret: secret, Token: token, BaseURL: url}
}

// rig is a gateway with the driver, an account at WeChat, and both ways between.
type rig struct {
	*sdktest.Gateway
	sim      *sim.Sim
	settings Settings

	mu     sync.Mutex
	ahead  time.Duration
	events []sdk.Event
	down   int // requests that the gateway does not answer
}

// connect opens an instance against a simulator.
func connect(t *testing.T, o sim.Options, change ...func(*Settings)) *rig {
	t.Helper()
	r := &rig{}
	o.AppID, o.Secret, o.Token = appID, secret, token
	o.Now = func() time.Time { return time.Now().Add(r.late()) }
	var err error
	if r.sim, err = sim.New(o); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(r.sim)
	t.Cleanup(api.Close)
	s := settingsAt(api.URL)
	s.AESKey = o.AESKey
	if o.Compatible {
		s.Mode = modeCompatible
	}
	for _, f := range change {
		f(&s)
	}
	r.settings = s
	r.Gateway = sdktest.Start(t, plugin(), "shop", "wechat", s)
	hook := httptest.NewServer(http.HandlerFunc(r.serveHook))
	t.Cleanup(hook.Close)
	r.sim.SetHook(hook.URL)
	return r
}

func (r *rig) late() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ahead
}

// advance moves the clocks of both sides.
func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	r.ahead += d
	r.mu.Unlock()
	r.Advance(d)
}

func (r *rig) serveHook(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	res, err := r.Webhook(q.Context(), &sdk.WebhookRequest{Method: q.Method, Query: q.URL.RawQuery, Header: q.Header, Body: body})
	if err != nil {
		res.Status = http.StatusServiceUnavailable
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, res.Events...)
	if r.down > 0 {
		r.down--
		res.Status, res.Body = http.StatusServiceUnavailable, nil
	}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body)
}

// took returns the events by now.
func (r *rig) took() []sdk.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events
}

// says has the customer write, so that there is somebody to write to.
func (r *rig) says(t *testing.T, text string) {
	t.Helper()
	if err := r.sim.Say(t.Context(), user, text); err != nil {
		t.Fatal(err)
	}
}

// receiver opens an instance without a server, whose clock stands at noon.
func receiver(t testing.TB, change ...func(*Settings)) *channel {
	t.Helper()
	s := settingsAt("http://127.0.0.1:1")
	for _, f := range change {
		f(&s)
	}
	h := new(plugintest.Host)
	h.Set(noon)
	c, err := open(t.Context(), s, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(t.Context()) })
	return c
}

// post makes a signed request of a message in plain text.
func post(c *channel, t testing.TB, query, body string) sdk.WebhookResponse {
	t.Helper()
	res, err := c.Webhook(t.Context(), &sdk.WebhookRequest{Method: http.MethodPost, Query: query, Body: []byte(body),
		Header: http.Header{"Content-Type": {"text/xml"}}})
	if err != nil {
		t.Fatal(err)
	}
	return res
}
