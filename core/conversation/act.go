package conversation

import (
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxTags bounds the tags of a conversation.
const maxTags = 50

// do carries out one action of a rule or flow. Actions are independent: one
// that cannot be done is recorded and the next one goes on.
func (t *turn) do(f *fact, a *core.Action) {
	t.limit, t.reply = t.bound(a), a.Reply
	t.acted(a)
	if a.Err != "" && a.Kind != core.Control {
		t.drop(&state.Command{Kind: kindOf(a), Rule: a.Rule}, "template: "+a.Err)
		if a.Kind == core.Flow {
			t.flowFailed(a.Key, a.Err)
		}
		return
	}
	switch a.Kind {
	case core.Send:
		t.late = false
		t.send(a)
		t.undone()
	case core.Call:
		t.call(a)
	case core.Push:
		t.push(a)
	case core.Notify:
		c := &state.Command{
			Kind: state.CommandKind_NOTIFY, Lane: t.ownLane("notify"), Endpoint: a.Endpoint, Body: a.Body, Rule: a.Rule, Answer: a.Answer,
		}
		t.command(c)
		t.awaits(c)
	case core.Close:
		if !t.closeChat(&pluginv1.Event{By: "rule", Reason: a.Reason}, "rule", 0) {
			t.drop(&state.Command{Kind: state.CommandKind_CHAT_CLOSE, Rule: a.Rule}, "no_chat")
		}
	case core.Transfer:
		t.transfer(a)
	case core.Control:
		if c, ok := t.doControl(a); ok {
			t.finishControl(c)
		}
	case core.Set:
		t.set(a)
	case core.Tag:
		t.tag(state.CutText(a.Key), a.Rule)
	case core.Emit:
		switch {
		case a.Vendor:
			t.tellVendor(a)
		case a.Far:
			t.tellChannel(a)
		default:
			t.emitted(f, a)
		}
	case core.Flow:
		if !a.Begun {
			t.noFlow(a)
		}
	}
}

// acted notes an action for a rehearsal.
func (t *turn) acted(a *core.Action) {
	if t.snap.Rehearsal {
		t.d.Acted = append(t.d.Acted, a)
	}
}

// undone has a rehearsal not show what was too late.
func (t *turn) undone() {
	if t.snap.Rehearsal && t.late {
		t.d.Acted = t.d.Acted[:len(t.d.Acted)-1]
	}
}

// kindOf is the kind of command that an action would have become; what is done
// in the document has none.
func kindOf(a *core.Action) state.CommandKind {
	switch a.Kind {
	case core.Send:
		return state.CommandKind_DELIVER
	case core.Call:
		return state.CommandKind_CALL
	case core.Push:
		return state.CommandKind_PUSH
	case core.Notify:
		return state.CommandKind_NOTIFY
	case core.Close:
		return state.CommandKind_CHAT_CLOSE
	case core.Transfer:
		return state.CommandKind_CHAT_TRANSFER
	case core.Emit:
		if a.Vendor || a.Far {
			return state.CommandKind_CHAT_EVENT
		}
	}
	return state.CommandKind_COMMAND_UNSPECIFIED
}

// tag adds a tag to the conversation, unless it has too many.
func (t *turn) tag(name, rule string) {
	switch {
	case slices.Contains(t.doc.Tags, name):
	case len(t.doc.Tags) >= maxTags:
		t.drop(&state.Command{Rule: rule}, "too_many_tags")
	default:
		t.doc.Tags = append(t.doc.Tags, name)
	}
}

// maxFacts bounds what one input may set off: two rules that emit two events
// each would be thousands before the loop guard stops them.
const maxFacts = 100

// emitted puts a custom event into this conversation, behind the facts in hand.
func (t *turn) emitted(f *fact, a *core.Action) {
	if f.hops+1 >= maxHops || t.at+1+len(t.facts) >= maxFacts {
		t.drop(&state.Command{EventName: a.Key, Rule: a.Rule}, "loop_guard")
		return
	}
	t.facts = append(t.facts, &fact{
		ev:     &pluginv1.Event{Type: sdk.CustomEvent, EventName: a.Key, Params: a.Params},
		source: "rule", hops: f.hops + 1,
	})
}

// closeChat ends an open chat from our side, as ev says; the vendor is told.
// Without an open chat it does nothing and says so.
func (t *turn) closeChat(ev *pluginv1.Event, source string, late time.Duration) bool {
	if !t.chatOpen() {
		return false
	}
	ev.Type, ev.Status = sdk.ChatClosed, "closed"
	t.facts = append(t.facts, &fact{ev: ev, source: source, hops: t.hops, lateBy: late, tell: true, chat: t.doc.Chat.Number})
	return true
}
