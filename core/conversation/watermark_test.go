package conversation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// until is a receipt about all messages until a time.
func (w *world) until(typ string, at time.Time) *conversation.Decision {
	w.t.Helper()
	return w.event("web", &pluginv1.Event{Type: typ, AtMs: at.UnixMilli(), Customer: &pluginv1.Customer{Address: "ada"}})
}

// speaks has the agent write a message, and the channel take it a second later.
func (w *world) speaks(text string) {
	w.t.Helper()
	w.agent(text)
	c := w.one(state.CommandKind_DELIVER)
	began := w.now
	w.pass(time.Second)
	w.end(c, conversation.Result{End: conversation.Sent, MessageID: "m-" + text,
		Attempts: &state.Attempts{Count: 1, FirstMs: began.UnixMilli()}})
}

// statuses are those of the messages that the document remembers.
func (w *world) statuses() (all []string) {
	for _, m := range w.doc.Sent {
		all = append(all, m.Status)
	}
	return all
}

func (w *world) wantStatuses(all ...string) {
	w.t.Helper()
	if got := w.statuses(); !slices.Equal(got, all) {
		w.t.Fatalf("statuses %q, want %q", got, all)
	}
}

func desked(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityReceipt}
	w.chat()
	return w
}

// A watermark is a receipt for each message that was sent by then, and for none
// that was sent later; the agent and rules see each one once.
func TestWatermark(t *testing.T) {
	w := desked(t)
	w.speaks("a")
	w.speaks("b")
	middle := w.now
	w.pass(time.Second)
	w.speaks("c")
	d := w.until(sdk.MessageDelivered, middle)
	w.wantStatuses("delivered", "delivered", "sent")
	w.wantTypes(sdk.MessageDelivered, sdk.MessageDelivered, sdk.MessageDelivered)
	if len(d.Unkeep) != 2 {
		t.Errorf("no longer kept: %v", d.Unkeep)
	}
	for i, r := range w.records() {
		if (r.DuplicateOf == "") != (i > 0) || (r.View.Event.MessageId == "") != (i == 0) {
			t.Errorf("record %d: %q about %q", i, r.DuplicateOf, r.View.Event.MessageId)
		}
	}
	told := func() (all []string) {
		for _, c := range w.all(state.CommandKind_CHAT_RECEIPT) {
			all = append(all, c.MessageId+" "+c.Status)
		}
		return all
	}
	if got := told(); !slices.Equal(got, []string{"desk-a delivered", "desk-b delivered"}) {
		t.Errorf("the desk is told %q", got)
	}
	w.until(sdk.MessageDelivered, middle)
	if w.wantTypes(sdk.MessageDelivered); len(told()) != 2 {
		t.Error("told twice")
	}
	w.until(sdk.MessageRead, w.now)
	w.wantStatuses("read", "read", "read")
	w.until(sdk.MessageDelivered, w.now)
	w.wantStatuses("read", "read", "read")
}

// The far side stamps a message before we have its answer, and may tell of it
// before: then the answer finds it told. A later message is another one.
func TestWatermarkFasterThanTheAnswer(t *testing.T) {
	for _, typ := range []string{sdk.MessageDelivered, sdk.MessageRead} {
		w := desked(t)
		w.agent("a")
		c := w.one(state.CommandKind_DELIVER)
		began := w.now.UnixMilli()
		w.pass(time.Second)
		w.until(typ, w.now.Add(time.Hour)) // its clock is ahead
		w.pass(time.Second)
		w.end(c, conversation.Result{End: conversation.Sent, MessageID: "m", Attempts: &state.Attempts{FirstMs: began}})
		w.wantStatuses(map[string]string{sdk.MessageDelivered: "delivered", sdk.MessageRead: "read"}[typ])
		if r := w.one(state.CommandKind_CHAT_RECEIPT); len(w.last.Keep) != 0 || r.MessageId != "desk-a" {
			t.Errorf("kept %v, told %v", w.last.Keep, r)
		}
		w.speaks("b")
		if got := w.statuses(); got[1] != "sent" {
			t.Errorf("a later message is %q", got[1])
		}
	}
}

// Nobody but the channel speaks for all messages.
func TestWatermarkOfTheDesk(t *testing.T) {
	w := desked(t)
	w.speaks("a")
	w.event("desk", &pluginv1.Event{Type: sdk.MessageRead, Ref: "chat-1"})
	w.event("desk", &pluginv1.Event{Type: sdk.MessageRead})
	w.wantStatuses("sent")
}

// A message of several parts is delivered when all are, and has failed when one
// has.
func TestReceiptsOfParts(t *testing.T) {
	tests := []struct {
		name string
		in   []string // part and what became of it
		want []string // what the desk is told
		ends string
	}{
		{"all", []string{"1d", "2d", "3d"}, []string{"delivered"}, "delivered"},
		{"not yet", []string{"1d", "3d"}, nil, "sent"},
		{"one of them twice", []string{"1d", "1d", "1d"}, nil, "sent"},
		{"one failed", []string{"1d", "2f", "3d"}, []string{"failed"}, "failed"},
		{"read", []string{"1d", "2d", "3d", "1r", "2r", "3r"}, []string{"delivered", "read"}, "read"},
		{"some are read at once", []string{"1r", "2d", "3r"}, []string{"delivered"}, "delivered"},
		{"by our id", []string{"-d"}, []string{"delivered"}, "delivered"},
	}
	types := map[byte]string{'d': sdk.MessageDelivered, 'r': sdk.MessageRead, 'f': sdk.MessageFailed}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := desked(t)
			w.snap.Instances["web"].Caps.ReceiptsByRef = true
			w.agent("long")
			c := w.one(state.CommandKind_DELIVER)
			d := w.end(c, conversation.Result{End: conversation.Sent, MessageID: "p2", PartIDs: []string{"p1", "p2", "p3"}})
			var refs []string
			for _, b := range d.Binds {
				refs = append(refs, fmt.Sprint(b.Instance, " ", b.Ref, " ", b.Message))
			}
			if !slices.Equal(refs, []string{"web p1 true", "web p2 true", "web p3 true"}) {
				t.Errorf("bound %q", refs)
			}
			for _, in := range tt.in {
				id := "p" + in[:1]
				if in[0] == '-' {
					id = c.Message.Id
				}
				w.receipt(types[in[1]], id)
				for _, r := range w.records() {
					if last := w.doc.Sent[0].Status; r.DuplicateOf == "" && last != map[string]string{
						sdk.MessageDelivered: "delivered", sdk.MessageRead: "read", sdk.MessageFailed: "failed"}[r.View.Type] {
						t.Errorf("rules see %s of a message that is %s", r.View.Type, last)
					}
				}
			}
			var told []string
			for _, c := range w.all(state.CommandKind_CHAT_RECEIPT) {
				told = append(told, c.Status)
			}
			if !slices.Equal(told, tt.want) {
				t.Errorf("told %q, want %q", told, tt.want)
			}
			w.wantStatuses(tt.ends)
		})
	}
}
