package conversation_test

import (
	"slices"
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func (w *world) receipt(typ, id string) *conversation.Decision {
	w.t.Helper()
	return w.event("web", &pluginv1.Event{Type: typ, MessageId: id, Customer: &pluginv1.Customer{Address: "ada"}, Reason: "r"})
}

func TestReceipts(t *testing.T) {
	key := func(w *world, n uint64, e uint64) string {
		return core.CommandID{Conversation: core.ConversationID(w.doc.Id), Epoch: e, N: n}.String()
	}
	tests := []struct {
		name string
		id   func(w *world) string
		in   []string // d delivered, r read, f failed
		told []string // statuses that the desk gets
		seen int      // times that rules saw one
		why  string   // the last record's
	}{
		{"by our id", func(w *world) string { return key(w, 2, epoch) }, []string{"d"}, []string{"delivered"}, 1, ""},
		{"by the provider's id", func(*world) string { return "m2" }, []string{"d", "r"}, []string{"delivered", "read"}, 2, ""},
		{"twice", func(*world) string { return "m2" }, []string{"d", "d"}, []string{"delivered"}, 1, "receipt already known"},
		{"read twice", func(w *world) string { return key(w, 2, epoch) }, []string{"r", "r"}, []string{"read"}, 1, "receipt already known"},
		{"out of order", func(*world) string { return "m2" }, []string{"r", "d"}, []string{"read"}, 1, "receipt already known"},
		{"failed after all", func(*world) string { return "m2" }, []string{"d", "f"}, []string{"delivered", "failed"}, 2, ""},
		{"of a message nobody remembers", func(*world) string { return "m77" }, []string{"d"}, nil, 1, ""},
		{"another epoch", func(w *world) string { return key(w, 2, epoch+1) }, []string{"d"}, nil, 0, "unknown message"},
		{"a number of the future", func(w *world) string { return key(w, 99, epoch) }, []string{"d"}, nil, 0, "unknown message"},
	}
	types := map[string]string{"d": sdk.MessageDelivered, "r": sdk.MessageRead, "f": sdk.MessageFailed}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.chat()
			w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityReceipt}
			w.agent("hi")
			w.sent(w.pending[0])
			seen := 0
			var unkept []uint64
			for _, in := range tt.in {
				d := w.receipt(types[in], tt.id(w))
				unkept = append(unkept, d.Unkeep...)
				seen += len(w.records()) - len(slices.DeleteFunc(w.records(), func(r *state.Record) bool { return r.DuplicateOf == "" }))
			}
			var told []string
			for _, c := range w.all(state.CommandKind_CHAT_RECEIPT) {
				if c.MessageId != "desk-hi" || c.Lane != "chat:1" {
					t.Errorf("receipt %v", c)
				}
				told = append(told, c.Status)
			}
			if !slices.Equal(told, tt.told) || seen != tt.seen {
				t.Errorf("told %v, want %v; seen %d, want %d", told, tt.told, seen, tt.seen)
			}
			if (len(tt.told) > 0) != slices.Contains(unkept, 2) {
				t.Errorf("no longer kept: %v", unkept)
			}
			if r := w.records(); r[len(r)-1].DuplicateOf != tt.why {
				t.Errorf("record says %q, want %q", r[len(r)-1].DuplicateOf, tt.why)
			}
		})
	}
}

func TestReceiptFasterThanTheAnswer(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityReceipt}
	w.agent("hi")
	c := w.pending[0]
	w.receipt(sdk.MessageDelivered, c.Message.Id)
	w.want("customer DELIVER hi")
	d := w.sent(c)
	if len(d.Keep) != 0 {
		t.Error("a delivered message is kept as undelivered")
	}
	if r := w.one(state.CommandKind_CHAT_RECEIPT); r.Status != "delivered" || r.MessageId != "desk-hi" {
		t.Errorf("the desk is told %v", r)
	}
	w.receipt(sdk.MessageDelivered, c.Message.Id)
	if r := w.records()[0]; r.DuplicateOf == "" {
		t.Error("the same receipt counts again")
	}
}

func TestDeliveredAtOnce(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.agent("hi")
	d := w.end(w.pending[0], conversation.Result{End: conversation.Sent, MessageID: "m", Delivered: true})
	w.wantTypes(sdk.MessageDelivered)
	if len(d.Keep) != 0 || w.doc.Sent[0].Status != "delivered" {
		t.Errorf("kept %v, sent %v", d.Keep, w.doc.Sent)
	}
}

func TestFailedReceiptIsToldAnyDesk(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.agent("hi")
	w.sent(w.pending[0])
	w.receipt(sdk.MessageFailed, "m2")
	w.want("chat:1 CHAT_SEND Your message was not delivered (r): hi")
}

func TestReceiptsByRefAreBound(t *testing.T) {
	w := newWorldOf(t, core.NewConversationID("sms", "+41"))
	w.snap.Services["retail"].Forward = none
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Send, Text: "hello"})
	w.event("sms", &pluginv1.Event{Type: sdk.CustomerMessage, Text: "hi", Customer: &pluginv1.Customer{Address: "+41"}})
	d := w.sent(w.one(state.CommandKind_DELIVER))
	if want := (conversation.Bind{Instance: "sms", Ref: "m1", Message: true}); !slices.Contains(d.Binds, want) {
		t.Errorf("binds %v", d.Binds)
	}
	w.event("sms", &pluginv1.Event{Type: sdk.MessageRead, Ref: "m1"})
	if w.doc.Sent[0].Status != "read" {
		t.Errorf("sent %v", w.doc.Sent)
	}
	for range 50 {
		w.event("sms", &pluginv1.Event{Type: sdk.CustomerMessage, Text: "hi", Customer: &pluginv1.Customer{Address: "+41"}})
		w.sent(w.one(state.CommandKind_DELIVER))
	}
	if len(w.doc.Sent) > 32 {
		t.Errorf("%d messages remembered", len(w.doc.Sent))
	}
}
