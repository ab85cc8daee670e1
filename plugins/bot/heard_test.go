package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// bare leaves out what every event has.
var bare = cmpopts.IgnoreFields(sdk.Event{}, "Ref", "ID", "Payload")

func incoming(text string, files ...string) sdk.Event {
	e := sdk.Event{Type: sdk.IncomingMessage, Text: text, Agent: sdk.Agent{Name: "Robin"}}
	for _, f := range files {
		e.Attachments = append(e.Attachments, sdk.Attachment{URL: f})
	}
	return e
}

// offering is an incoming message from which the customer may choose.
func offering(text string, choices ...sdk.QuickReply) sdk.Event {
	e := incoming(text)
	e.QuickReplies = choices
	return e
}

func event(name string, pairs ...string) sdk.Event {
	e := sdk.Event{Type: sdk.CustomEvent, EventName: name}
	for i := 0; i < len(pairs); i += 2 {
		if e.Params == nil {
			e.Params = map[string]string{}
		}
		e.Params[pairs[i]] = pairs[i+1]
	}
	return e
}

func control(typ, to, reason string, pairs ...string) sdk.Event {
	return sdk.Event{Type: typ, To: to, Reason: reason, Params: event("", pairs...).Params}
}

func problem(what string) sdk.Event { return event("invalid", "problem", what) }

// heardCase is one thing that a bot says, as an item of its list.
type heardCase struct {
	name, item string
	want       []sdk.Event
}

const noFile = "a file has no http address"

