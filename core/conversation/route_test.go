package conversation_test

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	none = state.Owner_OWNER_NONE
	ccsp = state.Owner_OWNER_CCSP
	bot  = state.Owner_OWNER_BOT
	both = state.Owner_OWNER_BOTH
)

func forward(to state.Owner) core.Action { return core.Action{Kind: core.Forward, Owner: to} }

// flows are a FlowSet: a flow that waits in ask takes the replies in takes.
type flows struct {
	takes string
	err   string
}

func (f flows) Start(name string, _ map[string]string, _ *state.View, now time.Time) *conversation.FlowStep {
	if name == "missing" {
		return nil
	}
	return &conversation.FlowStep{
		Next:    &state.Flow{Name: name, DueMs: now.Add(time.Hour).UnixMilli()},
		Actions: []core.Action{{Kind: core.Send, Text: "how was it?", Rule: "flow"}},
	}
}

func (f flows) Offer(fl *state.Flow, v *state.View, _ time.Time) *conversation.FlowStep {
	fl.Tries++ // the flow may write into what it was given
	switch {
	case v.Type == conversation.FlowDue:
		return &conversation.FlowStep{Err: "nobody answered"}
	case v.Type != sdk.CustomerMessage:
		return nil
	case v.Event.Text == f.takes:
		return &conversation.FlowStep{Handled: true, Err: f.err, Actions: []core.Action{{Kind: core.Tag, Key: "answered"}}}
	}
	return &conversation.FlowStep{} // the last retry was used up: it goes on to normal routing
}

func TestWhoGetsTheCustomersMessage(t *testing.T) {
	toChat, opens, toBot := "chat:1 CHAT_SEND hi", "chat:1 CHAT_OPEN_CMD hi", "bot BOT_SEND hi"
	ask := &state.Flow{Name: "survey", DueMs: start.Add(time.Hour).UnixMilli()}
	opening := &state.Chat{Number: 1, Integration: "desk", State: state.ChatState_CHAT_OPENING}
	open := &state.Chat{Number: 1, Integration: "desk", Ref: "c", State: state.ChatState_CHAT_OPEN}
	closed := &state.Chat{Number: 1, Integration: "desk", Ref: "c", State: state.ChatState_CHAT_CLOSED}
	tests := []struct {
		name    string
		flow    *state.Flow
		rule    []core.Action
		chat    *state.Chat
		owner   state.Owner
		service state.Owner
		want    []string
		route   string
		after   state.Owner
	}{
		{"a flow that asks comes first", ask, []core.Action{forward(bot)}, open, ccsp, ccsp, nil, "flow", ccsp},
		{"a rule comes before an open chat", nil, []core.Action{forward(bot)}, open, ccsp, ccsp, []string{toBot}, "bot", ccsp},
		{"a rule keeps it from both sides", nil, []core.Action{forward(none)}, open, ccsp, ccsp, nil, "none", ccsp},
		{"a rule adds the bot to a chat", nil, []core.Action{forward(both)}, open, ccsp, ccsp, []string{toBot, toChat}, "bot+ccsp", both},
		{"a rule hands a bot's customer to the desk", nil, []core.Action{forward(ccsp)}, nil, bot, bot, []string{opens}, "ccsp", ccsp},
		{"the last rule wins", nil, []core.Action{forward(bot), forward(ccsp)}, nil, none, none, []string{opens}, "ccsp", ccsp},
		{"an open chat comes before the default", nil, nil, open, ccsp, bot, []string{toChat}, "ccsp", ccsp},
		{"an opening chat too", nil, nil, opening, ccsp, none, []string{toChat}, "ccsp", ccsp},
		{"an open chat with its bot", nil, nil, open, both, ccsp, []string{toBot, toChat}, "bot+ccsp", both},
		{"a bot that has the conversation", nil, nil, nil, bot, ccsp, []string{toBot}, "bot", bot},
		{"a bot after a chat", nil, nil, closed, bot, ccsp, []string{toBot}, "bot", bot},
		{"default desk", nil, nil, nil, none, ccsp, []string{opens}, "ccsp", ccsp},
		{"default desk after a chat", nil, nil, closed, none, ccsp, []string{"chat:2 CHAT_OPEN_CMD hi"}, "ccsp", ccsp},
		{"default bot", nil, nil, nil, none, bot, []string{toBot}, "bot", bot},
		{"default both", nil, nil, nil, none, both, []string{toBot, opens}, "bot+ccsp", both},
		{"default none", nil, nil, nil, none, none, nil, "none", none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.snap.Services["retail"].Forward = tt.service
			w.snap.Flows = flows{takes: "hi"}
			w.snap.Rules = on(sdk.CustomerMessage, tt.rule...)
			w.doc.Flow, w.doc.Chat, w.doc.Owner, w.doc.Service = tt.flow, tt.chat, tt.owner, "retail"
			w.customer("hi")
			w.want(tt.want...)
			if r := w.records()[0]; r.Route != tt.route {
				t.Errorf("route %q, want %q", r.Route, tt.route)
			}
			if w.doc.Owner != tt.after {
				t.Errorf("owner %v, want %v", w.doc.Owner, tt.after)
			}
		})
	}
}

