package conversation

import (
	"cmp"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxSent is how many sent messages a document remembers for their receipts.
const maxSent = 32

// receiptStatus is what becomes of a message by a receipt.
var receiptStatus = map[string]string{
	sdk.MessageDelivered: "delivered", sdk.MessageRead: "read", sdk.MessageFailed: "failed",
}

// receiptEvents are the events that tell of a status.
var receiptEvents = map[string]string{
	"delivered": sdk.MessageDelivered, "read": sdk.MessageRead, "failed": sdk.MessageFailed,
}

// statusRank orders what becomes of a message: receipts may come twice or
// disordered, and only a higher one is news.
var statusRank = map[string]int{"sent": 0, "delivered": 1, "read": 2, "failed": 2}

// delivered: the customer's side took a message. Its receipt may have come
// before this answer, or with it.
func (t *turn) delivered(r *Result) {
	c := r.Command
	caps := t.snap.Instances[c.Instance].caps()
	if caps.GetReceiptsByRef() {
		for _, id := range r.ids() {
			t.d.Binds = append(t.d.Binds, Bind{Instance: c.Instance, Ref: id, Message: true})
		}
	}
	m := t.sentMessage(c.Number, "")
	early := m.GetStatus() != ""
	switch {
	case early:
	case m != nil:
		m.Status = "sent"
	case reports(caps) || r.Delivered:
		m = t.remember(c.Number, "sent")
	default:
		m = &state.SentMessage{}
	}
	m.MessageId, m.Agent, m.DeskId = r.MessageID, c.Agent, c.MessageId
	m.SentMs, m.Parts = begun(r), partsOf(r)
	if c.Agent {
		m.Chat, m.Text = c.OfChat, excerpt(c.Message)
	}
	if c.Rule != "" {
		m.Hops = c.Hops + 1
	}
	switch {
	case early:
		t.tellReceipt(m, "")
	case r.Delivered:
		t.facts = append(t.facts, &fact{
			ev:       &pluginv1.Event{Type: sdk.MessageDelivered, MessageId: t.key(c.Number)},
			instance: c.Instance, source: "channel",
		})
	case t.seen(m) != "":
		t.facts = append(t.facts, t.aboutOne(m, &fact{
			ev: &pluginv1.Event{Type: t.seen(m)}, instance: c.Instance, source: "channel",
		}))
	case caps.GetUndeliveredForMs() > 0:
		t.d.Keep = append(t.d.Keep, c)
	}
}

// reports says whether a channel tells what becomes of a message.
func reports(caps *pluginv1.Capabilities) bool { return caps.GetReceipts() || caps.GetReceiptsByRef() }

// expect remembers a rule's message before it is taken: its receipt may come
// first, and is to carry its hops.
func (t *turn) expect(c *state.Command) {
	if c.Rule != "" && c.Kind == state.CommandKind_DELIVER && reports(t.snap.Instances[c.Instance].caps()) {
		t.remember(c.Number, "").Hops = c.Hops + 1
	}
}

// sentMessage finds one by our number, or else by the provider's id; nil if it
// is not among the last ones.
func (t *turn) sentMessage(number uint64, id string) *state.SentMessage {
	return t.sentOne(false, number, id)
}

// sentOne is sentMessage for messages and for calls.
func (t *turn) sentOne(call bool, number uint64, id string) *state.SentMessage {
	for _, m := range slices.Backward(t.doc.Sent) {
		if m.Call == call && (number != 0 && m.Command == number || number == 0 && id != "" && (m.MessageId == id || partOf(m, id) != nil)) {
			return m
		}
	}
	return nil
}

// remember keeps what is known of a sent message for its receipts, at the cost
// of the oldest one.
func (t *turn) remember(number uint64, status string) *state.SentMessage {
	m := &state.SentMessage{Command: number, Status: status}
	if len(t.doc.Sent) >= maxSent {
		t.doc.Sent = slices.Delete(t.doc.Sent, 0, 1)
	}
	t.doc.Sent = append(t.doc.Sent, m)
	return m
}

// receipt takes in that a message to the customer was delivered, read or lost.
func (t *turn) receipt(f *fact) proposal {
	status := receiptStatus[f.ev.Type]
	id := cmp.Or(f.ev.MessageId, f.ev.Ref)
	if id == "" && f.instance == t.doc.Channel && status != "failed" {
		return t.watermark(f, status)
	}
	var number uint64
	if cmd, err := core.ParseCommandID(id); err == nil {
		if !t.ours(cmd) {
			return t.only("unknown message")
		}
		number = cmd.N
		t.d.Unkeep = append(t.d.Unkeep, number)
	}
	m := t.sentMessage(number, id)
	if part := partOf(m, id); part != nil && number == 0 {
		if statusRank[status] <= statusRank[part.Status] {
			return t.only("receipt already known")
		}
		part.Status = status
		if status = together(m.Parts); status == "sent" {
			return t.only("of one part, the others are still to come")
		}
		f.ev = f.ev.CloneVT()
		f.ev.Type = receiptEvents[status]
	}
	switch {
	case m == nil && number > t.lastSent():
		m = t.remember(number, status) // it was faster than the answer to our call
	case m == nil:
		return proposal{rules: true} // one of long ago
	case statusRank[status] <= statusRank[m.Status]:
		return t.only("receipt already known")
	default:
		m.Status = status
		if number == 0 {
			t.d.Unkeep = append(t.d.Unkeep, m.Command)
		}
	}
	return proposal{rules: true, extra: func() { t.tellReceipt(m, f.ev.Reason) }}
}

// ours says whether this conversation has made a command.
func (t *turn) ours(id core.CommandID) bool {
	return id.Conversation == core.ConversationID(t.doc.Id) && id.Epoch == t.doc.Epoch && id.N <= t.doc.Commands
}

// lastSent is the number of the last message that the customer's side took: they
// end in order.
func (t *turn) lastSent() (last uint64) {
	for _, m := range t.doc.Sent {
		if !m.Call && m.Status != "" {
			last = max(last, m.Command)
		}
	}
	return last
}

// follow carries the hops of a rule's message or call on to what its far side
// tells of it: what rules set off must not look like news from outside.
func (t *turn) follow(f *fact) {
	if m := t.about(f); m != nil {
		f.hops = max(f.hops, m.Hops)
		t.hops = f.hops
	}
}

// about is the message or call that its far side tells of, nil if it is none of the
// last ones.
func (t *turn) about(f *fact) *state.SentMessage {
	call, id := IsCall(f.ev.Type), cmp.Or(f.ev.MessageId, f.ev.Ref)
	if call {
		id = callID(f.ev)
	} else if receiptStatus[f.ev.Type] == "" {
		return nil
	}
	var number uint64
	if cmd, err := core.ParseCommandID(id); err == nil && t.ours(cmd) {
		number = cmd.N
	}
	return t.sentOne(call, number, id)
}

// tellReceipt passes a receipt on to the agent who wrote m, where the desk has
// a place for it; a failure is told in any case. The agent of a later chat is
// not told.
func (t *turn) tellReceipt(m *state.SentMessage, reason string) {
	switch {
	case !m.Agent || !t.chatOpen() || m.Chat != 0 && m.Chat != t.doc.Chat.Number:
	case m.DeskId != "" && t.snap.Instances[t.doc.Chat.Integration].Can(pluginv1.AbilityReceipt):
		t.command(t.inChat(&state.Command{
			Kind: state.CommandKind_CHAT_RECEIPT, MessageId: m.DeskId, Status: m.Status, Reason: reason,
		}))
		if reason == WindowIsClosed { // a word is no help
			t.tellFailed(m, reason)
		}
	case m.Status == "failed":
		t.tellFailed(m, reason)
	}
}

// tellFailed tells the agent in words that m did not arrive.
func (t *turn) tellFailed(m *state.SentMessage, reason string) {
	text := "Your message was not delivered"
	if reason == WindowIsClosed {
		reason = t.tooLate()
	}
	if reason != "" {
		text += " (" + reason + ")"
	}
	if m.Text != "" {
		text += ": " + m.Text
	}
	t.tellAgent(text)
}

// maxExcerpt is how many letters of a message the agent is shown who wrote it.
const maxExcerpt = 80

// excerpt is how a message begins.
func excerpt(m *pluginv1.Message) string {
	r := []rune(m.GetText())
	if len(r) > maxExcerpt {
		return string(r[:maxExcerpt]) + "…"
	}
	return string(r)
}
