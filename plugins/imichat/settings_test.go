package main

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

func TestSettingsProblems(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*settings)
		want   string // part of the error, "" for none
	}{
		{"defaults", func(*settings) {}, ""},
		{"no address", func(s *settings) { s.InstanceURL = "" }, "instance_url is not an http or https address"},
		{"a password in it", func(s *settings) { s.InstanceURL = "http://u:p@a" }, "instance_url has more than scheme and host"},
		{"no secret", func(s *settings) { s.TeamSecret = "" }, "team_secret is empty"},
		{"a blank in the secret", func(s *settings) { s.TeamSecret = "canary canary" }, "team_secret has blanks"},
		{"a line in the secret", func(s *settings) { s.TeamSecret = "canary\n" }, "team_secret has blanks"},
		{"further secrets", func(s *settings) { s.FurtherSecrets = " canary-a\ncanary-b " }, ""},
		{"a strange further secret", func(s *settings) { s.FurtherSecrets = "canäry" }, "further_secrets has signs"},
		{"too many secrets", func(s *settings) { s.FurtherSecrets = "a b c d e f g h" }, "further_secrets has more than 7"},
		{"timeout", func(s *settings) { s.Timeout = "-1s" }, `timeout "-1s" is not a duration`},
		{"api_version", func(s *settings) { s.APIVersion = "v3/.." }, `api_version "v3/.." is not a version`},
		{"auth_header", func(s *settings) { s.AuthHeader = "a b" }, `auth_header "a b" is not the name of a header`},
		{"our header", func(s *settings) { s.AuthHeader = "host" }, `auth_header "host" is not the name`},
		{"auth_prefix", func(s *settings) { s.AuthPrefix = "a\r\nb: c" }, "auth_prefix is not one line"},
		{"alias_prefix", func(s *settings) { s.AliasPrefix = "a b" }, "alias_prefix is more than"},
		{"webhook_auth", func(s *settings) { s.WebhookAuth = "sha1" }, `webhook_auth "sha1" is none of`},
		{"none and no ip_allow", func(s *settings) { s.WebhookAuth = authNone }, `webhook_auth "none" needs ip_allow`},
		{"none and ip_allow", func(s *settings) { s.WebhookAuth, s.IPAllow = authNone, []string{"10.0.0.0/8"} }, ""},
		{"ip_allow", func(s *settings) { s.IPAllow = []string{"10.0.0.0/40"} }, `ip_allow: "10.0.0.0/40" is neither`},
		{"webhook_header", func(s *settings) { s.WebhookAuth, s.WebhookHeader = authHMAC, "a:b" }, `webhook_header "a:b" is not`},
		{"webhook_header of nothing", func(s *settings) { s.WebhookHeader = "X-A" }, "webhook_header is for webhook_auth hmac and header_token"},
		{"event_aliases", func(s *settings) { s.EventAliases = map[string]string{"a": "chat_lost"} }, `event_aliases: "chat_lost" is no event`},
		{"an event of a channel", func(s *settings) { s.EventAliases = map[string]string{"a": "customer_message"} }, `event_aliases: "customer_message" is no event`},
		{"an empty alias", func(s *settings) { s.EventAliases = map[string]string{"-": "chat_idle"} }, "event_aliases has an empty name"},
		{"an alias", func(s *settings) { s.EventAliases = map[string]string{"customer_unattended": "chat_idle"} }, ""},
		{"endpoint without a method", func(s *settings) { s.Endpoints.Close = "/close/{chat_id}" }, `endpoints.close "/close/{chat_id}" is not a method and a path`},
		{"endpoint without the chat", func(s *settings) { s.Endpoints.Typing = "POST /typing" }, "endpoints.typing \"POST /typing\": {chat_id} stands in the path"},
		{"create with a chat", func(s *settings) { s.Endpoints.Create = "POST /{chat_id}" }, "endpoints.create \"POST /{chat_id}\": {chat_id} stands"},
		{"endpoint with another name", func(s *settings) { s.Endpoints.Event = "POST /{chat_id}/{team}" }, "only {chat_id} and {api_version} can be filled in"},
		{"endpoint with a query", func(s *settings) { s.Endpoints.Event = "POST /e?c={chat_id}" }, "only {chat_id} and {api_version} can be filled in"},
		{"append off", func(s *settings) { s.Endpoints.Append = off }, "endpoints.append cannot be off"},
		{"catch_up", func(s *settings) { s.CatchUp = "1s" }, `catch_up "1s" is not a duration`},
		{"catch_up off", func(s *settings) { s.CatchUp = off }, ""},
		{"fields", func(s *settings) { s.Fields = map[string]string{"message.text": "content", "message.author": off} }, ""},
		{"a field that is documented", func(s *settings) { s.Fields = map[string]string{"chat.alias_id": "a"} }, `fields: "chat.alias_id" is no member`},
		{"a field of nothing", func(s *settings) { s.Fields = map[string]string{"text": "a"} }, `fields: "text" is no member`},
		{"a field without a name", func(s *settings) { s.Fields = map[string]string{"asset.id": ""} }, `fields: asset.id is ""`},
		{"a field with a blank", func(s *settings) { s.Fields = map[string]string{"asset.id": "a b"} }, `fields: asset.id is "a b"`},
		{"no text", func(s *settings) { s.Fields = map[string]string{"message.text": off} }, "fields: message.text cannot be off"},
		{"two of a name", func(s *settings) { s.Fields = map[string]string{"message.text": "type"} }, "fields: two members of message have the name type"},
		{"hold without the chat", func(s *settings) { s.Endpoints.Hold = "PUT /hold" }, "endpoints.hold"},
		{"all off", func(s *settings) {
			s.Endpoints = endpoints{Typing: off, Close: off, Transfer: off, Reopen: off, Event: off, Receipt: off, Hold: off, Resume: off, Update: off, Chat: off}
		}, ""},
		{"typing off", func(s *settings) { s.Endpoints.Typing = off }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := settings{InstanceURL: "https://acme.imi.chat", TeamSecret: secret}
			tt.change(&s)
			_, err := s.check()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v, want no error", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			case err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "canär")):
				t.Errorf("%v shows a secret", err)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := settings{Timeout: "x", WebhookAuth: "y", Endpoints: endpoints{Create: "z", Close: "z"}}.check()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"instance_url", "team_secret", "timeout", "webhook_auth", "endpoints.create", "endpoints.close"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// TestDefaults: what the schema says is what an empty setting stands for.
func TestDefaults(t *testing.T) {
	var s settings
	s.fill()
	for _, v := range []reflect.Value{reflect.ValueOf(s), reflect.ValueOf(s.Endpoints)} {
		for i := range v.NumField() {
			_, want, ok := strings.Cut(v.Type().Field(i).Tag.Get("jsonschema"), "default=")
			want, _, _ = strings.Cut(want, ",")
			if ok && v.Field(i).String() != want {
				t.Errorf("%s is %q, and %q in the schema", v.Type().Field(i).Name, v.Field(i), want)
			}
		}
	}
}

func TestPaths(t *testing.T) {
	c := call{"POST", "/v3.1/chats/{chat_id}/messages"}
	for id, want := range map[string]string{
		"CSR1.2": "/v3.1/chats/CSR1.2/messages", "a/b?c#d": "/v3.1/chats/a%2Fb%3Fc%23d/messages",
		"..": "/v3.1/chats/%2E%2E/messages", ".": "/v3.1/chats/%2E/messages", "é %": "/v3.1/chats/%C3%A9%20%25/messages",
		"{chat_id}": "/v3.1/chats/%7Bchat_id%7D/messages",
	} {
		if got := c.of(id); got != want {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	s := sim.New(sim.Options{Secrets: []string{secret}})
	defer s.Close()
	far := httptest.NewServer(s)
	defer far.Close()
	answering := func(status int, body string, h ...string) string {
		srv := httptest.NewServer(&plugintest.Far{Status: status, Body: body, Header: header(h...)})
		t.Cleanup(srv.Close)
		return srv.URL
	}
	for _, tt := range []struct {
		name string
		s    settings
		want string
	}{
		{"right", settings{InstanceURL: far.URL, TeamSecret: secret}, ""},
		{"wrong secret", settings{InstanceURL: far.URL, TeamSecret: "canary-wrong"}, "team_secret was refused with status 401"},
		{"only the further secret is right", settings{InstanceURL: far.URL, TeamSecret: "canary-wrong", FurtherSecrets: secret},
			"team_secret was refused with status 401"},
		{"a further secret is not valid yet", settings{InstanceURL: far.URL, TeamSecret: secret, FurtherSecrets: "canary-next"}, ""},
		{"forbidden", settingsFor(answering(403, "")), "team_secret was refused with status 403"},
		{"refused with 200", settingsFor(answering(200, `{"status_code":"401","description":"`+secret+`"}`)), "team_secret was refused with status 401"},
		{"a chat", settingsFor(answering(200, `{"chat_id":"0"}`)), ""},
		{"no such chat", settingsFor(answering(404, `{"status_code":"404"}`)), ""},
		{"another API", settingsFor(answering(404, `{"error":"no such thing"}`)), "what answers is not IMIchat's API (HTTP 404)"},
		{"an object", settingsFor(answering(200, `{}`)), "what answers is not IMIchat's API (HTTP 200)"},
		{"another web server", settingsFor(answering(404, "<html>not found</html>")), "what answers is not IMIchat's API (HTTP 404)"},
		{"no such page", settingsFor(answering(404, "404 page not found")), "what answers is not IMIchat's API (HTTP 404)"},
		{"a page", settingsFor(answering(200, "<html>welcome</html>")), "what answers is not IMIchat's API (HTTP 200)"},
		{"half JSON", settingsFor(answering(200, `{"status_code":`)), "what answers is not IMIchat's API"},
		{"a redirect", settingsFor(answering(301, "", "Location", "https://b.imi.chat")), `the server redirects to "https://b.imi.chat"`},
		{"broken", settingsFor(answering(502, "")), "the server answers with status 502"},
		{"busy", settingsFor(answering(429, "")), "the server answers with status 429"},
		{"nobody", settingsFor("http://127.0.0.1:1"), "instance_url: chat: dial tcp"},
		{"wrong settings", settings{}, "instance_url is not"},
		{"no call for it", settings{InstanceURL: far.URL, TeamSecret: "x", Endpoints: endpoints{Chat: off}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.s.Validate(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("%v shows a secret", err)
			}
		})
	}
	if n := len(s.Chats()); n != 0 {
		t.Errorf("the live check left %d chats", n)
	}
}

// TestValidateDoesNotFollow: the secret is for nobody else.
func TestValidateDoesNotFollow(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/v3.1/", http.RedirectHandler("/elsewhere", http.StatusFound))
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	if err := settingsFor(srv.URL).Validate(t.Context()); err == nil {
		t.Error("no error")
	}
}

func TestReadmeNamesSettings(t *testing.T) { plugintest.Readme(t, settings{}, endpoints{}) }
