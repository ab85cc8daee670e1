package conversation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// newSwitch is a conversation whose bot takes events, in one of the states of
// the switchboard: owner, then /offered, then + if a chat is open and * if it has an agent.
func newSwitch(t *testing.T, at string) *world {
	t.Helper()
	w := newWorld(t)
	svc := w.snap.Services["retail"]
	svc.Forward, svc.BotResumes, svc.Copies = bot, true, ccsp
	w.snap.Instances["bot"].Abilities = []string{pluginv1.AbilitySendEvent}
	d := w.doc
	d.Channel, d.Service, d.ChannelType, d.Bot = "web", "retail", "rtm", "bot"
	d.Customer = &pluginv1.Customer{Address: "ada"}
	at, agent := strings.CutSuffix(at, "*")
	at, open := strings.CutSuffix(at, "+")
	if open {
		d.Chat = &state.Chat{Number: 1, Integration: "desk", Ref: "chat-1", State: state.ChatState_CHAT_OPEN, Assigned: agent}
	}
	owner, offered, _ := strings.Cut(at, "/")
	d.Owner, d.Offered = state.OwnerOf(strings.ReplaceAll(owner, "both", "bot+ccsp")), state.OwnerOf(offered)
	d.BotBefore = d.Owner == bot || d.Owner == both
	return w
}

// switchAt writes the state of the switchboard as newSwitch takes it.
func (w *world) switchAt() string {
	s := strings.ReplaceAll(w.doc.Owner.Word(), "bot+ccsp", "both")
	if w.doc.Offered != none {
		s += "/" + w.doc.Offered.Word()
	}
	if c := w.doc.GetChat().GetState(); c == state.ChatState_CHAT_OPEN || c == state.ChatState_CHAT_OPENING {
		s += "+"
		if w.doc.Chat.Assigned || w.doc.Chat.AgentMessages > 0 {
			s += "*"
		}
	}
	return s
}

// move makes a move in the switchboard: "bot offers", "rule passes to ccsp".
func (w *world) move(m string) {
	w.t.Helper()
	who, rest, _ := strings.Cut(m, " ")
	verb, to, _ := strings.Cut(rest, " to ")
	verbs := map[string]string{"offers": "offer", "accepts": "accept", "passes": "pass", "releases": "release"}
	events := map[string]string{
		"offers": sdk.ControlOffered, "accepts": sdk.ControlAccepted, "passes": sdk.ControlPassed, "releases": sdk.ControlReleased,
		"speaks": sdk.IncomingMessage, "joins": sdk.AgentJoined, "takes": sdk.ChatAssigned, "leaves": sdk.AgentLeft, "closes": sdk.ChatClosed,
		"rejects": sdk.ChatRejected,
	}
	switch who {
	case "rule":
		w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Control, Key: verbs[verb], Owner: state.OwnerOf(to)})
		w.event("", &pluginv1.Event{Type: sdk.CustomEvent, EventName: "go"})
		w.snap.Rules = nil
	case "operator":
		w.mail(&state.Mail{Source: "api", Body: &state.Mail_Control{Control: &state.ControlRequested{
			Action: verbs[verb], To: to, By: "operator",
		}}})
	default:
		ev := &pluginv1.Event{Type: events[verb], To: to, Ref: w.doc.GetChat().GetRef()}
		if ev.Type == sdk.IncomingMessage {
			ev.Text = who + " says"
		}
		instance := "desk"
		if who == "bot" {
			instance, ev.Ref = "bot", core.ConversationID(w.doc.Id).String()
		}
		w.event(instance, ev)
	}
}

// why is why the last decision did not do what was asked for.
func (w *world) why() string {
	var all []string
	for _, r := range w.records() {
		if r.DuplicateOf != "" {
			all = append(all, r.DuplicateOf)
		}
	}
	for _, e := range w.entries() {
		if x := e.GetEnded(); x != nil && !slices.Contains(all, x.Reason) {
			all = append(all, x.Reason)
		}
	}
	return strings.Join(all, ", ")
}

// events are the last decision's.
func (w *world) news() string {
	var all []string
	for _, r := range w.records() {
		if e := r.View.Event; conversation.IsControl(r.View.Type) && r.DuplicateOf == "" {
			all = append(all, strings.TrimSpace(strings.TrimPrefix(r.View.Type, "control_")+" "+e.To+" by "+e.By))
		}
	}
	return strings.Join(all, ", ")
}

