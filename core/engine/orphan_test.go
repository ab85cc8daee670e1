package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func orphanID() core.ConversationID { return core.OrphanID("desk", "chat-1") }

// opening lets ada write, and returns the open that the vendor took and has
// not answered.
func (r *rig) opening() *call {
	r.Helper()
	var open *call
	r.answer(func(c *call) {
		if c.Op == pluginv1.Op_OPEN {
			open = c
			return
		}
		c.ok()
	})
	r.accept("chan", from("ada", "hello", "hello"))
	if open == nil {
		r.Fatal("no chat is being opened")
	}
	return open
}

// wantHeld fails the test unless texts wait in the store, in order, and nothing
// was decided.
func (r *rig) wantHeld(texts ...string) {
	r.Helper()
	id := orphanID()
	mails, err := r.mem.Shard(store.ShardOf(id)).Mail(r.Context(), id, 0, 1000)
	if err != nil {
		r.Fatal(err)
	}
	var got []string
	for _, m := range mails {
		mail := &state.Mail{}
		if err := mail.UnmarshalVT(m.Body); err != nil {
			r.Fatal(err)
		}
		got = append(got, mail.GetEvent().GetText())
	}
	if !slices.Equal(got, texts) {
		r.Fatalf("the store holds %q, want %q", got, texts)
	}
	if records, _ := r.history(id); len(records) != 0 {
		r.Fatalf("%d events were decided without a customer", len(records))
	}
	r.want("chan")
}

func TestEventsOfAChatBeingOpenedWaitForIt(t *testing.T) {
	engine(t, nil, func(r *rig) {
		open := r.opening()
		r.agentSays("a1", "a2")
		r.accept("desk", said("chat-1", "a3", "a3"), said("chat-1", "a4", "a4"))
		r.wantHeld("a1", "a2", "a3", "a4")
		r.accept("desk", said("chat-1", "a2", "a2")) // a repetition
		open.ok()
		r.after(0)
		r.want("chan", "a1", "a2", "a3", "a4")
		r.agentSays("a5")
		r.accept("desk", said("chat-1", "a1", "a1")) // a repetition, of before
		r.want("chan", "a1", "a2", "a3", "a4", "a5")
		r.idle()
	})
}

func TestEventsWaitUntilTheRefIsBound(t *testing.T) {
	for _, op := range []string{"bind", "commit"} {
		t.Run(op, func(t *testing.T) {
			engine(t, nil, func(r *rig) {
				open := r.opening()
				free := r.disk.gate(op) // the answer has come and is not durable yet
				open.ok()
				r.after(time.Millisecond)
				var ps []*pending
				for _, text := range []string{"a1", "a2"} {
					ps = append(ps, r.start("desk", said("chat-1", text, text)))
				}
				free()
				r.after(time.Second)
				for i, p := range ps {
					if n, err := p.outcome(); n != 1 || err != nil {
						t.Fatalf("Accept %d = %d, %v", i, n, err)
					}
				}
				r.want("chan", "a1", "a2")
				r.idle()
			})
		})
	}
}

func TestAChatThatIsNeverBound(t *testing.T) {
	conf := func(r *rig) { r.rules = orphanRules }
	engine(t, conf, func(r *rig) {
		open := r.opening()
		r.agentSays("a1", "a2")
		r.after(holdFor - time.Second)
		r.wantHeld("a1", "a2")
		r.after(2 * time.Second)
		r.wantOrphaned("a1", "a2")
		open.ok()
		r.after(time.Second)
		r.agentSays("a3")
		r.want("chan", "a3") // from now on it is known
		r.idle()
	})
}

func TestAChatThatNobodyOpens(t *testing.T) {
	conf := func(r *rig) { r.rules = orphanRules }
	engine(t, conf, func(r *rig) {
		r.agentSays("a1")
		r.wantOrphaned("a1")
		r.agentSays("a2")
		r.wantOrphaned("a1", "a2")
		r.idle()
	})
}

