package engine

import (
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	typingFor = 5 * time.Second // after that it is no news
	maxTyping = 64              // typing calls under way, over all
)

// Typing passes on that somebody is typing. It is ephemeral: not stored, not
// seen by rules, and dropped when a message is on its way to the same side or
// too many are under way. If neither a stop nor another notice comes, it is
// stopped here once the time is over that the reporting driver gives. It does not
// block.
func (e *Engine) Typing(instance string, t *pluginv1.Typing) {
	if e.typing.Add(1) > maxTyping {
		e.dropTyping()
		return
	}
	e.Exec.Go(func() {
		to, id, call := e.typingCall(instance, t)
		if call == nil || !e.noteTyping(instance, t) {
			e.dropTyping()
			return
		}
		e.Drivers.Call(to, id, call, typingFor, func(*pluginv1.Result, core.Fate) { e.typing.Add(-1) })
	})
}

// noteTyping has typing end by itself, or notes that it has ended. It says no if
// there is no room to.
func (e *Engine) noteTyping(instance string, t *pluginv1.Typing) bool {
	who := typistOf(instance, t)
	conf := e.Snap().Instances[instance]
	if !t.On || conf == nil {
		e.typists.stop(who)
		return true
	}
	stop := t.CloneVT()
	stop.On = false
	return e.typists.begin(e.Clock, who, typingTTLOf(conf), func() { e.Typing(instance, stop) })
}

// dropTyping gives up one of the calls that are under way.
func (e *Engine) dropTyping() {
	e.typing.Add(-1)
	e.m.typingDropped.Inc()
}

// typingCall returns the call that shows it to the other side, nil if there is
// nobody to show it to.
func (e *Engine) typingCall(instance string, t *pluginv1.Typing) (to string, id core.ConversationID, call *pluginv1.Call) {
	snap := e.Snap()
	conf := snap.Instances[instance]
	if conf == nil {
		return "", id, nil
	}
	if conf.Channel {
		id = core.NewConversationID(instance, t.Address)
	} else if found, err := e.Store.Resolve(e.ctx, instance, t.ChatRef); err == nil {
		id = found
	} else {
		return "", id, nil
	}
	doc, busy := e.peek(id, conf.Channel)
	if doc == nil || busy || doc.GetChat().GetState() != state.ChatState_CHAT_OPEN {
		return "", id, nil
	}
	call = &pluginv1.Call{Op: pluginv1.Op_TYPING, On: t.On, Customer: doc.Customer}
	if conf.Channel {
		to, call.Chat = doc.Chat.Integration, chatOf(doc)
		if !snap.Instances[to].Can(pluginv1.AbilityTypingToChat) {
			return "", id, nil
		}
		return to, id, call
	}
	if to = doc.Channel; !snap.Instances[to].Can(pluginv1.AbilityTypingToCustomer) {
		return "", id, nil
	}
	return to, id, call
}

// peek returns a conversation's document, and whether messages are on their
// way to the contact center, or to the customer.
func (e *Engine) peek(id core.ConversationID, toChat bool) (doc *state.Document, busy bool) {
	s := e.shard(id)
	if s == nil {
		return nil, false
	}
	if c := s.awake(id); c != nil {
		c.mu.Lock()
		doc, busy = c.doc, c.sending(toChat)
		c.mu.Unlock()
		if doc != nil {
			return doc, busy
		}
	}
	doc, err := e.document(e.ctx, id)
	if err != nil {
		return nil, false
	}
	return doc, busy
}

// sending says whether messages are on their way to the contact center, or to
// the customer. The caller holds c.mu.
func (c *cell) sending(toChat bool) bool {
	if !toChat {
		return c.lanes[conversation.LaneCustomer] != nil
	}
	for name := range c.lanes {
		if conversation.IsChatLane(name) {
			return true
		}
	}
	return false
}
