package host

import (
	"context"
	"errors"
	"time"

	"github.com/openccsp/gateway/core"
)

// errSealed says that the generation has a successor, which is to be asked.
var errSealed = errors.New("generation is sealed")

// barrier keeps the calls of a conversation in order while the old generation
// still has some of them: see link.hold.
type barrier struct {
	busy map[talk]int          // open calls of the old generation
	held map[talk][]*heldFrame // of the new one, waiting for them
	n    int                   // of held
}

// heldFrame is a call that goes to next when the conversation's calls before
// it have ended.
type heldFrame struct {
	*openFrame
	next *link
}

// seal has all that comes refused with errSealed. What is open stays open.
func (l *link) seal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.barrier != nil {
		return
	}
	b := &barrier{busy: make(map[talk]int), held: make(map[talk][]*heldFrame)}
	for _, f := range l.open {
		if f.ordered() {
			b.busy[f.talk()]++
		}
	}
	l.barrier = b
}

// unseal undoes seal. Nothing may be held.
func (l *link) unseal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.barrier = nil
}

// hold takes f, a call for next, into its care if l still has open calls of
// its conversation. It returns false if f may go at once.
func (l *link) hold(f *openFrame, next *link) (held bool, err error) {
	if f.frame.SizeVT() > maxFrameBytes-16 {
		return false, errFrameSize
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.barrier
	if b == nil || b.busy[f.talk()] == 0 {
		return false, nil
	}
	if b.n >= l.max {
		return false, errLinkFull
	}
	b.n++
	b.held[f.talk()] = append(b.held[f.talk()], &heldFrame{f, next})
	return true, nil
}

// passed counts the end of a call. Those that waited for the conversation's
// last one go now, before any that comes later: the caller holds l.mu, which
// hold needs.
func (l *link) passed(f *openFrame) {
	b := l.barrier
	if b == nil || !f.ordered() {
		return
	}
	t := f.talk()
	if b.busy[t]--; b.busy[t] > 0 {
		return
	}
	delete(b.busy, t)
	list := b.held[t]
	delete(b.held, t)
	b.n -= len(list)
	for _, h := range list {
		if fate := fateOf(h.next.send(h.openFrame)); fate != core.Answered {
			go func() { // l.mu is held
				defer l.survive()
				h.answer(nil, fate)
			}()
		}
	}
}

// expireHeld takes out the held calls whose deadline has passed. The caller
// holds l.mu, and answers them.
func (l *link) expireHeld(now time.Time) (late []*openFrame) {
	if l.barrier == nil {
		return nil
	}
	for t, list := range l.barrier.held {
		var rest []*heldFrame
		for _, h := range list {
			if now.Before(h.deadline) {
				rest = append(rest, h)
				continue
			}
			l.barrier.n--
			late = append(late, h.openFrame)
		}
		l.barrier.held[t] = rest
	}
	return late
}

// flush returns when the plugin has read all that was queued before, or has
// not until ctx ends.
func (l *link) flush(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var ping uint64
	for {
		l.mu.Lock()
		if ping == 0 && l.head == len(l.queue) {
			l.ping++
			ping = l.ping
			l.stir()
		}
		done := l.closed || ping > 0 && l.pong >= ping
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// fateOf is what a call's end at the link means to the caller. The three that
// are none of core's are of this package alone.
func fateOf(err error) core.Fate {
	switch {
	case err == nil:
		return core.Answered
	case errors.Is(err, errFrameSize):
		return tooLarge
	case errors.Is(err, errLinkClosed):
		return core.NoPlugin
	case errors.Is(err, errSealed):
		return sealed
	}
	return core.NotSent
}
