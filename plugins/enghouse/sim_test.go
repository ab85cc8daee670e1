package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// life polls until nothing comes any more.
type life struct {
	c    *connector
	chat sdk.Chat
	mark []byte
}

func (l *life) news(t *testing.T) []sdk.Event {
	t.Helper()
	var all []sdk.Event
	for {
		res, err := l.c.Poll(t.Context(), l.chat, l.mark)
		if err != nil {
			t.Fatal(err)
		}
		l.mark = res.Cursor
		if len(res.Events) == 0 {
			return all
		}
		all = append(all, res.Events...)
	}
}

func begin(t *testing.T, o sim.Options) (*sim.Sim, *life, *plugintest.Host) {
	t.Helper()
	s := sim.New(o)
	c, host := dial(t, s)
	l := &life{c: c, chat: chat}
	ref, err := c.Open(t.Context(), chat, sdk.Message{Text: "Hello"})
	if err != nil {
		t.Fatal(err)
	}
	l.chat.Ref = ref
	return s, l, host
}

func kinds(events []sdk.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, strings.TrimSpace(e.Type+" "+e.EventName+e.Text))
	}
	return out
}

func TestChatWithTheSimulator(t *testing.T) {
	s, l, host := begin(t, sim.Options{})
	act := func(name string, a sim.Args) {
		t.Helper()
		if err := s.Act(string(l.chat.Ref), name, a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, kinds(l.news(t))); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	}
	expect("chat_queued")
	act("take", sim.Args{Agent: "Ann"})
	act("typing", sim.Args{On: true})
	act("say", sim.Args{Text: "<p>Hi <b>Ada</b></p>"})
	act("push", sim.Args{URL: "https://e.com/a"})
	act("event", sim.Args{Name: "stoppedCoBrowsing"})
	act("hold", sim.Args{})
	act("resume", sim.Args{})
	act("transfer", sim.Args{Queue: "sales"})
	act("take", sim.Args{Agent: "Bob"})
	long := strings.Repeat("ä", 100_000)
	act("say", sim.Args{Text: long})
	expect("custom_event call_id", "chat_assigned", "incoming_message Hi Ada", "incoming_message https://e.com/a",
		"custom_event stoppedCoBrowsing", "chat_held", "chat_resumed", "chat_queued", "custom_event call_id",
		"chat_transferred", "chat_assigned", "incoming_message "+long)
	if diff := cmp.Diff([]plugintest.Typed{{Ref: l.chat.Ref, On: true}}, host.Typing()); diff != "" {
		t.Errorf("typing (-want +got):\n%s", diff)
	}

	part := strings.Repeat("😀", textLimit/2)
	for _, m := range []sdk.Message{{Text: part, Part: 1, Parts: 2}, {Text: "end", Part: 2, Parts: 2}, {Text: "not delivered", Author: sdk.AuthorSystem}} {
		if _, err := l.c.Send(t.Context(), l.chat, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.c.SendEvent(t.Context(), l.chat, "vip", map[string]string{"level": "3"}); err != nil {
		t.Fatal(err)
	}
	if err := l.c.TypingToChat(t.Context(), l.chat, true); err != nil {
		t.Fatal(err)
	}
	v, list, err := s.Messages(string(l.chat.Ref), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		if e.From == "customer" {
			got = append(got, e.Request+" "+e.Text)
		}
		if e.Truncated {
			t.Errorf("entry %d lost text", e.N)
		}
	}
	want := []string{"joinchat Hello", "sendmsg " + part, "sendmsg end", "sendmsg [system] not delivered", "fireevent vip"}
	if diff := cmp.Diff(want, got); diff != "" || !v.Typing || v.Name != "Ada Lovelace" || v.Source != "sms" {
		t.Errorf("chat %+v, lines (-want +got):\n%s", v, diff)
	}

	act("close", sim.Args{})
	expect("chat_closed")
	if err := l.c.Close(t.Context(), l.chat, "closed"); err != nil {
		t.Errorf("closing a closed chat: %v", err)
	}
	if _, err := l.c.Send(t.Context(), l.chat, sdk.Message{Text: "Hello?"}); plugintest.Verdict(err) != "chat gone" {
		t.Errorf("a message to a closed chat: %v, want chat gone", err)
	}
}

func TestRefusedBySimulator(t *testing.T) {
	s, l, _ := begin(t, sim.Options{})
	if err := s.Act(string(l.chat.Ref), "reject", sim.Args{Reason: 8}); err != nil {
		t.Fatal(err)
	}
	events := l.news(t)
	last := events[len(events)-1]
	if last.Type != sdk.ChatRejected || last.Reason != "no_suitable_agents" || last.ReasonCode != "8" {
		t.Errorf("last event %+v, want chat_rejected no_suitable_agents", last)
	}
}

func TestCustomerLeaves(t *testing.T) {
	s, l, _ := begin(t, sim.Options{})
	for range 2 {
		if err := l.c.Close(t.Context(), l.chat, "closed"); err != nil {
			t.Fatal(err)
		}
	}
	if v, _, err := s.Messages(string(l.chat.Ref), 0); err != nil || v.State != "closed" {
		t.Errorf("chat is %s (%v), want closed", v.State, err)
	}
}

// TestAnswerLost: the message arrived, the answer did not or said that it went
// wrong; that must be said, not retried here.
func TestAnswerLost(t *testing.T) {
	for _, kind := range []string{"rst", "500", "502", "504", "html"} {
		s, l, _ := begin(t, sim.Options{})
		if err := s.SetFault(sim.Fault{Verb: "sendmsg", Kind: kind, Count: 1, After: true}); err != nil {
			t.Fatal(err)
		}
		_, err := l.c.Send(t.Context(), l.chat, sdk.Message{Text: "once"})
		if plugintest.Verdict(err) != "ambiguous" {
			t.Errorf("%s: %v, want ambiguous", kind, err)
		}
		if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok && kind != "rst" && a.After != ccsp.ResendAfter {
			t.Errorf("%s: again after %v, want %v", kind, a.After, ccsp.ResendAfter)
		}
		_, list, err := s.Messages(string(l.chat.Ref), 1)
		if err != nil || len(list) != 1 {
			t.Errorf("%s: %d messages arrived (%v), want 1", kind, len(list), err)
		}
	}
}
