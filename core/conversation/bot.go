package conversation

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// botMessage is what the bot says. While an agent has the chat it is not
// delivered.
func (t *turn) botMessage(f *fact, rules bool) proposal {
	switch {
	case f.instance != t.service().Bot:
		return t.silenced(f, "no_bot")
	case t.doc.Offered != bot && t.agentHas():
		return t.silenced(f, agentHasChat)
	}
	t.word(bot, f)
	t.answered()
	return proposal{deliver: true, rules: rules, extra: func() { t.copyToCCSP(t.spoken(f)) }}
}

// silenced only records what the bot said, and why it is not delivered.
func (t *turn) silenced(f *fact, why string) proposal {
	p := t.only(why)
	p.extra = func() {
		t.drop(&state.Command{Kind: state.CommandKind_DELIVER, Instance: t.doc.Channel, Message: t.spoken(f)}, why)
	}
	return p
}

// copyToCCSP shows m, which was for others, in the open chat, if the service
// wants that.
func (t *turn) copyToCCSP(m *pluginv1.Message) {
	if !t.chatOpen() || !hasCCSP(t.service().Copies) || t.doc.Customer.GetAddress() == "" {
		return
	}
	m = inWords(m, t.snap.Instances[t.doc.Chat.Integration].caps()).CloneVT()
	m.Copy = true
	c := t.inChat(&state.Command{Kind: state.CommandKind_CHAT_SEND, Message: m})
	t.parts(c, t.split(c))
}

// copyToBot shows m, which was for others, to the bot, if the service wants
// that.
func (t *turn) copyToBot(m *pluginv1.Message) {
	svc := t.service()
	if !hasBot(svc.Copies) || t.snap.Instances[svc.Bot] == nil || t.doc.Customer.GetAddress() == "" {
		return
	}
	m = m.CloneVT()
	m.Copy = true
	t.toBot(&state.Command{Message: m})
}

// tellBot tells the bot of a change, if it takes events, does not know already,
// and has to do with this conversation.
func (t *turn) tellBot(c *change) {
	params := maps.Clone(c.params)
	if params == nil {
		params = map[string]string{}
	}
	for name, v := range map[string]string{"by": c.by, "reason": c.reason} {
		if v != "" {
			params[name] = v
		}
	}
	if c.to != nobody {
		params["to"] = c.to.Word()
	}
	if c.side != bot {
		t.botEvent(c.typ, params, c.to == bot, c.rule)
	}
}

// botEvent sends the bot an event; one that it does not know the conversation
// of is sent only if it is to have it.
func (t *turn) botEvent(name string, params map[string]string, has bool, rule string) {
	b := t.home().Bot
	if !t.snap.Instances[b].Can(pluginv1.AbilitySendEvent) || t.doc.Bot != b && !has {
		return
	}
	t.introduce(b)
	t.command(&state.Command{
		Kind: state.CommandKind_BOT_EVENT, Lane: laneBot, Instance: b, EventName: name, Params: params, Rule: rule,
	})
}

// introduce has a bot know the conversation by its id.
func (t *turn) introduce(b string) {
	t.doc.Bot = b
	t.d.Binds = append(t.d.Binds, Bind{Instance: b, Ref: core.ConversationID(t.doc.Id).String()})
}

// home is the service that the conversation is in when no chat is open.
func (t *turn) home() *Service {
	if ch := t.snap.Instances[t.doc.Channel]; ch != nil && !t.chatOpen() {
		return t.snap.service(ch.Service)
	}
	return t.service()
}

// afterChat is who has the conversation when its chat has ended.
func (t *turn) afterChat() {
	doc, svc := t.doc, t.home()
	there := doc.Channel != "" && t.usable(svc.Bot)
	switch {
	case doc.Owner == nobody, doc.Owner == bot:
		t.own(doc.Owner)
	case there && doc.Offered == bot, there && svc.BotResumes && (doc.BotBefore || hasBot(svc.Forward)):
		t.own(bot)
	default:
		t.own(nobody)
	}
}

// tellBotEnd tells the bot that the chat has ended, and who has the conversation
// now.
func (t *turn) tellBotEnd(ev *pluginv1.Event) {
	c := t.doc.Chat
	params := map[string]string{"to": t.doc.Owner.Word(), "status": c.Status}
	for name, v := range map[string]string{"by": ev.By, "reason": c.Reason} {
		if v != "" {
			params[name] = v
		}
	}
	t.botEvent(sdk.ChatClosed, params, t.doc.Owner == bot, "")
}

// tellCCSP tells the agent of a change, in the chat that was open then or is
// opened with it.
func (t *turn) tellCCSP(c *change, open bool) {
	switch {
	case c.side == ccsp:
	case c.to == ccsp && c.typ != sdk.ControlAccepted:
		if open || !t.chatOpen() || c.reason != "" || len(c.params) > 0 {
			t.handOver(c)
		}
	case c.typ == sdk.ControlReleased && open:
		t.tellAgent("The bot has given the conversation back" + c.details())
	case open && c.typ != sdk.ControlOffered && c.to == bot:
		t.tellAgent("The bot has the conversation now" + c.details())
	}
}

// handOver is the system message that opens a chat, or tells the agent in an
// open one that it is theirs.
func (t *turn) handOver(c *change) {
	text := "Handed over by "
	if c.typ == sdk.ControlOffered {
		text = "Offered by "
	}
	cmd := &state.Command{Rule: c.rule, Message: &pluginv1.Message{
		Text: text + actor(c.by) + c.details(), Author: pluginv1.AuthorKind_AUTHOR_SYSTEM, AtMs: t.ms,
	}}
	if !t.chatOpen() && t.waits() {
		cmd.To = t.doc.Service // so that it opens one when it need no longer wait for the closed one
	}
	t.toChat(cmd)
}

// actor is who did something, for an agent.
func actor(by string) string {
	switch by {
	case "bot":
		return "the bot"
	case "rule":
		return "a rule"
	case "operator":
		return "an operator"
	}
	return cmp.Or(by, "the gateway")
}

// details are a change's reason and params, for an agent.
func (c *change) details() string {
	var b strings.Builder
	if b.WriteString("."); c.reason != "" {
		b.Reset()
		b.WriteString(": " + c.reason)
	}
	for _, k := range slices.Sorted(maps.Keys(c.params)) {
		b.WriteString("\n" + k + ": " + c.params[k])
	}
	return b.String()
}
