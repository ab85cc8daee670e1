package conversation_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// showCopies is show, with choices, and with copies marked.
func (w *world) showCopies() (all []string) {
	for i, line := range w.show() {
		for _, q := range w.pending[i].Message.GetQuickReplies() {
			line += " (" + q.Payload + ")"
		}
		if w.pending[i].Message.GetCopy() {
			line += " (copy)"
		}
		all = append(all, line)
	}
	return all
}

func TestCopies(t *testing.T) {
	delivered := func(who string) string { return "customer DELIVER " + who + " says" }
	tests := []struct {
		name   string
		at     string
		copies state.Owner
		do     func(w *world)
		want   []string
	}{
		{"the bot's words", "bot+*", ccsp, func(w *world) { w.move("bot speaks") }, []string{delivered("bot"), "chat:1 CHAT_SEND bot says (copy)"}},
		{"not wanted", "bot+*", none, func(w *world) { w.move("bot speaks") }, []string{delivered("bot")}},
		{"for the bot alone", "bot+*", bot, func(w *world) { w.move("bot speaks") }, []string{delivered("bot")}},
		{"without a chat", "bot", both, func(w *world) { w.move("bot speaks") }, []string{delivered("bot")}},
		{"of a silenced bot", "ccsp+*", both, func(w *world) { w.move("bot speaks") }, nil},
		{"the agent's words", "ccsp+*", bot, func(w *world) { w.move("desk speaks") }, []string{delivered("desk"), "bot BOT_SEND desk says (copy)"}},
		{"the agent's words after a pass to the bot", "bot+*", both, func(w *world) { w.move("desk speaks") },
			[]string{delivered("desk"), "bot BOT_SEND desk says (copy)"}},
		{"the agent's words, for the agent alone", "ccsp+*", ccsp, func(w *world) { w.move("desk speaks") }, []string{delivered("desk")}},
		{"the customer's, to an agent", "ccsp+*", both, func(w *world) { w.customer("hi") }, []string{"chat:1 CHAT_SEND hi", "bot BOT_SEND hi (copy)"}},
		{"the customer's, to the bot", "bot+*", ccsp, func(w *world) { w.customer("hi") }, []string{"bot BOT_SEND hi", "chat:1 CHAT_SEND hi (copy)"}},
		{"the customer's, to the bot alone", "bot+*", none, func(w *world) { w.customer("hi") }, []string{"bot BOT_SEND hi"}},
		{"the customer's, to both", "both+", both, func(w *world) { w.customer("hi") }, []string{"bot BOT_SEND hi", "chat:1 CHAT_SEND hi"}},
		{"the customer's, to both, with an agent", "both+*", none, func(w *world) { w.customer("hi") },
			[]string{"bot BOT_SEND hi (copy)", "chat:1 CHAT_SEND hi"}},
		{"the customer's, offered", "bot/ccsp+", both, func(w *world) { w.customer("hi") }, []string{"bot BOT_SEND hi", "chat:1 CHAT_SEND hi"}},
		{"the customer's, offered to the bot", "ccsp/bot+*", both, func(w *world) { w.customer("hi") }, []string{"bot BOT_SEND hi", "chat:1 CHAT_SEND hi"}},
		{"the customer's choice, to the bot", "bot+*", ccsp, func(w *world) { w.chooses("Yes") },
			[]string{"bot BOT_SEND Yes (y)", "chat:1 CHAT_SEND Yes (copy)"}},
		{"the customer's choice, to an agent", "ccsp+*", both, func(w *world) { w.chooses("Yes") },
			[]string{"chat:1 CHAT_SEND Yes", "bot BOT_SEND Yes (y) (copy)"}},
		{"a rule keeps it", "ccsp+*", both, func(w *world) { w.ruled(none) }, nil},
		{"a rule keeps it from the bot", "ccsp+*", both, func(w *world) { w.ruled(ccsp) }, []string{"chat:1 CHAT_SEND hi"}},
		{"a rule asks a bot that is silent", "ccsp+*", both, func(w *world) { w.ruled(bot) }, []string{"bot BOT_SEND hi (copy)"}},
		{"an agent's note", "ccsp+*", both, func(w *world) { w.note("desk") }, nil},
		{"a bot's note", "bot+*", both, func(w *world) { w.note("bot") }, nil},
		{"a bot that is not there", "ccsp+*", bot, func(w *world) { delete(w.snap.Instances, "bot"); w.move("desk speaks") }, []string{delivered("desk")}},
		{"an orphan", "ccsp+*", both, func(w *world) { w.doc.Channel, w.doc.Customer = "", nil; w.move("desk speaks") },
			[]string{"chat:1 CHAT_SEND Your message was not delivered (no_customer): desk says"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newSwitch(t, tt.at)
			w.snap.Services["retail"].Copies = tt.copies
			tt.do(w)
			if diff := cmp.Diff(tt.want, w.showCopies()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// chooses is a press of a button that has a payload.
func (w *world) chooses(title string) {
	w.event("web", &pluginv1.Event{
		Type: sdk.CustomerMessage, QuickReply: &pluginv1.QuickReply{Title: title, Payload: "y"}, Customer: &pluginv1.Customer{Address: "ada"},
	})
}

func (w *world) ruled(to state.Owner) {
	w.snap.Rules = on(sdk.CustomerMessage, forward(to))
	w.customer("hi")
}

// note is a private word; rules that would tell it to everybody do not see it.
func (w *world) note(instance string) {
	w.snap.Rules = on(sdk.IncomingMessage, core.Action{Kind: core.Send, Text: "the agent said something"})
	ref := "chat-1"
	if instance == "bot" {
		ref = core.ConversationID(w.doc.Id).String()
	}
	w.event(instance, &pluginv1.Event{Type: sdk.IncomingMessage, Ref: ref, Text: "what a fool", Private: true})
	if w.why() != "private" {
		w.t.Errorf("the record says %q", w.why())
	}
}

// A copy is of use in its chat only: it opens no other one.
func TestCopiesEndWithTheirChat(t *testing.T) {
	w := newSwitch(t, "bot+*")
	w.customer("hi")
	w.move("bot speaks")
	w.move("desk closes")
	first := w.all(state.CommandKind_CHAT_SEND)[0]
	w.gone(first, "chat_closed")
	if n := len(w.all(state.CommandKind_CHAT_SEND)) + len(w.all(state.CommandKind_CHAT_OPEN_CMD)); n != 0 || w.switchAt() != "bot" {
		t.Errorf("it is %q, %q", w.switchAt(), w.show())
	}
	w.mail(&state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{first}}}})
	w.wantEnded("CHAT_SEND dropped no_chat")
}

// What was only offered to the contact center ends with its chat, too: the bot
// has it.
func TestOfferedMessagesEndWithTheirChat(t *testing.T) {
	w := newSwitch(t, "bot")
	w.move("bot offers")
	w.customer("hi")
	d := w.dead(w.one(state.CommandKind_CHAT_OPEN_CMD), "rejected")
	w.wantTypes(sdk.ChatRejected)
	if len(d.Dead) != 1 || len(w.all(state.CommandKind_CHAT_SEND)) != 0 || w.switchAt() != "bot" {
		t.Errorf("it is %q, %q, dead %v", w.switchAt(), w.show(), d.Dead)
	}
	if diff := cmp.Diff([]string{"bot BOT_SEND hi", "bot BOT_EVENT chat_closed map[reason:rejected status:rejected to:bot]"}, w.showEvents()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The bot is back after a chat if it was there before, or is the default.
func TestBotAfterTheChat(t *testing.T) {
	tests := []struct {
		at, to  string
		resumes bool
		forward state.Owner
		before  bool
	}{
		{"ccsp+*", "bot", true, bot, false},
		{"ccsp+*", "bot", true, both, false},
		{"ccsp+*", "bot", true, ccsp, true},
		{"ccsp+*", "none", true, ccsp, false},
		{"ccsp+*", "none", true, none, false},
		{"ccsp+*", "none", false, bot, true},
		{"both+", "bot", true, both, true},
		{"both+", "none", false, both, true},
		{"bot+*", "bot", false, ccsp, true}, // it has it already
	}
	for _, tt := range tests {
		w := newSwitch(t, tt.at)
		svc := w.snap.Services["retail"]
		svc.BotResumes, svc.Forward, w.doc.BotBefore = tt.resumes, tt.forward, tt.before
		w.move("desk closes")
		if got := w.switchAt(); got != tt.to {
			t.Errorf("%+v: it is %q", tt, got)
		}
	}
	w := newSwitch(t, "ccsp+*")
	w.snap.Instances["bot"].Removed = true
	w.move("desk closes")
	if got := w.switchAt(); got != "none" {
		t.Errorf("a bot that leaves: it is %q", got)
	}
}

// A bot that the service no longer has: the default decides, and what it says
// late is not the bot's word any more.
func TestBotThatIsReplaced(t *testing.T) {
	w := newSwitch(t, "bot")
	svc := w.snap.Services["retail"]
	svc.Bot, svc.Forward = "", ccsp
	w.move("bot speaks")
	w.want()
	if w.why() != "no_bot" {
		t.Errorf("the record says %q", w.why())
	}
	w.customer("hi")
	w.want("chat:1 CHAT_OPEN_CMD hi")

	w = newSwitch(t, "bot")
	w.snap.Services["retail"].Bot = "other"
	w.snap.Instances["other"] = &conversation.Instance{Name: "other", Caps: &pluginv1.Capabilities{}}
	d := w.customer("hi")
	if len(w.pending) != 1 || w.pending[0].Instance != "other" || len(d.Binds) != 1 || d.Binds[0].Instance != "other" || w.doc.Bot != "other" {
		t.Errorf("the message goes to %v, binds %v", w.pending, d.Binds)
	}
	w.move("bot passes")
	if w.why() != "of another chat" {
		t.Errorf("the old bot passes: %q", w.why())
	}
}

// A copy binds the conversation for a bot that has not heard of it, once.
func TestCopiesIntroduceTheBot(t *testing.T) {
	w := newSwitch(t, "ccsp+*")
	w.doc.Bot, w.snap.Services["retail"].Copies = "", bot
	for i, want := range []int{1, 0, 0} {
		if d := w.customer("hi"); len(d.Binds) != want {
			t.Errorf("message %d: binds %v", i+1, d.Binds)
		}
	}
}

// A chat that moves to another service stays the contact center's: the bot is
// not back in between.
func TestTransferKeepsTheBotSilent(t *testing.T) {
	w := newSwitch(t, "ccsp+*")
	w.doc.BotBefore = true
	w.snap.Services["sales"] = &conversation.Service{Name: "sales", Integration: "desk2", Bot: "bot", BotResumes: true}
	w.snap.Instances["desk2"] = &conversation.Instance{Name: "desk2", Caps: &pluginv1.Capabilities{}}
	w.snap.Rules = on(sdk.CustomEvent, core.Action{Kind: core.Transfer, Service: "sales"})
	w.event("", &pluginv1.Event{Type: sdk.CustomEvent, EventName: "go"})
	w.snap.Rules = nil
	if got := w.switchAt(); got != "ccsp" {
		t.Fatalf("it is %q", got)
	}
	w.move("bot speaks")
	if w.why() != "agent_has_chat" {
		t.Errorf("the bot speaks: %q", w.why())
	}
	w.sent(w.one(state.CommandKind_CHAT_CLOSE))
	w.gone(w.pending[0], "chat_closed")
	w.want("chat:2 CHAT_OPEN_CMD Transferred from retail.")
	if got := w.switchAt(); got != "ccsp+" || w.doc.Service != "sales" {
		t.Errorf("it is %q in %q", got, w.doc.Service)
	}
	w.sent(w.pending[0])
	w.event("desk2", &pluginv1.Event{Type: sdk.ChatClosed, Ref: "chat-2"})
	if got := w.switchAt(); got != "bot" { // it is back where the customer is at home
		t.Errorf("after the last chat it is %q", got)
	}
}
