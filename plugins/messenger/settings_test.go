package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"net/http/httptest"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/messenger-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	s := sim.New(sim.Options{Page: "1001", App: "9001", Token: testToken, AppSecret: testSecret})
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()
	s.Say("2002", "hi")
	good := settingsFor(srv.URL)
	bad := func(change func(*settings)) settings {
		b := good
		change(&b)
		return b
	}
	sdktest.Run(t, sdktest.Config{Plugin: plugin(), Driver: "messenger", Settings: good, Customer: ada, BadSettings: []any{
		map[string]any{},
		map[string]any{"page_id": 1001},
		bad(func(s *settings) { s.PageID = "shop" }),
		bad(func(s *settings) { s.AccessToken = "" }),
		bad(func(s *settings) { s.AppSecret = "short" }),
		bad(func(s *settings) { s.Timeout = "soon" }),
	}})
}

func TestSettings(t *testing.T) {
	good := settingsFor("https://graph.example.com")
	for _, tt := range []struct {
		change func(*settings)
		want   string
	}{
		{func(*settings) {}, ""},
		{func(s *settings) { s.BaseURL = "" }, ""},
		{func(s *settings) { s.PageID = "shop" }, `page_id "shop" is not the number of a page; it is at the page's About, Page transparency`},
		{func(s *settings) { s.AppID = "x" }, `app_id "x" is not the number of an app`},
		{func(s *settings) { s.AccessToken = "" }, "access_token is empty or not one word; generate one for the page"},
		{func(s *settings) { s.AccessToken = "a b" }, "access_token is empty or not one word; generate one for the page"},
		{func(s *settings) { s.AppSecret = "" }, "app_secret is missing or short; it is in the app's basic settings"},
		{func(s *settings) { s.PreviousAppSecret = "x" }, "previous_app_secret is short"},
		{func(s *settings) { s.VerifyToken = "x" }, "verify_token has less than 8 bytes; make one up"},
		{func(s *settings) { s.Version = "26" }, `version "26" is not one such as "v26.0"`},
		{func(s *settings) { s.MessagesPerSecond = 301 }, "messages_per_second is not from 1 to 300"},
		{func(s *settings) { s.Timeout = "0s" }, `timeout "0s" is not a duration from 100ms to 5m0s; write one such as "5s"`},
		{func(s *settings) { s.MaxAge = "1m" }, `max_age "1m" is not a duration from 1h0m0s to 87600h0m0s; write one such as "5s"`},
		{func(s *settings) { s.WaitForControl = "1s" }, `wait_for_control "1s" is not a duration from 1m0s to 24h0m0s; write one such as "5s"`},
		{func(s *settings) { s.MarkSeen = "later" }, `mark_seen "later" is none of never, received, delivered, read`},
		{func(s *settings) { s.InboxAppIDs = []string{"7", "inbox"} }, "inbox_app_ids has one that is not the number of an app"},
		{func(s *settings) { s.BaseURL = "graph" }, `base_url is not an http or https address; write one such as "https://graph.facebook.com"`},
	} {
		s := good
		tt.change(&s)
		_, err := s.check()
		if got := ""; err != nil && err.Error() != tt.want || err == nil && got != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	c, err := settings{PageID: "1", AccessToken: "t", AppSecret: "12345678", VerifyToken: "12345678"}.check()
	if err != nil || c.base.String() != "https://graph.facebook.com/v26.0" || c.timeout != 20*time.Second || c.maxAge != 168*time.Hour {
		t.Errorf("%v %+v", err, c)
	}
}

// The settings change what the gateway knows of windows and rates.
func TestCapabilitiesOfSettings(t *testing.T) {
	s := settingsFor("https://graph.example.com")
	s.HumanAgent, s.MessagesPerSecond = true, 300
	got := s.Capabilities(capabilities())
	want := capabilities()
	want.Window.Agent, want.Rate, want.Burst = 7*24*time.Hour, 300, 300
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(capabilities(), settingsFor("").Capabilities(capabilities())); diff != "" {
		t.Error(diff)
	}
	if w := capabilities().Window; w != (sdk.ReplyWindow{Open: 24 * time.Hour}) {
		t.Errorf("%+v", w)
	}
}

func TestValidate(t *testing.T) {
	s := sim.New(sim.Options{Page: "1001", App: "9001", Token: testToken, AppSecret: testSecret})
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()
	for _, tt := range []struct {
		name   string
		fields []string
		fault  string
		change func(*settings)
		want   string // beginning
	}{
		{"good", []string{"messages", "messaging_postbacks"}, "", func(*settings) {}, ""},
		{"any app", []string{"messages", "messaging_postbacks"}, "", func(s *settings) { s.AppID = "" }, ""},
		{"another app", []string{"messages", "messaging_postbacks"}, "", func(s *settings) { s.AppID = "7" }, "the page does not tell the app of messages;"},
		{"no messages", []string{"feed"}, "", func(*settings) {}, "the page does not tell the app of messages; post to /1001/subscribed_apps"},
		{"no postbacks", []string{"messages"}, "", func(*settings) {}, "the page does not tell the app of messaging_postbacks;"},
		{"another token", nil, "", func(s *settings) { s.AccessToken = "EAAother" }, "access_token: refused by Meta: 190"},
		{"another secret", nil, "", func(s *settings) { s.AppSecret = "another-secret" }, "access_token: Meta could not be asked: refused: 100"},
		{"settings", nil, "", func(s *settings) { s.PageID = "" }, "page_id"},
		{"trouble", nil, "500", func(*settings) {}, "access_token: Meta could not be asked"},
		{"a proxy", nil, "html", func(*settings) {}, "access_token: Meta could not be asked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Subscribe(tt.fields...)
			if tt.fault != "" {
				if err := s.SetFault(sim.Fault{Kind: tt.fault, Count: 1}); err != nil {
					t.Fatal(err)
				}
			}
			set := settingsFor(srv.URL)
			tt.change(&set)
			err := set.Validate(t.Context())
			switch {
			case err == nil && tt.want != "", err != nil && (tt.want == "" || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("%v, want %s", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "EAAother"):
				t.Errorf("%v shows the token", err)
			}
		})
	}
}

// Every setting, and all that an operator has to know by name, stands in the README.
func TestReadme(t *testing.T) {
	plugintest.Readme(t, settings{})
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"pages_messaging", "subscribed_apps", "HUMAN_AGENT", "page_message", "standby", "policy_enforcement",
		"message_edit", "reaction", "referral", "optin", "app_roles", "pass_thread_control", "take_thread_control", "request_thread_control",
		"message_deleted", "2018278", "2018300", "2018001", "368", "190", "613"} {
		if !strings.Contains(string(b), word) {
			t.Errorf("README.md does not tell of %s", word)
		}
	}
	last := -1
	for _, h := range []string{"Name", "Description", "Configuration", "Examples", "Metrics", "Errors"} {
		at := strings.Index(string(b), "\n## "+h+"\n")
		if at <= last {
			t.Errorf("the heading %s is missing or not in order", h)
		}
		last = at
	}
}