// Each transition of the switchboard: who may do what, what it leads to, what
// rules see of it, and why it is not done.
func TestSwitchboard(t *testing.T) {
	tests := []struct{ at, move, to, news, why string }{
		// The bot has the conversation.
		{"bot", "bot offers", "bot/ccsp+", "offered ccsp by bot", ""},
		{"bot", "bot offers to ccsp", "bot/ccsp+", "offered ccsp by bot", ""},
		{"bot", "bot offers to bot", "bot", "", "already in control"},
		{"bot", "bot offers to sales", "bot", "", "unknown side"},
		{"bot", "bot passes", "ccsp+", "passed ccsp by bot", ""},
		{"bot", "bot passes to bot", "bot", "", "already in control"},
		{"bot", "bot releases", "none", "released  by bot", ""},
		{"bot", "bot accepts", "bot", "", "nothing was offered"},
		{"bot", "rule offers to ccsp", "bot/ccsp+", "offered ccsp by rule", ""},
		{"bot", "rule passes to ccsp", "ccsp+", "passed ccsp by rule", ""},
		{"bot", "rule accepts to ccsp", "bot", "", "nothing was offered"},
		{"bot", "rule releases", "none", "released  by rule", ""},
		{"bot", "operator passes to ccsp", "ccsp+", "passed ccsp by operator", ""},
		{"bot", "operator passes to bot", "bot", "", "already in control"},
		{"bot", "operator releases", "none", "released  by operator", ""},
		{"bot+", "bot releases", "ccsp+", "released  by bot", ""},
		{"bot+*", "bot releases", "ccsp+*", "released  by bot", ""},
		{"bot+*", "operator releases", "ccsp+*", "released  by operator", ""},
		{"bot+*", "desk passes", "bot+*", "", "not in control"},
		{"bot+*", "desk releases", "bot+*", "", "not in control"},
		{"bot+*", "desk accepts", "bot+*", "", "nothing was offered"},
		{"bot+*", "desk speaks", "bot+*", "", ""}, // it is delivered, and takes nothing
		{"bot+*", "bot offers", "bot/ccsp+*", "offered ccsp by bot", ""},
		{"bot+*", "bot passes", "ccsp+*", "passed ccsp by bot", ""},
		{"bot+*", "desk closes", "bot", "", ""},

		// It is offered to the contact center.
		{"bot/ccsp+", "desk joins", "ccsp+*", "accepted ccsp by ccsp", ""},
		{"bot/ccsp+", "desk takes", "ccsp+*", "accepted ccsp by ccsp", ""},
		{"bot/ccsp+", "desk speaks", "ccsp+*", "accepted ccsp by ccsp", ""},
		{"bot/ccsp+", "desk accepts", "ccsp+", "accepted ccsp by ccsp", ""},
		{"bot/ccsp+", "operator accepts to ccsp", "ccsp+", "accepted ccsp by operator", ""},
		{"bot/ccsp+", "rule accepts to bot", "bot/ccsp+", "", "nothing was offered"},
		{"bot/ccsp+", "desk leaves", "bot/ccsp+", "", ""},
		{"bot/ccsp+", "desk passes to bot", "bot/ccsp+", "", "not in control"},
		{"bot/ccsp+", "bot speaks", "bot/ccsp+", "", ""}, // who has it goes on
		{"bot/ccsp+", "bot accepts", "bot/ccsp+", "", "nothing was offered"},
		{"bot/ccsp+", "bot offers", "bot/ccsp+", "", "already offered"},
		{"bot/ccsp+", "bot passes", "ccsp+", "passed ccsp by bot", ""},
		{"bot/ccsp+", "bot releases", "ccsp+", "released  by bot", ""},
		{"bot/ccsp+", "desk closes", "bot", "", ""},
		{"bot/ccsp+", "desk rejects", "bot", "", ""},

		// The contact center has it.
		{"ccsp+*", "desk offers", "ccsp/bot+*", "offered bot by ccsp", ""},
		{"ccsp+*", "desk passes", "bot+*", "passed bot by ccsp", ""},
		{"ccsp+", "desk passes to bot", "bot+", "passed bot by ccsp", ""},
		{"ccsp+*", "desk passes to ccsp", "ccsp+*", "", "already in control"},
		{"ccsp+*", "desk releases", "none", "released  by ccsp", ""},
		{"ccsp+*", "rule releases", "none", "released  by rule", ""},
		{"ccsp+*", "operator passes to bot", "bot+*", "passed bot by operator", ""},
		{"ccsp+*", "bot passes to bot", "ccsp+*", "", "not in control"},
		{"ccsp+*", "bot offers to bot", "ccsp+*", "", "not in control"},
		{"ccsp+*", "bot releases", "ccsp+*", "", "not in control"},
		{"ccsp+*", "bot accepts", "ccsp+*", "", "nothing was offered"},
		{"ccsp+*", "bot speaks", "ccsp+*", "", "agent_has_chat"},
		{"ccsp+", "bot speaks", "ccsp+", "", "agent_has_chat"},
		{"ccsp+*", "desk leaves", "ccsp+*", "", ""},
		{"ccsp+*", "desk closes", "bot", "", ""},
		{"ccsp+", "desk rejects", "bot", "", ""},

		// It is offered to the bot.
		{"ccsp/bot+*", "bot speaks", "bot+*", "accepted bot by bot", ""},
		{"ccsp/bot+*", "bot accepts", "bot+*", "accepted bot by bot", ""},
		{"ccsp/bot+*", "rule accepts to bot", "bot+*", "accepted bot by rule", ""},
		{"ccsp/bot+*", "desk accepts", "ccsp/bot+*", "", "nothing was offered"},
		{"ccsp/bot+*", "desk speaks", "ccsp/bot+*", "", ""},
		{"ccsp/bot+*", "desk joins", "ccsp/bot+*", "", ""},
		{"ccsp/bot+*", "desk closes", "bot", "", ""},

		// Both have it.
		{"both+", "bot speaks", "both+", "", ""},
		{"both+", "desk joins", "both+*", "accepted ccsp by ccsp", ""},
		{"both+", "desk speaks", "both+*", "accepted ccsp by ccsp", ""},
		{"both+*", "desk speaks", "both+*", "", ""},
		{"both+*", "bot speaks", "both+*", "", "agent_has_chat"},
		{"both+*", "bot passes", "both+*", "", "not in control"},
		{"both+", "bot passes", "ccsp+", "passed ccsp by bot", ""},
		{"both+", "bot releases", "ccsp+", "released  by bot", ""},
		{"both+*", "desk passes", "bot+*", "passed bot by ccsp", ""},
		{"both+*", "desk releases", "bot", "released  by ccsp", ""},
		{"both+*", "operator releases", "none", "released  by operator", ""},
		{"both+*", "desk closes", "bot", "", ""},

		// Nobody has it.
		{"none", "operator releases", "none", "", "nobody is in control"},
		{"none", "bot passes", "none", "", "not in control"},
		{"none", "bot speaks", "none", "", ""},
		{"none", "rule passes to bot", "bot", "passed bot by rule", ""},
		{"none", "rule passes to ccsp", "ccsp+", "passed ccsp by rule", ""},
		{"none", "rule offers to bot", "none/bot", "offered bot by rule", ""},
		{"none", "rule offers to ccsp", "none/ccsp+", "offered ccsp by rule", ""},
		{"none/bot", "bot speaks", "bot", "accepted bot by bot", ""},
		{"none/ccsp+", "desk joins", "ccsp+*", "accepted ccsp by ccsp", ""},
	}
	for _, tt := range tests {
		t.Run(tt.at+": "+tt.move, func(t *testing.T) {
			w := newSwitch(t, tt.at)
			w.move(tt.move)
			if got := w.switchAt(); got != tt.to {
				t.Errorf("it is %q, want %q", got, tt.to)
			}
			if got := w.news(); got != tt.news {
				t.Errorf("rules see %q, want %q", got, tt.news)
			}
			if got := w.why(); got != tt.why {
				t.Errorf("the record says %q, want %q", got, tt.why)
			}
		})
	}
}

