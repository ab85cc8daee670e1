package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/sdk"
)

// hello is a message of X's documents.
const hello = `{"type":"message_create","id":"9544","created_timestamp":"1516403560557","message_create":{"target":{"recipient_id":"43"},` +
	`"sender_id":"30","source_app_id":"1309","message_data":{"text":"Hello","entities":{"hashtags":[],"symbols":[],"user_mentions":[],"urls":[]}}}}`

const accountUsers = `"apps":{"1309":{"id":"1309","name":"a"}},"users":{"30":{"id":"30","name":"Ada Lovelace","screen_name":"ada"},"43":{"name":"Shop","screen_name":"shop"}}`

var adaKnown = sdk.Customer{Address: "30", Name: "Ada Lovelace", Attributes: map[string]string{"username": "ada"}}

var shopKnown = sdk.Customer{Address: "43", Name: "Shop", Attributes: map[string]string{"username": "shop"}}

var at1516 = time.UnixMilli(1516403560557).UTC()

// with is hello with other words in it.
func with(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(hello) }

func accountBody(list string, events ...string) string {
	return fmt.Sprintf(`{"for_user_id":"43",%q:[%s],%s}`, list, strings.Join(events, ","), accountUsers)
}

func activityBody(kind, payload string) string {
	return fmt.Sprintf(`{"data":{"event_uuid":"-6850","filter":{"user_id":"43"},"event_type":%q,"tag":"t","payload":%s}}`, kind, payload)
}

