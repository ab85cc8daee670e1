package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// market is ten vendors and their customers at one gateway.
type market struct {
	*attacked
	vendors []*vendor
	talks   []*talk
	acked   atomic.Int64

	mu    sync.Mutex
	phase *phase
}

// talk is a customer of one vendor.
type talk struct {
	vendor   int
	customer string
	acked    int       // messages
	posted   []posting // of them
}

type posting struct {
	at    time.Time
	phase *phase
}

// phase is a time in which one vendor is bad, or none.
type phase struct {
	way    way
	bad    int          // number of the vendor, -1: none
	behind map[int]bool // vendors that were bad before and have not caught up
	posted atomic.Int64

	posts, polls, conns int64 // at the bad one: before it, and once the phase is over in it
}

// enter ends the phase and begins the next.
func (m *market) enter(bad int, w way, behind map[int]bool) *phase {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.phase; old.way != "" {
		v := m.vendors[old.bad]
		old.posts, old.polls, old.conns = v.posts.Load()-old.posts, v.polls.Load()-old.polls, v.conns.Load()-old.conns
	}
	p := &phase{way: w, bad: bad, behind: behind}
	if w != "" {
		v := m.vendors[bad]
		p.posts, p.polls, p.conns = v.posts.Load(), v.polls.Load(), v.conns.Load()
	}
	m.phase = p
	return p
}

func (m *market) now() *phase {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.phase
}

// open has every customer write once and waits until all chats are open.
func (m *market) open(ctx context.Context) error {
	var all sync.WaitGroup
	for _, t := range m.talks {
		all.Go(func() { m.post(ctx, t) })
	}
	all.Wait()
	return m.settle(ctx, bar(startWithin))
}

const startWithin = 20 * time.Second

// write writes at random until ctx ends; what was begun is finished under hard.
func (m *market) write(ctx, hard context.Context) {
	pace := rate.NewLimiter(vendorsRate, vendorsRate/20)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for pace.Wait(ctx) == nil {
				mine := (len(m.talks) - w + writers - 1) / writers
				m.post(hard, m.talks[w+writers*random.IntN(mine)])
			}
		})
	}
	all.Wait()
}

func (t *talk) id(n int) string { return fmt.Sprintf("%s.%d", t.customer, n) }

// post posts a customer's next message until it is acknowledged.
func (m *market) post(ctx context.Context, t *talk) {
	id := t.id(t.acked + 1)
	body, err := json.Marshal(map[string]string{"id": id, "from": t.customer, "text": id + " " + strings.Repeat("x", 100)})
	if err != nil {
		panic(err) // strings
	}
	now := posting{time.Now(), m.now()}
	for ctx.Err() == nil && !m.try(ctx, m.home.Hook(fmt.Sprintf("phone%d", t.vendor)), body) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	if t.vendor == now.phase.bad {
		now.phase.posted.Add(1)
	}
	m.mu.Lock()
	t.acked++
	t.posted = append(t.posted, now)
	m.mu.Unlock()
	m.acked.Add(1)
}

var handsets = http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: writers}}

func (m *market) try(ctx context.Context, url string, body []byte) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	resp, err := handsets.Do(r)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode < 300
}

// arrivals returns what a vendor took of a message.
func (v *vendor) arrivals(id string) []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.took[id]
}

// p99 is of the messages posted in some phases to vendors that are well, and
// have nothing to catch up with, in p. n is how many those are.
func (m *market) p99(p *phase, in ...*phase) (n int, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []time.Duration
	for _, t := range m.talks {
		if t.vendor == p.bad || p.behind[t.vendor] {
			continue
		}
		for i, x := range t.posted {
			if a := m.vendors[t.vendor].arrivals(t.id(i + 1)); slices.Contains(in, x.phase) && len(a) > 0 {
				all = append(all, a[0].at.Sub(x.at))
			}
		}
	}
	return len(all), percentile(all, 99)
}

// settle waits until every message has arrived or is a dead letter, and every
// answer of an agent has arrived.
func (m *market) settle(ctx context.Context, limit time.Duration) error {
	end := time.Now().Add(limit)
	for {
		dead, err := m.dead(ctx)
		if err != nil {
			return err
		}
		missing := m.missing(dead)
		if len(missing) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d messages are neither there nor dead letters after %v: %s …",
				len(missing), limit, strings.Join(missing[:min(len(missing), 5)], ", "))
		}
		if err := m.pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// behind returns the vendors that lack messages which are a second old.
