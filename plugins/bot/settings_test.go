package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/bot-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

func TestSettings(t *testing.T) {
	rasaWith := func(f func(*settings)) settings { s := rasaAt("https://bot.example.com"); f(&s); return s }
	jsonWith := func(f func(*settings)) settings { s := jsonAt("https://bot.example.com/x?y=z"); f(&s); return s }
	for _, tt := range []struct {
		name string
		s    settings
		want string // "": good
	}{
		{"rasa", rasaWith(func(*settings) {}), ""},
		{"rasa behind a path", rasaWith(func(s *settings) { s.URL = "http://127.0.0.1:5005/rasa/" }), ""},
		{"rasa without a hook", rasaWith(func(s *settings) { s.HookToken = "" }), ""},
		{"rasa, all", rasaWith(func(s *settings) {
			s.Channel, s.Authorization, s.Copies, s.SlashCommands, s.Handover = "callback", "Bearer x", true, true, "human_handoff"
			s.EventIntents = map[string]string{"chat_closed": "agent-left"}
		}), ""},
		{"json", jsonWith(func(*settings) {}), ""},
		{"json with whsec_", jsonWith(func(s *settings) { s.Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }), ""},
		{"no profile", settings{URL: "https://e.com"}, `profile "" is neither rasa nor json`},
		{"ftp", rasaWith(func(s *settings) { s.URL = "ftp://e.com" }), "url is not an http or https address; write one such as"},
		{"user in the url", rasaWith(func(s *settings) { s.URL = "https://a:b@e.com" }), "url has a user or a fragment; take them out"},
		{"rasa with a query", rasaWith(func(s *settings) { s.URL = "https://e.com?token=1" }), "url has a query; with Rasa"},
		{"timeout", rasaWith(func(s *settings) { s.Timeout = "soon" }), `timeout "soon" is not a duration from 100ms to 5m0s`},
		{"channel", rasaWith(func(s *settings) { s.Channel = "socketio" }), `channel "socketio" is neither rest nor callback`},
		{"rasa with a secret", rasaWith(func(s *settings) { s.Secret = secret }), "secret and further_secrets are for the profile json"},
		{"callback that everybody could call", rasaWith(func(s *settings) { s.Channel, s.HookToken = "callback", "" }), `channel "callback" needs hook_token`},
		{"short token", rasaWith(func(s *settings) { s.HookToken = "short" }), "hook_token is not 16 or more"},
		{"token with blanks", rasaWith(func(s *settings) { s.HookToken = "sixteen bytes and blanks" }), "hook_token is not 16 or more"},
		{"two lines", rasaWith(func(s *settings) { s.Authorization = "a\r\nb" }), "authorization is not one line of ASCII"},
		{"handover", rasaWith(func(s *settings) { s.Handover = "a b" }), `handover "a b" is not a name`},
		{"intent", rasaWith(func(s *settings) { s.EventIntents = map[string]string{"chat_closed": "/x"} }), `event_intents: "chat_closed" = "/x" is not`},
		{"no secret", jsonWith(func(s *settings) { s.Secret = "" }), "secret is empty; the profile json signs"},
		{"short secret", jsonWith(func(s *settings) { s.Secret = "short" }), "secret: a secret has less than 16 bytes"},
		{"short further one", jsonWith(func(s *settings) { s.FurtherSecrets = older + " short" }), "further_secrets: a secret has less than 16 bytes"},
		{"bad base64", jsonWith(func(s *settings) { s.Secret = "whsec_not base64 at all" }), "secret: what follows whsec_ is not base64"},
		{"nine secrets", jsonWith(func(s *settings) { s.FurtherSecrets = strings.Repeat(older+" ", 8) }), "further_secrets has more than 7 secrets"},
		{"copies of json", jsonWith(func(s *settings) { s.Copies = true }), "copies is for the profile rasa"},
		{"token of json", jsonWith(func(s *settings) { s.HookToken = token }), "hook_token is for the profile rasa"},
		{"intents of json", jsonWith(func(s *settings) { s.EventIntents = map[string]string{"a": "b"} }), "event_intents is for the profile rasa"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.s.check()
			if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("%v shows a secret", err)
			}
		})
	}
}