func TestEvents(t *testing.T) {
	said := func(text string) sdk.Event {
		return sdk.Event{Type: sdk.CustomerMessage, ID: "dm:9544", MessageID: "9544", At: at1516, Customer: adaKnown, Text: text}
	}
	custom := func(name, id string) sdk.Event {
		return sdk.Event{Type: sdk.CustomEvent, EventName: name, ID: id, Customer: sdk.Customer{Address: "43"}}
	}
	stranger := said("Hello")
	stranger.Customer = sdk.Customer{Address: "30"}
	chosen := said("Yes")
	chosen.QuickReply = &sdk.QuickReply{Title: "Yes", Payload: "m1"}
	secret := said(encrypted)
	secret.ID, secret.MessageID, secret.Customer = "chat:e4f4d3fc-8bbf-4928-92eb-e5058d6bb6f6", "e4f4d3fc-8bbf-4928-92eb-e5058d6bb6f6", sdk.Customer{Address: "30"}
	unnamed := secret
	unnamed.ID, unnamed.MessageID, unnamed.At = "uuid:-6850", "", time.Time{}
	unreadable := custom("unreadable", "")
	unreadable.Customer = shopKnown
	unreadable.Params = map[string]string{"kind": listMessages}
	read := sdk.Event{Type: sdk.MessageRead, ID: "read:30:9550", At: at1516, Customer: adaKnown}
	revoked := custom("user_event.revoke", "")
	revoked.Params = map[string]string{"kind": "user_event"}
	side := `{"created_timestamp":"1516403560557","sender_id":"30","target":{"recipient_id":"43"},"last_read_event_id":"9550"}`

	for _, tt := range []struct {
		name, body string
		want       []sdk.Event
	}{
		{"account activity", accountBody(listMessages, hello), []sdk.Event{said("Hello")}},
		{"x activity", activityBody("dm.received", `{"direct_message_events":[`+hello+`],"users":{"30":{"data":{"username":"ada","name":"Ada Lovelace"}}}}`),
			[]sdk.Event{said("Hello")}},
		{"numbers in place of texts", `{"for_user_id":43,"direct_message_events":[` + with(`"9544"`, `9544`, `"43"`, `43`, `"30"`, `30`, `"1516403560557"`, `1516403560557`) + `]}`,
			[]sdk.Event{stranger}},
		{"both at once", `{"for_user_id":"43","direct_message_events":[` + with("9544", "9545") + `],` + activityBody("dm.received", `{"direct_message_events":[`+hello+`]}`)[1:],
			[]sdk.Event{stranger, func() sdk.Event { e := stranger; e.ID, e.MessageID = "dm:9545", "9545"; return e }()}},
		{"the same twice", accountBody(listMessages, hello, hello), []sdk.Event{said("Hello")}},
		{"order of ids", accountBody(listMessages, with("9544", "10000"), hello), []sdk.Event{said("Hello"),
			func() sdk.Event { e := said("Hello"); e.ID, e.MessageID = "dm:10000", "10000"; return e }()}},
		{"escaped text", accountBody(listMessages, with(`"Hello"`, `"a &lt; b &amp;&amp; c &gt; d &amp;lt; &copy;"`)), []sdk.Event{said("a < b && c > d &lt; &copy;")}},
		{"short links", accountBody(listMessages, with(`"Hello"`, `"see https://t.co/ab and https://t.co/a"`, `"urls":[]`,
			`"urls":[{"url":"https://t.co/a","expanded_url":"https://shop.example/a?x=1&y=2"},{"url":"https://t.co/ab","expanded_url":"http://e.com"}]`)),
			[]sdk.Event{said("see http://e.com and https://shop.example/a?x=1&y=2")}},
		{"a link that is none", accountBody(listMessages, with(`"Hello"`, `"see https://t.co/a"`, `"urls":[]`,
			`"urls":[{"url":"https://t.co/a","expanded_url":"javascript:alert(1)"}]`)), []sdk.Event{said("see https://t.co/a")}},
		{"quick reply", accountBody(listMessages, with(`"Hello"`, `"Yes"`, `"message_data":{`, `"message_data":{"quick_reply_response":{"type":"options","metadata":"m1"},`)),
			[]sdk.Event{chosen}},
		{"a place", accountBody(listMessages, with(`"message_data":{`, `"message_data":{"attachment":{"type":"location","location":{}},`)),
			[]sdk.Event{said("Hello\n[an attachment of the kind location]")}},
		{"what cannot be carried", accountBody(listMessages, with(`"Hello"`, `"a\u0000b\ud800"`)), []sdk.Event{said("ab\uFFFD")}},

		{"our own", accountBody(listMessages, with(`"sender_id":"30"`, `"sender_id":"43"`, `"recipient_id":"43"`, `"recipient_id":"30"`)), nil},
		{"our own, sent", activityBody("dm.sent", `{"direct_message_events":[`+with(`"sender_id":"30"`, `"sender_id":"43"`)+`]}`), nil},
		{"another subscribed user's", strings.Replace(accountBody(listMessages, hello), `"for_user_id":"43"`, `"for_user_id":"30"`, 1), nil},
		{"another subscribed user's, x activity", strings.Replace(activityBody("dm.received", `{"direct_message_events":[`+hello+`]}`), `"user_id":"43"`, `"user_id":"30"`, 1), nil},
		{"to another account", accountBody(listMessages, with(`"recipient_id":"43"`, `"recipient_id":"44"`)), nil},
		{"a group", accountBody(listMessages, with(`"type":"message_create"`, `"type":"message_create","dm_conversation_id":"1582103724607971328"`)), nil},
		{"two people's conversation", accountBody(listMessages, with(`"type":"message_create"`, `"type":"message_create","dm_conversation_id":"30-43"`)), []sdk.Event{said("Hello")}},

		{"read", accountBody(listRead, side), []sdk.Event{read}},
		{"read by us", accountBody(listRead, strings.Replace(side, `"30"`, `"43"`, 1)), nil},
		{"read in x activity", activityBody("dm.read", `{"direct_message_mark_read_events":[`+side+`],"users":{"30":{"data":{"username":"ada","name":"Ada Lovelace"}}}}`), []sdk.Event{read}},
		{"read, without a list", activityBody("dm.read", side), []sdk.Event{func() sdk.Event { e := read; e.Customer = sdk.Customer{Address: "30"}; return e }()}},
		{"typing, without a list", activityBody("dm.indicate_typing", side), nil},
		{"typing", accountBody(listTyping, side), nil},
		{"typing, which is no list", `{"for_user_id":"43","direct_message_indicate_typing_events":"x"}`, nil},

		{"encrypted", activityBody("chat.received", `{"conversation_token":"eyJ","id":"e4f4d3fc-8bbf-4928-92eb-e5058d6bb6f6","created_at_msec":"1516403560557","sender_id":"30",`+
			`"conversation_id":"30:43","encoded_event":"CwAB"}`), []sdk.Event{secret}},
		{"encrypted, without ids", activityBody("chat.received", `{"sender_id":30}`), []sdk.Event{unnamed}},
		{"encrypted, in a group", activityBody("chat.received", `{"sender_id":"30","conversation_id":"g1582103724607971328"}`), nil},
		{"encrypted, of others", activityBody("chat.received", `{"sender_id":"30","conversation_id":"30:44"}`), nil},
		{"joined an encrypted chat", activityBody("chat.conversation_join", `{"id":"x","sender_id":"30"}`), []sdk.Event{{Type: sdk.CustomEvent,
			EventName: "chat.conversation_join", ID: "uuid:-6850", Customer: sdk.Customer{Address: "30"}}}},
		{"encrypted, by nobody", activityBody("chat.received", `{"x":1}`), []sdk.Event{custom("chat.received", "uuid:-6850")}},
		{"encrypted, ours", activityBody("chat.received", `{"sender_id":"43"}`), nil},
		{"encrypted, sent", activityBody("chat.sent", `{"sender_id":"43"}`), nil},

		{"revoked", `{"user_event":{"revoke":{"date_time":"2018-05-24T09:48:12+00:00","target":{"app_id":"13"},"source":{"user_id":"43"}}}}`, []sdk.Event{revoked}},
		{"revoked by another", `{"user_event":{"revoke":{"source":{"user_id":"44"}}}}`, nil},
		{"revoked in x activity", `{"data":{"event_uuid":"-6850","filter":{},"event_type":"oauth.revoke","payload":{"user_id":"43","app_id":"29820954"}}}`,
			[]sdk.Event{custom("oauth.revoke", "uuid:-6850")}},
		{"revoked in x activity by another", `{"data":{"event_uuid":"-6850","filter":{},"event_type":"oauth.revoke","payload":{"user_id":"44","app_id":"29820954"}}}`, nil},
		{"unknown list", accountBody("follow_events", `{"type":"follow","id":"77"}`, `{"type":"follow"}`),
			[]sdk.Event{{Type: sdk.CustomEvent, EventName: "follow_events", ID: "event:follow_events:77", Customer: shopKnown},
				{Type: sdk.CustomEvent, EventName: "follow_events", Customer: shopKnown}}},
		{"a follower", accountBody("follow_events", `{"type":"follow","target":{"id":"43"},"source":{"id":"30","name":"x"}}`), []sdk.Event{
			{Type: sdk.CustomEvent, EventName: "follow_events", Customer: adaKnown}}},
		{"a follower, x activity", activityBody("follow.follow", `{"source":{"data":{"id":"30"}},"target":{"data":{"id":"43"}}}`), []sdk.Event{
			{Type: sdk.CustomEvent, EventName: "follow.follow", ID: "uuid:-6850", Customer: sdk.Customer{Address: "30"}}}},
		{"a mention", activityBody("post.mention.create", `{"id":"7","author_id":"30","text":"hey"}`), []sdk.Event{
			{Type: sdk.CustomEvent, EventName: "post.mention.create", ID: "event:post.mention.create:7", Customer: sdk.Customer{Address: "30"}}}},
		{"a post", accountBody("tweet_create_events", `{"id":9544,"id_str":"9544","user":{"id":30,"id_str":"30"}}`), []sdk.Event{
			{Type: sdk.CustomEvent, EventName: "tweet_create_events", ID: "event:tweet_create_events:9544", Customer: adaKnown}}},
		{"unknown type", activityBody("news.new", `{"x":[1]}`), []sdk.Event{custom("news.new", "uuid:-6850")}},
		{"unreadable beside readable", accountBody(listMessages, `7`, `{"id":"x"}`, `null`, hello), []sdk.Event{said("Hello"), unreadable, unreadable, unreadable}},
		{"another kind of message event", accountBody(listMessages, with(`"message_create","id"`, `"message_edit","id"`)),
			[]sdk.Event{func() sdk.Event { e := unreadable; e.ID = "event:unreadable:9544"; return e }()}},
		{"nothing", `{}`, nil}, {"an empty list", accountBody(listMessages), nil}, {"data is null", `{"data":null}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := bare(t).take(t, tt.body)
			if res.Status != 0 || res.Quarantine != "" {
				t.Fatalf("status %d, quarantine %q", res.Status, res.Quarantine)
			}
			if d := cmp.Diff(tt.want, res.Events, cmpopts.IgnoreFields(sdk.Event{}, "Payload"), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
		})
	}
}

func TestTyping(t *testing.T) {
	r := bare(t)
	r.take(t, accountBody(listTyping, `{"sender_id":"30","target":{"recipient_id":"43"}}`, `{"sender_id":"43"}`, `{"sender_id":"31","target":{"recipient_id":"44"}}`, `7`))
	if d := cmp.Diff([]string{"30"}, r.host.typed()); d != "" {
		t.Error(d)
	}
}

// TestRevokedIsSeen: the listener, and so the operator, is told; a message that X
// takes ends it.
func TestRevokedIsSeen(t *testing.T) {
	r := dial(t, byOAuth1)
	ended := make(chan error, 1)
	go func() { ended <- r.Listen(t.Context(), nil) }()
	r.take(t, string(r.x.Revoked()))
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "authorize it again") {
		t.Errorf("listen: %v", err)
	}
	if _, err := r.Send(t.Context(), toAda, text("Hi")); err != nil {
		t.Fatal(err)
	}
	if why, _ := r.health.state(); why != "" {
		t.Errorf("still %q", why)
	}
	r.sound(t)
}

// TestCounted: what is not this channel's is counted and logged, and never its text.
func TestCounted(t *testing.T) {
	r := bare(t)
	group := with(`"type":"message_create"`, `"type":"message_create","dm_conversation_id":"15"`)
	r.take(t, accountBody(listMessages, group, strings.Replace(group, "9544", "9545", 1)))
	if r.ignored.Load() != 2 || !strings.Contains(r.host.Logged(), "count=2") || strings.Contains(r.host.Logged(), "Hello") {
		t.Errorf("%d, log %s", r.ignored.Load(), r.host.Logged())
	}
}

func TestIDs(t *testing.T) {
	for _, tt := range []struct {
		a, b id
		want int
	}{{"9", "10", -1}, {"10", "9", 1}, {"0010", "10", 0}, {"18446744073709551615", "9223372036854775807", 1}, {"", "1", -1}} {
		if got := tt.a.compare(tt.b); got != tt.want {
			t.Errorf("%s and %s: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	message, at := id("2080765901528535096"), time.UnixMilli(1784928224342) // of X's documents
	if idAt(at).compare(message) > 0 || idAt(at.Add(time.Millisecond)).compare(message) <= 0 {
		t.Errorf("%s was not made at %v: %s", message, at, idAt(at))
	}
	if got := idAt(time.UnixMilli(0)); got != "0" {
		t.Errorf("before X: %s", got)
	}
}
