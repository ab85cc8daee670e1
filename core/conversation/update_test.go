package conversation_test

import (
	"testing"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const updates = "chat:1 CHAT_UPDATE"

// updatable is a world whose desk takes updates.
func updatable(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.snap.Instances["desk"].Abilities = []string{pluginv1.AbilityUpdate}
	return w
}

func setting(key, value string) core.Action {
	return core.Action{Kind: core.Set, Key: key, Value: value}
}

func TestVendorIsToldOfChanges(t *testing.T) {
	tier := &state.ProfileChange{Field: "attributes.tier", Value: "gold"}
	ada := func(c *pluginv1.Customer) *pluginv1.Event {
		c.Address = "ada"
		return &pluginv1.Event{Type: sdk.CustomEvent, EventName: "x", Customer: c}
	}
	tests := []struct {
		name string
		do   func(w *world)
		want []string
	}{
		{"an operator changes the profile", func(w *world) { w.change(tier, &state.ProfileChange{Field: "name", Value: "A"}) }, []string{updates}},
		{"the same again", func(w *world) { w.change(&state.ProfileChange{Field: "first_name", Value: "Ada"}) }, nil},
		{"the channel knows more", func(w *world) { w.event("web", ada(&pluginv1.Customer{Locale: "de"})) }, []string{updates}},
		{"the channel knows the same", func(w *world) { w.event("web", ada(&pluginv1.Customer{FirstName: "Ada"})) }, nil},
		{"the bot knows more", func(w *world) {
			w.event("bot", &pluginv1.Event{Type: sdk.CustomEvent, EventName: "x", Customer: &pluginv1.Customer{Name: "A"}})
		}, []string{updates}},
		{"the desk itself changed it", func(w *world) {
			w.event("desk", &pluginv1.Event{Type: sdk.CustomEvent, EventName: "x", Ref: "chat-1", Customer: &pluginv1.Customer{Name: "A"}})
		}, nil},
		{"rules set several things", func(w *world) {
			w.snap.Rules = on(sdk.CustomEvent, setting("topic", "billing"), setting("customer.name", "A"), setting("customer.attributes.tier", "gold"))
			w.desk(sdk.CustomEvent)
		}, []string{updates}},
		{"rules set what is so", func(w *world) {
			w.snap.Rules = on(sdk.CustomEvent, setting("customer.first_name", "Ada"))
			w.desk(sdk.CustomEvent)
		}, nil},
		{"behind the message", func(w *world) {
			w.snap.Rules = on(sdk.CustomerMessage, setting("topic", "billing"))
			w.customer("my bill")
		}, []string{"chat:1 CHAT_SEND my bill", updates}},
		{"a tag is nothing to tell", func(w *world) {
			w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Tag, Key: "vip"})
			w.desk(sdk.CustomEvent)
		}, nil},
		{"the desk cannot take it", func(w *world) {
			w.snap.Instances["desk"].Abilities = nil
			w.change(tier)
		}, nil},
		{"the chat is closed", func(w *world) {
			w.desk(sdk.ChatClosed)
			w.change(tier)
		}, nil},
		{"it closes with the change", func(w *world) {
			w.snap.Rules = on(sdk.ChatClosed, setting("topic", "billing"))
			w.desk(sdk.ChatClosed)
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := updatable(t)
			w.chat()
			tt.do(w)
			w.want(tt.want...)
		})
	}
}

// What is known when the chat opens goes with the open.
func TestOpenNeedsNoUpdate(t *testing.T) {
	w := updatable(t)
	w.snap.Rules = on(sdk.CustomerMessage, setting("topic", "billing"), setting("customer.name", "A"))
	w.customer("hi")
	w.want("chat:1 CHAT_OPEN_CMD hi")
}

func TestUpdatesAreOne(t *testing.T) {
	w := updatable(t)
	w.chat()
	change := func(name string) { w.change(&state.ProfileChange{Field: "name", Value: name}) }
	change("A")
	change("B")
	change("C")
	w.want(updates) // what it says is read when it goes
	first := w.pending[0]
	w.sent(first)
	w.want(updates) // it may have gone before C
	if second := w.pending[0]; second.Record != first.Record || second.Number == first.Number {
		t.Errorf("the second update is %v", second)
	}
	w.sent(w.pending[0])
	w.want()
	if w.doc.Update != nil || len(w.doc.Open) != 0 || w.doc.Chat.Pending != 0 {
		t.Errorf("left over: %v, %v, %d pending", w.doc.Update, w.doc.Open, w.doc.Chat.Pending)
	}
	change("D")
	w.want(updates)
	w.desk(sdk.ChatClosed)
	w.gone(w.pending[0], "chat_gone")
	w.want()
	if w.doc.Update != nil {
		t.Errorf("left over: %v", w.doc.Update)
	}
}

// A vendor that forgot the chat is not told again, and the next chat is.
func TestUpdateOfALostChat(t *testing.T) {
	w := updatable(t)
	w.chat()
	w.change(&state.ProfileChange{Field: "name", Value: "A"})
	w.change(&state.ProfileChange{Field: "name", Value: "B"})
	w.gone(w.pending[0], "chat_gone")
	w.want()
	if w.doc.Chat.State != state.ChatState_CHAT_CLOSED || w.doc.Update != nil {
		t.Fatalf("chat %v, update %v", w.doc.Chat, w.doc.Update)
	}
	w.chat2()
	w.change(&state.ProfileChange{Field: "name", Value: "C"})
	w.want("chat:2 CHAT_UPDATE")
}

// chat2 opens the second chat.
func (w *world) chat2() {
	w.t.Helper()
	w.customer("again")
	w.sent(w.one(state.CommandKind_CHAT_OPEN_CMD))
}
