package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestAConflictIsDecidedAgain(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.disk.refuse("commit", 3, store.ErrConflict)
		r.agentSays("a1", "a2")
		r.after(time.Minute)
		r.want("chan", "a1", "a2")
		r.idle()
	})
}

// TestADocumentThatWouldBeTooLarge: the event that makes it so goes to
// quarantine, those beside it are decided.
func TestADocumentThatWouldBeTooLarge(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.disk.hook(func(_ string, c *store.Commit) error {
			if c == nil {
				return nil
			}
			for _, d := range c.Fresh {
				if d.ID == "bad" && len(c.Quarantine) == 0 {
					return store.ErrTooLarge
				}
			}
			return nil
		}, nil)
		r.accept("chan", from("ada", "1", "one"), from("ada", "bad", "two"), from("ada", "3", "three"))
		r.after(time.Minute)
		r.want("desk", "one", "three")
		page, err := r.mem.Reader().Quarantined(t.Context(), "", 10)
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("quarantine = %v, %v, want one", page.Items, err)
		}
		q := &state.Quarantined{}
		if err := q.UnmarshalVT(page.Items[0].Body); err != nil || q.Mail.GetEvent().GetText() != "two" {
			t.Errorf("quarantined %v, %v", q, err)
		}
		r.accept("chan", from("ada", "bad", "two")) // it is kept: a repetition is a duplicate
		r.want("desk", "one", "three")
		r.idle()
	})
}

func TestADeadOpenTakesWhatWaitsForItAlong(t *testing.T) {
	engine(t, nil, func(r *rig) {
		open := r.opening()
		r.accept("chan", from("ada", "2", "two"), from("ada", "3", "three"))
		open.outcome(pluginv1.Outcome_REJECTED, 0)
		r.after(time.Second)
		r.wantDead("hello: rejected", "two: rejected", "three: rejected")
		if got := r.decided(ada(), sdk.ChatRejected); len(got) != 1 {
			t.Errorf("%d chat_rejected, want 1", len(got))
		}
		r.answer(nil)
		r.forget()
		_, ids := r.dead()
		if n, err := r.e.Replay(t.Context(), ids...); n != 3 || err != nil {
			t.Fatalf("Replay = %d, %v", n, err)
		}
		r.after(time.Second)
		r.want("desk", "hello", "two", "three")
		var ops []pluginv1.Op
		for _, c := range r.all() {
			ops = append(ops, c.Op)
		}
		if want := []pluginv1.Op{pluginv1.Op_OPEN, pluginv1.Op_SEND, pluginv1.Op_SEND}; !slices.Equal(ops, want) {
			t.Errorf("calls = %v, want %v", ops, want)
		}
		r.idle()
	})
}

// TestReceiptsByTheProvidersID: a channel's receipts name its own id of a
// message and no customer.
func TestReceiptsByTheProvidersID(t *testing.T) {
	conf := func(r *rig) {
		keeping(r)
		r.snap.Instances["chan"].Caps.ReceiptsByRef = true
	}
	engine(t, conf, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.instance == "chan" {
				c.done(&pluginv1.Result{Outcome: pluginv1.Outcome_OK, MessageId: "m-" + c.Message.Text}, core.Answered)
				return
			}
			c.ok()
		})
		r.agentSays("a1", "a2")
		r.undelivered("", "a1", "a2")
		r.restart()
		r.accept("chan", &pluginv1.Event{Type: sdk.MessageDelivered, MessageId: "m-a1"})
		r.undelivered("", "a2")
		r.accept("chan", &pluginv1.Event{Type: sdk.MessageRead, MessageId: "m-a2"})
		r.undelivered("")
		r.idle()
	})
}

func TestADelayedReceiptDoesNotBringBackAMessage(t *testing.T) {
	engine(t, keeping, func(r *rig) {
		r.open()
		texts := numbers("a", 3*32) // more than a document remembers
		r.agentSays(texts...)
		ids := r.undelivered("", texts...)
		for _, id := range ids {
			r.accept("chan", receipt(id))
			r.accept("chan", receipt(id)) // without an id of its own: not a duplicate
		}
		r.undelivered("")
		r.idle()
	})
}

// TestAChatThatIsClosedWhileItOpens is closed at the vendor once it is known
// there, and the next message opens another one.
func TestAChatThatIsClosedWhileItOpens(t *testing.T) {
	engine(t, nil, func(r *rig) {
		open := r.opening()
		if err := r.e.Close(t.Context(), ada(), "operator", ""); err != nil {
			t.Fatal(err)
		}
		r.accept("chan", from("ada", "2", "after the close"))
		r.answer(nil)
		open.ok()
		r.after(time.Minute)
		type step struct {
			Op   pluginv1.Op
			Chat uint32
			Ref  string
		}
		var got []step
		for _, c := range r.all() {
			got = append(got, step{c.Op, c.Chat.Number, c.Chat.Ref})
		}
		if want := []step{{pluginv1.Op_OPEN, 1, ""}, {pluginv1.Op_CLOSE, 1, "chat-1"}, {pluginv1.Op_OPEN, 2, ""}}; !slices.Equal(got, want) {
			t.Errorf("calls = %v, want %v", got, want)
		}
		r.idle()
	})
}

// TestAReceiptByTheProvidersIDThatOvertakesItsSend is sent again by the far
// side until the id is known, and only then.
func TestAReceiptByTheProvidersIDThatOvertakesItsSend(t *testing.T) {
	conf := func(r *rig) {
		keeping(r)
		r.snap.Instances["chan"].Caps.ReceiptsByRef = true
	}
	engine(t, conf, func(r *rig) {
		r.open()
		var under *call
		r.answer(func(c *call) { under = c })
		read := func(id string, want core.Code) {
			t.Helper()
			err := r.tryAccept("chan", &pluginv1.Event{Type: sdk.MessageRead, MessageId: id})
			if got := core.CodeOf(err); got != want {
				t.Fatalf("the receipt of %s is answered %v, want %q", id, err, want)
			}
		}
		read("m-1", core.NotFound) // nothing is on its way
		r.agentSays("a1")
		read("m-1", core.Unavailable)
		under.outcome(pluginv1.Outcome_RETRY, time.Minute)
		r.after(0)
		read("m-1", core.NotFound) // it was not taken
		r.after(time.Minute)
		read("m-1", core.Unavailable)
		free := r.disk.gate("end")
		under.done(&pluginv1.Result{Outcome: pluginv1.Outcome_OK, MessageId: "m-1"}, core.Answered)
		r.after(time.Millisecond)
		read("m-2", core.Unavailable) // another message's, whose end might be the one in hand
		free()
		read("m-1", "")
		read("m-2", core.NotFound)
		r.undelivered("")
		r.idle()
	})
}

// TestAnUnknownReceiptOfAChannelWithoutRefs will never be known.
func TestAnUnknownReceiptOfAChannelWithoutRefs(t *testing.T) {
	engine(t, keeping, func(r *rig) {
		r.open()
		r.answer(func(*call) {})
		r.agentSays("a1")
		if err := r.tryAccept("chan", &pluginv1.Event{Type: sdk.MessageRead, MessageId: "m-1"}); core.CodeOf(err) != core.NotFound {
			t.Errorf("Accept = %v, want not found", err)
		}
	})
}
