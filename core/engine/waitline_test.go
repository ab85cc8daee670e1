package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestWhatIsBulk(t *testing.T) {
	of := func(kind state.CommandKind, author pluginv1.AuthorKind, rule string) *state.Command {
		return &state.Command{Kind: kind, Rule: rule, Message: &pluginv1.Message{Author: author}}
	}
	const (
		agent = pluginv1.AuthorKind_AUTHOR_AGENT
		bot   = pluginv1.AuthorKind_AUTHOR_BOT
		rule  = pluginv1.AuthorKind_AUTHOR_RULE
	)
	tests := []struct {
		name string
		c    *state.Command
		want bool
	}{
		{"an agent's answer", of(state.CommandKind_DELIVER, agent, ""), false},
		{"a bot's answer", of(state.CommandKind_DELIVER, bot, ""), false},
		{"a rule's message", of(state.CommandKind_DELIVER, rule, "r"), true},
		{"one that was asked for from outside", of(state.CommandKind_DELIVER, rule, ""), true},
		{"a flow's answer", &state.Command{Kind: state.CommandKind_DELIVER, Rule: "flow f", Reply: true, Message: &pluginv1.Message{Author: rule}}, false},
		{"a rule's event for the channel", of(state.CommandKind_CHAT_EVENT, 0, "r"), true},
		{"a flow's event for the channel", &state.Command{Kind: state.CommandKind_CHAT_EVENT, Rule: "flow f", Reply: true}, false},
		{"a rule's event for the vendor", &state.Command{Kind: state.CommandKind_CHAT_EVENT, Rule: "r", Chat: 1}, false},
		{"a call", of(state.CommandKind_CALL, rule, "r"), true},
		{"a rule's word to the agent", of(state.CommandKind_CHAT_SEND, rule, "r"), false},
		{"a chat", of(state.CommandKind_CHAT_OPEN_CMD, pluginv1.AuthorKind_AUTHOR_CUSTOMER, ""), false},
	}
	for _, tt := range tests {
		if got := isBulk(tt.c); got != tt.want {
			t.Errorf("%s: bulk %v, want %v", tt.name, got, tt.want)
		}
	}
}

// People go before the bulk, in their order, and of the bulk goes one in eight.
func TestWaitLine(t *testing.T) {
	var w waitLine
	add := func(bulk bool, names ...string) {
		for _, name := range names {
			w.push(&waiter{l: &lane{name: name}}, bulk)
		}
	}
	pops := func(n int) string {
		var got []string
		for range n {
			if one := w.pop(); one != nil {
				got = append(got, one.l.name)
				w.settle(one)
			}
		}
		return strings.Join(got, " ")
	}
	add(true, "b1", "b2", "b3")
	add(false, numbersFrom("p", 16)...)
	want := "p0 p1 p2 p3 p4 p5 p6 b1 p7 p8 p9 p10 p11 p12 p13 b2 p14 p15 b3"
	if got := pops(30); got != want || w.len() != 0 {
		t.Errorf("they go\n%s, want\n%s", got, want)
	}

	again, hurried := &waiter{l: &lane{name: "again"}}, &waiter{l: &lane{name: "hurried"}}
	w.push(again, false)
	w.pop() // it is called, and finds its place gone
	w.push(hurried, true)
	add(true, "b4")
	add(false, "p16")
	w.push(hurried, false) // an answer has come behind the bulk in it
	w.push(again, false)   // it was its turn before
	if got, want := pops(9), "again p16 hurried b4"; got != want {
		t.Errorf("they go %q, want %q", got, want)
	}

	add(true, "b5")
	if !w.first(false) || w.first(true) {
		t.Error("a person waits behind the bulk, or the bulk goes before it")
	}
	for range fairShare - 1 {
		w.went(false)
	}
	if w.first(false) {
		t.Error("the bulk starves")
	}
}

// Who is called has the place that is free, though others may be faster.
func TestACalledLaneIsNotOvertaken(t *testing.T) {
	clock := &stillClock{now: time.Unix(1_800_000_000, 0)}
	e := New(Options{Exec: &listExec{}, Clock: clock})
	i := newInstance(e, &conversation.Instance{Name: "chan", Caps: &pluginv1.Capabilities{RatePerSecond: 1}})
	with := func(rule string) *lane {
		l := &lane{c: &cell{gone: true}, name: "customer"}
		l.items = []*item{{cmd: &state.Command{Kind: state.CommandKind_DELIVER, Rule: rule}}}
		return l
	}
	take := func(l *lane, want bool) {
		t.Helper()
		if _, got := i.take(l, clock.now); got != want {
			t.Fatalf("it has a place: %v, want %v", got, want)
		}
	}
	person, early, late := with(""), with("r"), with("r")
	take(early, true)
	take(person, false)
	clock.now = clock.now.Add(time.Second)
	i.ring() // the person is called, and has yet to be read from the store
	take(late, false)
	if _, ok := i.tryTake(clock.now, true); ok {
		t.Fatal("one that was decided meanwhile has the place")
	}
	take(person, true)
	clock.now = clock.now.Add(time.Second)
	i.ring()
	take(late, true)
	if i.parked.len() != 0 {
		t.Errorf("%d wait", i.parked.len())
	}
}

