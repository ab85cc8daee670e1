package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/sdk"
)

// take reads one answer from where at stands and returns what it means.
func take(t *testing.T, at cursor, body string) (events []sdk.Event, now cursor, typing []bool) {
	t.Helper()
	list, err := readEvents([]byte(body), false)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	r := reading{ref: "C1", queue: "retail", event: "SC_ATTACHMENT", cursor: at, log: slog.New(slog.DiscardHandler),
		typing: func(on bool) { typing = append(typing, on) }}
	r.read(list)
	r.expire()
	for i := range r.out {
		if p := r.out[i].Payload; p != nil && !json.Valid(p) {
			t.Errorf("payload %q is not JSON", r.out[i].Payload)
		}
	}
	return r.out, r.cursor, typing
}

func one(event string) string { return `{"Events":[` + event + `]}` }

var ignored = cmpopts.IgnoreFields(sdk.Event{}, "Payload", "Ref")

func TestMapping(t *testing.T) {
	minutes := func(m float64) *time.Duration {
		d := time.Duration(m * float64(time.Minute))
		return &d
	}
	waiting, talking, held := cursor{Version: 1}, cursor{Version: 1, Assigned: true}, cursor{Version: 1, Assigned: true, Held: true}
	talked := cursor{Version: 1, Last: 1, Assigned: true}
	queued := cursor{Version: 1, Assigned: true, Queued: "queue", Agents: "Ann"}
	by := func(names string) cursor { return cursor{Version: 1, Last: 1, Assigned: true, Agents: names} }
	with := func(names string) cursor { return cursor{Version: 1, Assigned: true, Agents: names} }
	ended := func(c cursor) cursor { c.Last, c.Ended = 1, true; return c }
	for _, tt := range []struct {
		name  string
		at    cursor
		event string // without its id, which is 1
		want  []sdk.Event
		now   cursor
	}{
		{"104", waiting, `"Command":"status","Status_Code":104`, nil, cursor{Version: 1, Last: 1}},
		{"133", waiting, `"Command":"status","Status_Code":"133"`, nil, cursor{Version: 1, Last: 1}},
		{"105", waiting, `"Command":"status","Status_Code":105`, []sdk.Event{{Type: "chat_queued", ID: "C1:1", Queue: "retail"}}, cursor{Version: 1, Last: 1}},
		{"165 less", waiting, `"Command":"status","Status_Code":"165","Estimated_Time":"3","Additional_Information":"1"`,
			[]sdk.Event{{Type: "chat_queued", ID: "C1:1", Queue: "retail", EstWait: minutes(3), Kind: "less_than"}}, cursor{Version: 1, Last: 1}},
		{"165 about", waiting, `"Command":"status","Status_Code":165,"Estimated_Time":0,"Additional_Information":2`,
			[]sdk.Event{{Type: "chat_queued", ID: "C1:1", Queue: "retail", EstWait: minutes(0), Kind: "about"}}, cursor{Version: 1, Last: 1}},
		{"165 more", waiting, `"Command":"status","Status_Code":165,"Estimated_Time":1.5,"Additional_Information":3`,
			[]sdk.Event{{Type: "chat_queued", ID: "C1:1", Queue: "retail", EstWait: minutes(1.5), Kind: "more_than"}}, cursor{Version: 1, Last: 1}},
		{"165 nonsense", waiting, `"Command":"status","Status_Code":165,"Estimated_Time":"soon","Additional_Information":9`,
			[]sdk.Event{{Type: "chat_queued", ID: "C1:1", Queue: "retail"}}, cursor{Version: 1, Last: 1}},
		{"165 back to the queue", held, `"Command":"status","Status_Code":165`,
			[]sdk.Event{{Type: "chat_queued", ID: "C1:1"}}, cursor{Version: 1, Last: 1, Assigned: true, Queued: "queue"}},
		{"105 back to the queue", with("Ann"), `"Command":"status","Status_Code":"105","Estimated_Time":"2","Additional_Information":"1"`,
			[]sdk.Event{{Type: "chat_queued", ID: "C1:1", EstWait: minutes(2), Kind: "less_than"}}, cursor{Version: 1, Last: 1, Assigned: true, Queued: "agent", Agents: "Ann"}},
		{"105 after 165", queued, `"Command":"status","Status_Code":105`,
			[]sdk.Event{{Type: "chat_queued", ID: "C1:1"}}, cursor{Version: 1, Last: 1, Assigned: true, Queued: "queue", Agents: "Ann"}},
		{"106 after waiting for an agent", cursor{Version: 1, Assigned: true, Queued: "agent", Agents: "Ann"},
			`"Command":"status","Status_Code":106,"Participant_Name":"Bob"`, []sdk.Event{
				{Type: "chat_transferred", ID: "C1:1", Kind: "agent", From: "Ann", To: "Bob", Agent: sdk.Agent{Name: "Bob"}},
				{Type: "chat_assigned", ID: "C1:1.2", Agent: sdk.Agent{Name: "Bob"}}}, by("Bob")},
		{"166", waiting, `"Command":"status","Status_Code":166,"CallID":"K7"`,
			[]sdk.Event{{Type: "custom_event", ID: "C1:1", EventName: "call_id", CallID: "K7", Params: map[string]string{"call_id": "K7"}}}, cursor{Version: 1, Last: 1}},
		{"166 elsewhere, a number", waiting, `"Command":"status","Status_Code":166,"Additional_Information":7`,
			[]sdk.Event{{Type: "custom_event", ID: "C1:1", EventName: "call_id", CallID: "7", Params: map[string]string{"call_id": "7"}}}, cursor{Version: 1, Last: 1}},
		{"106", waiting, `"Command":"status","Status_Code":"106"`, []sdk.Event{{Type: "chat_assigned", ID: "C1:1"}}, talked},
		{"106 with a name", waiting, `"Command":"status","Status_Code":106,"Participant_Name":"Ann"`,
			[]sdk.Event{{Type: "chat_assigned", ID: "C1:1", Agent: sdk.Agent{Name: "Ann"}}}, by("Ann")},
		{"106 again", with("Ann"), `"Command":"status","Status_Code":106,"Participant_Name":"Ann"`,
			[]sdk.Event{{Type: "chat_assigned", ID: "C1:1", Agent: sdk.Agent{Name: "Ann"}}}, by("Ann")},
		{"106 after a queue", queued, `"Command":"status","Status_Code":106,"Participant_Name":"Bob"`, []sdk.Event{
			{Type: "chat_transferred", ID: "C1:1", Kind: "queue", From: "Ann", To: "Bob", Agent: sdk.Agent{Name: "Bob"}},
			{Type: "chat_assigned", ID: "C1:1.2", Agent: sdk.Agent{Name: "Bob"}}}, by("Bob")},
		{"106 after a queue, without a name", queued, `"Command":"status","Status_Code":"106"`, []sdk.Event{
			{Type: "chat_transferred", ID: "C1:1", Kind: "queue", From: "Ann"}, {Type: "chat_assigned", ID: "C1:1.2"}}, talked},
		{"106 with another name", with("Ann"), `"Command":"status","Status_Code":106,"Participant_Name":"Bob"`, []sdk.Event{
			{Type: "chat_transferred", ID: "C1:1", Kind: "agent", From: "Ann", To: "Bob", Agent: sdk.Agent{Name: "Bob"}},
			{Type: "chat_assigned", ID: "C1:1.2", Agent: sdk.Agent{Name: "Bob"}}}, by("Bob")},
		{"106 with another name after a hold", cursor{Version: 1, Assigned: true, Held: true, Agents: "Ann"},
			`"Command":"status","Status_Code":106,"Participant_Name":"Bob"`, []sdk.Event{
				{Type: "chat_transferred", ID: "C1:1", Kind: "agent", From: "Ann", To: "Bob", Agent: sdk.Agent{Name: "Bob"}},
				{Type: "chat_assigned", ID: "C1:1.2", Agent: sdk.Agent{Name: "Bob"}}}, by("Bob")},
		{"another agent speaks", with("Ann"), `"Command":"read","Participant_Name":"Bob","Message_Text":"Hi"`, []sdk.Event{
			{Type: "agent_joined", ID: "C1:1.1", Agent: sdk.Agent{Name: "Bob"}},
			{Type: "incoming_message", ID: "C1:1", Text: "Hi", Agent: sdk.Agent{Name: "Bob"}}}, by("Ann\nBob")},
		{"the first one speaks again", with("Ann\nBob"), `"Command":"read","Participant_Name":"Ann","Message_Text":"Hi"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "Hi", Agent: sdk.Agent{Name: "Ann"}}}, by("Bob\nAnn")},
		{"somebody speaks before an agent has it", waiting, `"Command":"read","Participant_Name":"Bank","Message_Text":"Hi"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "Hi", Agent: sdk.Agent{Name: "Bank"}}}, cursor{Version: 1, Last: 1}},
		{"157", talking, `"Command":"status","Status_Code":157`, []sdk.Event{{Type: "chat_held", ID: "C1:1"}}, cursor{Version: 1, Last: 1, Assigned: true, Held: true}},
		{"106 after 157", held, `"Command":"status","Status_Code":106`, []sdk.Event{{Type: "chat_resumed", ID: "C1:1"}}, talked},
		{"107 while talking", talking, `"Command":"status","Status_Code":107`,
			[]sdk.Event{{Type: "chat_closed", ID: "C1:1", Status: "closed", Reason: "disconnected", By: "agent"}}, ended(talking)},
		{"107 with 0", talking, `"Command":"status","Status_Code":"107","Additional_Information":"0"`,
			[]sdk.Event{{Type: "chat_closed", ID: "C1:1", Status: "closed", Reason: "disconnected", By: "agent"}}, ended(talking)},
		{"107 before anybody, no reason", waiting, `"Command":"status","Status_Code":107`,
			[]sdk.Event{{Type: "chat_rejected", ID: "C1:1", Reason: "unknown"}}, ended(waiting)},
		{"107 with an unknown reason", waiting, `"Command":"status","Status_Code":107,"Additional_Information":99`,
			[]sdk.Event{{Type: "chat_rejected", ID: "C1:1", Reason: "unknown", ReasonCode: "99"}}, ended(waiting)},
		{"unknown status", talking, `"Command":"status","Status_Code":200`, nil, talked},
		{"status is a word", talking, `"Command":"status","Status_Code":"x"`, nil, talked},
		{"disconnected participant", talking, `"Command":"ParticipantDisconnected","Participant_Name":"Ann"`, []sdk.Event{
			{Type: "agent_left", ID: "C1:1", Agent: sdk.Agent{Name: "Ann"}},
			{Type: "chat_closed", ID: "C1:1.2", Status: "closed", Reason: "disconnected", By: "agent", Agent: sdk.Agent{Name: "Ann"}}}, ended(with("Ann"))},
		{"disconnected participant without a name", talking, `"Command":"ParticipantDisconnected"`, []sdk.Event{
			{Type: "agent_left", ID: "C1:1"}, {Type: "chat_closed", ID: "C1:1.2", Status: "closed", Reason: "disconnected", By: "agent"}}, ended(talking)},
		{"error before anybody", waiting, `"Command":"Error","Error_Code":"8"`,
			[]sdk.Event{{Type: "chat_rejected", ID: "C1:1", Reason: "no_suitable_agents", ReasonCode: "8"}}, ended(waiting)},
		{"error before anybody, as a number", waiting, `"Command":"Error","Error_Code":18`,
			[]sdk.Event{{Type: "chat_rejected", ID: "C1:1", Reason: "agent_refused", ReasonCode: "18"}}, ended(waiting)},
		{"error without a code", waiting, `"Command":"Error"`, []sdk.Event{{Type: "chat_rejected", ID: "C1:1", Reason: "unknown"}}, ended(waiting)},
		{"error while talking", talking, `"Command":"Error","Error_Code":7`, []sdk.Event{{Type: "custom_event", ID: "C1:1", EventName: "error",
			Reason: "out_of_memory", ReasonCode: "7", Params: map[string]string{"code": "7", "reason": "out_of_memory"}}}, talked},
		{"message", talking, `"Command":"read","Participant_Name":"Ann &amp; Bob","Message_Text":"<p>Hi <b>Ada</b></p>"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "Hi Ada", Agent: sdk.Agent{Name: "Ann & Bob"}}}, by("Ann & Bob")},
		{"message with a page", talking, `"Command":"read","Message_Text":"See","URL_Pushed":"https://e.com"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "See\nhttps://e.com", URLPush: "https://e.com"}}, talked},
		{"message that holds its page", talking, `"Command":"read","Message_Text":"See https://e.com","URL_Pushed":"https://e.com"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "See https://e.com", URLPush: "https://e.com"}}, talked},
		{"a page alone", talking, `"Command":"read","Message_Text":"","URL_Pushed":"https://e.com"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "https://e.com", URLPush: "https://e.com"}}, talked},
		{"a file", talking, `"Command":"read","Message_Text":"See","URL_Pushed":"https://e.com/a/Price%20list.PDF?key=1"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "See", Attachments: []sdk.Attachment{
				{URL: "https://e.com/a/Price%20list.PDF?key=1", MIME: "application/pdf", Name: "Price list.PDF"}}}}, talked},
		{"a file alone", talking, `"Command":"read","Message_Text":"","URL_Pushed":"http://e.com/a.jpg"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Attachments: []sdk.Attachment{
				{URL: "http://e.com/a.jpg", MIME: "image/jpeg", Name: "a.jpg"}}}}, talked},
		{"a file in the guise of an event", talking, `"Command":"read","Message_Text":"[ccspChatEvent]SC_ATTACHMENT","URL_Pushed":"https://e.com/f?id=7"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Attachments: []sdk.Attachment{{URL: "https://e.com/f?id=7"}}}}, talked},
		{"the same, in the text", talking, `"Command":"read","Message_Text":"[ccspChatEvent]SC_ATTACHMENT SC_URL=https://e.com/a.png"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Attachments: []sdk.Attachment{
				{URL: "https://e.com/a.png", MIME: "image/png", Name: "a.png"}}}}, talked},
		{"the same without an address", talking, `"Command":"read","Message_Text":"[ccspChatEvent]SC_ATTACHMENT javascript:x"`,
			[]sdk.Event{{Type: "custom_event", ID: "C1:1", EventName: "SC_ATTACHMENT", Params: map[string]string{"text": "javascript:x"}, Private: true}}, talked},
		{"a path is no file", talking, `"Command":"read","Message_Text":"","URL_Pushed":"/rooms/7.jpg"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "/rooms/7.jpg", URLPush: "/rooms/7.jpg"}}, talked},
		{"a number for a text", talking, `"Command":"read","Message_Text":42`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "42"}}, talked},
		{"nothing said", talking, `"Command":"read","Message_Text":null`, nil, talked},
		{"event in a text", talking, `"Command":"read","Message_Text":"[ccspChatEvent]stoppedCoBrowsing"`,
			[]sdk.Event{{Type: "custom_event", ID: "C1:1", EventName: "stoppedCoBrowsing", Params: map[string]string{}, Private: true}}, talked},
		{"event in markup, with more", talking, `"Command":"read","Message_Text":"<p>[ccspChatEvent]go to it</p>","URL_Pushed":"u"`,
			[]sdk.Event{{Type: "custom_event", ID: "C1:1", EventName: "go", Params: map[string]string{"text": "to it", "url": "u"}, Private: true}}, talked},
		{"event with parameters", talking, `"Command":"read","Message_Text":"[ccspChatEvent]vip  now level=3 why=too slow https://e.com/?a=b"`,
			[]sdk.Event{{Type: "custom_event", ID: "C1:1", EventName: "vip", Private: true,
				Params: map[string]string{"text": "now", "level": "3", "why": "too slow https://e.com/?a=b"}}}, talked},
		{"control passed", talking, `"Command":"read","Participant_Name":"Ann","Message_Text":"[ccspChatEvent]control_passed to=bot reason=all done topic=billing"`,
			[]sdk.Event{{Type: "control_passed", ID: "C1:1", To: "bot", Reason: "all done", Params: map[string]string{"topic": "billing"},
				Agent: sdk.Agent{Name: "Ann"}}}, talked},
		{"control offered", talking, `"Command":"read","Message_Text":"[ccspChatEvent]control_offered"`,
			[]sdk.Event{{Type: "control_offered", ID: "C1:1", Params: map[string]string{}}}, talked},
		{"control accepted", talking, `"Command":"read","Message_Text":"[ccspChatEvent]control_accepted"`,
			[]sdk.Event{{Type: "control_accepted", ID: "C1:1", Params: map[string]string{}}}, talked},
		{"control released", talking, `"Command":"read","Message_Text":"[ccspChatEvent]control_released"`,
			[]sdk.Event{{Type: "control_released", ID: "C1:1", Params: map[string]string{}}}, talked},
		{"event without a name", talking, `"Command":"read","Message_Text":" [ccspChatEvent]"`,
			[]sdk.Event{{Type: "custom_event", ID: "C1:1", EventName: "ccspChatEvent", Params: map[string]string{}, Private: true}}, talked},
		{"the mark in the middle is text", talking, `"Command":"read","Message_Text":"see [ccspChatEvent]x"`,
			[]sdk.Event{{Type: "incoming_message", ID: "C1:1", Text: "see [ccspChatEvent]x"}}, talked},
		{"typing", talking, `"Command":"typingStatus","Message_Text":"1"`, nil, talked},
		{"unknown command", talking, `"Command":"dance"`, nil, talked},
		{"no command", talking, `"Status_Code":106`, nil, talked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, now, _ := take(t, tt.at, one(`{"Event_ID":1,`+tt.event+`}`))
			if diff := cmp.Diff(tt.want, got, ignored); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if now != tt.now {
				t.Errorf("cursor %+v, want %+v", now, tt.now)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	names := map[int]string{6: "unknown", 7: "out_of_memory", 8: "no_suitable_agents", 9: "invalid_queue",
		10: "no_primary_connection_server", 11: "no_call_id", 12: "invalid_external_queue", 13: "unknown_skill",
		14: "stream_exists", 15: "call_not_found", 16: "not_accepted_by_agent", 17: "no_connection_available", 18: "agent_refused"}
	for code := 6; code <= 18; code++ {
		for _, form := range []string{`%d`, `"%d"`} {
			event := one(fmt.Sprintf(`{"Event_ID":1,"Command":"status","Status_Code":107,"Additional_Information":`+form+`}`, code))
			want := sdk.Event{Type: "chat_rejected", ID: "C1:1", Reason: names[code], ReasonCode: fmt.Sprint(code)}
			got, _, _ := take(t, cursor{}, event)
			if diff := cmp.Diff([]sdk.Event{want}, got, ignored); diff != "" {
				t.Errorf("before anybody, %s (-want +got):\n%s", event, diff)
			}
			want.Type, want.Status, want.By = "chat_closed", "closed", "system"
			got, _, _ = take(t, cursor{Assigned: true}, event)
			if diff := cmp.Diff([]sdk.Event{want}, got, ignored); diff != "" {
				t.Errorf("while talking, %s (-want +got):\n%s", event, diff)
			}
		}
	}
}

// types are the ids and types of events.
func types(events []sdk.Event) string {
	var out []string
	for _, e := range events {
		out = append(out, strings.TrimPrefix(e.ID, "C1:")+" "+e.Type)
	}
	return strings.Join(out, ", ")
}

func TestBatches(t *testing.T) {
	const (
		read   = `"Command":"read","Message_Text":"Hi"}`
		call   = `"Command":"status","Status_Code":106}`
		queued = `"Command":"status","Status_Code":165}`
		off    = `"Command":"status","Status_Code":107}`
		left   = `"Command":"ParticipantDisconnected","Participant_Name":"Ann"}`
	)
	for _, tt := range []struct {
		name   string
		at     cursor
		events []string
		want   string
		last   int64
	}{
		{"old ones are dropped", cursor{Last: 5}, []string{`{"Event_ID":4,` + read, `{"Event_ID":"5",` + read, `{"Event_ID":6,` + read}, "6 incoming_message", 6},
		{"the same twice", cursor{}, []string{`{"Event_ID":1,` + read, `{"Event_ID":"1",` + read}, "1 incoming_message", 1},
		{"their order is kept", cursor{}, []string{`{"Event_ID":3,` + read, `{"Event_ID":2,` + read}, "3 incoming_message, 2 incoming_message", 3},
		{"an id with a point", cursor{}, []string{`{"Event_ID":7.0,` + read}, "7 incoming_message", 7},
		{"no id", cursor{Last: 3}, []string{`{` + read, `{"Event_ID":"x",` + read, `{"Event_ID":4,` + read}, "3.n1 incoming_message, 3.n2 incoming_message, 4 incoming_message", 4},
		{"the end comes once", cursor{Assigned: true}, []string{`{"Event_ID":1,` + off, `{"Event_ID":2,` + left, `{"Event_ID":3,` + off}, "1 chat_closed", 3},
		{"the other way round", cursor{Assigned: true}, []string{`{"Event_ID":1,` + left, `{"Event_ID":2,` + off}, "1 agent_left, 2 chat_closed", 2},
		{"a last word", cursor{Assigned: true}, []string{`{"Event_ID":1,` + off, `{"Event_ID":2,` + read}, "1 chat_closed, 2 incoming_message", 2},
		{"left to a queue", cursor{Assigned: true, Held: true}, []string{`{"Event_ID":1,` + left, `{"Event_ID":2,` + queued, `{"Event_ID":3,` + call}, "1 agent_left, 2 chat_queued, 3 chat_transferred, 3.2 chat_assigned", 3},
		{"left to an agent", cursor{Assigned: true, Held: true}, []string{`{"Event_ID":1,` + left, `{"Event_ID":2,` + call}, "1 agent_left, 2 chat_transferred, 2.2 chat_assigned", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, now, _ := take(t, tt.at, `{"Events":[`+strings.Join(tt.events, ",")+`]}`)
			if types(got) != tt.want || now.Last != tt.last {
				t.Errorf("%s, last %d; want %s, %d", types(got), now.Last, tt.want, tt.last)
			}
		})
	}
}

func TestTypingIsNoEvent(t *testing.T) {
	got, _, typing := take(t, cursor{}, `{"Events":[{"Event_ID":1,"Command":"typingStatus","Message_Text":"1"},
		{"Event_ID":2,"Command":"typingStatus","Message_Text":2},{"Event_ID":3,"Command":"typingStatus","Message_Text":"maybe"}]}`)
	if diff := cmp.Diff([]bool{true, false}, typing); diff != "" || got != nil {
		t.Errorf("events %v, typing (-want +got):\n%s", got, diff)
	}
}

func TestReadEvents(t *testing.T) {
	const a, b = `{"Event_ID":1,"Command":"read","Message_Text":"a"}`, `{"Event_ID":2,"Command":"read","Message_Text":"b"}`
	for _, tt := range []struct {
		name, body string
		cut        bool
		n          int
		ok         bool
	}{
		{"nothing", "", false, 0, true},
		{"blanks", " \r\n", false, 0, true},
		{"no Events", `{}`, false, 0, true},
		{"null", `{"Events":null}`, false, 0, true},
		{"empty text", `{"Events":""}`, false, 0, true},
		{"two", `{"X":{"y":[1]},"Events":[` + a + `,` + b + `],"Z":null}`, false, 2, true},
		{"half", `{"Events":[` + a + `,{"Event`, false, 0, false},
		{"no end", `{"Events":[` + a + `]`, false, 0, false},
		{"too long, one is whole", `{"Events":[` + a + `,{"Event`, true, 1, true},
		{"too long, none is whole", `{"Events":[{"Event`, true, 0, false},
		{"two values", `{}{}`, false, 0, false},
		{"a list", `[]`, false, 0, false},
		{"a word", `ok`, false, 0, false},
		{"a page", `<html></html>`, false, 0, false},
		{"Events is a number", `{"Events":3}`, false, 0, false},
		{"an event is a word", `{"Events":["x",` + a + `]}`, false, 2, true},
		{"10,000 deep", strings.Repeat(`{"Events":`, 10001), false, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := readEvents([]byte(tt.body), tt.cut)
			if len(list) != tt.n || (err == nil) != tt.ok {
				t.Errorf("%d events, %v; want %d, ok %v", len(list), err, tt.n, tt.ok)
			}
		})
	}
}

// FuzzEvents: whatever comes, nothing panics, ids are unique, the cursor never
// goes back, the chat ends at most once, and the same answer again brings nothing.
func FuzzEvents(f *testing.F) {
	f.Add(int64(0), []byte(`{"Events":[{"Event_ID":1,"Command":"read","Message_Text":"<b>a"},{"Event_ID":"2","Command":"status","Status_Code":"107"}]}`))
	f.Add(int64(3), []byte(`{"Events":[{"Event_ID":9e3,"Command":"ParticipantDisconnected"},{"Command":"Error","Error_Code":null}]}`))
	f.Add(int64(0), []byte(`{"Events":[{"Event_ID":true,"Command":"status","Status_Code":165,"Estimated_Time":"1e9"}]}`))
	f.Add(int64(0), []byte(`{"Events":[{"Event_ID":1,"Command":"read","Message_Text":"[ccspChatEvent]SC_ATTACHMENT a=https://e.com/a.png","Participant_Name":"A"},{"Event_ID":2,"Command":"read","Message_Text":"<p>[ccspChatEvent]control_passed to=bot x= y"}]}`))
	f.Add(int64(1), []byte(`{"Events":[{"Event_ID":2,"Command":"status","Status_Code":106,"Participant_Name":"A"},{"Event_ID":3,"Command":"ParticipantDisconnected"},{"Event_ID":4,"Command":"status","Status_Code":"165"},{"Event_ID":5,"Command":"status","Status_Code":106}]}`))
	f.Fuzz(func(t *testing.T, last int64, body []byte) {
		list, err := readEvents(body, false)
		if err != nil {
			return
		}
		at := cursor{Version: 1, Last: max(0, last)}
		r := reading{ref: "C1", cursor: at, log: slog.New(slog.DiscardHandler), typing: func(bool) {}}
		r.read(list)
		r.expire()
		if r.cursor.Last < at.Last {
			t.Errorf("cursor went from %d to %d", at.Last, r.cursor.Last)
		}
		ids, ends := map[string]bool{}, 0
		for _, e := range r.out {
			if ids[e.ID] {
				t.Errorf("id %s came twice", e.ID)
			}
			ids[e.ID] = true
			if e.Type == sdk.ChatClosed || e.Type == sdk.ChatRejected {
				ends++
			}
		}
		if ends > 1 {
			t.Errorf("%d ends", ends)
		}
		again := reading{ref: "C1", cursor: r.cursor, log: r.log, typing: r.typing}
		again.read(list)
		again.expire()
		for _, e := range again.out {
			if !strings.Contains(e.ID, ".n") {
				t.Errorf("the same answer again brought %s", e.ID)
			}
		}
	})
}