func TestInvalidReplyGoesOn(t *testing.T) {
	w := newWorld(t)
	w.snap.Flows = flows{takes: "5"}
	w.doc.Flow = &state.Flow{Name: "survey"}
	w.customer("what?")
	w.want("chat:1 CHAT_OPEN_CMD what?")
	if w.doc.Flow != nil {
		t.Error("the flow goes on")
	}
}

func TestFlowErrorIsAVerdict(t *testing.T) {
	w := newWorld(t)
	w.snap.Flows = flows{takes: "5", err: "no such step"}
	w.doc.Flow = &state.Flow{Name: "survey"}
	w.customer("5")
	v := w.records()[0].Verdicts
	if len(v) != 1 || v[0].Rule != "flow survey" || v[0].Verdict != state.Verdict_ERROR || v[0].Error != "no such step" {
		t.Errorf("verdicts %v", v)
	}
}

func TestFlowStartAndDue(t *testing.T) {
	w := newWorld(t)
	w.snap.Flows = flows{}
	w.snap.Rules = on(sdk.CustomerMessage, core.Action{Kind: core.Flow, Key: "survey"}, core.Action{Kind: core.Flow, Key: "missing"})
	w.customer("hi")
	w.want("chat:1 CHAT_OPEN_CMD hi", "customer DELIVER how was it?", "chat:1 CHAT_SEND [automatic] how was it?")
	w.wantEnded("COMMAND_UNSPECIFIED dropped no_flow")
	if w.doc.Flow.GetName() != "survey" || w.doc.TimerMs != start.Add(time.Hour).UnixMilli() {
		t.Fatalf("flow %v, timer %d", w.doc.Flow, w.doc.TimerMs)
	}
	w.snap.Rules = rules(func(*state.View) []core.Action { return []core.Action{{Kind: core.Tag, Key: "seen"}} })
	w.now = start.Add(time.Hour)
	w.fire()
	w.wantTypes(conversation.FlowDue)
	if w.doc.Flow != nil || w.records()[0].Verdicts[0].Error != "nobody answered" {
		t.Errorf("flow %v, verdicts %v", w.doc.Flow, w.records()[0].Verdicts)
	}
	if len(w.doc.Tags) != 0 {
		t.Error("rules saw the flow's own time limit")
	}
}

func TestNoIntegration(t *testing.T) {
	tests := []struct {
		name   string
		change func(*conversation.Snap)
	}{
		{"none", func(s *conversation.Snap) { s.Services["retail"].Integration = "" }},
		{"one that is not configured", func(s *conversation.Snap) { delete(s.Instances, "desk") }},
		{"one that was removed", func(s *conversation.Snap) { s.Instances["desk"].Removed = true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.change(w.snap)
			d := w.customer("hi")
			w.want()
			w.wantEnded("CHAT_OPEN_CMD dead no_integration")
			if len(d.Dead) != 1 || d.Dead[0].Command.Message.Text != "hi" {
				t.Fatalf("dead letters %v", d.Dead)
			}
			if w.doc.Owner != none || w.doc.Chat != nil || w.doc.UnansweredMs != 0 {
				t.Errorf("document %v", w.doc)
			}
			w.snap = newSnap()
			w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{d.Dead[0].Command}}}})
			w.want("chat:1 CHAT_OPEN_CMD hi")
			if c := w.pending[0]; !c.Late || !c.Message.Late {
				t.Error("the replay is not marked late")
			}
		})
	}
}

func TestRemovedIntegrationFinishesItsChats(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Instances["desk"].Removed = true
	w.customer("more")
	w.want("chat:1 CHAT_SEND more")
}

func TestARemovedChannelOpensNoChat(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Instances[w.doc.Channel].Removed = true
	w.customer("more")
	w.want("chat:1 CHAT_SEND more")
	w.sent(w.pending[0])
	w.desk(sdk.ChatClosed)
	w.customer("again")
	w.want()
	w.wantEnded("CHAT_OPEN_CMD dead channel_removed")
}

