package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// polls returns how many polls were sent so far.
func (r *rig) polls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.polled
}

// vendor answers polls with the events from the cursor on, and wants one poll
// each second.
type vendor struct {
	mu     sync.Mutex
	events []*pluginv1.Event
}

func (v *vendor) says(evs ...*pluginv1.Event) *vendor {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.events = append(v.events, evs...)
	return v
}

func (v *vendor) poll(p *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	from := 0
	_, _ = fmt.Sscan(string(p.Cursor), &from)
	a := &pluginv1.PollAnswer{Result: good, Cursor: p.Cursor, NextMs: 1000}
	for _, ev := range v.events[from:] {
		a.Events = append(a.Events, ev.CloneVT())
		a.Cursor = fmt.Append(nil, len(v.events))
	}
	return a, core.Answered, 0
}

// pollWith replaces what polls are answered.
func (r *rig) pollWith(on func(*pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onPoll = on
}

func TestPolledEventsAndTheirCursorAreOneWrite(t *testing.T) {
	v := &vendor{}
	engine(t, polling, func(r *rig) {
		r.onPoll = v.poll
		r.open()
		r.after(10 * time.Second)
		before := len(r.disk.made())
		r.after(time.Minute)
		if n := len(r.disk.made()) - before; n != 0 {
			t.Fatalf("%d writes by polls that brought nothing", n)
		}
		v.says(said("", "1", "a1"), said("", "2", "a2"))
		r.after(2 * time.Second)
		r.want("chan", "a1", "a2")
		commits := r.disk.made()[before:]
		if n := len(commits); n != 3 { // the news; the end of a1, of a2
			t.Errorf("%d commits, want 3", n)
		}
		doc := &state.Document{}
		if err := doc.UnmarshalVT(commits[0].Doc); err != nil || string(doc.Chat.Cursor) != "2" || len(commits[0].Out) != 2 {
			t.Errorf("the first commit has cursor %q and %d commands, %v; want 2 and 2", doc.GetChat().GetCursor(), len(commits[0].Out), err)
		}
	})
}

func TestOnePollOfAChatAtATime(t *testing.T) {
	var flying, most atomic.Int32
	engine(t, polling, func(r *rig) {
		r.onPoll = func(p *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
			most.Store(max(most.Load(), flying.Add(1)))
			time.AfterFunc(10*time.Second, func() { flying.Add(-1) })
			return &pluginv1.PollAnswer{Result: good, Cursor: p.Cursor, NextMs: 1}, core.Answered, 10 * time.Second
		}
		r.open()
		for i := range 30 {
			r.accept("chan", from("ada", fmt.Sprint(i), "hi"))
			r.e.InstanceUp("desk")
			r.after(time.Second)
		}
		if most.Load() != 1 {
			t.Errorf("%d polls at a time, want 1", most.Load())
		}
		if n := r.polls(); n < 3 || n > 4 {
			t.Errorf("%d polls of 10 s in 30 s", n)
		}
	})
}

func TestPollsThatFailComeLessOften(t *testing.T) {
	failures := map[string]func(*pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration){
		"lost":      func(*pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) { return nil, core.Lost, 0 },
		"no plugin": func(*pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) { return nil, core.NoPlugin, 0 },
		"retry": func(*pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
			return &pluginv1.PollAnswer{Result: &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY}}, core.Answered, 0
		},
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			v := &vendor{}
			engine(t, polling, func(r *rig) {
				r.onPoll = fail
				r.open()
				r.after(10 * time.Minute)
				if n := r.polls(); n < 70 || n > 90 {
					t.Errorf("%d polls in 10 minutes of failure, want about one each 8 s", n)
				}
				if n := r.metric("gateway_poll_errors_total", "desk"); int(n) != r.polls() {
					t.Errorf("%v errors counted of %d", n, r.polls())
				}
				v.says(said("", "1", "a1"))
				r.pollWith(v.poll)
				r.after(pollBackoff + time.Second)
				r.want("chan", "a1")
				before := r.polls()
				r.after(10 * time.Second)
				if n := r.polls() - before; n < 9 {
					t.Errorf("%d polls in 10 s after the failures, want one each second", n)
				}
			})
		})
	}
}

func TestAPollThatCannotBeKeptComesAgain(t *testing.T) {
	v := (&vendor{}).says(said("", "1", "a1"), said("", "2", "a2"))
	engine(t, polling, func(r *rig) {
		r.open()
		r.disk.refuse("commit", always, store.ErrUnavailable)
		r.pollWith(v.poll)
		r.after(10 * time.Second)
		r.want("chan")
		r.disk.hook(nil, nil)
		r.after(5 * time.Second)
		r.want("chan", "a1", "a2")
	})
}

func TestAChatThatTheVendorForgotIsClosed(t *testing.T) {
	engine(t, polling, func(r *rig) {
		r.onPoll = func(*pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
			return &pluginv1.PollAnswer{Result: &pluginv1.Result{Outcome: pluginv1.Outcome_CHAT_GONE}}, core.Answered, 0
		}
		r.open()
		r.after(time.Minute)
		if doc := r.doc(ada()); doc.Chat.State != state.ChatState_CHAT_CLOSED || doc.Chat.Reason != "lost" {
			t.Errorf("the chat is %s, reason %q, want closed and lost", doc.Chat.State, doc.Chat.Reason)
		}
		if n := r.polls(); n != 1 {
			t.Errorf("%d polls, want none after the end", n)
		}
		r.idle()
	})
}

