package conversation_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// broken panics in the given stages of events of a type, "" for any.
func broken(typ string, stages ...int) func(int, string) {
	return func(stage int, got string) {
		for _, s := range stages {
			if s == stage && (typ == "" || typ == got) {
				panic("boom")
			}
		}
	}
}

func TestPanicInStage1(t *testing.T) {
	for _, stages := range [][]int{{1}, {1, 2}} {
		w := newWorld(t)
		w.chat()
		w.snap.Probe = broken(sdk.CustomerMessage, stages...)
		before := w.doc.CloneVT()
		d := w.customer("hi")
		if len(d.Commands) != 0 || len(d.Poison) != 1 || d.Poison[0].Type != sdk.CustomerMessage {
			t.Fatalf("commands %v, poison %v", d.Commands, d.Poison)
		}
		r := w.records()[0]
		if !strings.HasPrefix(r.Dead, "boom\n") || !strings.Contains(r.Dead, "poison_test.go") || len(r.Document) != 32 || r.Snap != "snap" {
			t.Errorf("record %v", r)
		}
		before.Records++ // the record alone
		if !proto.Equal(before, w.doc) {
			t.Errorf("document %v, was %v", w.doc, before)
		}
		w.snap.Probe = nil
		w.customer("goes on")
		w.want("chat:1 CHAT_SEND goes on")
	}
}

func TestPanicInStage2KeepsTheProposal(t *testing.T) {
	w := newWorld(t)
	w.snap.Flows = flows{}
	w.doc.Flow = &state.Flow{Name: "survey"}
	w.snap.Rules = on(sdk.CustomerMessage, forward(none))
	w.snap.Probe = broken(sdk.CustomerMessage, 2)
	d := w.customer("hi")
	w.want("chat:1 CHAT_OPEN_CMD hi")
	v := w.records()[0].Verdicts
	if len(v) != 1 || v[0].Verdict != state.Verdict_ERROR || !strings.Contains(v[0].Error, "boom") || len(d.Poison) != 0 {
		t.Errorf("verdicts %v, poison %v", v, d.Poison)
	}
	if w.doc.Flow != nil {
		t.Error("the flow that asked still waits")
	}
}

func TestPanicOfTheRulesThemselves(t *testing.T) {
	w := newWorld(t)
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		return []core.Action{{Value: v.Tags[len(v.Tags)]}}
	})
	w.customer("hi")
	w.want("chat:1 CHAT_OPEN_CMD hi")
	if v := w.records()[0].Verdicts; len(v) != 1 || v[0].Verdict != state.Verdict_ERROR {
		t.Errorf("verdicts %v", v)
	}
}

// Only the broken fact of an input is lost.
func TestPanicInALaterFact(t *testing.T) {
	w := newWorld(t)
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Emit, Key: "x"}, core.Action{Kind: core.Tag, Key: "first"})
	w.snap.Probe = broken(sdk.CustomEvent, 1)
	d := w.customer("hi")
	w.want("chat:1 CHAT_OPEN_CMD hi")
	if len(d.Poison) != 1 || len(w.doc.Tags) != 1 {
		t.Errorf("poison %v, tags %v", d.Poison, w.doc.Tags)
	}
}

func TestPanicAlwaysStillEndsTheCommand(t *testing.T) {
	ends := []conversation.Result{
		{End: conversation.Sent, ChatRef: "c"}, {End: conversation.Dead, Reason: "rejected"},
		{End: conversation.Dropped, Reason: "unsupported"}, {End: conversation.Gone, Reason: "chat_gone"},
	}
	for _, end := range ends {
		t.Run(end.End.String(), func(t *testing.T) {
			w := newWorld(t)
			w.customer("hi")
			c := w.one(state.CommandKind_CHAT_OPEN_CMD)
			w.snap.Probe = broken("", 1, 2)
			d := w.end(c, end)
			if w.ends[c.Number] != 1 || len(d.Poison) != 1 {
				t.Fatalf("ended %d times, poison %v", w.ends[c.Number], d.Poison)
			}
			// It goes on and the message goes somewhere in the end.
			w.snap.Probe = nil
			for n := 0; len(w.pending) > 0; n++ {
				if n > 10 {
					t.Fatalf("never done: %v", w.show())
				}
				w.gone(w.pending[0], "chat_gone")
			}
		})
	}
}

// A close of our own is carried out even if it cannot be decided: its timer
// would ring again at once.
func TestPanicOfOurOwnClose(t *testing.T) {
	w := timed(t)
	w.snap.Probe = broken(sdk.ChatClosed, 1)
	w.at(3 * time.Hour)
	w.want("chat:1 CHAT_CLOSE")
	if w.doc.Chat.State != state.ChatState_CHAT_CLOSED || len(w.last.Poison) != 1 || w.doc.TimerMs != 0 {
		t.Errorf("document %v, poison %v", w.doc, w.last.Poison)
	}
}

func TestInputsThatCannotBeRead(t *testing.T) {
	for name, in := range map[string]conversation.Input{
		"nothing": {}, "no body": {Mail: &state.Mail{}}, "no event": {Mail: &state.Mail{Body: &state.Mail_Event{}}},
		"no poll": {Mail: &state.Mail{Body: &state.Mail_Polled{}}}, "no message": {Mail: &state.Mail{
			Body: &state.Mail_Outbound{Outbound: &state.OutboundRequested{Channel: "web", Address: "ada"}}}},
		"nothing of a replay": {Mail: &state.Mail{Body: &state.Mail_Replay{}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.decide(in)
			w.want()
			if len(w.last.Poison) != 1 || w.doc.Records != 1 || w.doc.Channel != "" {
				t.Errorf("poison %v, document %v", w.last.Poison, w.doc)
			}
			w.customer("hi")
			w.want("chat:1 CHAT_OPEN_CMD hi")
		})
	}
}
