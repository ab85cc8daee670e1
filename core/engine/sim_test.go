package engine

import (
	"container/heap"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/memstore"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

var (
	simSeeds = flag.Int("sim.seeds", 300, "how many seeds the simulation runs")
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed alone, and say what happens")
)

// TestSimulation runs the real engine on one goroutine, with a clock, a store
// and an outside world of its own, through crashes at any await, lost, late
// and doubled answers of plugins, and panics in both stages, and then checks
// the guarantees. What happens is drawn from a seed alone:
//
//	go test ./core/engine -run TestSimulation -sim.seed 4711 -v
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		simulate(t, *simSeed, true)
		return
	}
	var total tally
	for seed := range uint64(*simSeeds) {
		total.add(simulate(t, seed+1, false))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d seeds: %+v", *simSeeds, total)
	if total.Crashes == 0 || total.Resent == 0 || total.Moved == 0 || total.Poison == 0 || total.Duplicates == 0 {
		t.Errorf("the simulation does not reach what it is for: %+v", total)
	}
}

// TestSimulationRepeats shows that a seed is all there is to a run.
func TestSimulationRepeats(t *testing.T) {
	for seed := range uint64(5) {
		a, b := simulate(t, seed+1, false), simulate(t, seed+1, false)
		if a != b {
			t.Errorf("seed %d: %+v, then %+v", seed+1, a, b)
		}
	}
}

// tally counts what a run went through.
type tally struct {
	Steps, Crashes, Sent, Resent, Moved, Dead, Poison, Duplicates, Timers int
	Hash                                                                  uint64
}

func (t *tally) add(o tally) {
	t.Steps += o.Steps
	t.Crashes += o.Crashes
	t.Sent += o.Sent
	t.Resent += o.Resent
	t.Moved += o.Moved
	t.Dead += o.Dead
	t.Poison += o.Poison
	t.Duplicates += o.Duplicates
	t.Timers += o.Timers
}

// sim is the world around one engine after the other.
type sim struct {
	t    *testing.T
	r    *rand.Rand
	seed uint64
	loud bool

	now    time.Time
	tasks  []func()
	alarms alarms
	serial int
	life   int // of the gateway: what belongs to an earlier one is gone
	calm   bool
	count  tally

	disk      *memstore.Store
	e         *Engine
	customers []*simCustomer
	pushes    bool                // the vendor calls us; else it is polled
	chats     map[string]*simChat // at the vendor, by ref
	opens     map[string]string   // refs of chats by the key that opened them
	arrived   []arrival           // at the vendor and at customers, in order
}

// arrival is one effect outside.
type arrival struct {
	where  string // "vendor" or "customer"
	conv   string
	key    string
	text   string
	resent bool
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
	pushed int  // events that were accepted
	busy   bool // one is under way
}

type simCrash struct{}

func simulate(t *testing.T, seed uint64, loud bool) tally {
	s := &sim{
		t: t, seed: seed, loud: loud, r: rand.New(rand.NewPCG(seed, 0)), now: time.Unix(1_800_000_000, 0),
		chats: map[string]*simChat{}, opens: map[string]string{}, pushes: seed%3 == 0,
	}
	s.disk = memstore.New(func() time.Time { return s.now })
	for i := range 3 {
		s.customers = append(s.customers, &simCustomer{name: fmt.Sprintf("c%d", i), last: 4 + s.r.IntN(5)})
	}
	s.boot()
	for s.count.Steps < 20_000 && !s.done() {
		s.step()
	}
	s.calm = true // no more faults: everything must come to its end
	for n := 0; n < 60_000 && !s.quiet(); n++ {
		s.step()
	}
	s.check()
	return s.count
}

func (s *sim) logf(format string, args ...any) {
	if s.loud {
		s.t.Logf("%s "+format, append([]any{s.now.Format("15:04:05.000")}, args...)...)
	}
}

// chance is true once in n times, while there are faults.
func (s *sim) chance(n int) bool { return !s.calm && s.r.IntN(n) == 0 }

// ---- the gateway's life ----

func (s *sim) boot() {
	s.life++
	s.e = New(Options{
		Store: simStore{s.disk, s}, Drivers: s, Notifier: s, Exec: simExec{s, s.life}, Clock: simClock{s, s.life},
		Rand: s.r.Uint64, CallTimeout: 30 * time.Second,
	})
	s.e.SetSnap(s.snap())
	life := s.life
	s.task(life, func() {
		for i := range store.Shards {
			_, feed, err := s.e.attach(context.Background(), simShard{s.disk.Shard(i), s})
			if err != nil {
				s.t.Fatalf("seed %d: attach: %v", s.seed, err)
			}
			feed.stop()
		}
	})
}

