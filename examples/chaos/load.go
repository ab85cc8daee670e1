package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// side is one of the two services: its channel and its integration.
type side struct {
	channel, desk string
	idempotent    bool
}

var sides = []side{
	{"phone", "desk", false},
	{"phone-idempotent", "desk-idempotent", true},
}

// conversation is one customer, and the agent who answers. Each writes a
// message only when the gateway has acknowledged the one before.
type conversation struct {
	side     side
	customer string
	mu       sync.Mutex
	chat     string   // the desk's, "" until there is one
	acked    [2]int   // messages acknowledged, of the customer and of the agent
	chats    []string // of the agent's messages
}

// load is everybody who writes.
type load struct {
	home          *rig.Home
	far           *far
	conversations []*conversation
	byCustomer    map[string]*conversation
	client        http.Client
	pace          *rate.Limiter
	duplicates    float64 // share of messages that are posted five times

	onlyKills bool // the far side is friendly and plugins live: a lane repeats at most one message after a kill
	newcomers bool // new customers write once and wait for a timer
	waiters   []*conversation
	posted    *sync.Map // if not nil: when each message was first posted, by its id

	killer atomic.Pointer[rig.Process] // is killed at once by whoever reads a 2xx next

	acked, tries, copies, repeats atomic.Int64
	shed                          atomic.Int64 // answers 503 and 429
	slowest                       atomic.Int64 // longest wait for an answer, ns
	bodies                        int          // bytes of a message
}

func newLoad(home *rig.Home, f *far, conversations int, perSecond float64) *load {
	l := &load{
		home: home, far: f, byCustomer: map[string]*conversation{}, bodies: 100,
		pace: rate.NewLimiter(rate.Limit(perSecond), 1+int(perSecond/20)),
	}
	for i := range conversations {
		c := &conversation{side: sides[i%len(sides)], customer: fmt.Sprintf("k%d", i)}
		l.conversations = append(l.conversations, c)
		l.byCustomer[c.customer] = c
	}
	f.opened = l.opened
	l.client = http.Client{
		Timeout:   bar(15 * time.Second),
		Transport: &http.Transport{MaxIdleConnsPerHost: writers, MaxConnsPerHost: 4 * writers},
	}
	return l
}

// writers is how many people write at the same time.
const writers = 64

// opened lets the agent of a conversation write.
func (l *load) opened(customer, chat string) {
	if c := l.byCustomer[customer]; c != nil {
		c.mu.Lock()
		c.chat = chat
		c.mu.Unlock()
	}
}

// run writes until ctx ends; what was begun is finished under hard.
func (l *load) run(ctx, hard context.Context) {
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for l.pace.Wait(ctx) == nil {
				// The conversations of a writer are its own.
				mine := (len(l.conversations) - w + writers - 1) / writers
				if mine <= 0 {
					return
				}
				c := l.conversations[w+writers*random.IntN(mine)]
				l.write(hard, c, random)
			}
		})
	}
	if l.newcomers {
		all.Go(func() { l.runNewcomers(ctx, hard) })
	}
	all.Wait()
}

// newcomersPerSecond is how many new customers write, once each.
const newcomersPerSecond = 20

// runNewcomers lets new customers write, to whom no agent answers. They are on
// the side where no chat can end as ambiguous, and its timers with it.
func (l *load) runNewcomers(ctx, hard context.Context) {
	pace := rate.NewLimiter(newcomersPerSecond, 1)
	for i := 0; pace.Wait(ctx) == nil; i++ {
		c := &conversation{side: sides[1], customer: fmt.Sprintf("w%d", i)}
		if l.until(hard, l.post(c, 0, "", 1)) {
			l.waiters = append(l.waiters, c)
		}
	}
}

// firedID is the text of the message that a newcomer's timer sends.
func firedID(c *conversation) string { return c.customer + ".fired" }

// firesWithin is how long after the last newcomer all timers must have fired.
const firesWithin = 90 * time.Second

// awaitFires waits until the timers of all newcomers have fired.
func (l *load) awaitFires(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bar(firesWithin))
	defer cancel()
	for every := time.NewTicker(100 * time.Millisecond); ; {
		missing := 0
		l.far.mu.Lock()
		for _, c := range l.waiters {
			if len(l.far.took[firedID(c)]) == 0 {
				missing++
			}
		}
		l.far.mu.Unlock()
		if missing == 0 {
			every.Stop()
			return nil
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			every.Stop()
			return fmt.Errorf("%d of %d timers have not fired within %v", missing, len(l.waiters), bar(firesWithin))
		}
	}
}

// write posts the next message of one of the two until it is acknowledged.
func (l *load) write(ctx context.Context, c *conversation, random *rand.Rand) {
	c.mu.Lock()
	agent, chat := 0, c.chat
	c.mu.Unlock()
	if chat != "" && random.IntN(2) == 0 {
		agent = 1
	}
	n := c.acked[agent] + 1
	p := l.post(c, agent, chat, n)
	if l.posted != nil {
		l.posted.Store(messageID(c, agent, n), time.Now())
	}
	if random.Float64() < l.duplicates {
		l.storm(ctx, c, agent, chat, n, random)
	}
	if !l.until(ctx, p) {
		return
	}
	c.mu.Lock()
	c.acked[agent] = n
	if agent == 1 {
		c.chats = append(c.chats, chat)
	}
	c.mu.Unlock()
	l.acked.Add(1)
}

// until posts until it is acknowledged, or ctx ends.
func (l *load) until(ctx context.Context, p post) bool {
	for wait := 10 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 500*time.Millisecond) {
		if l.try(ctx, p) {
			return true
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return false
}

// storm posts a message four times more, at the same time, and now and then an
// old one again.
func (l *load) storm(ctx context.Context, c *conversation, agent int, chat string, n int, random *rand.Rand) {
	var copies sync.WaitGroup
	for range 4 {
		l.copies.Add(1)
		copies.Go(func() { l.try(ctx, l.post(c, agent, chat, n)) })
	}
	if n > 1 && random.IntN(10) == 0 {
		l.repeats.Add(1)
		copies.Go(func() { l.try(ctx, l.post(c, agent, chat, 1+random.IntN(n-1))) })
	}
	copies.Wait()
}

// messageID is the name of a message, also in its text.
func messageID(c *conversation, agent, n int) string {
	return fmt.Sprintf("%s.%c.%d", c.customer, "ca"[agent], n)
}

type post struct {
	url  string
	body []byte
}

func (l *load) post(c *conversation, agent int, chat string, n int) post {
	id := messageID(c, agent, n)
	body := map[string]string{"id": id, "text": id + " " + string(bytes.Repeat([]byte("x"), l.bodies))}
	instance := c.side.channel
	if agent == 1 {
		instance, body["chat"] = c.side.desk, chat
	} else {
		body["from"] = c.customer
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings
	}
	return post{l.home.Hook(instance), b}
}

// try posts once and says whether it was acknowledged.
func (l *load) try(ctx context.Context, p post) bool {
	l.tries.Add(1)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(p.body))
	if err != nil {
		return false
	}
	began := time.Now()
	resp, err := l.client.Do(r)
	if err != nil {
		return false // the gateway is down
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if took := time.Since(began).Nanoseconds(); took > l.slowest.Load() {
		l.slowest.Store(took)
	}
	if resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests {
		l.shed.Add(1)
	}
	if resp.StatusCode >= 300 {
		return false
	}
	if p := l.killer.Swap(nil); p != nil {
		p.Kill()
	}
	return true
}
