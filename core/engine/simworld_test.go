package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// arrival is one effect outside.
type arrival struct {
	where  string // "vendor" or "customer"
	conv   string
	key    string
	text   string
	resent bool
	copy   bool
}

// simCustomer writes messages one after the other, each until it is accepted.
type simCustomer struct {
	name  string
	next  int
	last  int
	acked []string
	busy  bool
}

// simChat is a chat at the vendor: events that polls read.
type simChat struct {
	ref    string
	conv   string
	events []*pluginv1.Event
	closed bool
	said   int
	forgot bool // the vendor does not know it any more
	pushed int  // events that were accepted
	busy   bool // one is under way

	owner string // of a chat that an agent has begun: the customer
	begun bool   // then: that was accepted
}

// live lets customers and agents do something now and then.
func (s *sim) live() {
	if s.r.IntN(12) == 0 {
		s.write(s.customers[s.r.IntN(len(s.customers))])
	}
	if s.chance(150) {
		s.agentActs()
	}
	if s.pushes && s.r.IntN(6) == 0 {
		s.push()
	}
	s.botLives()
	if s.chance(900) {
		s.event(&pluginv1.Event{Type: "poison", Customer: &pluginv1.Customer{Address: "c0"}}, func(error) {})
		s.count.Poison++
	}
}

// write sends a customer's next message until it is accepted, then the one
// after it; sometimes an accepted one comes again.
func (s *sim) write(c *simCustomer) {
	if c.busy || c.next >= c.last {
		return
	}
	text := fmt.Sprintf("%s-m%d", c.name, c.next)
	if c.next%3 == 1 {
		text += fmt.Sprintf(" %[1]s-%[2]d-second %[1]s-%[2]d-third %[1]s-%[2]d-last", c.name, c.next)
	}
	if c.next == 2 {
		text += " boom"
	}
	c.busy = true
	id := fmt.Sprintf("%s-%d", c.name, c.next)
	ev := &pluginv1.Event{Type: sdk.CustomerMessage, Id: id, MessageId: text, Customer: &pluginv1.Customer{Address: c.name}, Text: text}
	life := s.life
	s.event(ev, func(err error) {
		if life != s.life {
			return
		}
		c.busy = false
		if err != nil {
			return // it comes again
		}
		if c.next >= c.last || !strings.HasPrefix(text, fmt.Sprintf("%s-m%d", c.name, c.next)) {
			return
		}
		c.acked = append(c.acked, text)
		c.next++
		if s.chance(4) {
			s.count.Duplicates++
			s.event(ev.CloneVT(), func(error) {})
		}
	})
}

func (s *sim) event(ev *pluginv1.Event, done func(error)) {
	e := s.e
	s.task(s.life, func() {
		if step := e.accept("chan", []*pluginv1.Event{ev}, done); step != nil {
			step()
		}
	})
}

// agentActs lets an agent say something, or close a chat.
func (s *sim) agentActs() {
	var open []string
	for _, ref := range s.refs() {
		if c := s.chats[ref]; !c.closed && c.known() {
			open = append(open, ref)
		}
	}
	if len(open) == 0 {
		return
	}
	c := s.chats[open[s.r.IntN(len(open))]]
	id := func() string { return fmt.Sprintf("%s:%d", c.ref, len(c.events)+1) }
	if s.chance(25) {
		c.closed, c.forgot = true, true
		s.count.Forgot++
		s.logf("vendor forgets %s", c.ref)
		return
	}
	if s.r.IntN(4) == 0 {
		c.closed = true
		c.events = append(c.events, &pluginv1.Event{Type: sdk.ChatClosed, Id: id(), Ref: c.ref, Status: "closed"})
		s.logf("vendor closes %s", c.ref)
		return
	}
	if s.bot && s.r.IntN(3) == 0 {
		typ := s.pick(sdk.ControlOffered, sdk.ControlPassed, sdk.ControlAccepted, sdk.ChatAssigned, sdk.AgentLeft)
		c.events = append(c.events, &pluginv1.Event{Type: typ, Id: id(), Ref: c.ref})
		return
	}
	c.said++
	c.events = append(c.events, &pluginv1.Event{
		Type: sdk.IncomingMessage, Id: id(), Ref: c.ref, Text: fmt.Sprintf("%[1]s-a%[2]d answers at length %[1]s-a%[2]d-last", c.ref, c.said),
	})
}

// push sends the next event of a chat until it is accepted.
func (s *sim) push() {
	for _, ref := range s.refs() {
		c := s.chats[ref]
		if c.busy || c.forgot || c.pushed == len(c.events) || !c.known() {
			continue
		}
		c.busy = true
		e, ev, life := s.e, c.events[c.pushed].CloneVT(), s.life
		s.task(life, func() {
			step := e.accept("desk", []*pluginv1.Event{ev}, func(err error) {
				if life != s.life {
					return
				}
				c.busy = false
				s.logf("push %s %s: %v", ev.Id, ev.Type, err)
				if err == nil {
					c.pushed++
				}
			})
			if step != nil {
				step()
			}
		})
	}
}

// refs returns the chats of the vendor, sorted.
func (s *sim) refs() []string { return slices.Sorted(maps.Keys(s.chats)) }