// rasaCases: one for each field of a Rasa message, and for what goes wrong.
var rasaCases = []heardCase{
	{"text", `{"text":"Hi"}`, []sdk.Event{incoming("Hi")}},
	{"text and recipient", `{"recipient_id":"` + ref + `","text":"Hi"}`, []sdk.Event{incoming("Hi")}},
	{"text is a number", `{"text":42}`, []sdk.Event{incoming("42")}},
	{"text with a zero byte", `{"text":"a\u0000b"}`, []sdk.Event{incoming("ab")}},
	{"text is an object", `{"text":{}}`, []sdk.Event{problem("neither a text nor an attachment")}},
	{"blank", `{"text":" "}`, []sdk.Event{problem("neither a text nor an attachment")}},
	{"nothing", `{}`, []sdk.Event{problem("neither a text nor an attachment")}},
	{"no object", `"Hi"`, []sdk.Event{problem("a reply is no object")}},
	{"null", `null`, []sdk.Event{problem("a reply is no object")}},
	{"for somebody else", `{"recipient_id":"default","text":"Hi"}`, []sdk.Event{problem("a reply has the recipient_id of another conversation")}},
	{"image", `{"image":"https://e.com/a.png"}`, []sdk.Event{incoming("", "https://e.com/a.png")}},
	{"image and text", `{"text":"See","image":"https://e.com/a.png"}`, []sdk.Event{incoming("See", "https://e.com/a.png")}},
	{"image of no server", `{"text":"See","image":"file:///etc/passwd"}`, []sdk.Event{incoming("See")}},
	{"nothing but such an image", `{"image":"javascript:x"}`, []sdk.Event{problem(noFile)}},
	{"attachment", `{"attachment":"https://e.com/a.pdf"}`, []sdk.Event{incoming("", "https://e.com/a.pdf")}},
	{"attachment with a payload", `{"attachment":{"type":"video","payload":{"src":"https://e.com/a"}}}`, []sdk.Event{incoming("", "https://e.com/a")}},
	{"attachment with a url", `{"attachment":{"url":"https://e.com/a"}}`, []sdk.Event{incoming("", "https://e.com/a")}},
	{"attachment with neither", `{"attachment":{}}`, []sdk.Event{problem(noFile)}},
	{"buttons", `{"text":"Which?","buttons":[{"title":"Red","payload":"/red"},{"title":"Blue","payload":"/blue"}]}`,
		[]sdk.Event{offering("Which?", sdk.QuickReply{Title: "Red", Payload: "/red"}, sdk.QuickReply{Title: "Blue", Payload: "/blue"})}},
	{"buttons of other types", `{"text":"Which?","buttons":["Red",{"payload":"/b"},7,{},null]}`,
		[]sdk.Event{offering("Which?", sdk.QuickReply{Title: "Red"}, sdk.QuickReply{Title: "/b", Payload: "/b"}, sdk.QuickReply{Title: "7"})}},
	{"buttons alone", `{"buttons":[{"title":"Red"}]}`, []sdk.Event{offering("", sdk.QuickReply{Title: "Red"})}},
	{"buttons are no list", `{"text":"Hi","buttons":"Red"}`, []sdk.Event{incoming("Hi")}},
	{"quick replies", `{"text":"Which?","quick_replies":[{"title":"Red"}]}`, []sdk.Event{offering("Which?", sdk.QuickReply{Title: "Red"})}},
	{"hand-over", `{"custom":{"handover":true}}`, []sdk.Event{control(sdk.ControlOffered, "ccsp", "")}},
	{"hand-over as text", `{"custom":{"handover":"true"}}`, []sdk.Event{control(sdk.ControlOffered, "ccsp", "")}},
	{"hand-over with a reason", `{"custom":{"handover":true,"reason":"angry","params":{"n":3}}}`,
		[]sdk.Event{control(sdk.ControlOffered, "ccsp", "angry", "n", "3")}},
	{"no hand-over", `{"text":"Hi","custom":{"handover":false}}`, []sdk.Event{incoming("Hi"), event("custom", "handover", "false")}},
	{"pass", `{"custom":{"handover":"pass"}}`, []sdk.Event{control(sdk.ControlPassed, "ccsp", "")}},
	{"pass to a human", `{"custom":{"handover":{"action":"pass","to":"Human","reason":"x","params":{"a":"b","c":{"d":1}}}}}`,
		[]sdk.Event{control(sdk.ControlPassed, "ccsp", "x", "a", "b", "c", `{"d":1}`)}},
	{"offer by an object", `{"custom":{"handover":{}}}`, []sdk.Event{control(sdk.ControlOffered, "ccsp", "")}},
	{"accept", `{"custom":{"handover":"accept"}}`, []sdk.Event{control(sdk.ControlAccepted, "", "")}},
	{"release", `{"custom":{"handover":{"action":"release"}}}`, []sdk.Event{control(sdk.ControlReleased, "", "")}},
	{"unknown action", `{"custom":{"handover":"grab"}}`, []sdk.Event{problem("the hand-over's action is none of offer, pass, accept and release")}},
	{"unknown side", `{"custom":{"handover":{"to":"sales"}}}`, []sdk.Event{problem("the hand-over goes to neither ccsp nor bot")}},
	{"hand-over with text", `{"text":"One moment","custom":{"handover":true}}`,
		[]sdk.Event{incoming("One moment"), control(sdk.ControlOffered, "ccsp", "")}},
	{"configured key", `{"custom":{"human_handoff":"pass"}}`, []sdk.Event{control(sdk.ControlPassed, "ccsp", "")}},
	{"configured action", `{"custom":{"action":"human_handoff","reason":"x"}}`, []sdk.Event{control(sdk.ControlOffered, "ccsp", "x")}},
	{"configured intent", `{"custom":{"intent":"human_handoff"}}`, []sdk.Event{control(sdk.ControlOffered, "ccsp", "")}},
	{"configured intent as text", `{"text":"/human_handoff"}`, []sdk.Event{control(sdk.ControlOffered, "ccsp", "")}},
	{"event that is one", `{"custom":{"event":"Handover","action":"pass"}}`, []sdk.Event{control(sdk.ControlPassed, "ccsp", "")}},
	{"milestone", `{"custom":{"event":"Milestone Reached","params":{"name":"order","n":2}}}`,
		[]sdk.Event{event("milestone_reached", "name", "order", "n", "2")}},
	{"notify", `{"custom":{"type":"notify","what":"x"}}`, []sdk.Event{event("notify", "what", "x")}},
	{"unhandled", `{"custom":{"name":"unhandled-message"}}`, []sdk.Event{event("unhandled_message")}},
	{"another event", `{"custom":{"event":"cart_filled","n":1}}`, []sdk.Event{event("cart_filled", "n", "1")}},
	{"custom without a name", `{"custom":{"a":1,"b":[2]}}`, []sdk.Event{event("custom", "a", "1", "b", "[2]")}},
	{"custom is a text", `{"custom":"x"}`, []sdk.Event{event("custom", "value", "x")}},
	{"custom is empty", `{"text":"Hi","custom":{}}`, []sdk.Event{incoming("Hi")}},
	{"custom is null", `{"text":"Hi","custom":null}`, []sdk.Event{incoming("Hi")}},
	{"long name", `{"custom":{"event":"` + big(1000) + `"}}`, []sdk.Event{event(big(maxName))}},
}

