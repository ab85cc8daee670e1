package engine

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// begun is that an agent has begun a chat with a customer.
func begun(ref, id, channel, address string) *pluginv1.Event {
	return &pluginv1.Event{
		Type: sdk.ChatOpened, Id: id, Ref: ref, By: "agent", Channel: channel, Customer: &pluginv1.Customer{Address: address},
	}
}

func TestAgentBeginsAChat(t *testing.T) {
	engine(t, nil, func(r *rig) {
		// What the vendor tells in one request belongs together.
		r.accept("desk", begun("own-1", "b1", "chan", "ada"), said("own-1", "a1", "hello Ada"))
		r.want("chan", "hello Ada")
		r.accept("desk", begun("own-1", "b1", "chan", "ada"), begun("own-1", "", "chan", "ada")) // again, with its id and without
		r.accept("chan", from("ada", "1", "who are you?"))
		r.want("desk", "who are you?")
		doc := r.doc(ada())
		if doc.Chat.Number != 1 || doc.Chat.Ref != "own-1" || doc.Owner != state.Owner_OWNER_CCSP {
			t.Errorf("document %v", doc)
		}
		if opens := r.to("desk", pluginv1.Op_OPEN); len(opens) != 0 {
			t.Errorf("the vendor is asked to open %v", opens)
		}
		r.idle()
	})
}

// A chat that cannot be the customer's stays one of nobody, and its event says why.
func TestAgentBeginsAChatThatIsNobodys(t *testing.T) {
	tests := []struct {
		name, channel, why string
		before             func(r *rig)
	}{
		{"another one is open", "chan", "the customer has an open chat", func(r *rig) { r.open() }},
		{"no such channel", "chann", "the channel is in no service of this integration", nil},
		{"an integration", "desk", "the channel is in no service of this integration", nil},
		{"a channel of another integration", "chan", "the channel is in no service of this integration", func(r *rig) {
			r.change(func(s *conversation.Snap) { s.Services["shop"].Integration = "other" })
		}},
		{"a channel that leaves", "chan", "the channel is being removed", func(r *rig) {
			r.change(func(s *conversation.Snap) { s.Instances["chan"].Removed = true })
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine(t, nil, func(r *rig) {
				if tt.before != nil {
					tt.before(r)
				}
				r.accept("desk", begun("own-1", "b1", tt.channel, "ada"), said("own-1", "a1", "hello Ada"))
				id := core.OrphanID("desk", "own-1")
				records, ends := r.history(id)
				if len(records) != 2 || records[0].View.Event.Reason != tt.why {
					t.Fatalf("records %v", records)
				}
				if len(ends) == 0 || ends[0].Reason != "no_customer" {
					t.Errorf("ends %v", ends)
				}
				if _, err := r.mem.Resolve(t.Context(), "desk", "own-1"); err == nil {
					t.Error("it is bound to somebody")
				}
				if doc := r.doc(ada()); doc.GetChat().GetRef() == "own-1" {
					t.Errorf("document %v", doc)
				}
				if !r.logs.has("belongs to nobody") {
					t.Error("the log does not say so")
				}
			})
		})
	}
}

// What came of the chat before it was told that it had begun belonged to nobody;
// from then on it is the customer's.
func TestAgentBeginsAChatLate(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.accept("desk", said("own-1", "a1", "too early"))
		r.accept("desk", begun("own-1", "b1", "chan", "ada"), said("own-1", "a2", "hello Ada"))
		r.after(time.Second)
		r.want("chan", "hello Ada")
		orphan := r.doc(core.OrphanID("desk", "own-1"))
		if core.ConversationID(orphan.Linked) != ada() || orphan.Chat.State != state.ChatState_CHAT_CLOSED {
			t.Errorf("the orphan is %v", orphan)
		}
		r.idle()
	})
}

// A crash between the binding and the commit loses nothing: the vendor sends it again.
func TestAgentBeginsAChatAndTheGatewayDies(t *testing.T) {
	engine(t, nil, func(r *rig) {
		if err := r.mem.Bind(t.Context(), "desk", "own-1", ada(), chatRefFor); err != nil {
			t.Fatal(err)
		}
		r.restart()
		r.accept("desk", begun("own-1", "b1", "chan", "ada"), said("own-1", "a1", "hello Ada"))
		r.want("chan", "hello Ada")
		if doc := r.doc(ada()); doc.Chat.GetRef() != "own-1" {
			t.Errorf("document %v", doc)
		}
	})
}

// Control asks the conversation, and its bot is told.
func TestControl(t *testing.T) {
	conf := func(r *rig) {
		r.snap.Services["shop"].Bot = "bot"
		r.snap.Instances["bot"] = &conversation.Instance{
			Name: "bot", Caps: &pluginv1.Capabilities{}, Abilities: []string{pluginv1.AbilitySendEvent},
		}
	}
	engine(t, conf, func(r *rig) {
		if err := r.e.Control(t.Context(), ada(), Control{Action: "pass", To: "bot"}); core.CodeOf(err) != core.NotFound {
			t.Errorf("Control of nobody = %v", err)
		}
		r.open()
		if err := r.e.Control(t.Context(), ada(), Control{Action: "pass", To: "bot", By: "operator", Reason: "late"}); err != nil {
			t.Fatal(err)
		}
		r.after(0)
		r.accept("chan", from("ada", "2", "hi"))
		r.want("bot", "hi")
		told := r.to("bot", pluginv1.Op_EVENT)
		if len(told) != 1 || told[0].EventName != sdk.ControlPassed || told[0].Params["reason"] != "late" || told[0].Chat.Ref != ada().String() {
			t.Errorf("the bot is told %v", told)
		}
		// It is known by the conversation's id.
		r.accept("bot", said(ada().String(), "m1", "beep"))
		r.want("chan", "beep")
		r.idle()
	})
}
