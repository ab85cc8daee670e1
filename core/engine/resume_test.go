package engine

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// crowd opens n chats.
func (r *rig) crowd(n int) {
	r.Helper()
	for i := range n {
		r.accept("chan", from(fmt.Sprint("c", i), "hello", "hello"))
	}
	r.forget()
}

// times notes when each chat was polled.
type times struct {
	mu   sync.Mutex
	at   map[string][]time.Time // by the chat's ref
	wait time.Duration          // until an answer
	next time.Duration          // until the poll after it
}

func (p *times) poll(req *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[string][]time.Time{}
	}
	p.at[req.Chat.Ref] = append(p.at[req.Chat.Ref], time.Now())
	return &pluginv1.PollAnswer{Result: good, Cursor: req.Cursor, NextMs: uint64(p.next.Milliseconds())}, core.Answered, p.wait
}

// firsts returns when each chat was polled first, in order.
func (p *times) firsts() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []time.Time
	for _, at := range p.at {
		all = append(all, at[0])
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func (p *times) of(ref string) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.at[ref])
}

func TestPollsAfterARestartAreSpread(t *testing.T) {
	const chats = 3 * pageSize
	engine(t, polling, func(r *rig) {
		r.crowd(chats)
		r.crash()
		p := &times{next: time.Hour}
		r.pollWith(p.poll)
		begin := time.Now()
		r.boot()
		r.after(2 * chats * resumeEvery)
		firsts := p.firsts()
		if len(firsts) != chats {
			t.Fatalf("%d of %d chats were polled", len(firsts), chats)
		}
		for i, at := range firsts {
			if since, most := at.Sub(begin), time.Duration(i+5)*resumeEvery; since > most {
				t.Fatalf("poll %d came %v after the start, want at most %v", i, since, most)
			}
			if i >= 50 && at.Sub(firsts[i-50]) < 45*resumeEvery {
				t.Fatalf("50 polls within %v, want them %v apart", at.Sub(firsts[i-50]), resumeEvery)
			}
		}
	})
}

// TestWhatWaitsIsPolledFirst: the last chat of all has a message of an agent
// under way when the gateway crashes.
func TestWhatWaitsIsPolledFirst(t *testing.T) {
	engine(t, polling, func(r *rig) {
		r.crowd(pageSize)
		r.down("chan")
		last := core.NewConversationID("chan", fmt.Sprint("c", pageSize-1))
		ref := r.doc(last).Chat.Ref
		r.accept("desk", said(ref, "1", "a1"))
		r.crash()
		p := &times{next: time.Hour}
		r.pollWith(p.poll)
		r.boot()
		begin := time.Now()
		r.after(time.Second)
		at := p.of(ref)
		if len(at) == 0 || at[0].Sub(begin) > 5*time.Millisecond {
			t.Errorf("the chat with an undelivered message was polled at %v, want at once", at)
		}
	})
}

func TestPollsOfChatsAddedWhileTheListIsRead(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.crowd(pageSize)
		p := &times{next: time.Hour}
		r.pollWith(p.poll)
		snap := testSnap()
		snap.Instances["other"] = snap.Instances["desk"]
		r.e.SetSnap(snap)
		snap = testSnap()
		polled := maps.Clone(snap.Instances)
		desk := *polled["desk"]
		desk.Abilities = []string{pluginv1.AbilityPollChat}
		polled["desk"] = &desk
		snap.Instances = polled
		r.e.SetSnap(snap)
		r.e.SetSnap(snap)
		r.after(2 * pageSize * resumeEvery)
		if n := len(p.firsts()); n != pageSize {
			t.Errorf("%d of %d chats were polled", n, pageSize)
		}
		if n := r.e.resuming.Load(); n != 0 {
			t.Errorf("resuming is %d after the list was read", n)
		}
	})
}

func TestLateTimersOfChatsNotYetPolledWait(t *testing.T) {
	const chats = 100
	engine(t, func(r *rig) { unattended(r); polling(r) }, func(r *rig) {
		r.crowd(chats)
		r.crash()
		time.Sleep(time.Hour)
		r.pollWith(func(p *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
			a := &pluginv1.PollAnswer{Result: good, Cursor: p.Cursor, NextMs: 1000}
			if len(p.Cursor) == 0 {
				a.Cursor, a.Events = []byte("1"), []*pluginv1.Event{said("", "1", "here I am")}
			}
			return a, core.Answered, 20 * time.Second
		})
		r.boot()
		r.after(2 * time.Minute)
		for i := range chats {
			id := core.NewConversationID("chan", fmt.Sprint("c", i))
			if n := len(r.fires(id)); n != 0 {
				t.Fatalf("customer %d counts as unattended, whom the agent had answered", i)
			}
		}
	})
}