// jsonCases: one for each event of the profile json, and for what goes wrong.
var jsonCases = []heardCase{
	{"message", `{"type":"message","text":"Hi"}`, []sdk.Event{incoming("Hi")}},
	{"message, by a name", `{"type":"message","text":"Hi","name":"Eve"}`,
		[]sdk.Event{{Type: sdk.IncomingMessage, Text: "Hi", Agent: sdk.Agent{Name: "Eve"}}}},
	{"private", `{"type":"message","text":"Hi","private":true}`,
		[]sdk.Event{{Type: sdk.IncomingMessage, Text: "Hi", Agent: sdk.Agent{Name: "Robin"}, Private: true}}},
	{"private as text", `{"type":"message","text":"Hi","private":"true"}`,
		[]sdk.Event{{Type: sdk.IncomingMessage, Text: "Hi", Agent: sdk.Agent{Name: "Robin"}, Private: true}}},
	{"message with an id", `{"type":"message","text":"Hi","id":"b1"}`,
		[]sdk.Event{{Type: sdk.IncomingMessage, Text: "Hi", Agent: sdk.Agent{Name: "Robin"}, MessageID: "b1"}}},
	{"id too long", `{"type":"message","text":"Hi","id":"` + big(maxID+1) + `"}`, []sdk.Event{problem("an id is longer than 256 bytes")}},
	{"text is a number", `{"type":"message","text":1.50}`, []sdk.Event{incoming("1.50")}},
	{"text is a list", `{"type":"message","text":["Hi"]}`, []sdk.Event{problem("neither a text nor an attachment")}},
	{"attachment", `{"type":"message","attachments":[{"url":"https://e.com/a","name":"a.pdf","mime":"Application/PDF","bytes":"7","caption":"A"}]}`,
		[]sdk.Event{{Type: sdk.IncomingMessage, Agent: sdk.Agent{Name: "Robin"},
			Attachments: []sdk.Attachment{{URL: "https://e.com/a", Name: "a.pdf", MIME: "application/pdf", Bytes: 7, Caption: "A"}}}}},
	{"attachment of no size", `{"type":"message","attachments":[{"url":"https://e.com/a","bytes":-1}]}`, []sdk.Event{incoming("", "https://e.com/a")}},
	{"attachment without an address", `{"type":"message","text":"Hi","attachments":[{"name":"a"},"x",null]}`, []sdk.Event{incoming("Hi")}},
	{"attachments are no list", `{"type":"message","attachments":{"url":"https://e.com/a"}}`, []sdk.Event{problem("attachments is no list")}},
	{"too many attachments", `{"type":"message","attachments":[` + strings.Repeat(`{"url":"https://e.com/a"},`, maxFiles) + `{"url":"https://e.com/b"}]}`,
		[]sdk.Event{incoming("", strings.Fields(strings.Repeat("https://e.com/a ", maxFiles))...)}},
	{"quick replies", `{"type":"message","text":"Which?","quick_replies":[{"title":"Red","payload":"r"},{"title":"Blue"}]}`,
		[]sdk.Event{offering("Which?", sdk.QuickReply{Title: "Red", Payload: "r"}, sdk.QuickReply{Title: "Blue"})}},
	{"offer", `{"type":"handover","action":"offer","to":"ccsp","reason":"angry","params":{"topic":"bill"}}`,
		[]sdk.Event{control(sdk.ControlOffered, "ccsp", "angry", "topic", "bill")}},
	{"offer to nobody in particular", `{"type":"handover","action":"Offer"}`, []sdk.Event{control(sdk.ControlOffered, "ccsp", "")}},
	{"pass", `{"type":"handover","action":"pass","to":"agent"}`, []sdk.Event{control(sdk.ControlPassed, "ccsp", "")}},
	{"accept", `{"type":"handover","action":"accept"}`, []sdk.Event{control(sdk.ControlAccepted, "", "")}},
	{"release", `{"type":"handover","action":"release","reason":"done"}`, []sdk.Event{control(sdk.ControlReleased, "", "done")}},
	{"hand-over without an action", `{"type":"handover"}`, []sdk.Event{problem("the hand-over's action is none of offer, pass, accept and release")}},
	{"hand-over to nobody known", `{"type":"handover","action":"pass","to":7}`, []sdk.Event{problem("the hand-over goes to neither ccsp nor bot")}},
	{"event", `{"type":"event","name":"cart_filled","params":{"n":1,"ok":true,"no":null}}`,
		[]sdk.Event{event("cart_filled", "n", "1", "ok", "true", "no", "")}},
	{"event without a name", `{"type":"event"}`, []sdk.Event{problem("an event has no name")}},
	{"milestone", `{"type":"milestone_reached","params":{"name":"order"}}`, []sdk.Event{event("milestone_reached", "name", "order")}},
	{"milestone by its old name", `{"type":"event","name":"Milestone Reached"}`, []sdk.Event{event("milestone_reached")}},
	{"notify", `{"type":"Notify","what":"x"}`, []sdk.Event{event("notify", "what", "x")}},
	{"unhandled", `{"type":"unhandled_message","params":{}}`, []sdk.Event{event("unhandled_message")}},
	{"unknown type", `{"type":"mood","id":"7","good":false}`, []sdk.Event{event("mood", "good", "false")}},
	{"no type", `{"text":"Hi"}`, []sdk.Event{problem("an event has no type")}},
	{"type is an object", `{"type":{}}`, []sdk.Event{problem("an event has no type")}},
	{"no object", `[]`, []sdk.Event{problem("an event is no object")}},
}