// Those behind one who was called are not forgotten once it has gone.
func TestThoseBehindACalledLaneAreCalled(t *testing.T) {
	clock := &stillClock{now: time.Unix(1_800_000_000, 0)}
	e := New(Options{Exec: &listExec{}, Clock: clock})
	i := newInstance(e, &conversation.Instance{Name: "chan", Caps: &pluginv1.Capabilities{RatePerSecond: 1}})
	lanes := make([]*lane, 3)
	for k := range lanes {
		lanes[k] = &lane{c: &cell{}, name: "customer"}
	}
	i.take(lanes[0], clock.now)
	i.take(lanes[1], clock.now)
	clock.now = clock.now.Add(time.Second)
	i.ring()
	i.take(lanes[2], clock.now)
	alarms := clock.alarms
	if _, ok := i.take(lanes[1], clock.now); !ok || clock.alarms == alarms {
		t.Errorf("it has its place: %v; %d alarms, then %d", ok, alarms, clock.alarms)
	}
}

// stillClock is a clock that a test sets. What waits for it waits for ever.
type stillClock struct {
	now    time.Time
	alarms int
}

func (c *stillClock) Now() time.Time { return c.now }

func (c *stillClock) AfterFunc(time.Duration, func()) (stop func()) {
	c.alarms++
	return func() {}
}

// listExec runs nothing.
type listExec struct{}

func (*listExec) Go(func())   {}
func (*listExec) Then(func()) {}
func (*listExec) Do(func())   {}
func (*listExec) Close()      {}

// What agents write at an instance with a rate overtakes what rules wrote to
// others before, and does not starve it.
func TestAnswersGoBeforeBulk(t *testing.T) {
	conf := func(r *rig) {
		r.snap.Instances["chan"].Caps.RatePerSecond = 1
		r.ruled("rules:\n  - {name: news, on: customer_message, channel: chan, when: (event.text ?? '') == 'news', do: [{forward: none}, {send: 'bulk for all'}]}\n")
	}
	engine(t, conf, func(r *rig) {
		r.open()
		for i := range 10 {
			r.accept("chan", from(fmt.Sprint("c", i), fmt.Sprint("h", i), "hello"))
		}
		r.forget()
		for i := range 30 {
			r.accept("chan", from(fmt.Sprint("n", i), fmt.Sprint("n", i), "news"))
		}
		for i := range 10 {
			ref := fmt.Sprint("chat-", i+2)
			r.accept("desk", said(ref, ref, fmt.Sprint("answer ", i)))
		}
		r.after(time.Minute)
		got := r.texts("chan")
		if len(got) != 40 {
			t.Fatalf("%d were sent, want 40", len(got))
		}
		last := 0
		for i, text := range got {
			if strings.HasPrefix(text, "answer") {
				last = i
			}
		}
		bulk := slices.DeleteFunc(slices.Clone(got[:last+1]), func(s string) bool { return !strings.HasPrefix(s, "bulk") })
		if last > 13 || len(bulk) == 0 {
			t.Errorf("the last answer is number %d, after %d of the bulk: %q", last+1, len(bulk), got[:last+1])
		}
		r.idle()
	})
}

// Who waits for a rate goes by the new one as soon as it is in force.
func TestRateIsRaised(t *testing.T) {
	slow := func(r *rig) { r.snap.Instances["chan"].Caps.RatePerSecond = 1.0 / 3000 }
	engine(t, slow, func(r *rig) {
		r.open()
		r.agentSays("one", "two", "three")
		r.after(time.Second)
		r.want("chan", "one")
		r.change(func(s *conversation.Snap) {
			own := *s.Instances["chan"]
			own.Caps = own.Caps.CloneVT()
			own.Caps.RatePerSecond = 10
			s.Instances["chan"] = &own
		})
		r.after(time.Second)
		r.want("chan", "one", "two", "three")
		r.idle()
	})
}
