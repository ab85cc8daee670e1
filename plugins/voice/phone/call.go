package phone

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// Call is what is to be done.
type Call struct {
	ID      string // Call-ID
	To      string // number
	Samples []int16
	Repeat  int           // how often it is played; 0: once
	Digits  int           // how many keys are awaited, 0: none are
	Wait    time.Duration // for the first key, and for each next one
}

// Event is what happened to a call.
type Event struct {
	ID       string
	To       string
	At       time.Time
	Answered bool
	Digits   string        // that were pressed, "" if it is no such event
	Ended    string        // why, "" if it goes on
	Duration time.Duration // of a call that ended, from its answer
}

// call is one that is under way.
type call struct {
	Call
	p       *Phone
	ctx     context.Context // ends when we end the call
	end     context.CancelFunc
	audio   *audio
	media   *media
	pressed chan byte // by INFO
	over    chan struct{}
	done    chan struct{}

	hang   sync.Once
	placed chan error // gets what became of placing it, once
	once   sync.Once
	silent bool // it was not placed, or nobody knows: there is nothing to tell

	mu     sync.Mutex
	dialog *dialog // nil until it is answered
}

// Place places a call. It returns when the other side has taken it on: a telephone
// rings, or is busy, or has answered; what follows comes as events. An error says
// that no call was placed; one that is ambiguous, that nobody knows.
func (p *Phone) Place(ctx context.Context, what Call) error {
	to, err := number(what.To)
	if err != nil {
		return err
	}
	if err := p.reachable(ctx); err != nil {
		return err
	}
	c := &call{
		Call: what, p: p, pressed: make(chan byte, 16), over: make(chan struct{}), done: make(chan struct{}),
		placed: make(chan error, 1),
	}
	if c.audio, err = listenAudio(p.Listen, p.Audio[0], p.Audio[1]); err != nil {
		return sdk.Retry(fmt.Errorf("audio: %w", err), time.Second)
	}
	c.media = newMedia(netip.AddrPortFrom(p.told(), c.audio.port()))
	c.ctx, c.end = context.WithCancel(p.ctx)
	if !p.add(c) {
		c.audio.close()
		c.end()
		return sdk.Retry(errors.New("the telephone is being closed, or has this call already"), time.Second)
	}
	p.tasks.Go(func() { c.run(to) })
	return <-c.placed
}

func (p *Phone) add(c *call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil || p.calls[c.ID] != nil {
		return false
	}
	p.calls[c.ID] = c
	p.gate.expect(c.ID)
	return true
}

func (p *Phone) remove(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.ID)
	p.gate.forget(c.ID)
}

// settle says what became of placing the call; only the first word counts.
func (c *call) settle(err error) (first bool) {
	c.once.Do(func() {
		first, c.silent = true, err != nil
		c.placed <- err
	})
	return first
}

// hungUp: the other side has ended the call.
func (c *call) hungUp() { c.hang.Do(func() { close(c.over) }) }

// run is the life of a call.
func (c *call) run(to string) {
	defer close(c.done)
	defer c.p.remove(c)
	defer c.end()
	var reading sync.WaitGroup
	reading.Go(c.audio.read)
	defer reading.Wait()
	defer c.audio.close()

	reason, err := c.invite(to)
	if first := c.settle(err); err != nil && !first {
		c.p.Log.Warn("a call did not succeed", "call", c.ID, "err", err)
	}
	if reason != "" {
		c.tell(Event{Ended: reason})
		return
	}
	began := time.Now()
	c.tell(Event{Answered: true})
	reason = c.talk()
	c.tell(Event{Ended: reason, Duration: time.Since(began)})
}

func (c *call) tell(e Event) {
	if c.silent {
		return
	}
	e.ID, e.To, e.At = c.ID, c.To, time.Now()
	c.p.Tell(e)
}

// established is the call as both sides know it, nil before it is answered.
func (c *call) established() *dialog {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dialog
}

// bye ends the call.
func (c *call) bye() {
	if err := c.established().bye(); err != nil {
		c.p.Log.Warn("the end of a call was not confirmed", "call", c.ID, "err", err)
	}
}