// checkHeard compares what came of one item.
func checkHeard(t *testing.T, want, got []sdk.Event) {
	t.Helper()
	if diff := cmp.Diff(want, got, bare); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, e := range got {
		if e.Ref != ref {
			t.Errorf("ref %q, want %q", e.Ref, ref)
		}
	}
}

func handoff(s *settings) { s.Handover = "human_handoff" }

func TestRasaSays(t *testing.T) {
	for _, tt := range rasaCases {
		t.Run(tt.name, func(t *testing.T) {
			r := dial(t, &plugintest.Far{Body: "[" + tt.item + "]"}, profileRasa, handoff)
			if _, err := r.Send(t.Context(), talk, sdk.Message{ID: "m.1", Text: "Hi"}); err != nil {
				t.Fatal(err)
			}
			checkHeard(t, tt.want, r.took())
		})
	}
}

func TestJSONSays(t *testing.T) {
	for _, tt := range jsonCases {
		t.Run(tt.name, func(t *testing.T) {
			body := `{"version":1,"conversation":"` + ref + `","events":[` + tt.item + `]}`
			r := dial(t, signedBy(t, secret, body), profileJSON)
			if _, err := r.Send(t.Context(), talk, sdk.Message{ID: "m.1", Text: "Hi"}); err != nil {
				t.Fatal(err)
			}
			checkHeard(t, tt.want, r.took())
			res, err := r.Webhook(t.Context(), hooked(t, older, "w1", noon, body))
			if err != nil || res.Status != 0 {
				t.Fatalf("at the hook: %d %s, %v", res.Status, res.Body, err)
			}
			checkHeard(t, tt.want, res.Events)
		})
	}
}

// TestOrderAndIDs: several things keep their order, and each has an id of its
// own that is the same when it is said again.
func TestOrderAndIDs(t *testing.T) {
	r := dial(t, &plugintest.Far{Body: `[{"text":"a"},{"custom":{"type":"typing"}},{"text":"b","custom":{"handover":true}},{"text":"c"}]`}, profileRasa)
	for range 2 {
		if _, err := r.Send(t.Context(), talk, sdk.Message{ID: "m.1", Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, e := range r.took() {
		got = append(got, e.ID+" "+e.Type+" "+e.Text)
	}
	once := []string{"m.1#0 incoming_message a", "m.1#2 incoming_message b", "m.1#3 control_offered ", "m.1#4 incoming_message c"}
	if diff := cmp.Diff(append(once, once...), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := []plugintest.Typed{{Ref: ref, On: true}, {Ref: ref, On: true}}
	if diff := cmp.Diff(want, r.host.Typing()); diff != "" {
		t.Errorf("typing (-want +got):\n%s", diff)
	}
}

func TestJSONTyping(t *testing.T) {
	r := connect(t, jsonAt("https://bot.example.com"))
	body := `{"version":1,"conversation":"` + ref + `","events":[{"type":"typing"},{"type":"typing","on":"false"},{"type":"message","text":"Hi","id":"b7"}]}`
	res, err := r.Webhook(t.Context(), hooked(t, secret, "w1", noon, body))
	if err != nil || len(res.Events) != 1 || res.Events[0].ID != "b7" {
		t.Errorf("%+v, %v, want one event of the id b7", res, err)
	}
	if diff := cmp.Diff([]plugintest.Typed{{Ref: ref, On: true}, {Ref: ref, On: false}}, r.host.Typing()); diff != "" {
		t.Errorf("typing (-want +got):\n%s", diff)
	}
}

// TestProblemsAreLogged: what is left out of a message that goes through can be
// found, without its text.
func TestProblemsAreLogged(t *testing.T) {
	r := dial(t, &plugintest.Far{Body: `[{"text":"classified","image":"x"}]`}, profileRasa)
	if _, err := r.Send(t.Context(), talk, sdk.Message{ID: "m.1", Text: "Hi"}); err != nil {
		t.Fatal(err)
	}
	log := r.host.Logged()
	if !strings.Contains(log, noFile) || !strings.Contains(log, ref) || strings.Contains(log, "classified") {
		t.Errorf("log %q, want the problem and the conversation, and no text", log)
	}
}