// Call implements Drivers: the effect happens or not, the answer comes, comes
// late, twice, or not at all.
func (s *sim) Call(instance string, conv core.ConversationID, call *pluginv1.Call, timeout time.Duration,
	done func(*pluginv1.Result, core.Fate)) {
	life := s.life
	answer := func(d time.Duration, r *pluginv1.Result, fate core.Fate) {
		s.after(d, func() {
			if life == s.life {
				s.task(life, func() { done(r, fate) })
			}
		})
	}
	delay := time.Duration(s.r.IntN(50)) * time.Millisecond
	switch {
	case s.chance(40):
		s.logf("no plugin %s %s", instance, call.Key)
		answer(delay, nil, core.NoPlugin)
		s.after(delay+time.Second, func() { s.e.InstanceUp(instance) })
		return
	case s.chance(40):
		answer(delay, nil, core.NotSent)
		return
	case s.chance(30):
		answer(delay, &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY}, core.Answered)
		return
	case s.chance(40):
		answer(timeout, nil, core.Lost) // it never arrived, but who knows
		return
	}
	s.logf("call %s %s %s attempt %d resent %v", call.Op, call.Key, call.Message.GetText(), call.Attempt, call.Resent)
	s.after(delay, func() {
		if life != s.life && s.r.IntN(2) == 0 {
			return // the crash was first
		}
		r := s.effect(instance, conv, call)
		switch {
		case s.chance(30):
			answer(timeout, nil, core.Lost)
			answer(timeout+time.Second, r, core.Answered) // too late
		case s.chance(30):
			answer(0, r, core.Answered)
			answer(time.Millisecond, r, core.Answered)
		default:
			answer(0, r, core.Answered)
		}
	})
}

// effect is what happens outside. An open that comes again finds its chat, at
// the vendors of half the seeds.
func (s *sim) effect(instance string, conv core.ConversationID, call *pluginv1.Call) *pluginv1.Result {
	a := arrival{where: "customer", conv: conv.String(), key: call.Key, text: call.Message.GetText(), resent: call.Resent, copy: call.Message.GetCopy()}
	switch instance {
	case "desk":
		a.where = "vendor"
	case "bot":
		a.where = "bot"
	}
	if call.Message.GetAuthor() == pluginv1.AuthorKind_AUTHOR_SYSTEM {
		a.where = "agent"
		s.count.Told++
	}
	ok := &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
	switch call.Op {
	case pluginv1.Op_RECEIPT:
		s.tick(call.Customer.Address, call.MessageId)
		return ok
	case pluginv1.Op_REOPEN:
		return s.reopen(call.Chat.Ref)
	case pluginv1.Op_OPEN:
		if len(call.Chat.Transcript) > 0 {
			s.count.Told++
		}
		ref := s.opens[call.Key]
		if ref == "" || s.seed%2 == 0 {
			ref = fmt.Sprintf("chat%d", len(s.chats)+1)
			s.chats[ref] = &simChat{ref: ref, conv: conv.String()}
			s.opens[call.Key] = ref
		}
		ok.ChatRef = ref
	case pluginv1.Op_SEND:
		if instance == "desk" && (s.chats[call.Chat.Ref] == nil || s.chats[call.Chat.Ref].closed) {
			return &pluginv1.Result{Outcome: pluginv1.Outcome_CHAT_GONE}
		}
	default:
		return ok
	}
	if call.Resent {
		s.count.Resent++
	}
	s.count.Sent++
	s.logf("arrived %+v", a)
	s.arrived = append(s.arrived, a)
	return ok
}

// tick is a customer who sees that a message of hers is delivered: all of it is.
func (s *sim) tick(customer, text string) {
	s.count.Ticks++
	conv := core.NewConversationID("chan", customer).String()
	has := func(where string) bool {
		rest := text
		for _, a := range s.arrived {
			if a.conv == conv && a.where == where && !a.copy {
				rest = strings.TrimSpace(strings.TrimPrefix(rest, a.text))
			}
		}
		return rest == ""
	}
	if !has("vendor") && !has("bot") { // then a flow has it
		s.ticked = append(s.ticked, text)
	}
}

// reopen opens a chat again. Some cannot be, and some are not known any more.
func (s *sim) reopen(ref string) *pluginv1.Result {
	c := s.chats[ref]
	switch n := len(c.events) % 5; {
	case c.forgot, n == 1:
		return &pluginv1.Result{Outcome: pluginv1.Outcome_CHAT_GONE}
	case n == 0:
		return &pluginv1.Result{Outcome: pluginv1.Outcome_REJECTED}
	}
	s.count.Reopened++
	s.logf("vendor opens %s again", ref)
	c.closed = false
	return &pluginv1.Result{Outcome: pluginv1.Outcome_OK, ChatRef: ref}
}

// Poll implements Drivers.
func (s *sim) Poll(_ string, _ core.ConversationID, p *pluginv1.Poll, timeout time.Duration, done func(*pluginv1.PollAnswer, core.Fate)) {
	life := s.life
	later := func(d time.Duration, a *pluginv1.PollAnswer, fate core.Fate) {
		s.after(d, func() {
			if life == s.life {
				s.task(life, func() { done(a, fate) })
			}
		})
	}
	if s.chance(20) {
		later(timeout, nil, core.Lost)
		return
	}
	c := s.chats[p.Chat.Ref]
	if c == nil || c.forgot {
		later(0, &pluginv1.PollAnswer{Result: &pluginv1.Result{Outcome: pluginv1.Outcome_CHAT_GONE}}, core.Answered)
		return
	}
	from := 0
	if len(p.Cursor) > 0 {
		if _, err := fmt.Sscan(string(p.Cursor), &from); err != nil {
			s.t.Fatalf("seed %d: cursor %q: %v", s.seed, p.Cursor, err)
		}
	}
	a := &pluginv1.PollAnswer{Result: &pluginv1.Result{Outcome: pluginv1.Outcome_OK}, Cursor: p.Cursor, NextMs: 1000}
	if news := c.events[from:]; len(news) > 0 {
		a.Cursor = fmt.Appendf(nil, "%d", len(c.events))
		for _, ev := range news {
			a.Events = append(a.Events, ev.CloneVT())
		}
	}
	later(time.Duration(s.r.IntN(20))*time.Millisecond, a, core.Answered)
}
