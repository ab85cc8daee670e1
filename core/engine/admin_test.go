package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// keeping is for a channel that reports receipts and keeps what has none.
func keeping(r *rig) {
	caps := r.snap.Instances["chan"].Caps
	caps.Receipts, caps.UndeliveredForMs, caps.IdempotentSend = true, 24*3600*1000, true
}

// undelivered fails the test if other texts than want are undelivered, and
// returns their ids.
func (r *rig) undelivered(after string, want ...string) (ids []string) {
	r.Helper()
	list, err := r.e.Undelivered(r.Context(), "chan", "ada", after, 0)
	if err != nil {
		r.Fatalf("Undelivered = %v", err)
	}
	var got []string
	for _, m := range list {
		got = append(got, m.Text)
		ids = append(ids, m.Id)
	}
	if !slices.Equal(got, want) {
		r.Fatalf("undelivered after %q: %q, want %q", after, got, want)
	}
	return ids
}

// receipt is a driver's report about one of our messages.
func receipt(id string) *pluginv1.Event {
	return &pluginv1.Event{Type: sdk.MessageDelivered, Customer: &pluginv1.Customer{Address: "ada"}, MessageId: id}
}

func TestUndelivered(t *testing.T) {
	engine(t, keeping, func(r *rig) {
		r.open()
		r.agentSays("a1", "a2", "a3")
		ids := r.undelivered("", "a1", "a2", "a3")
		r.undelivered(ids[0], "a2", "a3")
		r.undelivered(ids[2])
		r.accept("chan", receipt(ids[1]))
		r.undelivered("", "a1", "a3")
		r.restart()
		r.undelivered("", "a1", "a3")
		r.after(25 * time.Hour)
		r.undelivered("")
		for _, bad := range []string{"what", core.CommandID{Conversation: core.NewConversationID("chan", "bob"), N: 1}.String()} {
			if _, err := r.e.Undelivered(t.Context(), "chan", "ada", bad, 0); core.CodeOf(err) != core.Invalid {
				t.Errorf("Undelivered after %q = %v, want invalid", bad, err)
			}
		}
		r.idle()
	})
}

func TestUndeliveredIncludesWhatIsUnderWay(t *testing.T) {
	engine(t, keeping, func(r *rig) {
		r.open()
		r.agentSays("a1")
		var under *call
		r.answer(func(c *call) { under = c })
		r.agentSays("a2", "a3")
		ids := r.undelivered("", "a1", "a2")
		r.undelivered(ids[0], "a2")
		r.undelivered(ids[1])
		free := r.disk.gate("commit") // it has been taken, and that is not durable yet
		r.answer(nil)
		under.ok()
		r.after(time.Millisecond)
		r.undelivered("", "a1", "a2")
		free()
		r.undelivered("", "a1", "a2", "a3")
		r.idle()
	})
}

// TestAReceiptThatOvertakesItsResult: a customer's app confirms a message
// before the call that brought it has returned.
func TestAReceiptThatOvertakesItsResult(t *testing.T) {
	tests := []struct {
		name  string
		merge bool // both are decided in one commit
	}{
		{"one after the other", false},
		{"in one commit", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine(t, keeping, func(r *rig) {
				r.open()
				var under *call
				r.answer(func(c *call) { under = c })
				r.agentSays("a1")
				free := func() {}
				if tt.merge { // something else is being written meanwhile
					free = r.disk.gate("commit")
					r.start("chan", from("ada", "", "meanwhile"))
				}
				p := r.start("chan", receipt(under.Message.Id))
				r.answer(nil)
				under.ok()
				r.after(time.Millisecond)
				free()
				r.after(time.Second)
				if n, err := p.outcome(); n != 1 || err != nil {
					t.Fatalf("Accept of the receipt = %d, %v", n, err)
				}
				r.undelivered("")
				r.restart()
				r.undelivered("")
				r.idle()
			})
		})
	}
}

func TestReplayMakesALateCommandAtTheEnd(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.Message.GetText() == "a1" {
				c.outcome(pluginv1.Outcome_REJECTED, 0)
				return
			}
			c.ok()
		})
		r.agentSays("a1", "a2")
		r.wantDead("a1: rejected")
		_, ids := r.dead()
		r.forget()
		r.down("chan")
		r.agentSays("a3")
		r.forget()
		if n, err := r.e.Replay(t.Context(), ids...); n != 1 || err != nil {
			t.Fatalf("Replay = %d, %v", n, err)
		}
		r.wantDead()
		r.up("chan")
		r.want("chan", "a3", "a1")
		calls := r.all()
		if first, second := calls[0].Message, calls[1].Message; first.Late || !second.Late {
			t.Errorf("late: %v, %v; want the replayed one alone", first.Late, second.Late)
		}
		if _, err := r.e.Replay(t.Context(), ids...); core.CodeOf(err) != core.NotFound {
			t.Errorf("Replay of a letter that is gone = %v, want not found", err)
		}
		r.idle()
	})
}