// orphanRules tell ops of each agent's message, and write to the customer.
var orphanRules = ruleFunc(func(v *state.View) (e core.Evaluation) {
	if v.Type == sdk.IncomingMessage && v.Customer == nil {
		e.Actions = []core.Action{
			{Rule: "r", Kind: core.Notify, Endpoint: "ops", Body: []byte(v.Event.Text)},
			{Rule: "r", Kind: core.Send, Text: "from a rule"},
		}
	}
	return e
})

// wantOrphaned fails the test unless texts were decided without a customer:
// ops was told, and what needs a customer was dropped.
func (r *rig) wantOrphaned(texts ...string) {
	r.Helper()
	if got := r.decided(orphanID(), sdk.IncomingMessage); !slices.Equal(got, texts) {
		r.Fatalf("decided without a customer: %q, want %q", got, texts)
	}
	_, ends := r.history(orphanID())
	n := 0
	for _, e := range ends {
		if e.Command.Kind == state.CommandKind_DELIVER {
			n++
			if e.End != "dropped" || e.Reason != "no_customer" {
				r.Errorf("a message to nobody ended %s: %s", e.End, e.Reason)
			}
		}
	}
	if n != 2*len(texts) {
		r.Errorf("%d messages were dropped, want %d", n, 2*len(texts))
	}
	if len(r.posted()) != len(texts) {
		r.Errorf("ops was told %q", r.posted())
	}
	r.want("chan")
}

// TestNoReplyIsLostWhileAChatIsOpened lets the gateway die at every point
// between the vendor's taking an open and our knowing its chat, with an agent
// who answers before, between, and after.
func TestNoReplyIsLostWhileAChatIsOpened(t *testing.T) {
	for _, at := range []string{"unanswered", "before bind", "after bind", "before end", "after end"} {
		for _, says := range []string{"before", "after", "both"} {
			t.Run(at+", agent says "+says, func(t *testing.T) {
				engine(t, nil, func(r *rig) {
					open := r.opening()
					if says != "after" {
						r.agentSays("a1")
					}
					r.dieAt(at)
					if at != "unanswered" {
						open.done(&pluginv1.Result{Outcome: pluginv1.Outcome_OK, ChatRef: "chat-1"}, core.Answered)
						r.after(time.Millisecond)
					}
					r.crash()
					again := make(chan *call, 1)
					r.answer(func(c *call) {
						if c.Op == pluginv1.Op_OPEN {
							again <- c
							return
						}
						c.ok()
					})
					r.boot()
					if says != "before" {
						r.agentSays("a2")
					}
					if at != "after end" { // the vendor knows the key and gives the same chat
						(<-again).done(&pluginv1.Result{Outcome: pluginv1.Outcome_OK, ChatRef: "chat-1"}, core.Answered)
					}
					r.after(time.Minute)
					want := map[string][]string{"before": {"a1"}, "after": {"a2"}, "both": {"a1", "a2"}}[says]
					r.want("chan", want...)
					r.idle()
				})
			})
		}
	}
}

func TestLaterEventsGoBehindThoseThatWait(t *testing.T) {
	engine(t, nil, func(r *rig) {
		open := r.opening()
		r.agentSays("a1", "a2")
		free := r.disk.gate("append") // the way of the held ones to their conversation
		open.ok()
		r.after(time.Millisecond)
		p := r.start("desk", said("chat-1", "a3", "a3"))
		free()
		r.after(time.Second)
		if n, err := p.outcome(); n != 1 || err != nil {
			t.Fatalf("Accept = %d, %v", n, err)
		}
		r.want("chan", "a1", "a2", "a3")
		r.idle()
	})
}