func TestPollsStopWithTheChat(t *testing.T) {
	v := &vendor{}
	engine(t, polling, func(r *rig) {
		r.onPoll = v.poll
		r.open()
		r.after(5 * time.Second)
		v.says(said("", "1", "bye"), &pluginv1.Event{Type: sdk.ChatClosed, Id: "2", Status: "closed", By: "agent"})
		r.after(2 * time.Second)
		r.want("chan", "bye")
		before := r.polls()
		r.after(time.Hour)
		if n := r.polls() - before; n != 0 {
			t.Errorf("%d polls of a closed chat", n)
		}
		r.idle()
	})
}

func TestPollsGoOnAfterARestart(t *testing.T) {
	v := (&vendor{}).says(said("", "1", "a1"))
	engine(t, polling, func(r *rig) {
		r.onPoll = v.poll
		r.open()
		r.after(2 * time.Second)
		r.crash()
		v.says(said("", "2", "a2"))
		r.boot()
		r.after(2 * time.Second)
		r.want("chan", "a1", "a2")
		if doc := r.doc(ada()); string(doc.Chat.Cursor) != "2" {
			t.Errorf("the cursor is %q, want 2", doc.Chat.Cursor)
		}
	})
}

func TestPollsBeginWhenTheInstanceDoes(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		if n := r.polls(); n != 0 {
			t.Fatalf("%d polls of an integration that has none", n)
		}
		snap := testSnap()
		snap.Instances["desk"].Abilities = []string{pluginv1.AbilityPollChat}
		r.e.SetSnap(snap)
		r.after(10 * time.Second)
		if n := r.polls(); n < 9 {
			t.Errorf("%d polls in 10 s", n)
		}
	})
}

func TestAccountPolls(t *testing.T) {
	v := (&vendor{}).says(from("ada", "1", "hi"), from("bob", "1", "ho"))
	conf := func(r *rig) {
		r.snap.Instances["chan"].Abilities = []string{pluginv1.AbilityPollAccount}
		r.onPoll = v.poll
	}
	engine(t, conf, func(r *rig) {
		r.after(10 * time.Second)
		if got := slices.Sorted(slices.Values(r.texts("desk"))); !slices.Equal(got, []string{"hi", "ho"}) {
			t.Fatalf("desk got %q", got)
		}
		cursor, err := r.mem.State(t.Context(), "chan", accountCursor)
		if string(cursor) != "2" || err != nil {
			t.Fatalf("the cursor is %q, %v, want 2", cursor, err)
		}
		if r.disk.states != 1 {
			t.Errorf("%d writes of the cursor, want 1: polls that bring nothing write nothing", r.disk.states)
		}
		v.says(from("ada", "2", "more"))
		r.disk.refuse("state", always, store.ErrUnavailable)
		r.after(5 * time.Second) // the event is durable, the cursor is not
		r.crash()
		r.boot()
		r.after(5 * time.Second)
		if got := r.decided(ada(), sdk.CustomerMessage); !slices.Equal(got, []string{"hi", "more"}) {
			t.Errorf("decided %q: an event that came twice is decided once", got)
		}
		before := r.polls()
		r.after(10 * time.Second)
		if n := r.polls() - before; n < 9 || n > 11 {
			t.Errorf("%d polls in 10 s, want 10", n)
		}
	})
}

// TestAnAccountPollLeavesBehindWhatIsRefusedForGood has an event of nobody
// between two of customers.
func TestAnAccountPollLeavesBehindWhatIsRefusedForGood(t *testing.T) {
	stray := &pluginv1.Event{Type: sdk.MessageDelivered, MessageId: "of nobody"}
	v := (&vendor{}).says(from("ada", "1", "hi"), stray, from("bob", "1", "ho"))
	conf := func(r *rig) {
		r.snap.Instances["chan"].Abilities = []string{pluginv1.AbilityPollAccount}
		r.onPoll = v.poll
	}
	engine(t, conf, func(r *rig) {
		r.after(pollBackoff)
		if got := slices.Sorted(slices.Values(r.texts("desk"))); !slices.Equal(got, []string{"hi", "ho"}) {
			t.Errorf("desk got %q", got)
		}
		if cursor, err := r.mem.State(t.Context(), "chan", accountCursor); string(cursor) != "3" || err != nil {
			t.Errorf("the cursor is %q, %v, want 3", cursor, err)
		}
		page, err := r.mem.Reader().Quarantined(t.Context(), "", 10)
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("quarantine has %d items, %v, want the stray event", len(page.Items), err)
		}
		if err := r.e.ReplayQuarantined(context.Background(), page.Items[0].ID); core.CodeOf(err) != core.NotFound {
			t.Errorf("ReplayQuarantined = %v, want not found: still nobody's", err)
		}
	})
}

func TestAnAccountPollWhoseEventsAreRefusedKeepsItsCursor(t *testing.T) {
	v := (&vendor{}).says(from("ada", "1", "hi"))
	conf := func(r *rig) { r.snap.Instances["chan"].Abilities = []string{pluginv1.AbilityPollAccount} }
	engine(t, conf, func(r *rig) {
		r.disk.refuse("commit", always, store.ErrFull)
		r.pollWith(v.poll)
		r.after(2 * pollBackoff)
		if cursor, err := r.mem.State(t.Context(), "chan", accountCursor); len(cursor) != 0 || err != nil {
			t.Fatalf("the cursor is %q, %v: the event would be lost", cursor, err)
		}
		r.disk.hook(nil, nil)
		r.after(2 * pollBackoff)
		r.want("desk", "hi")
	})
}