func TestNoBot(t *testing.T) {
	w := newWorld(t)
	w.snap.Services["retail"].Bot = ""
	w.snap.Services["retail"].Forward = both
	w.customer("hi")
	w.want("chat:1 CHAT_OPEN_CMD hi")
	w.wantEnded("BOT_SEND dead no_bot")
}

func TestBotKnowsTheConversationByItsID(t *testing.T) {
	w := newWorld(t)
	w.snap.Services["retail"].Forward = bot
	d := w.customer("hi")
	ref := core.ConversationID(w.doc.Id).String()
	if len(d.Binds) != 1 || d.Binds[0] != (conversation.Bind{Instance: "bot", Ref: ref}) {
		t.Fatalf("binds %v", d.Binds)
	}
	if d := w.customer("again"); len(d.Binds) != 0 {
		t.Errorf("binds again %v", d.Binds)
	}
	w.event("bot", &pluginv1.Event{Type: sdk.IncomingMessage, Ref: ref, Text: "beep"})
	c := w.one(state.CommandKind_DELIVER)
	if c.Agent || c.Message.Author != pluginv1.AuthorKind_AUTHOR_BOT {
		t.Errorf("command %v", c)
	}
	if w.doc.UnansweredMs != 0 {
		t.Error("the bot's answer is none")
	}
}

// TestChoice: what the customer chose goes on, so that a bot can tell a button
// from words.
func TestChoice(t *testing.T) {
	for _, tt := range []struct{ text, want string }{{"", "Opening hours"}, {"When?", "When?"}} {
		w := newWorld(t)
		w.snap.Services["retail"].Forward = bot
		choice := &pluginv1.QuickReply{Title: "Opening hours", Payload: "hours"}
		w.event("web", &pluginv1.Event{Type: sdk.CustomerMessage, Text: tt.text, QuickReply: choice,
			Customer: &pluginv1.Customer{Address: "ada"}})
		m := w.one(state.CommandKind_BOT_SEND).Message
		if m.Text != tt.want || len(m.QuickReplies) != 1 || m.QuickReplies[0].Payload != "hours" {
			t.Errorf("text %q: %v, want the text %q and the choice", tt.text, m, tt.want)
		}
	}
}

func TestKeptMessagesNeedNoAnswer(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.agent("hi")
	w.snap.Rules = on(sdk.CustomerMessage, forward(none))
	w.customer("kept")
	if w.doc.UnansweredMs != 0 {
		t.Error("a message that nobody got waits for an answer")
	}
	w.snap.Rules = nil
	w.customer("question")
	asked := w.doc.UnansweredMs
	w.now = w.now.Add(time.Minute)
	w.snap.Rules = on(sdk.CustomerMessage, forward(none))
	w.customer("kept")
	if asked == 0 || w.doc.UnansweredMs != asked {
		t.Errorf("the question of %d waits since %d", asked, w.doc.UnansweredMs)
	}
}

func TestChatKeepsItsService(t *testing.T) {
	w := newWorld(t)
	w.chat()
	w.snap.Services["other"] = &conversation.Service{Name: "other", Integration: "desk2", Channels: []string{"web"}}
	w.snap.Instances["web"].Service = "other"
	w.snap.Instances["desk2"] = &conversation.Instance{Name: "desk2"}
	w.customer("more")
	if w.doc.Service != "retail" || w.pending[0].Instance != "desk" {
		t.Errorf("service %q, command to %q", w.doc.Service, w.pending[0].Instance)
	}
	w.sent(w.pending[0])
	w.desk(sdk.ChatClosed)
	w.customer("new")
	if w.doc.Service != "other" {
		t.Errorf("a new chat is of service %q", w.doc.Service)
	}
}

// Rules see the service's locale of a customer who has none; the profile stays
// as the customer gave it.
func TestLocale(t *testing.T) {
	for _, tt := range []struct{ own, service, want string }{
		{"", "de-CH", "de-CH"}, {"fr", "de-CH", "fr"}, {"", "", ""},
	} {
		w := newWorld(t)
		w.snap.Services["retail"].Locale = tt.service
		got := "never asked"
		w.snap.Rules = rules(func(v *state.View) []core.Action { got = v.GetCustomer().GetLocale(); return nil })
		w.decide(conversation.Input{Mail: &state.Mail{Instance: "web", Source: "channel", Body: &state.Mail_Event{
			Event: &pluginv1.Event{Type: sdk.CustomerMessage, Text: "hi", Customer: &pluginv1.Customer{Address: "ada", Locale: tt.own}},
		}}})
		if got != tt.want || w.doc.GetCustomer().GetLocale() != tt.own {
			t.Errorf("%+v: rules see %q, the profile has %q", tt, got, w.doc.GetCustomer().GetLocale())
		}
	}
}