// What goes outside when control changes.
func TestControlIsTold(t *testing.T) {
	reason := &pluginv1.Event{Reason: "wants a refund", Params: map[string]string{"order": "17"}}
	tests := []struct {
		name string
		at   string
		do   func(w *world)
		want []string
	}{
		{"the bot passes", "bot", func(w *world) {
			ev := reason.CloneVT()
			ev.Type, ev.Ref = sdk.ControlPassed, core.ConversationID(w.doc.Id).String()
			w.event("bot", ev)
		}, []string{"chat:1 CHAT_OPEN_CMD Handed over by the bot: wants a refund\norder: 17"}},
		{"the bot offers", "bot", func(w *world) { w.move("bot offers") }, []string{"chat:1 CHAT_OPEN_CMD Offered by the bot."}},
		{"an operator passes to the agent of an open chat", "bot+", func(w *world) { w.move("operator passes to ccsp") },
			[]string{"bot BOT_EVENT control_passed map[by:operator to:ccsp]", "chat:1 CHAT_SEND Handed over by an operator."}},
		{"the agent passes", "ccsp+*", func(w *world) {
			ev := reason.CloneVT()
			ev.Type, ev.Ref = sdk.ControlPassed, "chat-1"
			w.event("desk", ev)
		}, []string{"bot BOT_EVENT control_passed map[by:ccsp order:17 reason:wants a refund to:bot]"}},
		{"a rule passes to the bot", "ccsp+*", func(w *world) { w.move("rule passes to bot") },
			[]string{"bot BOT_EVENT control_passed map[by:rule to:bot]", "chat:1 CHAT_SEND The bot has the conversation now."}},
		{"the agent accepts", "bot/ccsp+", func(w *world) { w.move("desk joins") }, []string{"bot BOT_EVENT control_accepted map[by:ccsp to:ccsp]"}},
		{"the bot accepts", "ccsp/bot+*", func(w *world) { w.move("bot accepts") }, []string{"chat:1 CHAT_SEND The bot has the conversation now."}},
		{"the bot releases with a chat open", "bot+*", func(w *world) { w.move("bot releases") },
			[]string{"chat:1 CHAT_SEND The bot has given the conversation back."}},
		{"the agent releases", "ccsp+*", func(w *world) { w.move("desk releases") },
			[]string{"bot BOT_EVENT control_released map[by:ccsp]", "chat:1 CHAT_CLOSE",
				"bot BOT_EVENT chat_closed map[by:ccsp reason:released status:closed to:none]"}},
		{"the chat ends", "ccsp+*", func(w *world) { w.move("desk closes") }, []string{"bot BOT_EVENT chat_closed map[status:closed to:bot]"}},
		{"the vendor wants no chat", "bot/ccsp+", func(w *world) { w.move("desk rejects") },
			[]string{"bot BOT_EVENT chat_closed map[status:rejected to:bot]"}},
		{"a bot that takes no events", "ccsp+*", func(w *world) {
			w.snap.Instances["bot"].Abilities = nil
			w.move("desk passes")
		}, nil},
		{"a bot that has nothing to do with it", "ccsp+*", func(w *world) {
			w.doc.Bot, w.snap.Services["retail"].BotResumes = "", false
			w.move("desk closes")
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newSwitch(t, tt.at)
			tt.do(w)
			if diff := cmp.Diff(tt.want, w.showEvents()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// showEvents is show, with what events say.
func (w *world) showEvents() (all []string) {
	for i, line := range w.show() {
		if c := w.pending[i]; c.Kind == state.CommandKind_BOT_EVENT {
			line += " " + c.EventName + " " + fmt.Sprint(c.Params)
		}
		all = append(all, line)
	}
	return all
}

func TestControlThatCannotBe(t *testing.T) {
	tests := []struct {
		name, at, move, why string
		change              func(w *world)
	}{
		{"no bot", "ccsp+*", "desk passes", "no_bot", func(w *world) { w.snap.Services["retail"].Bot = "" }},
		{"a bot that is not configured", "ccsp+*", "rule offers to bot", "no_bot", func(w *world) { delete(w.snap.Instances, "bot") }},
		{"a bot that leaves", "ccsp+*", "operator passes to bot", "no_bot", func(w *world) { w.snap.Instances["bot"].Removed = true }},
		{"no contact center", "bot", "bot passes", "no_integration", func(w *world) { w.snap.Services["retail"].Integration = "" }},
		{"one that leaves", "bot", "rule offers to ccsp", "no_integration", func(w *world) { w.snap.Instances["desk"].Removed = true }},
		{"a channel that leaves", "bot", "bot offers", "channel_removed", func(w *world) { w.snap.Instances["web"].Removed = true }},
		{"an orphan", "ccsp+*", "desk passes", "no_customer", func(w *world) { w.doc.Channel, w.doc.Customer = "", nil }},
		{"another chat", "ccsp+*", "desk passes", "of another chat", func(w *world) { w.doc.Chat.Integration = "desk2" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newSwitch(t, tt.at)
			tt.change(w)
			w.move(tt.move)
			if got := w.switchAt(); got != tt.at || w.why() != tt.why || len(w.pending) != 0 {
				t.Errorf("it is %q because of %q, pending %q; want %q and %q", got, w.why(), w.show(), tt.at, tt.why)
			}
		})
	}
}

// A rule's change on a customer's message comes before that message is handed on.
func TestControlOfAMessage(t *testing.T) {
	control := func(verb string, to state.Owner) core.Action {
		return core.Action{Kind: core.Control, Key: verb, Owner: to}
	}
	tests := []struct {
		at   string
		do   []core.Action
		want []string
		to   string
	}{
		{"bot", []core.Action{control("pass", ccsp)}, []string{"chat:1 CHAT_OPEN_CMD hi", "bot BOT_EVENT control_passed map[by:rule to:ccsp]"}, "ccsp+"},
		{"bot", []core.Action{{Kind: core.Control, Key: "pass", Owner: ccsp, Reason: "angry"}},
			[]string{"chat:1 CHAT_OPEN_CMD hi", "bot BOT_EVENT control_passed map[by:rule reason:angry to:ccsp]",
				"chat:1 CHAT_SEND Handed over by a rule: angry"}, "ccsp+"},
		{"bot", []core.Action{control("offer", ccsp)},
			[]string{"bot BOT_SEND hi", "chat:1 CHAT_OPEN_CMD hi", "bot BOT_EVENT control_offered map[by:rule to:ccsp]"}, "bot/ccsp+"},
		{"ccsp+*", []core.Action{control("pass", bot)},
			[]string{"bot BOT_SEND hi", "chat:1 CHAT_SEND hi", "bot BOT_EVENT control_passed map[by:rule to:bot]",
				"chat:1 CHAT_SEND The bot has the conversation now."}, "bot+*"},
		{"bot", []core.Action{control("release", none)}, []string{"bot BOT_SEND hi", "bot BOT_EVENT control_released map[by:rule]"}, "bot"},
		{"bot", []core.Action{forward(none), control("pass", ccsp)},
			[]string{"bot BOT_EVENT control_passed map[by:rule to:ccsp]", "chat:1 CHAT_OPEN_CMD Handed over by a rule."}, "ccsp+"},
	}
	for _, tt := range tests {
		w := newSwitch(t, tt.at)
		w.snap.Rules = on(sdk.CustomerMessage, tt.do...)
		w.customer("hi")
		if diff := cmp.Diff(tt.want, w.showEvents()); diff != "" || w.switchAt() != tt.to {
			t.Errorf("%s %v: it is %q, want %q; -want +got:\n%s", tt.at, tt.do, w.switchAt(), tt.to, diff)
		}
	}
}

// Rules that hand the conversation back and forth are stopped.
func TestControlInALoop(t *testing.T) {
	w := newSwitch(t, "bot")
	w.snap.Rules = rules(func(v *state.View) []core.Action {
		switch v.Event.GetTo() {
		case "ccsp":
			return []core.Action{{Kind: core.Control, Key: "pass", Owner: bot}}
		case "bot":
			return []core.Action{{Kind: core.Control, Key: "pass", Owner: ccsp}}
		}
		return nil
	})
	w.event("bot", &pluginv1.Event{Type: sdk.ControlPassed, Ref: core.ConversationID(w.doc.Id).String()})
	if got := w.why(); got != "loop_guard" {
		t.Errorf("the record says %q", got)
	}
	if n := strings.Count(w.news(), "passed"); n < 2 || n > 10 {
		t.Errorf("it was passed %d times", n)
	}
}

// A hand-over while the vendor is still to be told of the last chat's end opens
// the next one after that, and the customer's messages go there.
func TestHandOverWaitsForTheLastChat(t *testing.T) {
	w := newSwitch(t, "bot+*")
	w.close("ops")
	w.one(state.CommandKind_CHAT_CLOSE)
	w.move("bot passes")
	w.customer("hi")
	if got := w.switchAt(); got != "ccsp" {
		t.Fatalf("it is %q", got)
	}
	w.move("bot speaks")
	if w.why() != "agent_has_chat" {
		t.Errorf("the bot speaks: %q", w.show())
	}
	w.pending = slices.DeleteFunc(w.pending, func(c *state.Command) bool { return c.Kind == state.CommandKind_BOT_EVENT })
	w.sent(w.one(state.CommandKind_CHAT_CLOSE))
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD Handed over by the bot.", "chat:2 CHAT_SEND hi")
	if got := w.switchAt(); got != "ccsp+" {
		t.Errorf("it is %q", got)
	}
}
