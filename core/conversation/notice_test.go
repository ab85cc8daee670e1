package conversation_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// writes is a customer's message that has an id.
func (w *world) writes(id string) {
	w.event("web", &pluginv1.Event{
		Type: sdk.CustomerMessage, Text: "text " + id, MessageId: id, Customer: &pluginv1.Customer{Address: "ada"},
	})
}

// takes ends all pending commands of an instance as taken.
func (w *world) takes(instance string) {
	for _, c := range slices.Clone(w.pending) {
		if c.Instance == instance {
			w.sent(c)
		}
	}
}

// A customer sees a tick once those who have the conversation have her message.
func TestReceiptsToTheCustomer(t *testing.T) {
	tests := []struct {
		name string
		at   string // of the switch, see newSwitch
		do   func(w *world)
		want []string
	}{
		{"to an agent", "ccsp+*", func(w *world) { w.writes("a"); w.writes("b"); w.takes("desk") }, []string{"delivered a", "delivered b"}},
		{"nobody has it yet", "ccsp+*", func(w *world) { w.writes("a") }, nil},
		{"it opens a chat", "", func(w *world) { w.writes("a"); w.takes("desk") }, []string{"delivered a"}},
		{"without an id", "ccsp+*", func(w *world) { w.writes(""); w.takes("desk") }, nil},
		{"dead", "ccsp+*", func(w *world) { w.writes("a"); w.dead(w.pending[0], "rejected") }, nil},
		{"dead and replayed", "ccsp+*", func(w *world) {
			w.writes("a")
			d := w.dead(w.pending[0], "rejected")
			w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{d.Dead[0].Command}}}})
			w.takes("desk")
		}, []string{"delivered a"}},
		{"moved to the next chat", "ccsp+*", func(w *world) {
			w.writes("a")
			w.gone(w.pending[0], "chat_gone")
			w.takes("desk")
		}, []string{"delivered a"}},
		{"in parts", "ccsp+*", func(w *world) {
			w.snap.Instances["desk"].Caps.ToOutside = &pluginv1.TextLimit{Limit: 5, Unit: pluginv1.TextUnit_RUNE}
			w.writes("a")
			first := w.pending[0]
			w.sent(first)
			if len(w.noticed) > 0 {
				w.t.Errorf("after the first part: %q", w.noticed)
			}
			w.takes("desk")
		}, []string{"delivered a"}},
		{"to the bot", "bot", func(w *world) { w.writes("a"); w.takes("bot") }, []string{"delivered a"}},
		{"to the bot, the agent sees it too", "bot+*", func(w *world) { w.writes("a"); w.takes("desk") }, nil},
		{"to the bot, and offered", "bot/ccsp+", func(w *world) { w.writes("a"); w.takes("desk") }, nil},
		{"to both", "both+", func(w *world) { w.writes("a"); w.takes("bot"); w.takes("desk") }, []string{"delivered a", "delivered a"}},
		{"to both, the agent answers", "both+*", func(w *world) { w.writes("a"); w.takes("bot") }, nil},
		{"to an agent, the bot sees it too", "ccsp+*", func(w *world) { w.writes("a"); w.takes("bot") }, nil},
		{"kept from all", "ccsp+*", func(w *world) {
			w.snap.Rules = on(sdk.CustomerMessage, forward(none))
			w.writes("a")
			w.takes("desk")
		}, nil},
		{"to a flow", "ccsp+*", func(w *world) {
			w.snap.Flows, w.doc.Flow = flows{takes: "text a"}, &state.Flow{Name: "survey"}
			w.writes("a")
		}, []string{"delivered a"}},
		{"what an agent says", "ccsp+*", func(w *world) { w.agent("hi"); w.takes("web"); w.takes("bot") }, nil},
		{"a channel that shows none", "ccsp+*", func(w *world) {
			w.snap.Instances["web"].Abilities = nil
			w.writes("a")
			if id := w.pending[0].MessageId; id != "" {
				w.t.Errorf("the command carries %q for nothing", id)
			}
			w.takes("desk")
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.at != "" {
				w = newSwitch(t, tt.at)
			}
			w.snap.Services["retail"].Copies = both
			w.snap.Instances["web"].Abilities = []string{pluginv1.AbilityReceipt}
			w.noticed = nil
			tt.do(w)
			if diff := cmp.Diff(tt.want, w.noticed); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// staff is news of an agent, "" for one whom the desk does not name.
func (w *world) staff(typ, name string) {
	w.event("desk", &pluginv1.Event{Type: typ, Ref: "chat-1", Agent: &pluginv1.Agent{Id: "secret", Name: name}})
}

func TestCustomerIsToldWhoIsThere(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *world)
		want []string
	}{
		{"assigned, and joined", func(w *world) { w.staff(sdk.ChatAssigned, "Bob"); w.staff(sdk.AgentJoined, "Bob") }, []string{"agent_joined Bob"}},
		{"joins and leaves", func(w *world) { w.staff(sdk.AgentJoined, "Bob"); w.staff(sdk.AgentLeft, "Bob") },
			[]string{"agent_joined Bob", "agent_left Bob"}},
		{"two of them", func(w *world) {
			w.staff(sdk.AgentJoined, "Bob")
			w.staff(sdk.AgentJoined, "Eve")
			w.staff(sdk.AgentLeft, "Bob")
			w.staff(sdk.AgentLeft, "Bob")
		}, []string{"agent_joined Bob", "agent_joined Eve", "agent_left Bob"}},
		{"without names", func(w *world) {
			w.staff(sdk.ChatAssigned, "")
			w.staff(sdk.AgentJoined, "")
			w.staff(sdk.AgentLeft, "Bob")
		}, []string{"agent_joined", "agent_left"}},
		{"who is not named is all", func(w *world) {
			w.staff(sdk.AgentJoined, "Bob")
			w.staff(sdk.AgentJoined, "Eve")
			w.staff(sdk.AgentLeft, "")
		}, []string{"agent_joined Bob", "agent_joined Eve", "agent_left Bob", "agent_left Eve"}},
		{"transferred to an agent", func(w *world) {
			w.staff(sdk.ChatAssigned, "Bob")
			w.staff(sdk.ChatTransferred, "Eve")
			w.staff(sdk.ChatAssigned, "Eve")
		}, []string{"agent_joined Bob", "agent_left Bob", "agent_joined Eve"}},
		{"transferred to a queue", func(w *world) {
			w.staff(sdk.ChatAssigned, "Bob")
			w.desk(sdk.ChatTransferred)
			w.staff(sdk.ChatAssigned, "Bob")
		}, []string{"agent_joined Bob", "agent_left Bob", "agent_joined Bob"}},
		{"transferred to another service", func(w *world) {
			w.snap.Services["sales"] = &conversation.Service{Name: "sales", Integration: "desk"}
			w.staff(sdk.ChatAssigned, "Bob")
			w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Transfer, Service: "sales"})
			w.desk(sdk.CustomEvent)
		}, []string{"agent_joined Bob", "agent_left Bob"}},
		{"the chat ends", func(w *world) { w.staff(sdk.AgentJoined, "Bob"); w.desk(sdk.ChatClosed); w.staff(sdk.AgentLeft, "Bob") },
			[]string{"agent_joined Bob", "agent_left Bob"}},
		{"after the chat", func(w *world) { w.desk(sdk.ChatClosed); w.staff(sdk.AgentJoined, "Bob") }, nil},
		{"in another chat", func(w *world) {
			w.event("desk", &pluginv1.Event{Type: sdk.AgentJoined, Ref: "chat-9", Agent: &pluginv1.Agent{Name: "Bob"}})
		}, nil},
		{"a watcher whom nobody is to see", func(w *world) {
			w.event("desk", &pluginv1.Event{Type: sdk.AgentJoined, Ref: "chat-1", Agent: &pluginv1.Agent{Name: "Boss"}, Private: true})
		}, nil},
		{"a watcher without a name leaves", func(w *world) {
			w.staff(sdk.AgentJoined, "Bob")
			w.event("desk", &pluginv1.Event{Type: sdk.AgentLeft, Ref: "chat-1", Private: true})
		}, []string{"agent_joined Bob"}},
		{"a crowd", func(w *world) {
			for _, name := range strings.Split("abcdefghijkl", "") {
				w.staff(sdk.AgentJoined, name)
			}
			w.noticed = w.noticed[6:]
		}, []string{"agent_joined g", "agent_joined h"}},
		{"a channel that shows nobody", func(w *world) {
			w.snap.Instances["web"].Abilities = nil
			w.staff(sdk.AgentJoined, "Bob")
			if w.doc.Chat.Present != nil {
				w.t.Errorf("%q are remembered for nothing", w.doc.Chat.Present)
			}
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.snap.Instances["web"].Abilities = []string{pluginv1.AbilitySendEvent}
			w.chat()
			tt.do(w)
			if diff := cmp.Diff(tt.want, w.noticed); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The agent who begins a chat is there from the start.
func TestCustomerIsToldWhoBegan(t *testing.T) {
	w := newWorld(t)
	w.snap.Instances["web"].Abilities = []string{pluginv1.AbilitySendEvent}
	w.begins("own-1")
	w.now = w.now.Add(time.Minute)
	w.desk(sdk.ChatClosed)
	if diff := cmp.Diff([]string{"agent_joined Bob", "agent_left Bob"}, w.noticed); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