func (m *market) behind(ctx context.Context) (map[int]bool, error) {
	dead, err := m.dead(ctx)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	behind := map[int]bool{}
	for _, t := range m.talks {
		for i, x := range t.posted {
			if id := t.id(i + 1); time.Since(x.at) > time.Second && dead[id] == "" && len(m.vendors[t.vendor].arrivals(id)) == 0 {
				behind[t.vendor] = true
			}
		}
	}
	return behind, nil
}

func (m *market) dead(ctx context.Context) (map[string]string, error) {
	letters, err := m.home.DeadLetters(ctx)
	if err != nil {
		return nil, err
	}
	dead := map[string]string{}
	for _, d := range letters {
		id, _, _ := strings.Cut(d.Command.Message.Text, " ")
		dead[id] = d.Reason
	}
	return dead, nil
}

func (m *market) missing(dead map[string]string) (ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.talks {
		for i := range t.acked {
			if id := t.id(i + 1); dead[id] == "" && len(m.vendors[t.vendor].arrivals(id)) == 0 {
				ids = append(ids, id)
			}
		}
	}
	for _, v := range m.vendors {
		v.mu.Lock()
		for _, id := range v.answers {
			if len(m.far.arrivalsOf(id)) == 0 {
				ids = append(ids, id)
			}
		}
		v.mu.Unlock()
	}
	return ids
}

// arrivalsOf returns what the customers' side took of a message.
func (f *far) arrivalsOf(id string) []arrival {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.took[id]
}

// final are the ends of messages that a vendor may cause for good: it did not
// say whether it took them, sent them elsewhere, or did not open the chat.
var final = []string{"ambiguous", "rejected: http_307", "chat_rejected"}

// verify counts what was lost, out of order or repeated, both ways.
func (m *market) verify(ctx context.Context, r *run) error {
	dead, err := m.dead(ctx)
	if err == nil {
		m.compare(&r.verdict, dead)
	}
	return err
}

// compare judges by what vendors and customers took, and the dead letters.
func (m *market) compare(x *verdict, dead map[string]string) {
	for _, t := range m.talks {
		v, last := m.vendors[t.vendor], int64(0)
		for i := range t.acked {
			id := t.id(i + 1)
			took, reason := v.arrivals(id), dead[id]
			x.acked++
			switch {
			case reason != "" && (t.vendor >= len(waysOfVendors) || !slices.Contains(final, reason)):
				x.violation(&x.lost, "%s: dead letter, reason %s", id, reason)
			case reason != "":
				x.ambiguous++
			case len(took) == 0:
				x.violation(&x.lost, "%s: acknowledged and lost", id)
			default:
				x.delivered++
			}
			if len(took) == 0 {
				continue
			}
			if took[0].order < last {
				x.violation(&x.disordered, "%s: first delivered before the one before it", id)
			}
			last = took[0].order
			x.repeats += len(took) - 1
			if len(took) > 2 || len(took) == 2 && t.vendor >= len(waysOfVendors) {
				x.violation(&x.wrong, "%s: delivered %d times", id, len(took))
			}
		}
	}
	m.compareAnswers(x)
}

// compareAnswers is compare for what agents said.
func (m *market) compareAnswers(x *verdict) {
	for _, v := range m.vendors {
		last := map[string]int64{} // by customer
		for _, id := range v.answers {
			took := m.far.arrivalsOf(id)
			x.acked++
			if len(took) == 0 {
				x.violation(&x.lost, "%s: an agent's answer is lost", id)
				continue
			}
			x.delivered++
			x.repeats += len(took) - 1
			if took[0].order < last[took[0].to] {
				x.violation(&x.disordered, "%s: an agent's answer came before the one before it", id)
			}
			last[took[0].to] = took[0].order
		}
	}
}

// usage is what the processes hold.
type usage struct{ fds, goroutines int }

func (u usage) or(o usage) usage { return usage{max(u.fds, o.fds), max(u.goroutines, o.goroutines)} }

func (m *market) usage(ctx context.Context) (u usage, err error) {
	metrics, err := m.home.Metrics(ctx)
	if err != nil {
		return u, err
	}
	report, err := m.home.Plugin(ctx, "org.openccsp.enghouse")
	if err != nil {
		return u, err
	}
	return usage{rig.Descriptors(report.Files[0].PID), int(metrics["go_goroutines"])}, nil
}
