package main

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/examples/messenger-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

func TestSendText(t *testing.T) {
	s := begin(t, sim.Options{})
	s.sim.Say("2002", "hi")
	for _, tt := range []struct {
		author sdk.AuthorKind
		typ    string
	}{
		{sdk.AuthorAgent, "RESPONSE"}, {sdk.AuthorBot, "RESPONSE"}, {sdk.AuthorRule, "UPDATE"}, {sdk.AuthorSystem, "UPDATE"},
	} {
		id := "c0ffee.1." + string(rune('a'+tt.author))
		r, err := s.Send(t.Context(), ada, sdk.Message{ID: id, Text: "Grüße 你 <b>", Author: tt.author,
			QuickReplies: []sdk.QuickReply{{Title: "Yes", Payload: "Y"}, {Title: "No"}}})
		if err != nil {
			t.Fatal(err)
		}
		want := sim.Message{Mid: r.MessageID, To: "2002", Type: tt.typ, Text: "Grüße 你 <b>", Replies: []string{"Yes", "No"},
			Metadata: "openccsp:" + id + "/1"}
		if diff := cmp.Diff(want, s.said(t), cmpopts.IgnoreFields(sim.Message{}, "N", "At")); diff != "" {
			t.Error(diff)
		}
	}
	s.unbroken(t)
}

// A page goes from its link where Meta can fetch it, else with its bytes; the text
// comes last, with the buttons.
func TestSendFiles(t *testing.T) {
	s := begin(t, sim.Options{})
	s.sim.Say("2002", "hi")
	pdf := s.AddMedia("a \"b\".pdf", "application/pdf", []byte("%PDF-1.7"))
	pdf.Caption = "the bill"
	link := sdk.Attachment{URL: "https://gw.example.com/media/x.png", MIME: "image/png"}
	for _, tt := range []struct {
		name   string
		upload bool
		files  []sdk.Attachment
		want   []sim.Message
	}{
		{"link", false, []sdk.Attachment{link}, []sim.Message{
			{Kind: "image", URL: link.URL}, {Text: "see", Replies: []string{"OK"}}}},
		{"bytes", false, []sdk.Attachment{pdf}, []sim.Message{
			{Kind: "file", File: []byte("%PDF-1.7"), MIME: "application/pdf"}, {Text: "the bill"}, {Text: "see", Replies: []string{"OK"}}}},
		{"both", false, []sdk.Attachment{link, pdf}, []sim.Message{
			{Kind: "image", URL: link.URL}, {Kind: "file", File: []byte("%PDF-1.7"), MIME: "application/pdf"}, {Text: "the bill"},
			{Text: "see", Replies: []string{"OK"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.sim.Sent())
			r, err := s.Send(t.Context(), ada, sdk.Message{ID: tt.name, Text: "see", Author: sdk.AuthorAgent, Attachments: tt.files,
				QuickReplies: []sdk.QuickReply{{Title: "OK", Payload: "ok"}}})
			if err != nil {
				t.Fatal(err)
			}
			got := s.sim.Sent()[before:]
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(sim.Message{}, "N", "At", "Mid", "To", "Type", "Metadata")); diff != "" {
				t.Error(diff)
			}
			if r.MessageID != got[len(got)-1].Mid {
				t.Errorf("receipt %q, want that of the last piece", r.MessageID)
			}
		})
	}
	s.unbroken(t)
}

func TestSendUploadOnly(t *testing.T) {
	s := begin(t, sim.Options{}, func(s *settings) { s.Upload = true })
	s.sim.Say("2002", "hi")
	file := s.AddMedia("a.mp3", "audio/mpeg", []byte("sound"))
	file.URL = "https://gw.example.com/media/a.mp3"
	if _, err := s.Send(t.Context(), ada, sdk.Message{ID: "1", Attachments: []sdk.Attachment{file}}); err != nil {
		t.Fatal(err)
	}
	if got := s.said(t); got.URL != "" || string(got.File) != "sound" || got.Kind != "audio" {
		t.Errorf("%+v, want the bytes", got)
	}
	s.unbroken(t)
}

