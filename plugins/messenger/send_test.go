package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/examples/messenger-sim/sim"
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
			if _, err := s.Send(t.Context(), ada, m); err == nil {
				t.Fatal("the call was answered")
			}
			if tt.echoes {
				err := s.sim.Await(t.Context(), func() bool { taken, _ := s.sim.Hooks(); return taken >= 3 })
				if err != nil {
					t.Fatal(err)
				}
			}
			m.Attempt, m.Resent = 2, tt.after
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

func TestControlOfThread(t *testing.T) {
	for _, take := range []bool{false, true} {
		s := begin(t, sim.Options{}, func(s *settings) { s.TakeControl = take })
		s.sim.Say("2002", "hi")
		s.sim.TakenBy("2002", "77")
		_, err := s.Send(t.Context(), ada, sdk.Message{ID: "1", Text: "a", Author: sdk.AuthorAgent})
		want := "retry 1m0s"
		if take {
			want = "ok"
		}
		if got := verdict(err); got != want {
			t.Errorf("take_control %v: %s, want %s", take, got, want)
		}
		if took := strings.Contains(strings.Join(s.sim.Actions(), ","), "take_thread_control 2002"); took != take {
			t.Errorf("take_control %v: %v", take, s.sim.Actions())
		}
		s.unbroken(t)
	}
}

func TestTypingAndSeen(t *testing.T) {
	s := begin(t, sim.Options{}, func(s *settings) { s.MarkSeen = true })
	s.sim.Say("2002", "hi")
	err := s.sim.Await(t.Context(), func() bool { return len(s.sim.Actions()) == 1 })
	for _, on := range []bool{true, false} {
		if err == nil {
			err = s.TypingToCustomer(t.Context(), ada, on)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"mark_seen 2002", "typing_on 2002", "typing_off 2002"}, s.sim.Actions()); diff != "" {
		t.Error(diff)
	}
	s.unbroken(t)
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
		{"2002", sdk.Message{Attachments: []sdk.Attachment{{MediaID: "gone"}}}, "rejected refused"},
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
