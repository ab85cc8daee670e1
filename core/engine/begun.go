package engine

import (
	"cmp"
	"errors"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// routeBegun finds the conversation of a chat that an agent has begun: that of
// the customer, to whom it is bound before anything of it is decided; not ok:
// it stays one that belongs to nobody, and the event says why.
func (a *accepting) routeBegun(ev *pluginv1.Event) (id core.ConversationID, ok bool, err error) {
	e, name := a.e, a.i.name
	id, err = e.Store.Resolve(e.ctx, name, ev.Ref)
	switch {
	case err == nil:
		return id, true, nil // it comes again
	case !errors.Is(err, store.ErrNotFound):
		return id, false, unavailable(err)
	}
	id = core.NewConversationID(ev.Channel, ev.Customer.Address)
	why, err := a.notBegun(ev, id)
	if err != nil {
		return id, false, unavailable(err)
	}
	if why != "" {
		ev.Reason = cmp.Or(ev.Reason, why)
		e.Log.Warn("chat that an agent began belongs to nobody", "why", why, "instance", name, "channel", ev.Channel, "conversation", id)
		return id, false, nil
	}
	switch err := e.Store.Bind(e.ctx, name, ev.Ref, id, chatRefFor); {
	case errors.Is(err, store.ErrConflict):
		return id, false, nil // another one was faster: what it is bound to is found next
	case err != nil:
		return id, false, unavailable(err)
	}
	return id, true, e.linkOrphan(e.ctx, core.OrphanID(name, ev.Ref), id, "integration")
}

// notBegun says why a chat cannot be the customer's, "" if it can.
func (a *accepting) notBegun(ev *pluginv1.Event, id core.ConversationID) (why string, err error) {
	snap := a.e.Snap()
	ch := snap.Instances[ev.Channel]
	switch {
	case a.conf.Removed:
		return "the integration is being removed", nil
	case ch == nil || !ch.Channel || snap.Services[ch.Service] == nil || snap.Services[ch.Service].Integration != a.i.name:
		return "the channel is in no service of this integration", nil
	case ch.Removed:
		return "the channel is being removed", nil
	}
	doc, err := a.e.document(a.e.ctx, id)
	if core.CodeOf(err) == core.NotFound {
		return "", nil
	}
	if s := doc.GetChat().GetState(); s == state.ChatState_CHAT_OPEN || s == state.ChatState_CHAT_OPENING || doc.GetNext() != nil {
		why = "the customer has an open chat"
	}
	return why, err
}

// isBegun says whether an integration tells that an agent has begun a chat.
func (a *accepting) isBegun(ev *pluginv1.Event) bool {
	return !a.conf.Channel && conversation.Begins(ev)
}
