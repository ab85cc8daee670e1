package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/flow"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/memstore"
	"github.com/openccsp/gateway/sdk"
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
		simulate(t, *simSeed, simFlows(t), true)
		return
	}
	var total tally
	flows := simFlows(t)
	for seed := range uint64(*simSeeds) {
		total.add(simulate(t, seed+1, flows, false))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d seeds: %+v", *simSeeds, total)
	if total.Crashes == 0 || total.Resent == 0 || total.Moved == 0 || total.Poison == 0 || total.Duplicates == 0 || total.Waited == 0 || total.Taken == 0 ||
		total.Told == 0 || total.Reopened == 0 || total.Forgot == 0 ||
		total.Silenced == 0 || total.Changes == 0 || total.Begun == 0 || total.Ticks == 0 {
		t.Errorf("the simulation does not reach what it is for: %+v", total)
	}
}

// TestSimulationRepeats shows that a seed is all there is to a run.
func TestSimulationRepeats(t *testing.T) {
	flows := simFlows(t)
	for seed := range uint64(5) {
		a, b := simulate(t, seed+1, flows, false), simulate(t, seed+1, flows, false)
		if a != b {
			t.Errorf("seed %d: %+v, then %+v", seed+1, a, b)
		}
	}
}

// tally counts what a run went through.
type tally struct {
	Steps, Crashes, Sent, Resent, Moved, Dead, Poison, Duplicates, Timers, Waited, Flows, Taken int
	Silenced, Changes, Begun, Told, Reopened, Forgot, Ticks                                     int

	Hash uint64
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
	t.Waited += o.Waited
	t.Flows += o.Flows
	t.Taken += o.Taken
	t.Told += o.Told
	t.Reopened += o.Reopened
	t.Forgot += o.Forgot
	t.Silenced += o.Silenced
	t.Changes += o.Changes
	t.Begun += o.Begun
	t.Ticks += o.Ticks
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
	flows     *flow.Set
	customers []*simCustomer
	pushes    bool                // the vendor calls us; else it is polled
	bot       bool                // there is a bot
	chats     map[string]*simChat // at the vendor, by ref
	opens     map[string]string   // refs of chats by the key that opened them
	ticked    []string            // what customers saw delivered, and neither vendor nor bot had
	arrived   []arrival           // at the vendor and at customers, in order
	posted    map[simPost]bool    // at endpoints
}

func simFlows(t *testing.T) *flow.Set { return flow.New(setOf(t, simFlow).Flows(), nil) }

func simulate(t *testing.T, seed uint64, flows *flow.Set, loud bool) tally {
	s := &sim{
		t: t, seed: seed, loud: loud, flows: flows, r: rand.New(rand.NewPCG(seed, 0)), now: time.Unix(1_800_000_000, 0),
		chats: map[string]*simChat{}, opens: map[string]string{}, pushes: seed%3 == 0, bot: seed%4 == 1, posted: map[simPost]bool{},
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
	if !s.done() || len(s.tasks) > 0 || !s.flowsDone() {
		return false
	}
	for i := range store.Shards {
		for range s.disk.Shard(i).Pending(context.Background()) {
			return false
		}
	}
	for _, c := range s.chats {
		if !c.known() {
			return false
		}
	}
	for _, c := range s.chats { // every event of a chat that was known has been read
		if c.forgot {
			continue
		}
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
	for name, i := range *s.e.instances.Load() {
		if i.flying != 0 || i.parked.len() != 0 || i.parked.called != 0 {
			s.t.Errorf("seed %d: %s has %d calls, %d wait, %d are called, when all is done", s.seed, name, i.flying, i.parked.len(), i.parked.called)
		}
	}
	dead := s.deadTexts()
	s.count.Dead = len(dead)
	for _, c := range s.customers {
		conv := core.NewConversationID("chan", c.name)
		taken := s.checkFlows(conv, dead)
		s.ticked = slices.DeleteFunc(s.ticked, func(text string) bool { return slices.Contains(taken, text) })
		theirs := slices.DeleteFunc(slices.Clone(c.acked), func(text string) bool { return slices.Contains(taken, text) })
		if s.bot {
			s.checkSides(conv.String(), theirs, dead)
			s.checkControl(conv)
		} else {
			s.checkStream("vendor", conv.String(), theirs, dead)
		}
		s.countMoved(conv)
	}
	if len(s.ticked) > 0 {
		s.t.Errorf("seed %d: %q are delivered, and nobody has them", s.seed, s.ticked)
	}
	s.checkRepeats()
	s.checkReplies(dead)
	s.checkRules()
	for i := range s.arrived {
		s.count.Hash = s.count.Hash*31 + uint64(len(s.arrived[i].key)+len(s.arrived[i].text)*7)
	}
}

// checkStream says whether all texts arrived, their first arrivals in order.
func (s *sim) checkStream(where, conv string, want []string, dead map[string]bool) {
	s.t.Helper()
	all, at := s.stream(where, conv, dead), 0
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

// stream is what arrived somewhere, repetitions and copies aside.
func (s *sim) stream(where, conv string, dead map[string]bool) string {
	keys, texts := map[string]bool{}, map[string]bool{}
	var got strings.Builder
	for _, a := range s.arrived {
		if a.where != where || a.conv != conv || a.copy || keys[a.key] || a.resent && texts[a.text] || dead[a.text] {
			continue
		}
		keys[a.key], texts[a.text] = true, true
		got.WriteString(a.text)
	}
	return got.String()
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
		if c.forgot {
			continue // with what was not read yet
		}
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
				fmt.Fprintf(&b, " lane %s more %v items %d waits %v", name, l.more, len(l.items), l.waiter != nil && l.waiter.place != nil)
				for _, it := range l.items {
					fmt.Fprintf(&b, " (%d state %d %v)", it.cmd.Number, it.state, it.att)
				}
			}
		}
	}
	for name, i := range *s.e.instances.Load() {
		fmt.Fprintf(&b, "\n%s up %v flying %d parked %d", name, i.up, i.flying, i.parked.len())
	}
	return b.String()
}