func TestPollsUnderWayAreBounded(t *testing.T) {
	const chats, places = 20, 4
	var flying, most atomic.Int32
	conf := func(r *rig) { polling(r); r.opt.MaxPolls = places }
	engine(t, conf, func(r *rig) {
		polled := sync.Map{}
		r.pollWith(func(p *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
			most.Store(max(most.Load(), flying.Add(1)))
			time.AfterFunc(10*time.Second-time.Millisecond, func() { flying.Add(-1) })
			polled.Store(p.Chat.Ref, true)
			return &pluginv1.PollAnswer{Result: good, Cursor: p.Cursor, NextMs: 1}, core.Answered, 10 * time.Second
		})
		r.crowd(chats)
		r.after(chats / places * 10 * time.Second)
		n := 0
		polled.Range(func(any, any) bool { n++; return true })
		if n != chats || most.Load() != places {
			t.Errorf("%d of %d chats polled, %d polls at a time; want all, %d at a time", n, chats, most.Load(), places)
		}
		r.accept("chan", from("c0", "2", "still there?"))
		r.after(time.Second)
		r.want("desk", "still there?")
	})
}

func TestAPollThatIsThrottledStopsThoseOfTheInstance(t *testing.T) {
	const chats = 50
	engine(t, polling, func(r *rig) {
		p := &times{next: 5 * time.Second}
		r.pollWith(p.poll)
		r.crowd(chats)
		r.after(time.Minute)
		r.pollWith(func(*pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
			busy := &pluginv1.Result{Outcome: pluginv1.Outcome_THROTTLED, AfterMs: 30_000}
			return &pluginv1.PollAnswer{Result: busy}, core.Answered, 0
		})
		before := r.polls()
		r.after(5*time.Minute + 30*time.Second)
		if n := r.polls() - before; n < 10 || n > 2*11 {
			t.Errorf("%d polls in 5.5 minutes of \"in 30 s\" to %d chats, want about one each time", n, chats)
		}
		r.pollWith(p.poll)
		before = r.polls()
		r.after(40 * time.Second)
		if n := r.polls() - before; n < chats {
			t.Errorf("%d polls of %d chats after it", n, chats)
		}
	})
}

func TestAPollComesSoonAfterACustomersMessage(t *testing.T) {
	for name, during := range map[string]time.Duration{"between two polls": 0, "while one is under way": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			engine(t, polling, func(r *rig) {
				p := &times{next: time.Minute, wait: during}
				r.pollWith(p.poll)
				r.open()
				ref := r.doc(ada()).Chat.Ref
				r.after(2 * time.Second)
				if during == 0 {
					r.after(20 * time.Second)
				}
				before := len(p.of(ref))
				r.accept("chan", from("ada", "2", "and?"))
				r.after(during + pollSoon)
				r.want("desk", "and?")
				if n := len(p.of(ref)) - before; n != 1 {
					t.Errorf("%d polls within %v of a customer's message, want one", n, pollSoon)
				}
				r.after(30 * time.Second)
				if n := len(p.of(ref)) - before; n != 1 {
					t.Errorf("%d polls half a minute later, want no more", n)
				}
			})
		})
	}
}

func TestPollsThatFailTogetherComeApart(t *testing.T) {
	const chats = 100
	engine(t, polling, func(r *rig) {
		p := &times{next: time.Hour}
		r.pollWith(p.poll)
		r.crowd(chats)
		r.after(2 * time.Second)
		r.pollWith(func(*pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) { return nil, core.Lost, 0 })
		r.after(2 * time.Hour)
		p = &times{next: time.Hour}
		r.pollWith(p.poll)
		r.after(pollWorst)
		firsts := p.firsts()
		if len(firsts) != chats {
			t.Fatalf("%d of %d chats polled", len(firsts), chats)
		}
		if spread := firsts[chats*9/10].Sub(firsts[chats/10]); spread < pollWorst/2 {
			t.Errorf("nine tenths came within %v", spread)
		}
	})
}
