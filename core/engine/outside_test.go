package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// call is a call to a driver.
type call struct {
	*pluginv1.Call
	r        *rig
	instance string
	conv     core.ConversationID
	at       time.Time
	done     func(*pluginv1.Result, core.Fate)
}

func (c *call) ok() { c.done(c.r.good(c), core.Answered) }

func (c *call) outcome(o pluginv1.Outcome, after time.Duration) {
	c.done(&pluginv1.Result{Outcome: o, AfterMs: uint64(after.Milliseconds())}, core.Answered)
}

// good is the answer of a far side that works.
func (r *rig) good(c *call) *pluginv1.Result {
	res := &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
	if c.Op == pluginv1.Op_OPEN {
		r.mu.Lock()
		r.opened++
		res.ChatRef = fmt.Sprint("chat-", r.opened)
		r.mu.Unlock()
	}
	return res
}

// Call implements Drivers.
func (r *rig) Call(instance string, conv core.ConversationID, pc *pluginv1.Call, _ time.Duration, done func(*pluginv1.Result, core.Fate)) {
	c := &call{Call: pc.CloneVT(), r: r, instance: instance, conv: conv, at: time.Now(), done: done}
	r.mu.Lock()
	r.calls = append(r.calls, c)
	on := r.on
	r.mu.Unlock()
	if on == nil {
		on = (*call).ok
	}
	go on(c)
}

// answer replaces what is done with calls from now on.
func (r *rig) answer(on func(*call)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = on
}

// Poll implements Drivers.
func (r *rig) Poll(_ string, _ core.ConversationID, p *pluginv1.Poll, _ time.Duration, done func(*pluginv1.PollAnswer, core.Fate)) {
	r.mu.Lock()
	r.polled++
	on := r.onPoll
	r.mu.Unlock()
	a, fate, after := &pluginv1.PollAnswer{Result: good, Cursor: p.Cursor}, core.Answered, time.Duration(0)
	if on != nil {
		a, fate, after = on(p)
	}
	switch {
	case after == 0:
		done(a, fate) // no timer: with -race, go1.26 crashes on those of a bubble that are due at once
	case after > 0:
		time.AfterFunc(after, func() { done(a, fate) })
	}
}

var good = &pluginv1.Result{Outcome: pluginv1.Outcome_OK}

// Do implements Notifier.
func (r *rig) Do(_ context.Context, endpoint, _ string, body []byte) (*pluginv1.Result, core.Fate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rests > 0 {
		r.rests--
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY, AfterMs: 10_000}, core.NotSent
	}
	if r.refuse != "" && string(body) == r.refuse {
		r.refuse = ""
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY}, core.Answered
	}
	r.posts = append(r.posts, endpoint+" "+string(body))
	return &pluginv1.Result{Outcome: pluginv1.Outcome_OK}, core.Answered
}

// Ask implements Notifier.
func (r *rig) Ask(ctx context.Context, endpoint, id string, body []byte, _ int) (*pluginv1.Result, []byte, core.Fate) {
	time.Sleep(r.slow)
	res, fate := r.Do(ctx, endpoint, id, body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.says == "" || res.Outcome != pluginv1.Outcome_OK {
		return res, []byte("null"), fate
	}
	return res, []byte(r.says), fate
}

// all returns the calls so far.
func (r *rig) all() []*call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// posted returns what endpoints got, in order.
func (r *rig) posted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posts)
}

// texts returns what was sent to an instance, in order; a repetition has a "!".
func (r *rig) texts(instance string) (texts []string) {
	for _, c := range r.all() {
		if c.instance == instance && c.Message != nil {
			text := c.Message.Text
			if c.Resent {
				text += "!"
			}
			texts = append(texts, text)
		}
	}
	return texts
}

// want fails the test if other texts were sent to an instance.
func (r *rig) want(instance string, texts ...string) {
	r.Helper()
	if got := r.texts(instance); !slices.Equal(got, texts) {
		r.Fatalf("%s got %q, want %q", instance, got, texts)
	}
}

// forget forgets the calls so far.
func (r *rig) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = nil
}
