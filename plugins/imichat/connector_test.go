package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// TestTranscript: each call, byte for byte.
func TestTranscript(t *testing.T) {
	d := &plugintest.Far{Body: `{"status_code":"200","description":"ok","response":{"chat_id":"CSR1","message_id":77}}`}
	c, _ := dial(t, d, func(s *settings) {
		s.AliasPrefix, s.RouteParams = "gw-", map[string]string{"source": "web", "channel": "lies"}
		s.Assets = map[string]string{"shop": "+41800"}
	})
	ctx := t.Context()
	first := sdk.Message{ID: "c.1.1", Text: `Hi <b>"Ann"</b> & 😀`, Author: sdk.AuthorCustomer, At: noon}
	if ref, err := c.Open(ctx, chat, first); err != nil || ref != "CSR1" {
		t.Fatalf("open: %q, %v", ref, err)
	}
	file := sdk.Attachment{URL: "https://gw/media/a", MIME: "image/png", Name: "a.png", Bytes: 12, Caption: "A"}
	for _, m := range []sdk.Message{
		{ID: "c.1.2", Text: "More", Author: sdk.AuthorCustomer},
		{ID: "c.1.3", Attachments: []sdk.Attachment{file, {MediaID: "m", Name: "b.pdf", MIME: "application/pdf"}}},
		{ID: "c.1.4", Text: "not delivered", Author: sdk.AuthorSystem},
		{ID: "c.1.5", Text: "hello", Author: sdk.AuthorBot, URLPush: "https://e.com"},
		{ID: "c.1.6", Text: "hello", Author: sdk.AuthorAgent, Agent: sdk.Agent{Name: "Ann"}},
	} {
		if r, err := c.Send(ctx, chat, m); err != nil || r.MessageID != "77" {
			t.Errorf("send %s: %+v, %v", m.ID, r, err)
		}
	}
	for _, err := range []error{
		c.TypingToChat(ctx, chat, true), c.Transfer(ctx, chat, "4"), c.Transfer(ctx, chat, "skill: french"),
		c.Transfer(ctx, chat, "team:sales"), c.SendEvent(ctx, chat, "vip", map[string]string{"level": "3"}),
		c.SendEvent(ctx, chat, "bare", nil), c.Close(ctx, chat, "customer"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if ref, err := c.Reopen(ctx, chat); err != nil || ref != "CSR1" {
		t.Errorf("reopen: %q, %v", ref, err)
	}
	const base = "/v3.1/chats"
	message := func(id, text string) string {
		return `{"message_id":"` + id + `","direction":"inbound","type":"text","text":"` + text + `","attachments":[]}`
	}
	want := []struct{ method, uri, body string }{
		{"POST", base, `{"team_id":17,"alias_id":"gw-0123-2","channel":"sms","asset":{"id":"+41800"},"customer":{"id":"+4179",` +
			`"name":"Ada Lovelace","first_name":"Ada","last_name":"Lovelace","locale":"de-CH"},` +
			`"messages":[{"message_id":"c.1.1","direction":"inbound","type":"text","text":"Hi <b>\"Ann\"</b> & 😀",` +
			`"attachments":[],"timestamp":"2026-01-02T12:00:00Z"}],"route_params":{"channel":"shop","channel_type":"sms",` +
			`"conversation":"0123","service":"retail","source":"web","vip":"yes"}}`},
		{"POST", base + "/CSR1/messages", message("c.1.2", "More")},
		{"POST", base + "/CSR1/messages", `{"message_id":"c.1.3","direction":"inbound","type":"attachment",` +
			`"text":"[file b.pdf application/pdf]","attachments":[{"url":"https://gw/media/a","name":"a.png",` +
			`"mime_type":"image/png","size":12,"caption":"A"}]}`},
		{"POST", base + "/CSR1/messages", message("c.1.4", "[system] not delivered")},
		{"POST", base + "/CSR1/messages", message("c.1.5", `[bot] hello\nhttps://e.com`)},
		{"POST", base + "/CSR1/messages", message("c.1.6", "[agent Ann] hello")},
		{"POST", base + "/CSR1/typing", `{"direction":"inbound","typing":true}`},
		{"POST", base + "/CSR1/transfer", `{"team_id":4}`},
		{"POST", base + "/CSR1/transfer", `{"skill_id":"french"}`},
		{"POST", base + "/CSR1/transfer", `{"team_id":"sales"}`},
		{"POST", base + "/CSR1/events", `{"event_name":"vip","params":{"level":"3"}}`},
		{"POST", base + "/CSR1/events", `{"event_name":"bare","params":{}}`},
		{"PUT", base + "/CSR1/close", `{"reason":"customer","status":"closed"}`},
		{"PUT", base + "/CSR1/reopen", `{}`},
	}
	got := d.Requests()
	if len(got) != len(want) {
		t.Fatalf("%d requests, want %d", len(got), len(want))
	}
	for i, w := range want {
		wanted := plugintest.Request{Method: w.method, URI: w.uri, Type: "application/json; charset=utf-8", Key: secret, Body: w.body}
		if diff := cmp.Diff(wanted, got[i]); diff != "" {
			t.Errorf("request %d (-want +got):\n%s", i, diff)
		}
	}
}

// TestEndpoints: every call goes where the settings say.
func TestEndpoints(t *testing.T) {
	d := &plugintest.Far{Body: `{"response":[{"chat_id":"CSR2"}]}`}
	c, _ := dial(t, d, func(s *settings) {
		s.APIVersion, s.AuthHeader, s.AuthPrefix = "v4", "Authorization", "Bearer "
		s.Endpoints = endpoints{Create: "PUT /api/{api_version}/new", Append: "POST /m/{chat_id}", Typing: "PATCH /t/{chat_id}",
			Close: "DELETE /c/{chat_id}", Transfer: "POST /x/{chat_id}/{api_version}", Reopen: off, Event: off,
			Receipt: "POST /r/{chat_id}", Hold: "POST /h/{chat_id}", Resume: off, Update: off}
	})
	ctx := t.Context()
	odd := chat
	odd.Ref = "a/b"
	if ref, err := c.Open(ctx, chat, sdk.Message{Text: "Hi"}); err != nil || ref != "CSR2" {
		t.Errorf("open: %q, %v", ref, err)
	}
	_, err := c.Send(ctx, odd, sdk.Message{Text: "Hi"})
	for _, err := range []error{err, c.TypingToChat(ctx, odd, false), c.Close(ctx, odd, ""), c.Transfer(ctx, odd, "1")} {
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Reopen(ctx, odd); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("reopen that is off: %v", err)
	}
	for _, err := range []error{c.Receipt(ctx, odd, "7", "read", ""), c.Hold(ctx, odd, true)} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, err := range []error{c.SendEvent(ctx, odd, "vip", nil), c.Hold(ctx, odd, false), c.Update(ctx, odd)} {
		if !errors.Is(err, sdk.ErrUnsupported) {
			t.Errorf("a call that is off: %v", err)
		}
	}
	var got []string
	for _, r := range d.Requests() {
		got = append(got, r.Method+" "+r.URI)
	}
	want := []string{"PUT /api/v4/new", "POST /m/a%2Fb", "PATCH /t/a%2Fb", "DELETE /c/a%2Fb", "POST /x/a%2Fb/v4",
		"POST /r/a%2Fb", "POST /h/a%2Fb"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewChat(t *testing.T) {
	for _, tt := range []struct {
		name         string
		change       func(*settings, *sdk.Chat)
		channel, who string
	}{
		{"sms", func(*settings, *sdk.Chat) {}, "sms", "Ada Lovelace"},
		{"facebook", func(_ *settings, c *sdk.Chat) { c.ChannelType = "facebook" }, "facebook", "Ada Lovelace"},
		{"twitter", func(_ *settings, c *sdk.Chat) { c.ChannelType = "twitter" }, "twitter", "Ada Lovelace"},
		{"rtm", func(_ *settings, c *sdk.Chat) { c.ChannelType = "rtm" }, "api", "Ada Lovelace"},
		{"wechat", func(_ *settings, c *sdk.Chat) { c.ChannelType = "wechat" }, "api", "Ada Lovelace"},
		{"by the settings", func(s *settings, _ *sdk.Chat) { s.Channel = "livechat" }, "livechat", "Ada Lovelace"},
		{"whole name", func(_ *settings, c *sdk.Chat) { c.Customer.Name = "Countess" }, "sms", "Countess"},
		{"no name", func(_ *settings, c *sdk.Chat) { c.Customer.FirstName, c.Customer.LastName = "", "" }, "sms", "+4179"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ch := chat
			c, _ := receiver(t, func(s *settings) { tt.change(s, &ch) })
			body, err := ccsp.JSON(c.newChat(ch, nil))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{`"channel":"` + tt.channel + `"`, `"name":"` + tt.who + `"`, `"asset":{"id":"shop"}`, `"messages":[]`} {
				if !strings.Contains(string(body), want) {
					t.Errorf("%s has no %s", body, want)
				}
			}
		})
	}
}

// TestTextLimit: a text is refused, never cut; a mark never costs text.
func TestTextLimit(t *testing.T) {
	d := &plugintest.Far{Body: "{}"}
	c, _ := dial(t, d)
	full := strings.Repeat("😀", textLimit/2)
	if _, err := c.Send(t.Context(), chat, sdk.Message{Text: full, Author: sdk.AuthorBot}); err != nil {
		t.Error(err)
	}
	if _, err := c.Send(t.Context(), chat, sdk.Message{Text: full + "x"}); plugintest.Verdict(err) != "rejected too_long" {
		t.Errorf("%v, want too_long", err)
	}
	if _, err := c.Open(t.Context(), chat, sdk.Message{Text: full + "x"}); plugintest.Verdict(err) != "rejected too_long" {
		t.Errorf("%v, want too_long", err)
	}
	if _, err := c.Send(t.Context(), chat, sdk.Message{Author: sdk.AuthorSystem}); plugintest.Verdict(err) != "rejected no_text" {
		t.Errorf("%v, want no_text", err)
	}
	if got := d.Requests(); len(got) != 1 || !strings.Contains(got[0].Body, `"text":"`+full+`"`) {
		t.Errorf("%d requests, want the full text once", len(got))
	}
}

func TestTransferTargets(t *testing.T) {
	d := &plugintest.Far{Body: "{}"}
	c, _ := dial(t, d)
	for _, target := range []string{"", " ", "team:", "agent:ann", "skill:"} {
		if err := c.Transfer(t.Context(), chat, target); plugintest.Verdict(err) != "rejected target" {
			t.Errorf("%q: %v, want it rejected", target, err)
		}
	}
	if n := len(d.Requests()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

// TestRotation: a call goes through as long as one secret is valid, and stays
// with the one that was.
func TestRotation(t *testing.T) {
	used := func(d *plugintest.Far) (keys []string) {
		for _, r := range d.Requests() {
			keys = append(keys, r.Key)
		}
		return keys
	}
	for _, tt := range []struct {
		name  string
		valid map[string]bool
		want  []string // secrets used by two calls
		err   string
	}{
		{"the current one", map[string]bool{secret: true}, []string{secret, secret}, "ok"},
		{"the older one", map[string]bool{older: true}, []string{secret, older, older}, "ok"},
		{"the next one", map[string]bool{"canary-next": true}, []string{secret, older, "canary-next", "canary-next"}, "ok"},
		{"none", nil, []string{secret, older, "canary-next", secret, older, "canary-next"}, "credentials refused"},
	} {
		for _, envelope := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				d := &keyDesk{valid: tt.valid, envelope: envelope}
				c, host := dial(t, d, func(s *settings) { s.FurtherSecrets = older + " canary-next" })
				for range 2 {
					if _, err := c.Send(t.Context(), chat, sdk.Message{Text: "Hi"}); plugintest.Verdict(err) != tt.err {
						t.Errorf("%v, want %s", err, tt.err)
					} else if err != nil && strings.Contains(err.Error(), "canary") {
						t.Errorf("%v shows a secret", err)
					}
				}
				if diff := cmp.Diff(tt.want, used(&d.Far)); diff != "" {
					t.Errorf("secrets (-want +got):\n%s", diff)
				}
				if strings.Contains(host.Logged(), "canary") {
					t.Errorf("the log has a secret:\n%s", host.Logged())
				}
			})
		}
	}
}

func TestAliasTypesAreKnown(t *testing.T) {
	if !slices.IsSorted(aliasTypes) {
		t.Error("aliasTypes are not sorted; an error message lists them")
	}
	for _, typ := range slices.Sorted(maps.Values(knownTypes())) {
		if typ != agentChat && !slices.Contains(aliasTypes, typ) {
			t.Errorf("%s cannot be the meaning of an alias", typ)
		}
	}
}
