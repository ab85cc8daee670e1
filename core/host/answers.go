package host

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// read handles what the plugin sends until the stream breaks.
func (l *link) read() error {
	var ended []*openFrame
	for {
		batch, err := l.stream.Recv()
		if err != nil {
			return err
		}
		l.m.in.Add(float64(len(batch.Frames)))
		if ended, err = l.match(batch, ended[:0]); err != nil {
			return err
		}
		now := time.Now()
		for i, p := range batch.Frames {
			l.handle(p, ended[i], now)
		}
		clear(ended)
	}
}

// handle takes one frame of the plugin; f is what it answers, or nil. A panic
// must not take the other frames of the batch, or the gateway, with it.
func (l *link) handle(p *pluginv1.PluginFrame, f *openFrame, now time.Time) {
	defer l.survive()
	switch {
	case f != nil:
		l.m.trip.Observe(now.Sub(f.started).Seconds())
		f.answer(p, core.Answered)
	case p.ReplyTo != 0:
		l.m.late.Inc()
	default:
		l.notice(p)
	}
}

func (l *link) survive() {
	if p := recover(); p != nil {
		l.log.Error("handling a plugin's frame panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
}

// match takes the frames that batch answers out of open. The result has an
// entry for each frame of batch. It is an error to send and not to read.
func (l *link) match(batch *pluginv1.PluginBatch, ended []*openFrame) ([]*openFrame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unread {
		return nil, errUnread
	}
	l.pong = max(l.pong, min(batch.Pong, l.ping))
	for _, p := range batch.Frames {
		var f *openFrame
		if p.ReplyTo != 0 {
			if len(l.late.calls) > 0 {
				l.late.answered(p.ReplyTo, p.Instance, time.Now())
			}
			// A frame that was not written cannot have an answer.
			if f = l.open[p.ReplyTo]; f != nil && f.written {
				l.forget(p.ReplyTo, f)
				l.count(f, p)
			} else {
				f = nil
			}
		}
		ended = append(ended, f)
	}
	return ended, nil
}

// tally returns how many calls have ended, and how many of them went wrong.
func (l *link) tally() (calls, wrong int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls, l.wrong
}

// count takes the end of a call into account: p is its answer, or nil. The caller
// holds mu.
func (l *link) count(f *openFrame, p *pluginv1.PluginFrame) {
	if f.onResult == nil || !f.written {
		return
	}
	l.calls++
	switch p.GetResult().GetOutcome() {
	case pluginv1.Outcome_OK, pluginv1.Outcome_THROTTLED, pluginv1.Outcome_WINDOW_CLOSED,
		pluginv1.Outcome_RECIPIENT_GONE, pluginv1.Outcome_CHAT_GONE:
	default:
		l.wrong++
	}
}

// forget takes f out of what is open. The caller holds mu, and answers f.
func (l *link) forget(seq uint64, f *openFrame) {
	f.done = true
	l.bytes -= f.size
	delete(l.open, seq)
	l.passed(f)
}

// expire gives up the frames whose deadline has passed.
func (l *link) expire(now time.Time) {
	l.mu.Lock()
	late := l.expireHeld(now)
	for seq, f := range l.open {
		if now.Before(f.deadline.Add(l.grace)) {
			continue
		}
		l.forget(seq, f)
		l.count(f, nil)
		late = append(late, f)
		if f.written && f.onResult != nil {
			l.late.add(seq, f, l.stuck)
		}
		if f.written {
			l.addControl(&pluginv1.HostFrame{Instance: f.frame.Instance,
				Body: &pluginv1.HostFrame_Cancel{Cancel: &pluginv1.Cancel{Seq: seq}}})
		}
	}
	if len(late) > 0 {
		l.stir()
	}
	l.mu.Unlock()
	l.giveUp(late)
}

// onCrash sets who is told what was in hand when the process ended.
func (l *link) onCrash(blame func([]*openFrame)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blame = blame
}

// close answers everything that is open, and refuses what comes.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	var left []*openFrame
	for seq, f := range l.open {
		l.forget(seq, f)
		left = append(left, f)
	}
	l.queue, l.head, l.control = nil, 0, nil
	blame := l.blame
	l.mu.Unlock()
	if blame != nil {
		blame(slices.DeleteFunc(slices.Clone(left), func(f *openFrame) bool { return !f.written }))
	}
	l.giveUp(left)
}

func (l *link) giveUp(frames []*openFrame) {
	for _, f := range frames {
		func() {
			defer l.survive()
			if f.written {
				l.m.lost.Inc()
				f.answer(nil, core.Lost)
			} else {
				l.m.notSent.Inc()
				f.answer(nil, core.NotSent)
			}
		}()
	}
}

// unanswered is the number of open frames.
func (l *link) unanswered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}
