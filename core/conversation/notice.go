package conversation

import (
	"slices"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Notice is something that the customer's app shows beside the talk: what has
// become of a message of hers, or else who has joined or left. It is no command: it
// is not kept, and one that is lost is not missed.
type Notice struct {
	MessageID string // the channel's id of her message
	Status    string // delivered

	Event  string // agent_joined, agent_left
	Params map[string]string
}

// told is the id of the customer's message in hand, if her app is to be told what
// becomes of it.
func (t *turn) told(f *fact) string {
	if f.instance != t.doc.Channel || !t.snap.Instances[f.instance].Can(pluginv1.AbilityReceipt) {
		return ""
	}
	return f.ev.MessageId
}

// taken tells the customer that those who have the conversation have her message, all
// parts of it. What they only get a copy of does not count.
func (t *turn) taken(c *state.Command) {
	if m := c.Message; m.GetAuthor() == customerWrote && m.Part == m.Parts {
		t.receiptTo(c.MessageId)
	}
}

// receiptTo tells the customer that her message of that id is delivered.
func (t *turn) receiptTo(id string) {
	if id != "" {
		t.d.Notices = append(t.d.Notices, Notice{MessageID: id, Status: "delivered"})
	}
}

// maxPresent is how many agents a customer's app is told of at a time.
const maxPresent = 8

// joins tells the customer that an agent is there, once. One without a name is worth
// telling only if nobody else is there.
func (t *turn) joins(ev *pluginv1.Event) {
	c, name := t.doc.Chat, state.CutText(ev.Agent.GetName())
	switch {
	case ev.Private, !t.snap.Instances[t.doc.Channel].Can(pluginv1.AbilitySendEvent):
	case slices.Contains(c.Present, name), name == "" && len(c.Present) > 0, len(c.Present) >= maxPresent:
	default:
		c.Present = append(c.Present, name)
		t.presence(sdk.AgentJoined, name)
	}
}

// leaves tells the customer that an agent is there no longer; who is not named is all
// of them.
func (t *turn) leaves(ev *pluginv1.Event) {
	if ev.Private {
		return // she was not told of that one, see joins
	}
	name := state.CutText(ev.Agent.GetName())
	if name == "" || slices.Equal(t.doc.Chat.Present, []string{""}) {
		t.allLeave()
		return
	}
	if i := slices.Index(t.doc.Chat.Present, name); i >= 0 {
		t.doc.Chat.Present = slices.Delete(t.doc.Chat.Present, i, i+1)
		t.presence(sdk.AgentLeft, name)
	}
}

// allLeave tells the customer that nobody is there any more.
func (t *turn) allLeave() {
	for _, name := range t.doc.Chat.Present {
		t.presence(sdk.AgentLeft, name)
	}
	t.doc.Chat.Present = nil
}

func (t *turn) presence(event, name string) {
	n := Notice{Event: event}
	if name != "" {
		n.Params = map[string]string{"name": name}
	}
	t.d.Notices = append(t.d.Notices, n)
}