// crash ends the gateway's life: all that is not on the disk is gone.
func (s *sim) crash() {
	s.count.Crashes++
	s.logf("CRASH")
	for _, c := range s.customers {
		c.busy = false
	}
	for _, c := range s.chats {
		c.busy = false
	}
	s.boot()
}

func (s *sim) snap() *conversation.Snap {
	return &conversation.Snap{
		Hash: "sim",
		Services: map[string]*conversation.Service{"shop": {
			Name: "shop", Integration: "desk", Channels: []string{"chan"}, Forward: state.Owner_OWNER_CCSP, Timezone: "UTC",
			UnattendedAfter: []time.Duration{time.Minute, 5 * time.Minute}, IdleAfter: 10 * time.Minute,
		}},
		Instances: map[string]*conversation.Instance{
			"chan": {Name: "chan", Channel: true, Service: "shop", Caps: &pluginv1.Capabilities{
				ChannelType: "rtm", IdempotentSend: s.seed%2 == 0, ToOutside: &pluginv1.TextLimit{Limit: 30},
			}},
			"desk": s.desk(),
		},
		Rules: simRules{s},
		Probe: func(stage int, typ string) {
			if stage == 1 && typ == "poison" {
				panic("stage 1")
			}
		},
	}
}

// desk is polled or calls us; where opens carry a key it knows, one that comes
// again opens no second chat.
func (s *sim) desk() *conversation.Instance {
	i := &conversation.Instance{
		Name: "desk", MessageRouting: true, Caps: &pluginv1.Capabilities{ToOutside: &pluginv1.TextLimit{Limit: 20}},
	}
	if !s.pushes {
		i.Abilities = []string{pluginv1.AbilityPollChat}
	}
	return i
}

// simRules panic now and then, else tag and answer.
type simRules struct{ s *sim }

func (r simRules) Evaluate(v *state.View) core.Evaluation {
	if strings.Contains(v.Event.Text, "boom") {
		panic("stage 2")
	}
	if v.Type == sdk.CustomerUnattended {
		r.s.count.Timers++
	}
	return core.Evaluation{Verdicts: []*state.RuleVerdict{{Rule: "r", Verdict: state.Verdict_NOT_MATCHED}}}
}

// ---- time and tasks ----

type simExec struct {
	s    *sim
	life int
}

func (x simExec) Go(f func())   { x.s.task(x.life, f) }
func (x simExec) Then(f func()) { x.s.task(x.life, f) }

// task queues work of one life.
func (s *sim) task(life int, f func()) {
	s.tasks = append(s.tasks, func() {
		if life == s.life {
			f()
		}
	})
}

type simClock struct {
	s    *sim
	life int
}

func (c simClock) Now() time.Time { return c.s.now }

func (c simClock) AfterFunc(d time.Duration, f func()) func() {
	return c.s.after(d, func() {
		if c.life == c.s.life {
			f()
		}
	})
}

type alarm struct {
	at     time.Time
	serial int
	f      func()
	off    bool
}

type alarms []*alarm

func (a alarms) Len() int { return len(a) }
func (a alarms) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].serial < a[j].serial
}
func (a alarms) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)   { *a = append(*a, x.(*alarm)) }
func (a *alarms) Pop() any     { old := *a; x := old[len(old)-1]; *a = old[:len(old)-1]; return x }

func (s *sim) after(d time.Duration, f func()) (stop func()) {
	s.serial++
	a := &alarm{at: s.now.Add(d), serial: s.serial, f: f}
	heap.Push(&s.alarms, a)
	return func() { a.off = true }
}

// step runs one task, drawn at random, or lets time pass to the next alarm.
func (s *sim) step() {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case simCrash:
			s.crash()
		default:
			s.t.Fatalf("seed %d: %v", s.seed, r)
		}
	}()
	s.count.Steps++
	s.live()
	if s.chance(400) {
		panic(simCrash{})
	}
	if len(s.tasks) > 0 {
		i := s.r.IntN(len(s.tasks))
		f := s.tasks[i]
		s.tasks = slices.Delete(s.tasks, i, i+1)
		f()
		return
	}
	for s.alarms.Len() > 0 {
		a := heap.Pop(&s.alarms).(*alarm)
		if a.off {
			continue
		}
		if a.at.After(s.now) {
			s.now = a.at
		}
		a.f()
		return
	}
	s.now = s.now.Add(time.Second)
}

