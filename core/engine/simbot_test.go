package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// In every fourth seed the customers' messages go to a bot first. It and the
// agents pass control to each other, an operator does so too, and agents begin
// chats of their own.
func (s *sim) addBot(snap *conversation.Snap) {
	if !s.bot {
		return
	}
	svc := snap.Services["shop"]
	svc.Bot, svc.Forward, svc.BotResumes, svc.Copies = "bot", state.Owner_OWNER_BOT, true, state.Owner_OWNER_BOTH
	snap.Instances["bot"] = &conversation.Instance{
		Name: "bot", MessageRouting: true, Caps: &pluginv1.Capabilities{}, Abilities: []string{pluginv1.AbilitySendEvent},
	}
}

// botLives lets the bot, an operator, and agents who begin chats act.
func (s *sim) botLives() {
	if !s.bot {
		return
	}
	c := s.customers[s.r.IntN(len(s.customers))]
	id := core.NewConversationID("chan", c.name)
	if len(c.acked) > 0 && s.chance(12) {
		s.serial++
		ev := &pluginv1.Event{Type: s.pick(sdk.IncomingMessage, sdk.IncomingMessage, sdk.ControlOffered, sdk.ControlPassed,
			sdk.ControlAccepted, sdk.ControlReleased), Id: fmt.Sprint("bot-", s.serial), Ref: id.String()}
		if ev.Type == sdk.IncomingMessage {
			ev.Text = fmt.Sprintf("<bot %d>", s.serial)
		}
		s.from("bot", ev, func(error) {})
	}
	if len(c.acked) > 0 && s.chance(100) {
		e, change := s.e, Control{Action: s.pick("offer", "accept", "pass"), To: s.pick("ccsp", "bot"), By: "operator"}
		s.task(s.life, func() { _ = e.Control(context.Background(), id, change) }) // one that is lost is not missed
	}
	if s.chance(200) {
		ref := fmt.Sprint("own", len(s.chats)+1)
		s.chats[ref] = &simChat{ref: ref, conv: id.String(), owner: c.name}
	}
	for _, ref := range s.refs() {
		s.begin(s.chats[ref])
	}
}

func (s *sim) pick(list ...string) string { return list[s.r.IntN(len(list))] }

// begin tells of a chat that an agent has begun, until that is accepted.
func (s *sim) begin(c *simChat) {
	if c.owner == "" || c.begun || c.busy {
		return
	}
	c.busy = true
	life := s.life
	ev := &pluginv1.Event{
		Type: sdk.ChatOpened, By: "agent", Id: c.ref + ":begun", Ref: c.ref, Channel: "chan", Customer: &pluginv1.Customer{Address: c.owner},
	}
	s.from("desk", ev, func(err error) {
		if life != s.life {
			return
		}
		c.busy = false
		if err == nil && !c.begun {
			c.begun = true
			s.count.Begun++
		}
	})
}

// known says whether the gateway has been told of a chat.
func (c *simChat) known() bool { return c.owner == "" || c.begun }

// from has an event of an instance accepted.
func (s *sim) from(instance string, ev *pluginv1.Event, done func(error)) {
	e := s.e
	s.task(s.life, func() {
		if step := e.accept(instance, []*pluginv1.Event{ev}, done); step != nil {
			step()
		}
	})
}

// checkSides says whether each text went to the vendor or the bot, and to each
// of them in order.
func (s *sim) checkSides(conv string, want []string, dead map[string]bool) {
	s.t.Helper()
	vendor, bot := s.stream("vendor", conv, dead), s.stream("bot", conv, dead)
	for where, all := range map[string]string{"vendor": vendor, "bot": bot} {
		at := 0
		for _, text := range want {
			switch i := strings.Index(all[at:], text); {
			case i >= 0:
				at += i + len(text)
			case strings.Contains(all, text):
				s.t.Errorf("seed %d: %s of %s: %q is out of order in %q", s.seed, where, conv, text, all)
			}
		}
	}
	for _, text := range want {
		if !strings.Contains(vendor, text) && !strings.Contains(bot, text) && !anyPart(dead, text) {
			s.t.Errorf("seed %d: %s: accepted %q never arrived, neither at the vendor: %q nor at the bot: %q", s.seed, conv, text, vendor, bot)
		}
	}
}

// checkControl says whether the bot was silent while an agent had the chat, and
// only then, and whether each chat ended at most once, and once more each time that it
// was opened again.
func (s *sim) checkControl(conv core.ConversationID) {
	s.t.Helper()
	ended := map[uint32]int{}
	page, err := s.disk.Reader().History(context.Background(), conv, "", 10_000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range page.Items {
		line := &state.Entry{}
		if err := line.UnmarshalVT(e.Body); err != nil {
			s.t.Fatal(err)
		}
		rec := line.GetRecord()
		v, why := rec.GetView(), rec.GetDuplicateOf()
		switch {
		case rec == nil, v.GetWaited() != "":
		case v.Type == sdk.IncomingMessage && v.Instance == "bot":
			s.checkWord(v, why)
		case conversation.IsControl(v.Type) && why == "":
			s.count.Changes++
		case (v.Type == sdk.ChatClosed || v.Type == sdk.ChatRejected) && why == "":
			ended[v.Chat.GetNumber()]++
		case v.Type == sdk.ChatReopened && why == "":
			ended[v.Chat.GetNumber()]--
		}
	}
	for n, times := range ended {
		if times > 1 {
			s.t.Errorf("seed %d: chat %d of %s ended twice", s.seed, n, conv)
		}
	}
}

// checkWord says whether a word of the bot was rightly silenced, or delivered.
func (s *sim) checkWord(v *state.View, why string) {
	s.t.Helper()
	c := v.GetChat()
	open := c.GetState() == state.ChatState_CHAT_OPEN || c.GetState() == state.ChatState_CHAT_OPENING
	agents := v.Owner == state.Owner_OWNER_CCSP ||
		v.Owner == state.Owner_OWNER_BOTH && open && (c.Assigned || c.AgentMessages > 0)
	heard := slices.ContainsFunc(s.arrived, func(a arrival) bool { return a.where == "customer" && strings.Contains(a.text, v.Event.Text) })
	switch {
	case why == "agent_has_chat":
		s.count.Silenced++
		if !agents || heard {
			s.t.Errorf("seed %d: %q was silenced, an agent has the chat: %v, heard: %v", s.seed, v.Event.Text, agents, heard)
		}
	case why != "":
		s.t.Errorf("seed %d: %q is only recorded: %s", s.seed, v.Event.Text, why)
	case agents:
		s.t.Errorf("seed %d: %q was let through while an agent has the chat: %v", s.seed, v.Event.Text, v)
	}
}
