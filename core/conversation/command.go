package conversation

import (
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/split"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// defaultMaxParts is how many parts a text may be split into.
const defaultMaxParts = 20

// command numbers c and lets it go.
func (t *turn) command(c *state.Command) {
	t.number(c)
	if c.Message != nil {
		c.Message.Id, c.Message.Late = t.key(c.Number), c.Late
	}
	t.d.Commands = append(t.d.Commands, c)
	t.expect(c)
	if c.Chat != 0 && t.doc.Chat.GetNumber() == c.Chat {
		t.doc.Chat.Pending++
	}
	if o := t.open(c.Record); o != nil {
		o.Commands++
	} else if c.Record != 0 {
		t.doc.Open = append(t.doc.Open, &state.OpenRecord{Record: c.Record, Commands: 1})
	}
}

// open returns the count of a record's commands that have not ended, nil if
// there are none.
func (t *turn) open(record uint64) *state.OpenRecord {
	for _, o := range slices.Backward(t.doc.Open) {
		if o.Record == record {
			return o
		}
	}
	return nil
}

// number makes c a command of the fact in hand, or, if it replaces another
// one, of that one's record.
func (t *turn) number(c *state.Command) {
	t.doc.Commands++
	c.Conversation, c.Epoch, c.Number = t.doc.Id, t.doc.Epoch, t.doc.Commands
	c.CreatedMs, c.Hops = t.ms, t.hops
	if t.limit != nil && c.Rule != "" {
		c.Limit = t.limit
	}
	if c.Record == 0 && t.record != nil {
		c.Record = t.record.Number
		t.record.Commands = append(t.record.Commands, c.Number)
	}
}

// key is the idempotency key of this conversation's command n.
func (t *turn) key(n uint64) string {
	return core.CommandID{Conversation: core.ConversationID(t.doc.Id), Epoch: t.doc.Epoch, N: n}.String()
}

// texts are those of the parts that c's message needs at its instance.
func (t *turn) texts(c *state.Command) []string {
	return split.Text(c.Message.GetText(), t.snap.Instances[c.Instance].caps().GetToOutside())
}

// split is texts, but a message that does not fit ends dropped, and one of too
// many is a dead letter; then there are none.
func (t *turn) split(c *state.Command) []string {
	if !t.fit(c) {
		return nil
	}
	texts := t.texts(c)
	if len(texts) > t.snap.Instances[c.Instance].maxParts() {
		t.refuse(c, "too_many_parts")
		return nil
	}
	return texts
}

// parts makes a command like c for each text. They are one group, and an open
// carries the first one only.
func (t *turn) parts(c *state.Command, texts []string) {
	if len(texts) == 0 {
		return
	}
	m := c.Message
	c.Message = nil
	if len(texts) > 1 && c.Group == 0 {
		c.Group = t.doc.Commands + 1
	}
	for i, text := range texts {
		next := c.CloneVT()
		next.Message = part(m, text, i, len(texts))
		t.command(next)
		if c.Kind == state.CommandKind_CHAT_OPEN_CMD {
			c.Kind = state.CommandKind_CHAT_SEND
		}
	}
}

// part is the i-th of n parts of m. Attachments and quick replies go with the
// last one. What already is a part and fits stays the part it is.
func part(m *pluginv1.Message, text string, i, n int) *pluginv1.Message {
	p := &pluginv1.Message{
		Text: text, Author: m.Author, Agent: m.Agent, Part: uint32(i + 1), Parts: uint32(n),
		AtMs: m.AtMs, Extras: m.Extras, ReplyTo: m.ReplyTo, Resent: m.Resent, Copy: m.Copy,
	}
	if n == 1 && m.Parts > 1 {
		p.Part, p.Parts = m.Part, m.Parts
	}
	if i == n-1 {
		p.Attachments, p.QuickReplies, p.UrlPush = m.Attachments, m.QuickReplies, m.UrlPush
	}
	return p
}

// refuse makes a command that ends at once as a dead letter.
func (t *turn) refuse(c *state.Command, reason string) {
	t.number(c)
	t.letter(c, nil, reason, c.Group)
	t.recordEnd(c, nil, Dead, reason, "")
	t.notice(c, reason)
}

// drop makes a command that ends at once, not done.
func (t *turn) drop(c *state.Command, reason string) {
	t.number(c)
	t.recordEnd(c, nil, Dropped, reason, "")
	t.notice(c, reason)
}

// recordEnd adds the end of a command to the history.
func (t *turn) recordEnd(c *state.Command, a *state.Attempts, end End, reason, messageID string) {
	t.doc.Records++
	if c.Token != "" {
		c = c.CloneVT()
		c.Token = masked(c.Token)
	}
	t.entry(t.doc.Records, false, &state.Entry{Body: &state.Entry_Ended{Ended: &state.Ended{
		Command: c, Attempts: a, End: end.String(), Reason: reason, MessageId: messageID, AtMs: t.ms,
	}}})
}

// letter adds a dead letter.
func (t *turn) letter(c *state.Command, a *state.Attempts, reason string, group uint64) {
	t.d.Dead = append(t.d.Dead, &state.DeadLetter{Command: c, Attempts: a, Reason: reason, AtMs: t.ms, Group: group})
}

// regroup returns a function from a group to the one that takes its place: the
// number of its first command.
func (t *turn) regroup() func(old uint64) uint64 {
	groups := map[uint64]uint64{}
	return func(old uint64) uint64 {
		if old != 0 && groups[old] == 0 {
			groups[old] = t.doc.Commands + 1
		}
		return groups[old]
	}
}
