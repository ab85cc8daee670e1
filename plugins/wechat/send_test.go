package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// wantShown compares what customers saw, and that the contract was kept.
func wantShown(t *testing.T, r *rig, want ...sim.Shown) {
	t.Helper()
	if diff := cmp.Diff(want, r.sim.Shown(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what the customer sees (-want +got):\n%s", diff)
	}
	if b := r.sim.Breaks(); len(b) > 0 {
		t.Errorf("the contract was broken: %q", b)
	}
}

// TestSend: all that can be sent, in the order in which the customer should see it.
func TestSend(t *testing.T) {
	jpg, amr, mp4 := []byte("\xff\xd8\xffjpg"), []byte("#!AMR\nx"), []byte("mp4")
	for _, tt := range []struct {
		name string
		m    func(r *rig) sdk.Message
		want []sim.Shown
	}{
		{"text, raw", func(*rig) sdk.Message { return sdk.Message{Text: "你好 <b> & \"😀\"\u2028new\r\nline\x07"} },
			[]sim.Shown{{Kind: "text", Text: "你好 <b> & \"😀\"\nnew\nline"}}},
		{"the longest text", func(*rig) sdk.Message { return sdk.Message{Text: strings.Repeat("é", 1023) + "a"} },
			[]sim.Shown{{Kind: "text", Text: strings.Repeat("é", 1023) + "a"}}},
		{"a picture", func(r *rig) sdk.Message {
			return sdk.Message{Attachments: []sdk.Attachment{r.AddMedia("a.jpg", "image/jpeg", jpg)}}
		}, []sim.Shown{{Kind: "image", File: jpg}}},
		{"text, voice and a caption", func(r *rig) sdk.Message {
			a := r.AddMedia("a.amr", "audio/amr", amr)
			a.Caption = "Listen"
			return sdk.Message{Text: "Here", Attachments: []sdk.Attachment{a}}
		}, []sim.Shown{{Kind: "text", Text: "Here"}, {Kind: "voice", File: amr}, {Kind: "text", Text: "Listen"}}},
		{"a video", func(r *rig) sdk.Message {
			return sdk.Message{Attachments: []sdk.Attachment{r.AddMedia("a.mp4", "video/mp4; codecs=x", mp4)}}
		}, []sim.Shown{{Kind: "video", Text: "a.mp4", File: mp4, Thumb: true}}},
		{"a page", func(*rig) sdk.Message { return sdk.Message{Text: "Look", URLPush: "https://e.com/a?b=c&d"} },
			[]sim.Shown{{Kind: "text", Text: "Look\nhttps://e.com/a?b=c&d"}}},
		{"a page and a long text", func(*rig) sdk.Message {
			return sdk.Message{Text: strings.Repeat("a", 2047), URLPush: "https://e.com"}
		}, []sim.Shown{{Kind: "text", Text: strings.Repeat("a", 2047)}, {Kind: "text", Text: "https://e.com"}}},
		{"buttons after a picture", func(r *rig) sdk.Message {
			return sdk.Message{Text: "Right?", Attachments: []sdk.Attachment{r.AddMedia("a.png", "image/png", jpg)},
				QuickReplies: []sdk.QuickReply{{Title: "Yes", Payload: "order.yes"}, {Title: "No"}}}
		}, []sim.Shown{{Kind: "image", File: jpg}, {Kind: "msgmenu", Text: "Right?", Choices: []sim.Choice{{ID: "order.yes", Content: "Yes"}, {ID: "No", Content: "No"}}}}},
		{"a page and a long text with buttons", func(*rig) sdk.Message {
			return sdk.Message{Text: strings.Repeat("a", 2047), URLPush: "https://e.com", QuickReplies: []sdk.QuickReply{{Title: "Yes"}}}
		}, []sim.Shown{{Kind: "text", Text: strings.Repeat("a", 2047)}, {Kind: "msgmenu", Text: "https://e.com", Choices: []sim.Choice{{ID: "Yes", Content: "Yes"}}}}},
		{"a long caption", func(r *rig) sdk.Message {
			a := r.AddMedia("a.jpg", "image/jpeg", jpg)
			a.Caption = strings.Repeat("你", 700)
			return sdk.Message{Attachments: []sdk.Attachment{a}}
		}, []sim.Shown{{Kind: "image", File: jpg}, {Kind: "text", Text: strings.Repeat("你", 682)}, {Kind: "text", Text: strings.Repeat("你", 18)}}},
		{"of an agent with an account", func(*rig) sdk.Message { return sdk.Message{Text: "Hi", Agent: sdk.Agent{Name: "Zoe"}} },
			[]sim.Shown{{Kind: "text", Text: "Hi", Account: "zoe@shop"}}},
		{"of another agent", func(*rig) sdk.Message { return sdk.Message{Text: "Hi", Agent: sdk.Agent{ID: "7", Name: "Bea"}} },
			[]sim.Shown{{Kind: "text", Text: "Hi", Account: "service@shop"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			accounts := func(s *Settings) {
				s.KFAccounts = map[string]string{"Zoe": "zoe@shop"}
				if tt.want[0].Account != "" {
					s.KFAccount = "service@shop"
				}
			}
			r := connect(t, sim.Options{}, accounts)
			r.says(t, "Hello")
			m := tt.m(r)
			m.ID = "c.1"
			if _, err := r.Send(t.Context(), ada, m); err != nil {
				t.Fatal(err)
			}
			for i := range tt.want {
				tt.want[i].To = user
			}
			wantShown(t, r, tt.want...)
		})
	}
}

// TestQuickReplyComesBack: the button that the customer presses is the one that we
// sent.
func TestQuickReplyComesBack(t *testing.T) {
	r := connect(t, sim.Options{AESKey: key})
	r.says(t, "Hello")
	choices := []sdk.QuickReply{{Title: "Yes", Payload: "order.yes"}, {Title: "No", Payload: "order.no"}}
	if _, err := r.Send(t.Context(), ada, sdk.Message{ID: "c.1", Text: "Right?", QuickReplies: choices}); err != nil {
		t.Fatal(err)
	}
	if err := r.sim.Choose(t.Context(), user, 1); err != nil {
		t.Fatal(err)
	}
	all := r.took()
	if got := all[len(all)-1].QuickReply; got == nil || *got != choices[1] {
		t.Errorf("%+v, want %+v", got, choices[1])
	}
}

// TestRejectedBeforeAnything: a file that cannot go keeps the rest back, too: who
// wrote it is told, and the customer does not get half of it.
func TestRejectedBeforeAnything(t *testing.T) {
	r := connect(t, sim.Options{})
	r.says(t, "Hello")
	for want, a := range map[string]sdk.Attachment{
		"rejected file_type":      r.AddMedia("a.pdf", "application/pdf", []byte("%PDF")),
		"rejected file_too_large": r.AddMedia("a.amr", "audio/amr", make([]byte, 2<<20+1)),
		"rejected media_gone":     {MediaID: "gone"},
	} {
		_, err := r.Send(t.Context(), ada, sdk.Message{ID: "c.1", Text: "See", Attachments: []sdk.Attachment{a}})
		if got := plugintest.Verdict(err); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if _, err := r.Send(t.Context(), ada, sdk.Message{ID: "c.2"}); plugintest.Verdict(err) != "rejected empty" {
		t.Errorf("nothing: %v", err)
	}
	if _, err := r.Send(t.Context(), sdk.Customer{Address: "+41 79"}, sdk.Message{Text: "Hi"}); plugintest.Verdict(err) != "rejected address" {
		t.Errorf("a phone number: %v", err)
	}
	wantShown(t, r)
}

// TestGoesOn: a message whose upload or first piece failed goes out once, whole.
func TestGoesOn(t *testing.T) {
	r := connect(t, sim.Options{})
	r.says(t, "Hello")
	m := sdk.Message{ID: "c.1", Text: "See", Attachments: []sdk.Attachment{r.AddMedia("a.jpg", "image/jpeg", []byte("a")), r.AddMedia("b.jpg", "image/jpeg", []byte("b"))}}
	if err := r.sim.SetFault(sim.Fault{Verb: "upload", Kind: "500", Count: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Send(t.Context(), ada, m); plugintest.Verdict(err) != "retry" {
		t.Fatalf("an upload that failed: %v", err)
	}
	for _, kind := range []string{"errcode:-1", "503"} {
		if err := r.sim.SetFault(sim.Fault{Verb: "send", Kind: kind, Count: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Send(t.Context(), ada, m); plugintest.Verdict(err) != "retry" {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	if _, err := r.Send(t.Context(), ada, m); err != nil {
		t.Fatal(err)
	}
	wantShown(t, r, sim.Shown{To: user, Kind: "text", Text: "See"}, sim.Shown{To: user, Kind: "image", File: []byte("a")},
		sim.Shown{To: user, Kind: "image", File: []byte("b")})
}

// TestSlowUpload: a file takes longer than other calls may.
func TestSlowUpload(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cgi-bin/media/upload" {
			time.Sleep(300 * time.Millisecond) // WeChat takes its time
			_, _ = w.Write([]byte(`{"media_id":"m"}`))
		}
	}))
	defer srv.Close()
	c := withAPI(t, srv.URL, 100*time.Millisecond)
	if id, err := c.api.upload(t.Context(), "image", "a.jpg", "image/jpeg", []byte("a")); id != "m" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
}

// TestGoesOnHalfWay: where the second of two pieces failed, only that one follows.
func TestGoesOnHalfWay(t *testing.T) {
	r := connect(t, sim.Options{})
	r.says(t, "Hello")
	a := r.AddMedia("a.jpg", "image/jpeg", []byte("a"))
	for i := range 4 { // of five that WeChat allows
		if _, err := r.Send(t.Context(), ada, sdk.Message{ID: fmt.Sprint("c.", i), Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
	}
	m := sdk.Message{ID: "c.9", Text: "See", Attachments: []sdk.Attachment{a}}
	if _, err := r.Send(t.Context(), ada, m); err == nil || !strings.Contains(err.Error(), sdk.ErrWindowClosed.Error()) {
		t.Fatalf("%v, want that the window is closed", err)
	}
	r.says(t, "Are you there?")
	if _, err := r.Send(t.Context(), ada, m); err != nil {
		t.Fatal(err)
	}
	all := r.sim.Shown()
	if n := len(all); n != 6 || all[4].Text != "See" || !bytes.Equal(all[5].File, []byte("a")) {
		t.Errorf("%+v, want the picture only after the text that went", all)
	}
}

// TestWindows: what WeChat allows by its own clock, and what it says if that is
// used up.
func TestWindows(t *testing.T) {
	r := connect(t, sim.Options{})
	send := func(want string, times int) {
		t.Helper()
		for i := range times {
			_, err := r.Send(t.Context(), ada, sdk.Message{Text: "Hi"})
			if got := plugintest.Verdict(err); want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(got, want)) {
				t.Fatalf("%d: %s, want %q", i, got, want)
			}
		}
	}
	send("recipient gone: recipient gone: WeChat: 40003", 1)
	r.says(t, "Hello")
	send("", 5)
	send("reply window closed: reply window closed: WeChat: 45047", 1)
	r.says(t, "Hello?")
	r.advance(48*time.Hour + time.Second)
	send("reply window closed: reply window closed: WeChat: 45015", 1)
	for _, act := range []string{"CLICK", "SCAN", "subscribe", "scancode_push", "scancode_waitmsg"} {
		if err := r.sim.Act(t.Context(), user, act, sim.Field{K: "EventKey", V: "K"}); err != nil {
			t.Fatal(err)
		}
		send("", 3)
		send("reply window closed", 1)
		r.advance(time.Minute)
		send("reply window closed", 1)
	}
	if err := r.sim.Act(t.Context(), user, "unsubscribe"); err != nil {
		t.Fatal(err)
	}
	send("recipient gone: recipient gone: WeChat: 43004", 1)
	all := r.took()
	if e := all[len(all)-1]; e.Type != sdk.CustomEvent || e.EventName != "unsubscribe" || e.Customer.Address != user {
		t.Errorf("%+v, want the custom event unsubscribe", e)
	}
}

func TestTyping(t *testing.T) {
	r := connect(t, sim.Options{})
	if err := r.TypingToCustomer(t.Context(), ada, true); err == nil {
		t.Error("typing to nobody is no error")
	}
	r.says(t, "Hello")
	for _, on := range []bool{true, false} {
		if err := r.TypingToCustomer(t.Context(), ada, on); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"Typing", "CancelTyping"}, r.sim.Typing()); diff != "" {
		t.Error(diff)
	}
	r.advance(49 * time.Hour)
	if err := r.TypingToCustomer(t.Context(), ada, true); err != nil {
		t.Errorf("when it cannot be shown: %v", err)
	}
	if err := r.TypingToCustomer(t.Context(), sdk.Customer{Address: "+41"}, true); plugintest.Verdict(err) != "rejected address" {
		t.Errorf("to a phone number: %v", err)
	}
}