func TestLinkGivesAnOrphanItsCustomer(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.agentSays("a1")
		id, err := r.e.Link(t.Context(), "desk", "chat-1", "chan", "ada")
		if err != nil || id != ada() {
			t.Fatalf("Link = %s, %v", id, err)
		}
		r.after(0)
		r.agentSays("a2")
		r.want("chan", "a2")
		r.forget()
		r.accept("chan", from("ada", "1", "hi"))
		r.want("desk", "hi")
		if c := r.all()[0]; c.Op != pluginv1.Op_SEND || c.Chat.Ref != "chat-1" {
			t.Errorf("the customer's message is %v in chat %q, want one in the linked chat", c.Op, c.Chat.Ref)
		}
		orphan := r.doc(orphanID())
		if core.ConversationID(orphan.Linked) != ada() || orphan.Chat.State != state.ChatState_CHAT_CLOSED {
			t.Errorf("the orphan is linked to %x, its chat %s", orphan.Linked, orphan.Chat.State)
		}
		if _, err := r.e.Link(t.Context(), "desk", "chat-1", "chan", "ada"); err != nil {
			t.Errorf("the same Link again = %v", err)
		}
		if _, err := r.e.Link(t.Context(), "desk", "chat-1", "chan", "bob"); core.CodeOf(err) != core.Conflict {
			t.Errorf("Link to another customer = %v, want a conflict", err)
		}
		r.after(time.Second)
		r.idle()
	})
}

func TestLinkRefuses(t *testing.T) {
	tests := []struct {
		integration, chat, channel, customer string
		want                                 core.Code
	}{
		{"nobody", "chat-1", "chan", "ada", core.NotFound},
		{"chan", "chat-1", "chan", "ada", core.NotFound},
		{"desk", "chat-1", "desk", "ada", core.NotFound},
		{"desk", "", "chan", "ada", core.Invalid},
		{"desk", "chat-1", "chan", "", core.Invalid},
		{"desk2", "chat-1", "chan", "ada", core.Invalid},
		{"desk", "chat-1", "lone", "ada", core.Invalid},
		{"helper", "chat-1", "chan", "ada", ""},
	}
	conf := func(r *rig) {
		r.snap.Services["shop"].Bot = "helper"
		for _, name := range []string{"desk2", "helper"} {
			r.snap.Instances[name] = &conversation.Instance{Name: name, Caps: &pluginv1.Capabilities{}}
		}
		r.snap.Instances["lone"] = &conversation.Instance{Name: "lone", Channel: true, Caps: &pluginv1.Capabilities{}}
	}
	engine(t, conf, func(r *rig) {
		for _, tt := range tests {
			if _, err := r.e.Link(t.Context(), tt.integration, tt.chat, tt.channel, tt.customer); core.CodeOf(err) != tt.want {
				t.Errorf("Link of %+v = %v", tt, err)
			}
		}
	})
}

func TestAVendorThatGivesOneRefTwice(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			c.done(&pluginv1.Result{Outcome: pluginv1.Outcome_OK, ChatRef: "chat-1"}, core.Answered)
		})
		r.accept("chan", from("bob", "1", "hi"))
		if !r.logs.has("vendor gave one id to two chats") {
			t.Error("nobody was told")
		}
		r.agentSays("a1")
		for _, c := range r.all() {
			if c.instance == "chan" && c.conv != ada() {
				t.Errorf("%q of ada's chat went to another customer", c.Message.Text)
			}
		}
		r.idle()
	})
}

func TestManyOrphansAreLetGo(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.opening()
		for i := range 100 {
			r.accept("desk", said(fmt.Sprint("other-", i), "1", "hi"))
		}
		r.after(holdFor + time.Second)
		if n := r.e.orphans.refs.Load(); n != 0 {
			t.Errorf("%d refs are still waited for", n)
		}
		if n := r.e.active(); n != 1 {
			t.Errorf("%d conversations in memory, want that of the open call alone", n)
		}
	})
}

// TestAnOrphansDuplicateLeavesNothingBehind: it is on its way into the store
// while all orphans are looked at again.
func TestAnOrphansDuplicateLeavesNothingBehind(t *testing.T) {
	engine(t, nil, func(r *rig) {
		open := r.opening()
		r.accept("desk", said("other", "1", "hi"))
		r.after(holdFor + time.Second)
		free := r.disk.gate("append")
		p := r.start("desk", said("other", "1", "hi"))
		open.ok()
		r.after(time.Millisecond)
		free()
		if n, err := p.outcome(); n != 1 || err != nil {
			t.Fatalf("Accept of the duplicate = %d, %v", n, err)
		}
		r.idle()
	})
}