func TestReplayKeepsAGroupTogether(t *testing.T) {
	conf := func(r *rig) { r.snap.Instances["chan"].Caps.ToOutside = &pluginv1.TextLimit{Limit: 10} }
	engine(t, conf, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.instance == "chan" && c.Message.Part == 2 {
				c.outcome(pluginv1.Outcome_REJECTED, 0)
				return
			}
			c.ok()
		})
		r.accept("desk", said("chat-1", "1", "part one, part two, part three."))
		r.wantDead("part two, : rejected", "part : rejected", "three.: rejected")
		r.answer(nil)
		r.forget()
		_, ids := r.dead()
		if n, err := r.e.Replay(t.Context(), ids[2]); n != 3 || err != nil { // one of them is asked for
			t.Fatalf("Replay = %d, %v, want all 3 of the group", n, err)
		}
		r.after(0)
		r.want("chan", "part two, ", "part ", "three.")
		r.wantDead()
		r.idle()
	})
}

func TestReplayThatIsCutOffIsDoneOnce(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.instance == "chan" {
				c.outcome(pluginv1.Outcome_REJECTED, 0)
				return
			}
			c.ok()
		})
		r.agentSays("a1")
		_, ids := r.dead()
		r.answer(nil)
		r.forget()
		r.disk.refuse("delete", always, store.ErrUnavailable)
		if n, err := r.e.Replay(t.Context(), ids...); n != 0 || err == nil {
			t.Fatalf("Replay = %d, %v, want an error", n, err)
		}
		r.restart()
		if n, err := r.e.Replay(t.Context(), ids...); n != 1 || err != nil {
			t.Fatalf("Replay again = %d, %v", n, err)
		}
		r.after(0)
		r.want("chan", "a1")
		r.wantDead()
		r.idle()
	})
}

func TestReplayOfQuarantinedMail(t *testing.T) {
	broken := true
	conf := func(r *rig) {
		r.snap.Probe = func(stage int, typ string) {
			if broken && stage == 1 && typ == sdk.CustomerMessage {
				panic("a bug")
			}
		}
	}
	engine(t, conf, func(r *rig) {
		r.accept("chan", from("ada", "1", "hi"))
		r.want("desk")
		r.wantMetric("gateway_events_poison_total", "", 1)
		page, err := r.mem.Reader().Quarantined(t.Context(), "", 10)
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("quarantine = %v, %v", page, err)
		}
		q := &state.Quarantined{}
		if err := q.UnmarshalVT(page.Items[0].Body); err != nil || q.Mail.GetEvent().GetText() != "hi" {
			t.Fatalf("quarantined %v, %v", q, err)
		}
		broken = false // an upgrade
		if err := r.e.ReplayQuarantined(t.Context(), q.Id); err != nil {
			t.Fatal(err)
		}
		r.after(0)
		r.want("desk", "hi")
		if err := r.e.ReplayQuarantined(t.Context(), q.Id); core.CodeOf(err) != core.NotFound {
			t.Errorf("ReplayQuarantined again = %v, want not found", err)
		}
		r.idle()
	})
}

func TestClose(t *testing.T) {
	engine(t, nil, func(r *rig) {
		if err := r.e.Close(t.Context(), ada(), "operator", "done"); core.CodeOf(err) != core.NotFound {
			t.Errorf("Close of nothing = %v, want not found", err)
		}
		r.open()
		if err := r.e.Close(t.Context(), ada(), "operator", "done"); err != nil {
			t.Fatal(err)
		}
		r.after(0)
		calls := r.all()
		if len(calls) != 1 || calls[0].Op != pluginv1.Op_CLOSE || calls[0].Chat.Ref != "chat-1" || calls[0].Reason != "done" {
			t.Errorf("calls = %v, want one that closes chat-1", calls)
		}
		if doc := r.doc(ada()); doc.Chat.State != state.ChatState_CHAT_CLOSED {
			t.Errorf("the chat is %s", doc.Chat.State)
		}
		r.idle()
	})
}

// TestAMessageToAnotherCustomer: it is an event of that customer's own
// conversation, which happens once whenever the gateway dies.
func TestAMessageToAnotherCustomer(t *testing.T) {
	bob := core.NewConversationID("chan", "bob")
	for _, die := range []string{"never", "before append", "after append", "before end", "after end"} {
		t.Run(die, func(t *testing.T) {
			conf := func(r *rig) {
				r.snap.Services["shop"].Forward = state.Owner_OWNER_NONE
				r.rules = func(v *state.View) (e core.Evaluation) {
					if v.Type == sdk.CustomerMessage {
						e.Actions = []core.Action{{Rule: "r", Kind: core.Send, Channel: "chan", To: "bob", Text: "news: " + v.Event.Text}}
					}
					return e
				}
			}
			engine(t, conf, func(r *rig) {
				r.dieAt(die)
				r.start("chan", from("ada", "1", "hi"))
				r.after(time.Millisecond)
				r.restart()
				r.after(time.Minute)
				var got []string
				seen := map[string]bool{} // one cut off by the crash comes again, flagged
				for _, c := range r.all() {
					if again := seen[c.Key]; again && !c.Resent {
						t.Errorf("%q came again, not flagged", c.Message.GetText())
					} else if c.conv == bob && !again {
						seen[c.Key] = true
						got = append(got, fmt.Sprint(c.Customer.GetAddress(), " ", c.Message.GetText()))
					}
				}
				if !slices.Equal(got, []string{"bob news: hi"}) {
					t.Errorf("sent %q, want one message to bob", got)
				}
				if got := r.decided(bob, "outbound_requested"); len(got) != 1 {
					t.Errorf("bob's conversation was asked %d times, want once", len(got))
				}
				r.idle()
			})
		})
	}
}
