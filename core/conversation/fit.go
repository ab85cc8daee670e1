package conversation

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Why a message, or a file of one, was not sent to an instance that takes no such.
const (
	tooLong  = "too_long"
	tooLarge = "too_large"
)

// fit takes from c's message what its instance is known not to take: that ends
// dropped, and who wrote it is told. It says whether anything is left to send.
func (t *turn) fit(c *state.Command) bool {
	inst := t.snap.Instances[c.Instance]
	if large, rest := inst.largeFiles(c.Message.GetAttachments()); len(large) > 0 {
		t.dropFiles(c, large)
		m := c.Message.CloneVT() // others may send it too
		if m.Attachments = rest; m.Text == "" && len(rest) == 0 && len(m.QuickReplies) == 0 && m.UrlPush == "" {
			return false
		}
		c.Message = m
	}
	if !inst.refuses(c) || len(t.texts(c)) == 1 {
		return true
	}
	t.drop(c, tooLong)
	if ofCustomer(c) {
		t.say("A message of the customer is too long to be shown here (%s): %s", tooLong, beginning(c.Message.GetText()))
	}
	return false
}

// dropFiles ends the files of c's message that are too large.
func (t *turn) dropFiles(c *state.Command, large []*pluginv1.Attachment) {
	lost := c.CloneVT()
	lost.Agent = false // of the rest: what is lost is told here
	lost.Message = &pluginv1.Message{Attachments: large, Author: c.Message.GetAuthor(), Agent: c.Message.GetAgent(), AtMs: t.ms}
	t.drop(lost, tooLarge)
	for _, a := range large {
		name := beginning(cmp.Or(a.Name, a.Mime, "a file"))
		switch {
		case c.Agent:
			t.say("Your file was not delivered (%s): %s", tooLarge, name)
		case ofCustomer(c):
			t.say("A file of the customer is too large to be shown here (%s): %s", tooLarge, name)
		}
	}
}

// ofCustomer says whether c brings the customer's words to the contact center.
func ofCustomer(c *state.Command) bool {
	return c.Message.GetAuthor() == pluginv1.AuthorKind_AUTHOR_CUSTOMER && c.Kind != state.CommandKind_BOT_SEND
}

// largeFiles returns the files that are known to be larger than the instance's
// driver takes, and the others.
func (i *Instance) largeFiles(files []*pluginv1.Attachment) (large, rest []*pluginv1.Attachment) {
	most := i.caps().GetMaxAttachmentBytes()
	for _, a := range files {
		if most > 0 && a.GetBytes() > most {
			large = append(large, a)
		} else {
			rest = append(rest, a)
		}
	}
	return large, rest
}

// refuses says whether a text of c that is over the limit is not to be split. What
// the gateway itself tells a desk, nobody could shorten.
func (i *Instance) refuses(c *state.Command) bool {
	if i.caps().GetOverflow() != pluginv1.Overflow_REFUSE {
		return false
	}
	return c.Kind == state.CommandKind_DELIVER || c.Message.GetAuthor() == pluginv1.AuthorKind_AUTHOR_CUSTOMER
}

// say tells the agent something once the fact in hand is dealt with: the chat may
// only be about to open.
func (t *turn) say(format string, args ...any) {
	t.sayings = append(t.sayings, fmt.Sprintf(format, args...))
}

// speak tells the agent what there is to say.
func (t *turn) speak() {
	for len(t.sayings) > 0 {
		text := t.sayings[0]
		t.sayings = t.sayings[1:]
		t.tellAgent(text)
	}
}

// beginning is enough of a text to know it by.
func beginning(s string) string {
	s = strings.TrimSpace(s)
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
