package conform

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

var flowCases = []oneCase{
	{"flow/large-frame", "a frame with a text of 1 MiB is answered", (*trial).flowLarge},
	{"flow/ping", "a ping is answered, also while calls wait", (*trial).flowPing},
	{"flow/deadline", "a call is answered by its deadline", (*trial).flowDeadline},
	{"flow/cancel", "a cancelled call is answered, and a cancel of nothing is ignored", (*trial).flowCancel},
	{"flow/slow-reader", "nothing is lost and memory is bounded while the gateway does not read", (*trial).flowSlow},
	{"flow/credits", "it emits no more events than it has credits for, and the rest later", (*trial).flowCredits},
	{"flow/refused-event", "an event that the gateway does not take now comes again with its id", (*trial).flowRefused},
	{"flow/not-active", "it receives nothing before it may", (*trial).flowNotActive},
}

func (t *trial) flowLarge() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	for i, text := range []string{strings.Repeat("é", 1<<19), "and a short one"} {
		if _, err := s.ask(t.message(0, fmt.Sprint("large", i), text)); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) flowPing() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	if t.reaches {
		t.vendor.holdBack()
		s.link.post(t.message(0, "held", "hello"))
		if !t.vendor.await(t.ctx, 1, t.o.Patience) {
			return errors.New("a send did not reach the vendor")
		}
	}
	for n := uint64(1); n <= 3; n++ {
		s.link.batch(&pluginv1.HostBatch{Ping: n})
		timer := time.NewTimer(t.o.Patience)
		select {
		case got := <-s.link.pongs:
			timer.Stop()
			if got != n {
				return fmt.Errorf("ping %d was answered with pong %d", n, got)
			}
		case <-timer.C:
			return fmt.Errorf("ping %d was not answered within %s", n, t.o.Patience)
		}
	}
	return nil
}

func (t *trial) flowDeadline() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	t.vendor.holdBack() // the vendor does not answer at all
	for i := range 2 {
		f := t.message(i, fmt.Sprint("hurry", i), "hello")
		f.DeadlineMs = 200
		if _, err := s.ask(f); err != nil {
			return fmt.Errorf("a call with a deadline of 200 ms: %w", err)
		}
	}
	t.vendor.release()
	_, err = s.ask(t.message(0, "after", "hello"))
	return err
}

func (t *trial) flowCancel() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	t.vendor.holdBack()
	seq, answer := s.link.post(t.message(0, "cancelled", "nobody waits for this"))
	s.link.cancel(seq)
	s.link.cancel(4711)
	if _, err := s.await(seq, answer); err != nil {
		return fmt.Errorf("a cancelled call: %w", err)
	}
	t.vendor.release()
	_, err = s.ask(t.message(0, "after", "hello"))
	return err
}

// maxGrowth is how much larger a plugin may become while the gateway does not
// read, in bytes.
const maxGrowth = 256 << 20

func (t *trial) flowSlow() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	frames := 2000
	if n := int(s.manifest.MaxInFlight); n > 0 {
		frames = min(frames, n)
	}
	before, heard := s.proc.size(), t.vendor.seen()
	s.link.gate.Lock()
	posted := make(chan []pending, 1)
	go func() { posted <- s.postAll(64, frames/64, 1) }() // it may be made to wait
	if t.reaches {
		t.vendor.hear(t.ctx, heard+frames/64*64, 2*time.Second)
	} else {
		t.vendor.hear(t.ctx, heard+1, time.Second) // which nobody sends: time to answer
	}
	grown := s.proc.size() - before
	s.link.gate.Unlock()
	if err := s.awaitAll(<-posted); err != nil {
		return err
	}
	if grown > maxGrowth {
		return fmt.Errorf("the process grew by %d MiB while nobody read its answers", grown>>20)
	}
	return nil
}

// openManual is opened for cases that acknowledge events themselves.
func (t *trial) openManual() (*session, error) {
	t.host.manual = true
	return t.opened()
}

func (t *trial) flowCredits() error {
	if err := t.needEvents(); err != nil {
		return err
	}
	s, err := t.openManual()
	if err != nil {
		return err
	}
	const credits, events = 3, 10
	s.link.grant(credits)
	out, err := t.dial(true)
	if err != nil {
		return err
	}
	if err := out.provoke(events); err != nil {
		return err
	}
	got := 0
	for got < events {
		f, err := s.nextEvents()
		if err != nil {
			return fmt.Errorf("after %d of %d events: %w", got, events, err)
		}
		if got += len(f.GetInbound().GetEvents()); got == len(f.GetInbound().GetEvents()) {
			if s.silent(quiet); len(s.link.breaches()) > 0 { // the first: are there more than credits?
				return nil // end reports it
			}
			s.link.grant(events)
		}
		s.link.ack(f, &pluginv1.Ack{Ok: true})
	}
	return nil
}

func (t *trial) flowRefused() error {
	if err := t.needEvents(); err != nil {
		return err
	}
	s, err := t.openManual()
	if err != nil {
		return err
	}
	s.link.grant(8)
	out, err := t.dial(true)
	if err != nil {
		return err
	}
	if err := out.provoke(1); err != nil {
		return err
	}
	first, err := s.nextEvents()
	if err != nil {
		return err
	}
	s.link.ack(first, &pluginv1.Ack{AfterMs: 1, Message: "not now"})
	again, err := s.nextEvents()
	if err != nil {
		return fmt.Errorf("a refused event does not come again: %w", err)
	}
	s.link.ack(again, &pluginv1.Ack{Ok: true})
	if a, b := fmt.Sprint(idsOf(first)), fmt.Sprint(idsOf(again)); a != b {
		return fmt.Errorf("the event had the id %s and comes again with %s", a, b)
	}
	return nil
}

func (t *trial) flowNotActive() error {
	if err := t.needEvents(); err != nil {
		return err
	}
	if t.blocked != nil {
		return t.blocked
	}
	t.host.manual = true
	s, err := t.start()
	if err != nil {
		return err
	}
	if err := s.mustOpen(1); err != nil {
		return err
	}
	s.link.grant(8)
	if out, err := t.dial(false); err == nil { // else nobody listens, which is as well
		_ = out.provoke(1)
		if ids := s.silent(quiet); len(ids) > 0 {
			return nil // end reports it
		}
	}
	return s.activate()
}
