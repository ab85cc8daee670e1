package engine

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/memstore"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// simCrash is the panic that ends a life of the gateway, wherever it is.
type simCrash struct{}

// boot begins a life of the gateway on what is on the disk.
func (s *sim) boot() {
	s.life++
	s.e = New(Options{
		Store: simStore{s.disk, s}, Drivers: s, Notifier: s, Exec: simExec{s, s.life}, Clock: simClock{s, s.life},
		Rand: s.r.Uint64, CallTimeout: 30 * time.Second, MaxFlying: []int{0, 1, 2}[s.seed/3%3],
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
	snap := &conversation.Snap{
		Hash: "sim",
		Services: map[string]*conversation.Service{"shop": {
			Name: "shop", Integration: "desk", Channels: []string{"chan"}, Forward: state.Owner_OWNER_CCSP, Timezone: "UTC",
			UnattendedAfter: []time.Duration{time.Minute, 5 * time.Minute}, IdleAfter: 10 * time.Minute,
			Transcript: int(s.seed % 4), ReopenWithin: time.Duration(s.seed%5) * time.Minute,
		}},
		Instances: map[string]*conversation.Instance{
			"chan": {Name: "chan", Channel: true, Service: "shop", Caps: &pluginv1.Capabilities{
				ChannelType: "rtm", IdempotentSend: s.seed%2 == 0, ToOutside: &pluginv1.TextLimit{Limit: 30},
			}},
			"desk": s.desk(),
		},
		Rules: simRules{s}, Flows: s.flows,
		Probe: func(stage int, typ string) {
			if stage == 1 && typ == "poison" {
				panic("stage 1")
			}
		},
	}
	s.addBot(snap)
	if s.seed%4 < 2 {
		snap.Instances["chan"].Caps.RatePerSecond = 0.5
	}
	if s.seed%5 < 3 {
		snap.Instances["chan"].Abilities = []string{pluginv1.AbilityReceipt}
	}
	return snap
}

// desk is polled, or calls us.
func (s *sim) desk() *conversation.Instance {
	i := &conversation.Instance{
		Name: "desk", MessageRouting: true, Abilities: []string{pluginv1.AbilityReopen},
		Caps: &pluginv1.Capabilities{ToOutside: &pluginv1.TextLimit{Limit: 20}, Transcript: s.seed%8 < 4},
	}
	if !s.pushes {
		i.Abilities = append(i.Abilities, pluginv1.AbilityPollChat)
	}
	return i
}

// simExec runs tasks one at a time, in an order drawn at random.
type simExec struct {
	s    *sim
	life int
}

func (x simExec) Go(f func())   { x.s.task(x.life, f) }
func (x simExec) Then(f func()) { x.s.task(x.life, f) }
func (x simExec) Do(f func())   { f() }
func (x simExec) Close()        {}

// task queues work of one life.
func (s *sim) task(life int, f func()) {
	s.tasks = append(s.tasks, func() {
		if life == s.life {
			f()
		}
	})
}

// simClock stands still while anything is left to run.
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

// alarm is something to do at its time; alarms are a heap, the next one first.
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

func (d simStore) SetState(ctx context.Context, instance, key string, old, next []byte) error {
	return d.SetStateFor(ctx, instance, key, old, next, 0)
}

func (d simStore) SetStateFor(ctx context.Context, instance, key string, old, next []byte, ttl time.Duration) (err error) {
	if d.s.chance(100) {
		return store.ErrUnavailable
	}
	d.around(func() { err = d.Store.SetStateFor(ctx, instance, key, old, next, ttl) })
	return err
}

func (d simStore) Bind(ctx context.Context, instance, ref string, c core.ConversationID, ttl time.Duration) (err error) {
	d.around(func() { err = d.Store.Bind(ctx, instance, ref, c, ttl) })
	return err
}

// simShard is a shard of simStore. It refuses some writes, and reads of lanes.
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

func (d simShard) Lane(
	ctx context.Context, c core.ConversationID, lane store.Lane, after core.CommandID, limit int,
) ([]store.OutItem, error) {
	if d.s.chance(20) {
		return nil, store.ErrUnavailable
	}
	return d.Shard.Lane(ctx, c, lane, after, limit)
}
