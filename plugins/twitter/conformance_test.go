package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/twitter-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func ccspAnswer(status int, body string) ccsp.Answer {
	return ccsp.Answer{Status: status, Header: http.Header{}, Body: []byte(body)}
}

func TestConformance(t *testing.T) {
	for name, by := range map[string]func(string) settings{"oauth 1.0a": byOAuth1, "oauth 2.0": byOAuth2} {
		t.Run(name, func(t *testing.T) {
			o := optionsOf(by("x"), time.Now)
			o.Grace = true // each instance of the suite begins with the first token
			srv := httptest.NewServer(sim.New(o))
			defer srv.Close()
			change := func(f func(*settings)) settings { s := by(srv.URL); f(&s); return s }
			sdktest.Run(t, sdktest.Config{Plugin: plugin(), Driver: "twitter", Settings: by(srv.URL), Customer: toAda, BadSettings: []any{
				settings{}, change(func(s *settings) { s.UserID = "shop" }), change(func(s *settings) { s.API = "v3" }),
				change(func(s *settings) { s.APIURL = "ftp://x.com" }), change(func(s *settings) { s.Timeout = "soon" }),
			}})
		})
	}
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name   string
		by     func(string) settings
		change func(*settings)
		want   string
	}{
		{"OAuth 1.0a", byOAuth1, func(*settings) {}, ""},
		{"OAuth 2.0", byOAuth2, func(*settings) {}, ""},
		{"a public client", byOAuth2, func(s *settings) { s.ClientSecret = "" }, ""},
		{"with a key alone", byOAuth2, func(s *settings) { s.RefreshToken = "" }, ""},
		{"a handle", byOAuth1, func(s *settings) { s.UserID = "@shop" }, `user_id "@shop" is not the number of an account; write one such as "2244994945"`},
		{"OAuth 2.0 alone", byOAuth2, func(s *settings) { s.ConsumerKey, s.ConsumerSecret = "", "" }, ""},
		{"no key", byOAuth1, func(s *settings) { s.ConsumerKey = "" }, "access_token needs consumer_key and consumer_secret, the app's keys at X"},
		{"no secret", byOAuth2, func(s *settings) { s.ConsumerSecret, s.ClientSecret = "", "" },
			"consumer_secret is missing; without it, or client_secret, nothing proves that webhooks are X's"},
		{"another secret", byOAuth2, func(s *settings) { s.WebhookSecret = "app" }, `webhook_secret "app" is not known; write consumer or client`},
		{"a secret that is not there", byOAuth1, func(s *settings) { s.WebhookSecret = "client" }, `webhook_secret is "client", and client_secret is missing`},
		{"half a token", byOAuth1, func(s *settings) { s.AccessTokenSecret = "" }, "access_token and access_token_secret belong together; one of them is missing"},
		{"neither", byOAuth1, func(s *settings) { s.AccessToken, s.AccessTokenSecret = "", "" },
			"access_token is missing; write it and its secret (OAuth 1.0a), or client_id (OAuth 2.0)"},
		{"no client", byOAuth1, func(s *settings) { s.RefreshToken = "r" }, "client_id is missing, while other settings of OAuth 2.0 are given"},
		{"no way to begin", byOAuth2, func(s *settings) { s.RefreshToken, s.SetupKey = "", "" }, "refresh_token is missing; write it, or a setup_key with which to get one"},
		{"short key", byOAuth2, func(s *settings) { s.SetupKey = "short" }, "setup_key has less than 16 bytes"},
		{"register without the app's token", byOAuth2, func(s *settings) { s.Register = true },
			"register needs bearer_token, the app's own, and client_id: X wants OAuth 2.0 for subscriptions to messages"},
		{"v1.1 by OAuth 2.0", byOAuth2, func(s *settings) { s.API = apiV11 }, "api v1.1 needs access_token and access_token_secret"},
		{"a path", byOAuth1, func(s *settings) { s.APIURL = "https://api.x.com/2" }, "api_url has more than scheme and host; the rest goes to nothing: paths are fixed"},
		{"no page", byOAuth2, func(s *settings) { s.AuthorizeURL = "x" }, "authorize_url is not an http or https address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.by("https://api.x.com")
			tt.change(&s)
			got := ""
			if _, err := s.check(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	if c := byOAuth1("x").Capabilities(capabilities()); !c.QuickReplies || c.MaxQuickReplies != 20 {
		t.Errorf("OAuth 1.0a: %+v", c)
	}
	if c := byOAuth2("x").Capabilities(capabilities()); c.QuickReplies || c.MaxQuickReplies != 0 || !c.Receipts {
		t.Errorf("OAuth 2.0: %+v", c)
	}
}

// TestValidate: the live check says whose the credentials are, and uses no refresh
// token up.
func TestValidate(t *testing.T) {
	r := dial(t, byOAuth1, func(o *sim.Options) { o.Now = time.Now })
	if err := r.set.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	wrongs := map[string]settings{}
	s := r.set
	s.UserID = "44"
	wrongs[`user_id "44" is not the account that the credentials belong to, which is "43"`] = s
	s = r.set
	s.AccessTokenSecret = "x"
	wrongs["the tokens are not valid together"] = s
	s = r.set
	s.APIURL = "http://127.0.0.1:1"
	wrongs["api_url: "] = s
	for want, s := range wrongs {
		if err := s.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	two := dial(t, byOAuth2)
	if err := two.set.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if n, _ := two.x.Renewed(); n != 0 {
		t.Errorf("tokens were given %d times", n)
	}
}

// TestThroughGateway: a conversation through the frames between plugin and gateway.
func TestThroughGateway(t *testing.T) {
	s := byOAuth2("x")
	x := sim.New(optionsOf(s, time.Now))
	srv := httptest.NewServer(x)
	defer srv.Close()
	s = byOAuth2(srv.URL)
	x.Name(ada, "Ada")
	g := sdktest.Start(t, plugin(), "shop", "twitter", s)
	take := func(body []byte) []sdk.Event {
		t.Helper()
		res, err := g.Webhook(t.Context(), &sdk.WebhookRequest{Method: "POST", Body: body, Header: http.Header{signatureHeader: {x.Sign(body)}}})
		if err != nil || res.Status != 200 {
			t.Fatalf("%d %v", res.Status, err)
		}
		return res.Events
	}
	number := x.AddFile("image/jpeg", []byte("picture"))
	events := take(x.Activity("dm.received", map[string]any{listMessages: []any{x.Message(sim.Said{From: ada, Text: "A & B", File: number, Base: srv.URL})}}))
	if len(events) != 1 || events[0].Text != "A & B" || events[0].Customer.Name != "Ada" || len(events[0].Attachments) != 1 ||
		string(g.Media(events[0].Attachments[0].MediaID)) != "picture" {
		t.Fatalf("%+v", events)
	}
	take(x.Typing(ada))
	if got := <-g.TypingReports(); got.Address != ada || !got.On {
		t.Errorf("typing %+v", got)
	}
	receipt, err := g.Send(t.Context(), toAda, sdk.Message{ID: "a", Text: "C", Attachments: []sdk.Attachment{g.AddMedia("a.png", "image/png", []byte("own"))}})
	if err != nil {
		t.Fatal(err)
	}
	if sent := x.Sent(); len(sent) != 1 || string(sent[0].Media) != "own" || sent[0].ID != receipt.MessageID {
		t.Errorf("sent %+v", sent)
	}
	if events := take(x.Read(ada, receipt.MessageID)); len(events) != 1 || events[0].Type != sdk.MessageRead || events[0].MessageID != "" {
		t.Errorf("read %+v", events)
	}
	if res, err := g.PollAccount(t.Context(), nil); err != nil || len(res.Events) != 0 || positionOf(res.Cursor, shop) == "" {
		t.Errorf("poll: %+v %v", res, err)
	}
	if err := g.TypingToCustomer(t.Context(), toAda, true); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("typing by OAuth 2.0: %v", err)
	}
	if _, now := x.Renewed(); g.Secret("refresh_token") != now {
		t.Error("the refresh token was not saved")
	}
	for _, b := range x.Breaks() {
		t.Error(b)
	}
}

func TestReadme(t *testing.T) {
	plugintest.Readme(t, settings{})
	if n := reflect.TypeFor[settings]().NumField(); n < 10 {
		t.Errorf("%d settings", n)
	}
}
