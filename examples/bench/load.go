package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// customersEach is how many conversations one sender has.
const customersEach = 10

// load is one run: messages on their way to one subject. Ids are places in
// sent; a new load's ids begin where the last one's ended, so that a straggler
// cannot be taken for one of this run.
type load struct {
	hook     string
	run      int64
	first    int64
	customer func(*rand.Rand) string
	client   *fasthttp.HostClient

	next    atomic.Int64
	arrived atomic.Int64
	slots   []slot
	back    []chan int // closed loop: a sender's conversations that are free again
}

// slot is one message.
type slot struct {
	sent     time.Time
	accepted time.Duration
	sender   int32
	customer int32
	took     atomic.Int64 // nanoseconds from sent until the far side had it, 0: not yet
}

// dispatcher hands arrivals to the load that runs.
type dispatcher struct{ now atomic.Pointer[load] }

var loads dispatcher

func (d *dispatcher) took(id int64, at time.Time) {
	if l := d.now.Load(); l != nil {
		l.took(id, at)
	}
}

// runs counts the loads; ids of messages are unique over all of them.
var runs, ids int64

// maxMessages bounds one load.
const maxMessages = 300_000

func newLoad(s *subject, customer func(*rand.Rand) string) *load {
	runs++
	l := &load{hook: s.hook, run: runs, first: ids, customer: customer, slots: make([]slot, maxMessages)}
	l.client = &fasthttp.HostClient{
		Addr: s.addr, MaxConns: 2048, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		NoDefaultUserAgentHeader: true, MaxIdleConnDuration: time.Minute,
	}
	loads.now.Store(l)
	return l
}

// end forgets the load.
func (l *load) end() {
	loads.now.Store(nil)
	ids = l.first + l.next.Load()
	l.client.CloseIdleConnections()
}

func (l *load) took(id int64, at time.Time) {
	n := id - l.first
	if n < 0 || n >= l.next.Load() {
		return
	}
	s := &l.slots[n]
	if !s.took.CompareAndSwap(0, max(1, int64(at.Sub(s.sent)))) {
		return // a repeat
	}
	l.arrived.Add(1)
	if l.back != nil {
		l.back[s.sender] <- int(s.customer)
	}
}

// send posts one message and waits for the answer.
func (l *load) send(body []byte, n int64) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(l.hook)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.Header.SetContentType("application/json")
	req.SetBodyRaw(body)
	err := l.client.Do(req, resp)
	l.slots[n].accepted = time.Since(l.slots[n].sent)
	if err == nil && resp.StatusCode() != fasthttp.StatusOK {
		err = fmt.Errorf("the hook answered %d: %.200s", resp.StatusCode(), resp.Body())
	}
	return err
}

// closed sends from that many senders for d. A sender waits for the answer
// before it sends again, and in a conversation also until the far side has the
// message before.
func (l *load) closed(ctx context.Context, senders int, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	l.back = make([]chan int, senders)
	for i := range l.back {
		l.back[i] = make(chan int, customersEach)
		for c := range customersEach {
			l.back[i] <- c
		}
	}
	var all sync.WaitGroup
	failed := make(chan error, senders)
	for i := range senders {
		all.Go(func() {
			if err := l.sender(ctx, i); err != nil {
				failed <- err
				cancel()
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (l *load) sender(ctx context.Context, i int) error {
	random := rand.New(rand.NewPCG(uint64(l.run), uint64(i)))
	var body []byte
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-l.back[i]:
			n := l.next.Add(1) - 1
			if n >= maxMessages {
				return nil
			}
			s := &l.slots[n]
			s.sender, s.customer = int32(i), int32(c)
			name := fmt.Sprintf("c%d-%d", i, c)
			if l.customer != nil {
				name = l.customer(random)
			}
			body = message(body, l.run, l.first+n, name)
			s.sent = time.Now()
			if err := l.send(body, n); err != nil {
				return err
			}
		}
	}
}

// open sends rate messages a second for d, whether answers come or not. Times
// are measured from when a message was due, not from when a sender was free.
func (l *load) open(ctx context.Context, rate float64, customers int, d time.Duration) error {
	workers := 512
	due := make(chan int64, maxMessages)
	var all sync.WaitGroup
	failed := make(chan error, workers)
	for range workers {
		all.Go(func() {
			var body []byte
			for n := range due {
				body = message(body, l.run, l.first+n, fmt.Sprintf("c%d-%d", int(n)%customers, int(n)/customers%customersEach))
				if err := l.send(body, n); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	began := time.Now()
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for now := range every.C {
		want := min(int64(now.Sub(began).Seconds()*rate), maxMessages-1)
		for n := l.next.Load(); n < want; n++ {
			l.slots[n].sent = time.Now()
			l.next.Store(n + 1)
			due <- n
		}
		if now.Sub(began) > d || ctx.Err() != nil || len(failed) > 0 {
			break
		}
	}
	close(due)
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// finish waits until the far side has every message.
func (l *load) finish(limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for l.arrived.Load() < l.next.Load() {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d messages did not arrive", l.next.Load()-l.arrived.Load(), l.next.Load())
		}
		time.Sleep(200 * time.Microsecond)
	}
	return nil
}

// times are percentiles in microseconds.
type times struct{ p50, p99 float64 }

func (l *load) times() (accept, arrival times) {
	n := l.next.Load()
	a, e := make([]float64, 0, n), make([]float64, 0, n)
	for i := range l.slots[:n] {
		a = append(a, float64(l.slots[i].accepted.Nanoseconds())/1e3)
		e = append(e, float64(l.slots[i].took.Load())/1e3)
	}
	return percentiles(a), percentiles(e)
}

func percentiles(us []float64) times {
	if len(us) == 0 {
		return times{}
	}
	slices.Sort(us)
	return times{us[len(us)/2], us[len(us)*99/100]}
}
