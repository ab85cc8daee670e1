package conversation

import (
	"cmp"
	"maps"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// call has a phone rung. What becomes of it are later events.
func (t *turn) call(a *core.Action) {
	p, why := t.reach(a, "voice")
	m := t.messageOf(a)
	if a.Digits != "" {
		m.Extras = map[string]string{sdk.WaitDigits: a.Digits}
	}
	c := &state.Command{
		Kind: state.CommandKind_CALL, Lane: laneCall, Instance: p.channel, To: p.address, Message: m, Rule: a.Rule,
	}
	switch {
	case why != "":
	case p.inst.cannot(pluginv1.AbilityCall):
		why = unsupported
	default:
		why = p.inst.unspeakable(m)
	}
	shown := c.Message.CloneVT()
	if !t.whole(c, why) {
		return
	}
	t.place(c)
	if p.own {
		shown.Attachments = nil // what is played is no message
		for _, a := range c.Message.Attachments {
			shown.Text = strings.TrimSpace(shown.Text + " " + addressOf(a))
		}
		t.copy("call", shown, a.Rule)
	}
}

// push shows a notice in the customer's app.
func (t *turn) push(a *core.Action) {
	p, why := t.reach(a, "push")
	m := t.messageOf(a)
	m.Extras = maps.Clone(a.Params)
	if a.Title != "" {
		if m.Extras == nil {
			m.Extras = map[string]string{}
		}
		m.Extras[sdk.PushTitle] = a.Title
	}
	c := &state.Command{
		Kind: state.CommandKind_PUSH, Lane: lanePush, Instance: p.channel, To: p.address, Message: m, Rule: a.Rule,
	}
	if !t.whole(c, why) {
		return
	}
	t.command(c)
	shown := &pluginv1.Message{Text: strings.TrimPrefix(a.Title+": "+a.Text, ": ")}
	t.copy("push", shown, a.Rule)
}

// whole ends a command that is not to be made, and why, or whose text would be
// more than one: half a call helps nobody.
func (t *turn) whole(c *state.Command, why string) bool {
	switch {
	case why != "":
		t.drop(c, why)
	case t.looping():
		t.drop(c, loopGuard)
	case len(t.texts(c)) > 1:
		t.refuse(c, tooLong)
	default:
		return true
	}
	return false
}

// place makes the command of a call. It is remembered from the start: the
// other side may tell of it, by our id, before it has answered.
func (t *turn) place(c *state.Command) {
	t.command(c)
	m := t.remember(c.Number, "")
	m.Call, m.Hops, m.Choices = true, c.Hops+1, c.Message.GetQuickReplies()
}

// placed: the call has an id of the provider's by now, which its events name.
func (t *turn) placed(r *Result) {
	if r.MessageID == "" {
		return
	}
	t.d.Binds = append(t.d.Binds, Bind{Instance: r.Command.Instance, Ref: r.MessageID, Message: true})
	if m := t.sentOne(true, r.Command.Number, ""); m != nil {
		m.MessageId = r.MessageID
	}
}

// callNews is what a voice channel tells of a call.
func (t *turn) callNews(f *fact) proposal {
	if cmd, err := core.ParseCommandID(callID(f.ev)); err == nil && !t.ours(cmd) {
		return t.only("unknown call")
	}
	t.choose(f)
	return proposal{rules: true}
}

// choose puts into an event what the customer has chosen by a digit.
func (t *turn) choose(f *fact) {
	if f.ev.Type != sdk.CallDigits || f.ev.QuickReply != nil {
		return
	}
	for i, q := range t.about(f).GetChoices() {
		if f.ev.Digits == strconv.Itoa(i+1) {
			f.ev = f.ev.CloneVT()
			f.ev.QuickReply = q
		}
	}
}

func callID(ev *pluginv1.Event) string { return cmp.Or(ev.CallId, ev.Ref) }

// IsCall says whether events of a type are about a voice call.
func IsCall(typ string) bool {
	return typ == sdk.CallAnswered || typ == sdk.CallDigits || typ == sdk.CallEnded
}
