package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

func body(t *testing.T, v any) string {
	t.Helper()
	b, err := ccsp.JSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRouting: attributes, which rules set, go before the service, and that
// before the settings.
func TestRouting(t *testing.T) {
	for _, tt := range []struct {
		name, service, kind string
		attributes          map[string]string
		want                routing
	}{
		{"the settings", "other", "sms", nil, routing{TeamID: 17, Channel: "sms", Subject: "Hello", Tag: []string{"gw"}, RouteParams: map[string]string{"a": "1"}}},
		{"a service", "retail", "rtm", nil, routing{TeamName: "Retail", Channel: "livechat", Subject: "Hello", Tag: []string{"shop"}, Flag: "red",
			RouteParams: map[string]string{"a": "1", "skill": "returns"}}},
		{"a rule", "retail", "sms", map[string]string{"team_id": " 19 ", "subject": "Order 7", "tag": "x, y,", "flag": "blue", "skill": "french", "b": "2"},
			routing{TeamID: 19, Channel: "livechat", Subject: "Order 7", Tag: []string{"x", "y"}, Flag: "blue",
				RouteParams: map[string]string{"a": "1", "b": "2", "skill": "french"}}},
		{"a rule by name", "other", "whatsapp", map[string]string{"team_name": "VIP"},
			routing{TeamName: "VIP", Channel: "whatsapp", Subject: "Hello", Tag: []string{"gw"}, RouteParams: map[string]string{"a": "1"}}},
		{"a rule with nonsense", "other", "wechat", map[string]string{"team_id": "VIP", "tag": " , ", "channel": "email", "conversation": "another"},
			routing{TeamID: 17, Channel: "api", Subject: "Hello", Tag: []string{"gw"}, RouteParams: map[string]string{"a": "1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, host := receiver(t, func(s *settings) {
				s.Subject, s.Tag, s.RouteParams = "Hello", []string{"gw"}, map[string]string{"a": "1"}
				s.Services = map[string]routing{"retail": {TeamName: "Retail", Channel: "livechat", Tag: []string{"shop"}, Flag: "red",
					RouteParams: map[string]string{"skill": "returns"}}}
			})
			for k, v := range map[string]string{"channel": "web", "channel_type": tt.kind, "service": tt.service, "conversation": "0123"} {
				tt.want.RouteParams[k] = v
			}
			got := c.route(sdk.Chat{Conversation: "0123", Channel: "web", ChannelType: tt.kind, Service: tt.service, Attributes: tt.attributes})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(host.Logged(), "team_id") != (tt.attributes["team_id"] == "VIP") {
				t.Errorf("log:\n%s", host.Logged())
			}
		})
	}
}

// TestWholeObject: a case for each documented field of a chat that is ours to
// say, byte for byte.
func TestWholeObject(t *testing.T) {
	c, _ := receiver(t, func(s *settings) {
		s.routing = routing{TeamID: 17, TeamName: "Retail", Channel: "livechat", Subject: "Hello", Tag: []string{"a", "b"}, Flag: "red",
			RouteParams: map[string]string{"k": "v"}}
		s.AliasPrefix = "gw-"
	})
	ch := sdk.Chat{Conversation: "0123", Number: 3, Channel: "web", ChannelType: "rtm", Service: "retail", Customer: sdk.Customer{
		Address: "u1", Name: "Ada L.", FirstName: "Ada", LastName: "Lovelace", Locale: "de-CH", Timezone: "Europe/Zurich",
		Addresses: map[string]string{"sms": "+41"}, Attributes: map[string]string{"tier": "gold"}}}
	got := body(t, c.newChat(ch, nil))
	for _, want := range []string{
		`{"team_id":17,"team_name":"Retail","alias_id":"gw-0123-3","channel":"livechat","subject":"Hello","thread_id":"0123",`,
		`"asset":{"id":"web"},`,
		`"customer":{"id":"u1","name":"Ada L.","first_name":"Ada","last_name":"Lovelace","locale":"de-CH","timezone":"Europe/Zurich",` +
			`"addresses":{"sms":"+41"},"attributes":{"tier":"gold"}},`,
		`"messages":[],"tag":["a","b"],"flag":"red",`,
		`"route_params":{"channel":"web","channel_type":"rtm","conversation":"0123","k":"v","service":"retail"}}`,
	} {
		rest, ok := strings.CutPrefix(got, want)
		if !ok {
			t.Fatalf("%s\nbegins not with\n%s", got, want)
		}
		got = rest
	}
	if got != "" {
		t.Errorf("%s is too much", got)
	}
	ch.Attributes = map[string]string{"thread_id": "t9"}
	if got := body(t, c.newChat(ch, nil)); !strings.Contains(got, `"thread_id":"t9"`) || strings.Count(got, "t9") != 1 {
		t.Errorf("%s, want the thread t9", got)
	}
}

// TestFields: what is not documented goes by the names that the settings say.
func TestFields(t *testing.T) {
	all := map[string]string{"asset.id": "asset_id", "author.type": "role", "author.name": off, "attachment.url": "href"}
	for of, list := range map[string][]string{"customer": nameable["customer"], "message": nameable["message"]} {
		for _, name := range list {
			all[of+"."+name] = "x_" + name
		}
	}
	all["customer.last_name"] = off
	c, _ := receiver(t, func(s *settings) { s.Fields = all })
	ch := chat
	ch.Attributes = nil
	ch.Transcript = []sdk.Line{{At: noon, Author: sdk.AuthorBot, Name: "Robo", Text: "Hi", Attachments: []sdk.Attachment{{URL: "u"}}}}
	got := body(t, c.newChat(ch, nil))
	for _, want := range []string{
		`"asset":{"asset_id":"shop"}`, `"customer":{"x_id":"+4179","x_name":"Ada Lovelace","x_first_name":"Ada","x_locale":"de-CH"}`,
		`"messages":[{"x_message_id":"0123-2.1","x_direction":"outbound","x_author":{"role":"bot"},"x_type":"attachment","x_text":"Hi",` +
			`"x_attachments":[{"href":"u"}],"x_timestamp":"2026-01-02T12:00:00Z"}]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nhas no\n%s", got, want)
		}
	}
	f := c.cfg.names.read("message", fields{"xtext": []byte(`"a"`), "xmessageid": []byte("7")})
	if f.word("text") != "a" || f.word("messageid") != "7" {
		t.Errorf("read as %v", f)
	}
}

// TestAuthorOff: who wrote is in the text where it has no place of its own.
func TestAuthorOff(t *testing.T) {
	c, _ := receiver(t, func(s *settings) { s.Fields = map[string]string{"message.author": off} })
	ch := chat
	ch.Transcript = []sdk.Line{
		{Author: sdk.AuthorCustomer, Text: "a"}, {Author: sdk.AuthorBot, Text: "b"}, {Author: sdk.AuthorAgent, Name: "Ann", Text: "c"}, {Author: sdk.AuthorBot},
	}
	got := body(t, c.history(ch))
	for _, want := range []string{`"text":"a"`, `"text":"[bot] b"`, `"text":"[agent Ann] c"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s has no %s", got, want)
		}
	}
	if strings.Contains(got, "author") || strings.Count(got, "message_id") != 3 {
		t.Errorf("%s, want three messages without authors", got)
	}
}
