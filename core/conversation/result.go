package conversation

import (
	"slices"
	"strings"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// result takes the end of a command into the document.
func (t *turn) result(r *Result) {
	c := r.Command
	t.hops = c.Hops // what follows from it is no news from outside either
	if c.Kind == state.CommandKind_CHAT_REOPEN && r.End != Sent {
		t.notReopened(r)
		return
	}
	switch r.End {
	case Gone:
		t.move(r)
		return
	case Sent:
		t.followUp(c)
		reason := r.Reason
		if ghost(r) {
			reason = possibleGhost
		}
		t.end(c, r.Attempts, r, Sent, reason)
		t.sent(r)
	default:
		t.followUp(c)
		if r.Reason == "chat_rejected" {
			t.rejected(r)
		} else {
			t.fail(r)
		}
	}
	t.flowAnswered(r)
}

// end closes one command: its record, its chat's count, its line of history.
func (t *turn) end(c *state.Command, a *state.Attempts, r *Result, end End, reason string) {
	t.d.Ended = append(t.d.Ended, c)
	t.updated(c)
	t.counted(c, end, reason, a.GetResent())
	if c.Chat != 0 && t.doc.Chat.GetNumber() == c.Chat && t.doc.Chat.Pending > 0 {
		t.doc.Chat.Pending--
	}
	if o := t.open(c.Record); o != nil {
		if o.Commands--; o.Commands == 0 {
			t.d.Retire = append(t.d.Retire, o.Record)
			t.doc.Open = slices.DeleteFunc(t.doc.Open, func(o *state.OpenRecord) bool { return o.Commands == 0 })
		}
	}
	id := ""
	if r != nil {
		id = r.MessageID
	}
	t.recordEnd(c, a, end, reason, id)
}

// sent takes in what the far side said of a command it took.
func (t *turn) sent(r *Result) {
	c := r.Command
	t.shown(c)
	t.taken(c)
	switch c.Kind {
	case state.CommandKind_CHAT_OPEN_CMD:
		t.opened(r)
	case state.CommandKind_CHAT_REOPEN:
		t.reopened(r)
	case state.CommandKind_DELIVER:
		t.delivered(r)
	case state.CommandKind_CALL:
		t.placed(r)
	}
}

// possibleGhost is said in the history of an open that an attempt without an
// answer came before: the vendor may have the chat twice.
const possibleGhost = "possible_ghost_chat"

func ghost(r *Result) bool {
	return r.Command.Kind == state.CommandKind_CHAT_OPEN_CMD && r.Attempts.GetResent()
}

// opened: the vendor has the chat.
func (t *turn) opened(r *Result) {
	c := t.doc.Chat
	if ghost(r) {
		t.d.Ghosts = append(t.d.Ghosts, r.Command)
	}
	if c.GetNumber() != r.Command.Chat {
		return
	}
	c.Ref = r.ChatRef
	if r.ChatRef != "" {
		t.d.Binds = append(t.d.Binds, Bind{Instance: c.Integration, Ref: r.ChatRef})
	}
	if c.State != state.ChatState_CHAT_OPENING {
		return // closed meanwhile
	}
	c.State = state.ChatState_CHAT_OPEN
	t.emit(&pluginv1.Event{Type: sdk.ChatOpened, Ref: c.Ref, Queue: c.Queue}, "integration", 0)
	if ghost(r) {
		t.tellAgent("The first try to open this chat had no answer: it may be there twice. The other one can be closed.")
	}
}

// fail ends a command that was not done, and with it the parts behind it and,
// if it was to open the chat, everything that waited for the chat.
func (t *turn) fail(r *Result) {
	c := r.Command
	t.bury(r, r.End, r.Reason)
	if c.Kind == state.CommandKind_CHAT_OPEN_CMD && t.doc.Chat.GetNumber() == c.Chat && t.chatOpen() {
		if strings.HasPrefix(r.Reason, "rejected") {
			t.forgetTranscript()
		}
		t.emit(&pluginv1.Event{Type: sdk.ChatRejected, Reason: r.Reason}, "integration", 0)
	}
	t.notice(c, r.Reason)
}

// bury ends a command that was not done and those that share its fate.
func (t *turn) bury(r *Result, end End, reason string) {
	c := r.Command
	opening := c.Kind == state.CommandKind_CHAT_OPEN_CMD
	group := c.Group
	if opening && len(r.Rest) > 0 {
		group = c.Number
	}
	t.giveUp(c, r.Attempts, end, reason, group)
	for _, next := range r.Rest {
		switch {
		case opening && !wanted(next):
			t.end(next, nil, nil, Dropped, reason)
		case opening || c.Group != 0 && next.Group == c.Group:
			t.giveUp(next, nil, end, reason, group)
		}
	}
}

// giveUp ends one command that was not done, as a dead letter if it is to be
// dead.
func (t *turn) giveUp(c *state.Command, a *state.Attempts, end End, reason string, group uint64) {
	if end == Dead {
		t.letter(c, a, reason, group)
	}
	t.end(c, a, nil, end, reason)
}

// wanted says whether a command of a chat's lane is of use beyond that chat: a
// message is, unless it only tells the agent something.
func wanted(c *state.Command) bool {
	if c.Kind != state.CommandKind_CHAT_SEND && c.Kind != state.CommandKind_CHAT_OPEN_CMD || c.Shared || c.Message.GetCopy() {
		return false
	}
	if c.To != "" {
		return true // it is to open a chat in another service
	}
	a := c.GetMessage().GetAuthor()
	return a != pluginv1.AuthorKind_AUTHOR_SYSTEM && a != pluginv1.AuthorKind_AUTHOR_RULE
}

// notice tells the agent whose message it was that it did not arrive.
func (t *turn) notice(c *state.Command, reason string) {
	if !c.Agent || c.Kind != state.CommandKind_DELIVER {
		return
	}
	m := &state.SentMessage{Agent: true, Status: "failed"}
	m.DeskId, m.Chat, m.Text = c.MessageId, c.OfChat, excerpt(c.Message)
	t.tellReceipt(m, reason)
}

// maxMoves is how many chats a message may be moved to before it is given up:
// a vendor that closes every chat at once must not be called for ever.
const maxMoves = 3

// move takes a message and all behind it from a closed chat to the next one,
// in order.
func (t *turn) move(r *Result) {
	all := append([]*state.Command{r.Command}, r.Rest...)
	if t.doc.Chat.GetNumber() != r.Command.Chat || !t.chatOpen() {
		t.moveAll(r, all)
		return
	}
	// The vendor forgot a chat that we believed open.
	t.facts = append(t.facts, &fact{ev: lost(), source: "integration", then: func() { t.moveAll(r, all) }})
}

// moveAll ends the commands before it makes new ones: a message goes behind
// what still waits for a closed chat. The vendor is still to be told of a close:
// then the messages wait behind that.
func (t *turn) moveAll(r *Result, all []*state.Command) {
	var again []*state.Command
	var move uint32 = 1
	a := r.Attempts
	for _, c := range all {
		switch {
		case c.Kind == state.CommandKind_CHAT_CLOSE && c != r.Command && r.Reason == "chat_closed":
			move = 0
		case !wanted(c):
			t.end(c, a, nil, Dropped, "chat_closed")
		case c.Moves >= maxMoves:
			t.giveUp(c, a, Dead, "chat_gone", c.Group)
		default:
			t.end(c, a, nil, Dropped, "moved")
			again = append(again, c)
		}
		a = nil
	}
	t.again(r, again, move)
}

// again makes new commands of messages that waited for a closed chat.
func (t *turn) again(r *Result, all []*state.Command, move uint32) {
	groups := t.regroup()
	for _, c := range all {
		t.toServiceOf(c) // also the messages before it
	}
	for _, c := range all {
		next := &state.Command{
			Message: c.Message.CloneVT(), MessageId: c.MessageId, Rule: c.Rule, Record: c.Record, Late: c.Late, To: c.To,
			Group: groups(c.Group), Moves: c.Moves + move,
		}
		if c == r.Command && r.Attempts.GetResent() {
			next.Message.Resent = true // an attempt without an answer may have reached the closed chat
		}
		t.hops = c.Hops
		t.toChat(next)
	}
}

// rejected ends what waited for a chat that the vendor turned down: what was
// there by then dies as one group, what came later goes to the next chat.
func (t *turn) rejected(r *Result) {
	var later []*state.Command
	a := r.Attempts
	for _, c := range append([]*state.Command{r.Command}, r.Rest...) {
		switch {
		case !wanted(c):
			t.end(c, a, nil, Dropped, r.Reason)
		case c.CreatedMs > t.doc.GetChat().GetClosedMs():
			t.end(c, a, nil, Dropped, "moved")
			later = append(later, c)
		default:
			t.giveUp(c, a, Dead, r.Reason, r.Command.Number)
		}
		a = nil
	}
	t.again(r, later, 1)
}
