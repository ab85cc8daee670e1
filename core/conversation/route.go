package conversation

import (
	"strings"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// route carries a customer's message to whom it belongs.
func (t *turn) route(f *fact, to state.Owner) {
	t.record.Route = ownerName(to)
	m := &pluginv1.Message{
		Text: f.ev.Text, Attachments: f.ev.Attachments, Author: pluginv1.AuthorKind_AUTHOR_CUSTOMER, AtMs: t.ms,
	}
	if q := f.ev.QuickReply; q != nil && m.Text == "" {
		m.Text = q.Title
	}
	if to == state.Owner_OWNER_BOT || to == state.Owner_OWNER_BOTH {
		t.toBot(m)
	}
	if to == state.Owner_OWNER_CCSP || to == state.Owner_OWNER_BOTH {
		t.toChat(m, "", 0)
	}
	if to == state.Owner_OWNER_NONE {
		t.doc.UnansweredMs = 0 // kept from both sides: nobody is to answer it
	} else if to != state.Owner_OWNER_CCSP || t.chatOpen() {
		t.doc.Owner = to
	}
}

// toBot hands a message to the service's bot, which knows the conversation by
// its id.
func (t *turn) toBot(m *pluginv1.Message) {
	name := t.service().Bot
	like := func(int) *state.Command {
		return &state.Command{Kind: state.CommandKind_BOT_SEND, Lane: laneBot, Instance: name}
	}
	inst := t.snap.Instances[name]
	if inst == nil {
		c := like(0)
		c.Message = m
		t.refuse(c, "no_bot")
		return
	}
	t.parts(inst, m, like)
}

// deliverAgent brings an agent's message to the customer.
func (t *turn) deliverAgent(f *fact) {
	m := &pluginv1.Message{
		Text: f.ev.Text, Attachments: f.ev.Attachments, Author: pluginv1.AuthorKind_AUTHOR_AGENT,
		Agent: f.ev.Agent, UrlPush: f.ev.UrlPush, AtMs: t.ms, ReplyTo: f.ev.MessageId,
	}
	if f.instance != "" && f.instance == t.service().Bot {
		m.Author = pluginv1.AuthorKind_AUTHOR_BOT
	}
	t.customer(m, "", true)
}

// outbound writes to this conversation's customer on behalf of another one.
func (t *turn) outbound(f *fact) {
	m := f.outbound.Message.CloneVT()
	m.AtMs = t.ms
	t.customer(m, f.outbound.Rule, false)
	t.copyToAgent(m, f.outbound.Rule)
}

// copyToAgent shows the agent of an open chat what a rule sent.
func (t *turn) copyToAgent(m *pluginv1.Message, rule string) {
	if !t.chatOpen() {
		return
	}
	t.toChat(&pluginv1.Message{
		Text: "[automatic] " + m.Text, Attachments: m.Attachments, Author: pluginv1.AuthorKind_AUTHOR_RULE, AtMs: t.ms,
	}, rule, 0)
}

// tellAgent is a system message to the agent of an open chat.
func (t *turn) tellAgent(text string) {
	if t.chatOpen() {
		t.toChat(&pluginv1.Message{Text: text, Author: pluginv1.AuthorKind_AUTHOR_SYSTEM, AtMs: t.ms}, "", 0)
	}
}

func ownerName(o state.Owner) string {
	return map[state.Owner]string{
		state.Owner_OWNER_NONE: "none", state.Owner_OWNER_CCSP: "ccsp",
		state.Owner_OWNER_BOT: "bot", state.Owner_OWNER_BOTH: "bot+ccsp",
	}[o]
}

// replay makes new commands of dead ones, at their lanes' ends, in order.
func (t *turn) replay(dead []*state.Command) {
	for _, c := range dead {
		switch c.Kind {
		case state.CommandKind_CHAT_OPEN_CMD, state.CommandKind_CHAT_SEND:
			m := c.Message.CloneVT()
			before := len(t.d.Commands)
			t.toChat(m, c.Rule, 0)
			for _, made := range t.d.Commands[before:] {
				made.Late, made.Message.Late = true, true
			}
		default:
			again := c.CloneVT()
			again.Late, again.Group = true, 0
			if strings.HasPrefix(again.Lane, "notify:") {
				again.Lane = t.notifyLane()
			}
			t.command(again)
		}
	}
}