// ---- the outside ----

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
	ev := &pluginv1.Event{Type: sdk.CustomerMessage, Id: id, Customer: &pluginv1.Customer{Address: c.name}, Text: text}
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
		if !s.chats[ref].closed {
			open = append(open, ref)
		}
	}
	if len(open) == 0 {
		return
	}
	c := s.chats[open[s.r.IntN(len(open))]]
	id := func() string { return fmt.Sprintf("%s:%d", c.ref, len(c.events)+1) }
	if s.r.IntN(4) == 0 {
		c.closed = true
		c.events = append(c.events, &pluginv1.Event{Type: sdk.ChatClosed, Id: id(), Ref: c.ref, Status: "closed"})
		s.logf("vendor closes %s", c.ref)
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
		if c.busy || c.pushed == len(c.events) {
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

// effect is what happens outside.
func (s *sim) effect(instance string, conv core.ConversationID, call *pluginv1.Call) *pluginv1.Result {
	a := arrival{where: "customer", conv: conv.String(), key: call.Key, text: call.Message.GetText(), resent: call.Resent}
	if instance == "desk" {
		a.where = "vendor"
	}
	ok := &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
	switch call.Op {
	case pluginv1.Op_OPEN:
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
	if c == nil {
		later(0, &pluginv1.PollAnswer{Result: &pluginv1.Result{Outcome: pluginv1.Outcome_CHAT_GONE}}, core.Answered)
		return
	}
	from := 0
	if len(p.Cursor) > 0 {
		fmt.Sscan(string(p.Cursor), &from)
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

// Do implements Notifier.
func (s *sim) Do(context.Context, string, string, []byte) *pluginv1.Result {
	return &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
}

// ---- the disk ----

// simStore crashes the gateway before or after a write.
type simStore struct {
	*memstore.Store
	s *sim
}

func (d simStore) around(write func()) {
	if d.s.chance(250) {
		panic(simCrash{})
	}
	write()
	if d.s.chance(250) {
		panic(simCrash{})
	}
}

func (d simStore) Append(ctx context.Context, evs ...store.Event) (r []store.Receipt, err error) {
	if d.s.chance(100) {
		return nil, store.ErrUnavailable
	}
	d.around(func() { r, err = d.Store.Append(ctx, evs...) })
	return r, err
}

func (d simStore) Bind(ctx context.Context, instance, ref string, c core.ConversationID, ttl time.Duration) (err error) {
	d.around(func() { err = d.Store.Bind(ctx, instance, ref, c, ttl) })
	return err
}

type simShard struct {
	store.Shard
	s *sim
}

func (d simShard) Commit(ctx context.Context, c *store.Commit) (rev store.Rev, err error) {
	switch {
	case d.s.chance(200):
		return 0, store.ErrUnavailable
	case d.s.chance(300) && len(c.Fresh) > 0:
		return 0, store.ErrFull
	}
	simStore{d.s.disk, d.s}.around(func() { rev, err = d.Shard.Commit(ctx, c) })
	return rev, err
}

// ---- the end ----

// done says whether every customer has written everything.
func (s *sim) done() bool {
	for _, c := range s.customers {
		if c.next < c.last {
			return false
		}
	}
	return true
}

// quiet says whether nothing is left to do.
func (s *sim) quiet() bool {
	if !s.done() || len(s.tasks) > 0 {
		return false
	}
	for i := range store.Shards {
		for range s.disk.Shard(i).Pending(context.Background()) {
			return false
		}
	}
	for _, c := range s.chats { // every event of a chat that was known has been read
		if s.pushes {
			if c.pushed < len(c.events) {
				return false
			}
			continue
		}
		if id, err := s.disk.Resolve(context.Background(), "desk", c.ref); err == nil {
			doc := s.document(id)
			if doc.GetChat().GetRef() == c.ref && doc.Chat.State == state.ChatState_CHAT_OPEN &&
				string(doc.Chat.Cursor) != fmt.Sprint(len(c.events)) && len(c.events) > 0 {
				return false
			}
		}
	}
	return true
}

func (s *sim) document(id core.ConversationID) *state.Document {
	b, _, err := s.disk.Reader().Document(context.Background(), id)
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			s.t.Fatal(err)
		}
		return nil
	}
	doc := &state.Document{}
	if err := doc.UnmarshalVT(b); err != nil {
		s.t.Fatal(err)
	}
	return doc
}

// check compares what arrived with what was promised.
func (s *sim) check() {
	s.t.Helper()
	if !s.quiet() {
		s.t.Errorf("seed %d: work is left: %d tasks, %s", s.seed, len(s.tasks), s.left())
		return
	}
	dead := s.deadTexts()
	s.count.Dead = len(dead)
	for _, c := range s.customers {
		conv := core.NewConversationID("chan", c.name)
		s.checkStream("vendor", conv.String(), c.acked, dead)
		s.countMoved(conv)
	}
	s.checkRepeats()
	s.checkReplies(dead)
	for i := range s.arrived {
		s.count.Hash = s.count.Hash*31 + uint64(len(s.arrived[i].key)+len(s.arrived[i].text)*7)
	}
}

// checkStream says whether all texts arrived, their first arrivals in order.
func (s *sim) checkStream(where, conv string, want []string, dead map[string]bool) {
	s.t.Helper()
	keys, texts := map[string]bool{}, map[string]bool{}
	var got strings.Builder
	for _, a := range s.arrived {
		if a.where != where || a.conv != conv || keys[a.key] || a.resent && texts[a.text] || dead[a.text] {
			continue
		}
		keys[a.key], texts[a.text] = true, true
		got.WriteString(a.text)
	}
	all, at := got.String(), 0
	for _, text := range want {
		i := strings.Index(all[at:], text)
		switch {
		case i >= 0:
			at += i + len(text)
		case anyPart(dead, text):
		case strings.Contains(all, text):
			s.t.Errorf("seed %d: %s of %s: %q is out of order in %q", s.seed, where, conv, text, all)
		default:
			s.t.Errorf("seed %d: %s of %s: accepted %q never arrived: %q", s.seed, where, conv, text, all)
		}
	}
}

func anyPart(dead map[string]bool, text string) bool {
	for d := range dead {
		if strings.Contains(text, d) {
			return true
		}
	}
	return false
}

// checkRepeats says whether a repeated effect was flagged, and only one was.
func (s *sim) checkRepeats() {
	s.t.Helper()
	times := map[string]int{}
	for _, a := range s.arrived {
		times[a.key]++
		idempotent := a.where == "customer" && s.seed%2 == 0
		if n := times[a.key]; n > 1 && !a.resent && !idempotent {
			s.t.Errorf("seed %d: %s got %q again, not flagged", s.seed, a.where, a.text)
		} else if n > 2 && !idempotent {
			s.t.Errorf("seed %d: %s got %q %d times", s.seed, a.where, a.text, n)
		}
	}
}

// checkReplies says whether what agents said in known chats reached the customer.
func (s *sim) checkReplies(dead map[string]bool) {
	s.t.Helper()
	for _, ref := range s.refs() {
		c := s.chats[ref]
		id, err := s.disk.Resolve(context.Background(), "desk", ref)
		if err != nil {
			continue // the answer to its open was lost: a ghost
		}
		if s.document(core.OrphanID("desk", ref)) != nil {
			continue // the answer took longer than its events wait
		}
		doc := s.document(id)
		if !s.pushes && (doc.GetChat().GetRef() != ref || doc.Chat.State == state.ChatState_CHAT_CLOSED && !c.closed) {
			continue // polled until it was closed here
		}
		var want []string
		for _, ev := range c.events {
			if ev.Type == sdk.IncomingMessage {
				want = append(want, ev.Text)
			}
		}
		s.checkStream("customer", id.String(), want, dead)
	}
}

func (s *sim) countMoved(id core.ConversationID) {
	page, err := s.disk.Reader().History(context.Background(), id, "", 10_000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range page.Items {
		line := &state.Entry{}
		if err := line.UnmarshalVT(e.Body); err != nil {
			s.t.Fatal(err)
		}
		if line.GetEnded().GetReason() == "moved" {
			s.count.Moved++
		}
	}
}

func (s *sim) deadTexts() map[string]bool {
	page, err := s.disk.Reader().Dead(context.Background(), "", 10_000)
	if err != nil {
		s.t.Fatal(err)
	}
	dead := map[string]bool{}
	for _, d := range page.Items {
		l := &state.DeadLetter{}
		if err := l.UnmarshalVT(d.Body); err != nil {
			s.t.Fatal(err)
		}
		if l.Reason != "ambiguous" && l.Reason != "chat_gone" && l.Reason != "chat_rejected" {
			s.t.Errorf("seed %d: dead letter for another reason: %s", s.seed, l.Reason)
		}
		dead[l.Command.GetMessage().GetText()] = true
	}
	return dead
}

// left says what stands between the gateway and its rest.
func (s *sim) left() string {
	var b strings.Builder
	for i := range store.Shards {
		for ref := range s.disk.Shard(i).Pending(context.Background()) {
			fmt.Fprintf(&b, "%s %s; ", ref.ID, ref.Lane)
		}
	}
	for _, c := range s.customers {
		fmt.Fprintf(&b, "%s %d/%d; ", c.name, c.next, c.last)
	}
	for i := range s.e.shards {
		for id, c := range s.e.shards[i].Load().cells {
			fmt.Fprintf(&b, "\ncell %s busy %v queue %d seq %d high %d", id, c.busy, len(c.queue), c.seq, c.high)
			for name, l := range c.lanes {
				fmt.Fprintf(&b, " lane %s more %v items %d waits %v", name, l.more, len(l.items), l.waits != nil)
				for _, it := range l.items {
					fmt.Fprintf(&b, " (%d state %d %v)", it.cmd.Number, it.state, it.att)
				}
			}
		}
	}
	for name, i := range *s.e.instances.Load() {
		fmt.Fprintf(&b, "\n%s up %v flying %d parked %d", name, i.up, i.flying, i.parked.Len())
	}
	return b.String()
}
