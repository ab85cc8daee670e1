package conversation

import (
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// touched notes that the profile or an attribute changed. A chat that opens in
// this turn gets them with its open.
func (t *turn) touched() {
	if t.chatOpen() && t.doc.Chat.Number == t.chatBefore {
		t.untold = true
	}
}

// update tells the vendor of the open chat what changed, with one command for
// all of it: what the command is about is read when it is dispatched.
func (t *turn) update() {
	if !t.untold || !t.chatOpen() {
		return
	}
	t.untold = false
	chat := t.doc.Chat
	if !t.snap.Instances[chat.Integration].Can(pluginv1.AbilityUpdate) {
		return
	}
	if u := t.doc.Update; u.GetChat() == chat.Number {
		u.Again = u.Command <= t.commandsBefore // else it is one of this turn: it has not left
		return
	}
	t.makeUpdate(0)
}

// makeUpdate makes the command, for the fact in hand or for an earlier record.
func (t *turn) makeUpdate(record uint64) {
	c := t.inChat(&state.Command{Kind: state.CommandKind_CHAT_UPDATE, Record: record})
	t.command(c)
	t.doc.Update = &state.ChatUpdate{Command: c.Number, Chat: c.Chat}
}

// followUp makes another update if something changed after the one that ends: it
// may have been under way.
func (t *turn) followUp(c *state.Command) {
	u := t.doc.Update
	if u.GetCommand() == c.Number && u.GetAgain() && t.chatOpen() && t.doc.Chat.Number == c.Chat {
		t.makeUpdate(c.Record)
	}
}

// updated notes that no update is to come any more, if c was the last one.
func (t *turn) updated(c *state.Command) {
	if t.doc.Update.GetCommand() == c.Number {
		t.doc.Update = nil
	}
}
