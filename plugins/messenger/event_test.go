package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/examples/messenger-sim/sim"
	"github.com/openccsp/gateway/sdk"
)

// TestKinds: every kind of event on Meta's page.
func TestKinds(t *testing.T) {
	window := &sdk.ReplyWindow{Open: 24 * time.Hour}
	customer := func(e sdk.Event) sdk.Event { e.Type, e.Customer.Address = sdk.CustomerMessage, "2002"; return e }
	custom := func(name string, w *sdk.ReplyWindow, params ...string) sdk.Event {
		e := sdk.Event{Type: sdk.CustomEvent, EventName: name, Window: w, Params: map[string]string{}, Customer: sdk.Customer{Address: "2002"}}
		for i := 0; i < len(params); i += 2 {
			e.Params[params[i]] = params[i+1]
		}
		return e
	}
	ofPage := func(e sdk.Event) sdk.Event { e.Customer.Address = "1001"; return e }
	receipt := func(typ, mid string) sdk.Event {
		return sdk.Event{Type: typ, MessageID: mid, Customer: sdk.Customer{Address: "2002"}}
	}
	for _, tt := range []struct {
		name, list, what string
		want             []sdk.Event
	}{
		{"text", "", `"message":{"mid":"m1","text":"hi"}`, []sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "hi"})}},
		{"quick reply", "", `"message":{"mid":"m1","text":"Yes","quick_reply":{"payload":"Y"}}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "Yes", QuickReply: &sdk.QuickReply{Title: "Yes", Payload: "Y"}})}},
		{"reply", "", `"message":{"mid":"m1","text":"that","reply_to":{"mid":"m0","is_self_reply":false}}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "that"})}},
		{"fallback", "", `"message":{"mid":"m1","text":"look","attachments":[{"type":"fallback","title":"News","url":"https://n.example/1","payload":null}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "look\n[link] News https://n.example/1"})}},
		{"fallback without a payload", "", `"message":{"mid":"m1","text":"https://n.example/1","attachments":[{"type":"fallback","url":"https://n.example/1"}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "https://n.example/1"})}},
		{"location", "", `"message":{"mid":"m1","attachments":[{"type":"location","title":"Home","payload":{"coordinates":{"lat":47.37,"long":-8.5}}}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "[location 47.37,-8.5] Home"})}},
		{"reel", "", `"message":{"mid":"m1","attachments":[{"type":"ig_reel","payload":{"url":"https://r.example/1","title":"Cats"}}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "[ig_reel] Cats https://r.example/1"})}},
		{"post", "", `"message":{"mid":"m1","attachments":[{"type":"post","payload":{"url":"https://p.example/1"}}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "[post] https://p.example/1"})}},
		{"appointment", "", `"message":{"mid":"m1","attachments":[{"type":"appointment_booking","payload":{}}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "[appointment_booking]"})}},
		{"template", "", `"message":{"mid":"m1","attachments":[{"type":"template","title":"Shop","payload":{"template_type":"generic"}}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "[template] Shop"})}},
		{"a kind to come", "", `"message":{"mid":"m1","attachments":[{"type":"hologram"}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "[hologram]"})}},
		{"a file without an address", "", `"message":{"mid":"m1","attachments":[{"type":"image","payload":{}}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "[image without an address]"})}},
		{"a text with files that cannot be read", "", `"message":{"mid":"m1","text":"hi","attachments":[7,{"type":"template","payload":"x"},{"type":"location","payload":{"coordinates":{"lat":"north"}}},{"type":"reel","payload":{"url":"https://r.example/1"}}]}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "hi\n[unknown]\n[template]\n[location]\n[reel] https://r.example/1"})}},
		{"a text with a list of files that is none", "", `"message":{"mid":"m1","text":"hi","attachments":{"type":"image"}}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "hi\n[attachments that cannot be shown]"})}},
		{"a text with a choice that cannot be read", "", `"message":{"mid":"m1","text":"hi","quick_reply":"Y"}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "hi"})}},
		{"nothing that can be shown", "", `"message":{"mid":"m1"}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "[a message that cannot be shown]"})}},
		{"from an advertisement", "", `"message":{"mid":"m1","text":"hi","referral":{"ref":"spring","source":"ADS","ad_id":7}}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m1", Text: "hi"}), custom("referral", nil, "ref", "spring", "source", "ADS", "ad_id", "7")}},
		{"taken back", "", `"message":{"mid":"m1","is_deleted":true}`,
			[]sdk.Event{custom("message_deleted", nil, "mid", "m1", "is_deleted", "true")}},
		{"postback", "", `"postback":{"mid":"m3","title":"Start","payload":"GET_STARTED","referral":{"ref":"r"}}`,
			[]sdk.Event{customer(sdk.Event{MessageID: "m3", Text: "Start", QuickReply: &sdk.QuickReply{Title: "Start", Payload: "GET_STARTED"}}),
				custom("referral", nil, "ref", "r")}},
		{"postback without an id", "", `"postback":{"title":"Start","payload":"GET_STARTED"}`,
			[]sdk.Event{customer(sdk.Event{Text: "Start", QuickReply: &sdk.QuickReply{Title: "Start", Payload: "GET_STARTED"}})}},
		{"delivery", "", `"delivery":{"mids":["m5","m6"],"watermark":1700000000001}`,
			[]sdk.Event{receipt(sdk.MessageDelivered, "m5"), receipt(sdk.MessageDelivered, "m6"), receipt(sdk.MessageDelivered, "")}},
		{"delivery by watermark", "", `"delivery":{"watermark":1700000000001}`, []sdk.Event{receipt(sdk.MessageDelivered, "")}},
		{"read", "", `"read":{"watermark":1700000000001}`, []sdk.Event{receipt(sdk.MessageRead, "")}},
		{"read of nothing", "", `"read":{}`, []sdk.Event{custom("read", nil)}},
		{"reaction", "", `"reaction":{"reaction":"love","emoji":"❤","action":"react","mid":"m1"}`,
			[]sdk.Event{custom("reaction", window, "reaction", "love", "emoji", "❤", "action", "react", "mid", "m1")}},
		{"referral", "", `"referral":{"ref":"r","source":"SHORTLINK","type":"OPEN_THREAD"}`,
			[]sdk.Event{custom("referral", window, "ref", "r", "source", "SHORTLINK", "type", "OPEN_THREAD")}},
		{"optin", "", `"optin":{"type":"notification_messages","payload":"p"}`,
			[]sdk.Event{custom("optin", window, "type", "notification_messages", "payload", "p")}},
		{"edit", "", `"message_edit":{"mid":"m1","text":"hi!","num_edit":2}`,
			[]sdk.Event{custom("message_edit", window, "mid", "m1", "text", "hi!", "num_edit", "2")}},
		{"pass", "", `"pass_thread_control":{"previous_owner_app_id":"1","new_owner_app_id":"9001","metadata":"x"}`,
			[]sdk.Event{custom("pass_thread_control", nil, "previous_owner_app_id", "1", "new_owner_app_id", "9001", "metadata", "x", "owner", "us")}},
		{"pass that says little", "", `"pass_thread_control":{"metadata":"x"}`,
			[]sdk.Event{custom("pass_thread_control", nil, "metadata", "x", "owner", "us")}},
		{"pass to another app", "", `"pass_thread_control":{"new_owner_app_id":7}`,
			[]sdk.Event{custom("pass_thread_control", nil, "new_owner_app_id", "7", "owner", "app")}},
		{"pass that is none", "", `"pass_thread_control":"x"`, []sdk.Event{custom("pass_thread_control", nil, "value", "x")}},
		{"take", "", `"take_thread_control":{"previous_owner_app_id":9001}`,
			[]sdk.Event{custom("take_thread_control", nil, "previous_owner_app_id", "9001", "owner", "app")}},
		{"take by the inbox", "", `"take_thread_control":{"previous_owner_app_id":null,"new_owner_app_id":263902037430900}`,
			[]sdk.Event{custom("take_thread_control", nil, "new_owner_app_id", "263902037430900", "owner", "inbox")}},
		{"take by us", "", `"take_thread_control":{"previous_owner_app_id":"7","new_owner_app_id":"9001"}`,
			[]sdk.Event{custom("take_thread_control", nil, "previous_owner_app_id", "7", "new_owner_app_id", "9001", "owner", "us")}},
		{"request", "", `"request_thread_control":{"requested_owner_app_id":"7"}`,
			[]sdk.Event{custom("request_thread_control", nil, "requested_owner_app_id", "7", "by", "app")}},
		{"a kind that nobody knows", "", `"Account-Linking":{"status":"linked","more":{"code":[1]}}`,
			[]sdk.Event{custom("account_linking", nil, "status", "linked", "more.code", "[1]")}},
		{"a message that is none", "", `"message":"hi"`, []sdk.Event{custom("message", nil, "value", "hi")}},
		{"nothing", "", `"x":null`, []sdk.Event{custom("x", nil)}},
		{"standby message", "standby", `"message":{"mid":"m1","text":"hi"}`,
			[]sdk.Event{custom("standby", window, "kind", "message", "mid", "m1", "text", "hi")}},
		{"standby file", "standby", `"message":{"mid":"m1","attachments":[{"type":"image","payload":{"url":"https://e.com/a.png"}}]}`,
			[]sdk.Event{custom("standby", window, "kind", "message", "mid", "m1", "text", "[image] https://e.com/a.png",
				"attachments", `[{"payload":{"url":"https://e.com/a.png"},"type":"image"}]`)}},
		{"standby postback", "standby", `"postback":{"title":"Start"}`,
			[]sdk.Event{custom("standby", window, "kind", "postback", "title", "Start")}},
		{"standby receipt", "standby", `"read":{"watermark":1700000000001}`, []sdk.Event{receipt(sdk.MessageRead, "")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := receiver(t)
			list := "messaging"
			if tt.list != "" {
				list = tt.list
			}
			res := take(t, c, signedAs(testSecret, batchOf(list, from("2002", 0, tt.what))))
			seen := map[string]bool{}
			for _, e := range res.Events {
				if e.ID == "" || seen[e.ID] {
					t.Errorf("id %q of %s is not its own", e.ID, e.Type)
				}
				seen[e.ID] = true
			}
			if diff := cmp.Diff(tt.want, res.Events, cmpopts.IgnoreFields(sdk.Event{}, "ID", "At", "Payload")); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, tt := range []struct {
		name, event string
		want        sdk.Event
	}{
		{"policy", `{"recipient":{"id":"1001"},"timestamp":1700000000000,"policy_enforcement":{"action":"block","reason":"spam"}}`,
			ofPage(custom("policy_enforcement", nil, "action", "block", "reason", "spam"))},
		{"roles", `{"recipient":{"id":"1001"},"timestamp":1700000000000,"app_roles":{"9001":["primary_receiver"]}}`,
			ofPage(custom("app_roles", nil, "9001", `["primary_receiver"]`))},
		{"no object", `"x"`, ofPage(custom("invalid", nil, "value", "x"))},
		{"of nobody", `{"message":{"mid":"m","text":"a"}}`, ofPage(custom("message", nil, "mid", "m", "text", "a"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := receiver(t)
			res := take(t, c, signedAs(testSecret, batchOf("messaging", tt.event)))
			if diff := cmp.Diff([]sdk.Event{tt.want}, res.Events, cmpopts.IgnoreFields(sdk.Event{}, "ID", "At", "Payload")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A watermark is a time, not that of the event.
func TestWatermark(t *testing.T) {
	c, _ := receiver(t)
	res := take(t, c, signedAs(testSecret, batchOf("messaging", from("2002", 500, `"read":{"watermark":1700000000123}`))))
	if len(res.Events) != 1 || !res.Events[0].At.Equal(time.UnixMilli(1700000000123)) {
		t.Errorf("%+v", res.Events)
	}
}

func TestChanges(t *testing.T) {
	c, _ := receiver(t)
	res := take(t, c, signedAs(testSecret, batchOf("changes", `{"field":"feed","value":{"item":"post","verb":"add"}}`, `7`)))
	var got []string
	for _, e := range res.Events {
		got = append(got, e.EventName+" "+e.Params["item"]+" "+e.Customer.Address)
	}
	if diff := cmp.Diff([]string{"feed post 1001", "invalid  1001"}, got); diff != "" {
		t.Error(diff)
	}
}

// What the page says through this app is known; what others say is told.
func TestEchoes(t *testing.T) {
	for _, tt := range []struct {
		name, message, appID, want string
	}{
		{"ours", `"is_echo":true,"app_id":9001,"metadata":"openccsp:c.1.1/1","mid":"m4","text":"a"`, "9001", ""},
		{"ours by the app", `"is_echo":true,"app_id":"9001","mid":"m4","text":"a"`, "9001", ""},
		{"ours by the metadata", `"is_echo":true,"app_id":9001,"metadata":"openccsp:c.1.1/1","mid":"m4","text":"a"`, "", ""},
		{"the inbox", `"is_echo":true,"app_id":26390203743090,"mid":"m4","text":"a"`, "9001", "inbox a"},
		{"the other inbox", `"is_echo":true,"app_id":263902037430900,"mid":"m4","text":"a"`, "9001", "inbox a"},
		{"no app", `"is_echo":true,"mid":"m4","text":"a"`, "9001", "inbox a"},
		{"another app", `"is_echo":true,"app_id":77,"mid":"m4","text":"a","metadata":"m"`, "9001", "app a"},
		{"another gateway", `"is_echo":true,"app_id":77,"mid":"m4","text":"a","metadata":"openccsp:c.1.1/1"`, "9001", "app a"},
		{"a file", `"is_echo":true,"app_id":77,"mid":"m4","attachments":[{"type":"image","payload":{"url":"https://e.com/a.png"}}]`, "9001",
			"app [image] https://e.com/a.png"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := receiver(t, func(s *settings) { s.AppID = tt.appID })
			res := take(t, c, signedAs(testSecret, batchOf("messaging",
				`{"sender":{"id":"1001"},"recipient":{"id":"2002"},"timestamp":1700000000000,"message":{`+tt.message+`}}`)))
			got := ""
			for _, e := range res.Events {
				if e.EventName != "page_message" || e.Customer.Address != "2002" || e.Window != nil {
					t.Errorf("%+v", e)
				}
				got += e.Params["by"] + " " + e.Params["text"]
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Files are kept, stickers once; what cannot be had is told of.
func TestFiles(t *testing.T) {
	s := begin(t, sim.Options{})
	s.sim.SendFile("2002", "image", "image/png", []byte("\x89PNG"))
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/late") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer far.Close()
	s.sim.Message("2002", sim.Event{"text": "two", "attachments": []sim.Event{
		{"type": "audio", "payload": sim.Event{"url": far.URL + "/gone"}},
		{"type": "video", "payload": sim.Event{"url": far.URL + "/late.mp4"}},
		{"type": "image", "payload": sim.Event{"url": far.URL + "/late.png", "sticker_id": 369}},
		{"type": "sticker", "payload": sim.Event{"url": far.URL + "/late.png", "sticker_id": 369}},
	}})
	events := s.heard()
	if len(events) != 2 || len(events[0].Attachments) != 1 || string(s.Media(events[0].Attachments[0].MediaID)) != "\x89PNG" {
		t.Fatalf("%+v, want a file that is kept", events)
	}
	if want := "two\n[a file could not be fetched: audio: 403 Forbidden]"; events[1].Text != want {
		t.Errorf("%q, want %q", events[1].Text, want)
	}
	want := []sdk.Attachment{{URL: far.URL + "/late.mp4", Name: "late.mp4", MIME: "video/mp4"},
		{URL: far.URL + "/late.png", Name: "late.png", MIME: "image/png"}}
	if diff := cmp.Diff(want, events[1].Attachments); diff != "" {
		t.Error(diff)
	}
}

// A file whose address has expired does not hold up the message.
func TestExpiredFile(t *testing.T) {
	s := begin(t, sim.Options{FileFor: -time.Hour})
	s.sim.SendFile("2002", "file", "application/pdf", []byte("%PDF"))
	events := s.heard()
	if len(events) != 1 || events[0].Text != "[a file could not be fetched: file: 403 Forbidden]" {
		t.Errorf("%+v", events)
	}
}

func TestProfiles(t *testing.T) {
	s := begin(t, sim.Options{}, func(s *settings) { s.Profiles = true })
	s.sim.Say("2002", "hi")
	if err := s.sim.SetFault(sim.Fault{Verb: "node", Kind: "500"}); err != nil {
		t.Fatal(err)
	}
	s.sim.Say("2002", "again") // known: nobody is asked
	s.sim.Say("3003", "hi")    // not to be had
	s.sim.ClearFaults()
	s.sim.Say("3003", "again") // not asked again so soon
	s.Advance(2 * time.Hour)
	s.clock.advance(2 * time.Hour)
	s.sim.Say("3003", "later")
	var got []string
	for _, e := range s.heard() {
		got = append(got, e.Customer.Address+" "+e.Customer.FirstName+" "+e.Customer.LastName+" "+e.Customer.Attributes["profile_pic"])
	}
	want := []string{"2002 Ada Lovelace https://pics.example.com/2002", "2002 Ada Lovelace https://pics.example.com/2002", "3003   ", "3003   ",
		"3003 Ada Lovelace https://pics.example.com/3003"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.unbroken(t)
}

// A full batch of long texts goes through the frame between plugin and gateway.
func TestLargeBatch(t *testing.T) {
	s := begin(t, sim.Options{})
	var events []sim.Event
	for i := range 1000 {
		events = append(events, s.sim.Act("2002", "message", sim.Event{"mid": fmt.Sprintf("m%d", i), "text": strings.Repeat("a", 1800)}))
	}
	s.sim.Post(events...)
	if taken, _ := s.sim.Hooks(); taken != 1 || len(s.heard()) != 1000 {
		t.Errorf("%d webhooks were taken", taken)
	}
}

// Webhooks that come three times with their events in the wrong order are the same
// conversation; what the page says is delivered, read, and not heard again.
func TestDisturbed(t *testing.T) {
	s := begin(t, sim.Options{Echoes: true, Receipts: true})
	s.sim.Disturb(2, true)
	a := s.sim.Act("2002", "message", sim.Event{"mid": "m_a", "text": "first"})
	s.clock.advance(time.Second)
	b := s.sim.Act("2002", "message", sim.Event{"mid": "m_b", "text": "second 你/ü"})
	s.sim.Post(a, b)
	r, err := s.Send(t.Context(), ada, sdk.Message{ID: "c.1.1", Text: "answer", Author: sdk.AuthorAgent})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sim.Await(t.Context(), func() bool { taken, _ := s.sim.Hooks(); return taken == 6 }); err != nil {
		t.Fatal(err)
	}
	s.clock.advance(time.Second)
	s.sim.Say("2002", "third")
	var got []string
	for _, e := range s.heard() {
		got = append(got, strings.TrimSpace(e.Type+" "+e.Text+e.MessageID))
	}
	want := []string{"customer_message firstm_a", "customer_message second 你/üm_b",
		"message_delivered " + r.MessageID, "message_delivered", "message_read", "customer_message thirdm_000002"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.unbroken(t)
}