// TestAllProblemsAtOnce: whoever saves need not mend one after the other.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := settings{Profile: profileRasa, URL: "x", Timeout: "y", Channel: "z"}.check()
	for _, want := range []string{"url", "timeout", "channel"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}

// TestLiveCheck: what the person who saves reads.
func TestLiveCheck(t *testing.T) {
	live, err := sim.New(sim.Options{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	guess, err := sim.New(sim.Options{Secrets: []string{"guess-of-sixteen-bytes"}})
	if err != nil {
		t.Fatal(err)
	}
	defer guess.Close()
	const page = "<html>maintenance</html>"
	far := func(status int, body string) http.Handler { return &plugintest.Far{Status: status, Body: body} }
	for _, tt := range []struct {
		name string
		bot  http.Handler
		rasa string
		json string
	}{
		{"the simulator", live, "", ""},
		{"another secret", guess, "", "the bot refuses the gateway's credentials with status 401"},
		{"web page", far(200, page), "url: what answers is not the bot (HTTP 200)", "url: what answers is not the bot (HTTP 200)"},
		{"nothing there", far(404, page), "url: Rasa's channel rest is not there (HTTP 404); name it in credentials.yml", "url: what answers is not the bot (HTTP 404)"},
		{"unwell", far(502, page), "url: the server answers with status 502; try again later", "url: the server answers with status 502; try again later"},
		{"refused", far(401, ""), "the bot refuses the gateway's credentials with status 401", "the bot refuses the gateway's credentials with status 401"},
		{"something else", far(200, `{"status":"up"}`), "url: what answers is not Rasa; check url and channel",
			`url: what answers does not know the ping; it is answered with {"version":1,"type":"pong"}, signed`},
		{"pong of anybody", far(200, `{"version":1,"type":"pong"}`), "url: what answers is not Rasa; check url and channel",
			"secret: the answer to the ping is not signed with it: the header webhook-id is not there once"},
		{"redirect", &plugintest.Far{Status: 301, Header: http.Header{"Location": {"https://new.example.com"}}},
			`url: the server redirects to "https://new.example.com"; set it to the final address`,
			`url: the server redirects to "https://new.example.com"; set it to the final address`},
	} {
		srv := httptest.NewServer(tt.bot)
		for profile, want := range map[string]string{profileRasa: tt.rasa, profileJSON: tt.json} {
			t.Run(tt.name+"/"+profile, func(t *testing.T) {
				s := profiles[profile](srv.URL)
				atSim(&s)
				got := ""
				if err := s.Validate(t.Context()); err != nil {
					got = err.Error()
				}
				if got != want {
					t.Errorf("%q, want %q", got, want)
				}
			})
		}
		srv.Close()
	}
	if got := live.Messages(0); len(got) > 0 {
		t.Errorf("the check said %+v to the bot", got)
	}
	if err := rasaAt("http://127.0.0.1:1").Validate(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "url: ") {
		t.Errorf("nobody there: %v", err)
	}
}

// TestReadme: it names every setting, and every word of the wire, under the
// headings that all plugins have.
func TestReadme(t *testing.T) {
	plugintest.Readme(t, settings{})
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, word := range []string{"webhook-id", "webhook-timestamp", "webhook-signature", "pong", "quick_reply", "reply_to",
		"milestone_reached", "unhandled_message", "control_passed", "chat_closed", "recipient_id"} {
		if !strings.Contains(text, word) {
			t.Errorf("README.md does not tell of %s", word)
		}
	}
	for action := range controls {
		if !strings.Contains(text, "`"+action+"`") {
			t.Errorf("README.md does not tell of the hand-over's action %s", action)
		}
	}
	last := -1
	for _, h := range []string{"Name", "Description", "Configuration", "Examples", "Metrics", "Errors"} {
		at := strings.Index(text, "\n## "+h+"\n")
		if at <= last {
			t.Errorf("the heading %s is missing or not in order", h)
		}
		last = at
	}
	for _, m := range []any{wireRequest{}, wireConversation{}, wireCustomer{}, wireMessage{}, wireAttachment{}, wireEvent{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(m)) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !regexp.MustCompile("[\"`.]" + name + "[\"`]").MatchString(text) {
				t.Errorf("README.md does not tell of %T's %s", m, name)
			}
		}
	}
}
