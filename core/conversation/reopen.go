package conversation

import (
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// reopens says whether c's message opens the closed chat again, in place of the
// next one: a customer's does, soon after the end, where the vendor can.
func (t *turn) reopens(c *state.Command) bool {
	chat, svc := t.doc.Chat, t.service()
	if svc.ReopenWithin == 0 || c.Message.GetAuthor() != customerWrote || chat.GetState() != state.ChatState_CHAT_CLOSED {
		return false
	}
	if chat.Shut || chat.Ref == "" || chat.Status == "rejected" || chat.Reason == lostReason || chat.Integration != svc.Integration {
		return false
	}
	inst, ch := t.snap.Instances[chat.Integration], t.snap.Instances[t.doc.Channel]
	if inst == nil || inst.Removed || ch != nil && ch.Removed || !inst.Can(pluginv1.AbilityReopen) {
		return false
	}
	return t.ms-chat.ClosedMs <= svc.ReopenWithin.Milliseconds()
}

// reopen begins to open the closed chat again. c's message follows, behind what
// was said since the end.
func (t *turn) reopen(c *state.Command) {
	texts := t.split(c)
	if texts == nil {
		return
	}
	chat := t.doc.Chat
	chat.State, chat.Reopening = state.ChatState_CHAT_OPENING, true
	chat.CustomerMessages++
	t.ownOpened(c.Late)
	t.command(t.inChat(&state.Command{Kind: state.CommandKind_CHAT_REOPEN, Record: c.Record, Rule: c.Rule}))
	c.Kind = state.CommandKind_CHAT_SEND
	t.tellTranscript(c, t.since(chat.ClosedMs, c))
	t.parts(t.inChat(c), texts)
}

// reopened: the vendor has the chat again, perhaps by another id.
func (t *turn) reopened(r *Result) {
	c := t.doc.Chat
	if c.GetNumber() != r.Command.Chat {
		return
	}
	if r.ChatRef != "" && r.ChatRef != c.Ref {
		c.Ref, c.Cursor = r.ChatRef, nil
		t.d.Binds = append(t.d.Binds, Bind{Instance: c.Integration, Ref: r.ChatRef})
	}
	if c.Reopening { // else it is closed meanwhile, or the vendor said so before
		t.backAgain()
		t.emit(&pluginv1.Event{Type: sdk.ChatReopened, Ref: c.Ref}, "integration", 0)
	}
}

// backAgain notes that the chat is open again.
func (t *turn) backAgain() {
	c := t.doc.Chat
	c.State, c.OpenedMs, c.ClosedMs, c.Status, c.Reason = state.ChatState_CHAT_OPEN, t.ms, 0, "", ""
	c.Reopening, c.Shut = false, false
}

// notReopened: the vendor does not open the chat again. It stays as it ended,
// and what waits for it goes to a new one.
func (t *turn) notReopened(r *Result) {
	c := t.doc.Chat
	t.end(r.Command, r.Attempts, nil, Dropped, r.Reason)
	if c.GetNumber() != r.Command.Chat || !c.Reopening {
		return // it was closed meanwhile: what waits for it finds out
	}
	c.State, c.Reopening, c.Shut = state.ChatState_CHAT_CLOSED, false, true
	t.moveAll(&Result{Command: r.Command, Reason: r.Reason}, r.Rest)
}

// shutAgain is the end of a chat that was to be opened again. It has ended
// before, and that is known.
func (t *turn) shutAgain() {
	c := t.doc.Chat
	closed := c.ClosedMs
	t.endChat()
	c.ClosedMs, c.Shut = closed, true
	t.afterChat()
}