// A file that Meta cannot fetch, because it does not reach the gateway, goes with
// its bytes.
func TestSendNotFetched(t *testing.T) {
	s := begin(t, sim.Options{})
	s.sim.Say("2002", "hi")
	file := s.AddMedia("a.png", "image/png", []byte("png"))
	file.URL = "https://gw.internal/media/a.png"
	for _, tt := range []struct {
		times int
		want  string
	}{{1, "ok"}, {2, "rejected 100/2018008"}} {
		if err := s.sim.SetFault(sim.Fault{Verb: "messages", Kind: "100/2018008", Count: tt.times}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Send(t.Context(), ada, sdk.Message{ID: tt.want, Attachments: []sdk.Attachment{file}})
		if got := verdict(err); got != tt.want {
			t.Errorf("refused %d times: %s, want %s", tt.times, got, tt.want)
		}
	}
	if got := s.sim.Sent(); len(got) != 1 || string(got[0].File) != "png" {
		t.Errorf("%+v, want the bytes once", got)
	}
}

// What is sent again goes on where it stood still, also where only the echo told
// that a piece had arrived.
func TestSendAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		echoes bool
		fault  string
		after  bool
		want   []string // what the customer got
	}{
		{"refused in the middle", false, "2/0", false, []string{"file", "text"}},
		{"answer lost, echo came", true, "rst", true, []string{"file", "text"}},
		{"answer lost, no echo", false, "rst", true, []string{"file", "text", "text"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t, sim.Options{Echoes: tt.echoes})
			s.sim.Say("2002", "hi")
			m := sdk.Message{ID: "c.1.1", Text: "text", Attachments: []sdk.Attachment{{URL: "https://e.com/a.png", MIME: "image/png"}}}
			if _, err := s.Send(t.Context(), ada, sdk.Message{ID: "c.1.1", Attachments: m.Attachments}); err != nil {
				t.Fatal(err) // the first piece of what follows
			}
			if err := s.sim.SetFault(sim.Fault{Verb: "messages", Kind: tt.fault, Count: 1, After: tt.after}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Send(t.Context(), ada, m); err == nil && !tt.echoes { // the echo may come before the call fails
				t.Fatal("the call was answered")
			}
			if tt.echoes {
				err := s.sim.Await(t.Context(), func() bool { taken, _ := s.sim.Hooks(); return taken >= 3 })
				if err != nil {
					t.Fatal(err)
				}
			}
			m.Attempt, m.Resent = 2, tt.after
			if s.Advance(echoFor / 2); tt.after && !tt.echoes { // the echo may still come
				if _, err := s.Send(t.Context(), ada, m); !strings.HasPrefix(verdict(err), "retry ") {
					t.Errorf("%v, want it to wait for the echo", err)
				}
			}
			s.Advance(echoFor / 2)
			r, err := s.Send(t.Context(), ada, m)
			if err != nil || r.MessageID == "" {
				t.Fatal(r, err)
			}
			var got []string
			for _, m := range s.sim.Sent() {
				if m.Kind != "" {
					m.Text = "file"
				}
				got = append(got, m.Text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSendBehindCrash: plugin and gateway were killed. What Meta has is not sent again:
// the journal knows of it, or the echo, which then comes late; what it has not is.
func TestSendBehindCrash(t *testing.T) {
	for _, tt := range []struct {
		name   string
		echo   string        // "before" the crash, "after", or "" never
		answer bool          // that came before the crash
		lost   bool          // the folder is, too
		wait   time.Duration // until it is sent, or known
		want   int           // times that the customer has it
	}{
		{"the answer came", "", true, false, 0, 1},
		{"the echo came", "before", false, false, 0, 1},
		{"the echo comes", "after", false, false, 0, 1},
		{"the echo comes, all is lost", "after", true, true, 0, 1},
		{"nothing came", "", false, false, echoFor, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			platform := sim.New(sim.Options{Page: "1001", Token: testToken, AppSecret: testSecret})
			graph := httptest.NewServer(platform)
			t.Cleanup(graph.Close)
			platform.Say("2002", "hi")
			dir := t.TempDir()
			host := &plugintest.Host{Limit: capabilities().Text, Dir: dir}
			now := time.UnixMilli(1700000000000)
			host.Set(now)
			plug := func() *channel { // what ran before is not closed: it was killed
				c, err := open(t.Context(), settingsFor(graph.URL), host)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			first := plug()
			m := sdk.Message{ID: "c.1.1", Text: "a", Author: sdk.AuthorAgent}
			if !tt.answer {
				if err := platform.SetFault(sim.Fault{Verb: "messages", Kind: "rst", Count: 1, After: true}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := first.Send(t.Context(), ada, m); (err == nil) != tt.answer {
				t.Fatal(err)
			}
			echo := batchOf("messaging", fmt.Sprintf(`{"sender":{"id":"1001"},"recipient":{"id":"2002"},"timestamp":1700000000000,`+
				`"message":{"is_echo":true,"app_id":9001,"metadata":"openccsp:c.1.1/1","mid":%q,"text":"a"}}`, platform.Sent()[0].Mid))
			if tt.echo == "before" {
				take(t, first, signedAs(testSecret, echo))
			}
			if tt.lost {
				host.Dir = t.TempDir()
			}
			second := plug()
			m.Resent = true
			r, err := second.Send(t.Context(), ada, m)
			if known := tt.answer && !tt.lost || tt.echo == "before"; (err == nil) != known || !known && verdict(err) != "retry 10s" {
				t.Errorf("%v %v, known %v", r, err, known)
			}
			if tt.echo == "after" {
				take(t, second, signedAs(testSecret, echo))
			}
			host.Set(now.Add(tt.wait))
			if r, err = second.Send(t.Context(), ada, m); err != nil || r.MessageID == "" {
				t.Errorf("%v %v", r, err)
			}
			if got := len(platform.Sent()); got != tt.want {
				t.Errorf("the customer has it %d times, want %d", got, tt.want)
			}
		})
	}
}

// A second lost answer would end the message in doubt: its echo gets some time.
func TestLostTwice(t *testing.T) {
	s := begin(t, sim.Options{Echoes: true})
	s.sim.Say("2002", "hi")
	if err := s.sim.SetFault(sim.Fault{Verb: "messages", Kind: "502", Count: 1, After: true}); err != nil {
		t.Fatal(err)
	}
	m := sdk.Message{ID: "c.1.1", Text: "a", Author: sdk.AuthorAgent, Resent: true}
	if _, err := s.Send(t.Context(), ada, m); verdict(err) != "retry 10s" {
		t.Fatal(err)
	}
	s.Advance(echoFor)
	r, err := s.Send(t.Context(), ada, m)
	if err != nil || r.MessageID != s.said(t).Mid || len(s.sim.Sent()) != 1 {
		t.Errorf("%v %v, want what the echo said", r, err)
	}
}

func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		name    string
		setting bool
		feature bool
		author  sdk.AuthorKind
		after   time.Duration
		want    string // verdict, or type and tag
	}{
		{"inside", true, true, sdk.AuthorAgent, 23 * time.Hour, "RESPONSE "},
		{"an agent, later", true, true, sdk.AuthorAgent, 25 * time.Hour, "MESSAGE_TAG HUMAN_AGENT"},
		{"an agent, much later", true, true, sdk.AuthorAgent, 8 * 24 * time.Hour, "window closed"},
		{"an agent without the setting", false, true, sdk.AuthorAgent, 25 * time.Hour, "window closed"},
		{"a bot, later", true, true, sdk.AuthorBot, 25 * time.Hour, "window closed"},
		{"a rule, later", true, true, sdk.AuthorRule, 25 * time.Hour, "window closed"},
		{"the app lacks the feature", true, false, sdk.AuthorAgent, 25 * time.Hour, "auth config"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t, sim.Options{HumanAgent: tt.feature}, func(s *settings) { s.HumanAgent = tt.setting })
			s.sim.Say("2002", "hi")
			s.clock.advance(tt.after)
			_, err := s.Send(t.Context(), ada, sdk.Message{ID: "1", Text: "a", Author: tt.author})
			got := verdict(err)
			if err == nil {
				m := s.said(t)
				got = m.Type + " " + m.Tag
			}
			if got != tt.want {
				t.Errorf("%s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

func TestTyping(t *testing.T) {
	s := begin(t, sim.Options{})
	s.sim.Say("2002", "hi")
	for _, on := range []bool{true, false} {
		if err := s.TypingToCustomer(t.Context(), ada, on); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"typing_on 2002", "typing_off 2002"}, s.sim.Actions()); diff != "" {
		t.Error(diff)
	}
	s.unbroken(t)
}

// TestSeen: customers see that their message was seen when the operator has it so.
func TestSeen(t *testing.T) {
	for _, tt := range []struct {
		setting, after string // status of the receipt that follows
		want           int    // marks
	}{
		{"", "", 0}, {"", "delivered", 0}, {"", "read", 1}, {"read", "delivered", 0}, {"read", "read", 1}, {"read", "failed", 0},
		{"delivered", "", 0}, {"delivered", "delivered", 1}, {"delivered", "read", 1}, {"never", "read", 0},
		{"received", "", 1}, {"received", "delivered", 1}, {"received", "read", 1},
	} {
		s := begin(t, sim.Options{}, func(s *settings) { s.MarkSeen = tt.setting })
		mid := s.sim.Say("2002", "hi")
		if tt.setting == "received" {
			if err := s.sim.Await(t.Context(), func() bool { return len(s.sim.Actions()) > 0 }); err != nil {
				t.Fatal(err)
			}
		}
		if tt.after != "" {
			if err := s.ReceiptToCustomer(t.Context(), ada, mid, tt.after); err != nil {
				t.Errorf("%s, %s: %v", tt.setting, tt.after, err)
			}
		}
		var want []string
		for range tt.want {
			want = append(want, "mark_seen 2002")
		}
		if got := s.sim.Actions(); len(got) != tt.want || tt.want > 0 && got[0] != want[0] {
			t.Errorf("%s, then %s: %q, want %q", tt.setting, tt.after, got, want)
		}
		s.unbroken(t)
	}
	s := begin(t, sim.Options{})
	if got := verdict(s.ReceiptToCustomer(t.Context(), sdk.Customer{Address: "../me"}, "m", "read")); got != "rejected address" {
		t.Errorf("a mark for nobody: %s", got)
	}
}

func TestNotSent(t *testing.T) {
	s := begin(t, sim.Options{})
	s.sim.Say("2002", "hi")
	s.sim.Say("3003", "hi")
	s.sim.Block("3003")
	many := make([]sdk.QuickReply, 14)
	for i := range many {
		many[i].Title = "a"
	}
	for _, tt := range []struct {
		to   string
		m    sdk.Message
		want string
	}{
		{"2002", sdk.Message{}, "rejected empty"},
		{"2002", sdk.Message{Text: strings.Repeat("😀", 1000)}, "rejected too_long"},
		{"2002", sdk.Message{Text: "a", QuickReplies: many}, "rejected quick_replies"},
		{"2002", sdk.Message{Text: "a", QuickReplies: []sdk.QuickReply{{Title: strings.Repeat("a", 21)}}}, "rejected quick_replies"},
		{"2002", sdk.Message{Attachments: []sdk.Attachment{{MediaID: "x", Bytes: 26 << 20}}}, "rejected file_too_large"},
		{"2002", sdk.Message{Attachments: []sdk.Attachment{{MediaID: "gone"}}}, "rejected media_gone"},
		{"../me", sdk.Message{Text: "a"}, "rejected address"},
		{"3003", sdk.Message{Text: "a"}, "recipient gone"},
		{"4004", sdk.Message{Text: "a"}, "recipient gone"},
	} {
		_, err := s.Send(t.Context(), sdk.Customer{Address: tt.to}, tt.m)
		if got := verdict(err); got != tt.want {
			t.Errorf("%+v to %s: %s (%v), want %s", tt.m, tt.to, got, err, tt.want)
		}
	}
	if n := len(s.sim.Sent()); n > 0 {
		t.Errorf("%d messages were sent", n)
	}
	s.unbroken(t)
}
