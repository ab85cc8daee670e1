package host

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// hookTimeout bounds a webhook if its context has no deadline.
const hookTimeout = 15 * time.Second

// Call asks the driver of an instance for one effect. done is called exactly
// once, from another goroutine, and must not block: with the driver's result
// and core.Answered, or with nil and why there is none. c must not change
// afterwards.
//
// core.NoPlugin and core.NotSent: nothing left the gateway. core.Lost: the
// plugin may have got it. It ends a little after timeout at the latest.
func (h *Host) Call(instance string, conv core.ConversationID, c *pluginv1.Call, timeout time.Duration,
	done func(*pluginv1.Result, core.Fate)) {
	f := &openFrame{onResult: done}
	f.call.Call = c
	f.frame.Body = &f.call
	fate := h.send(instance, conv, f, timeout)
	switch fate {
	case core.Answered:
	case tooLarge:
		go f.onResult(tooLargeResult(), core.Answered)
	case poisoned:
		go done(poisonResult(), core.Answered)
	default:
		go f.onResult(nil, fate)
	}
}

// Poll asks the driver of an instance for news. done is as in Call.
func (h *Host) Poll(instance string, conv core.ConversationID, p *pluginv1.Poll, timeout time.Duration,
	done func(*pluginv1.PollAnswer, core.Fate)) {
	f := &openFrame{onPoll: done}
	f.poll.Poll = p
	f.frame.Body = &f.poll
	fate := h.send(instance, conv, f, timeout)
	switch fate {
	case core.Answered:
	case tooLarge:
		go done(&pluginv1.PollAnswer{Result: tooLargeResult()}, core.Answered)
	default:
		go done(nil, fate)
	}
}

// Fates of this package alone.
const (
	tooLarge core.Fate = -1
	sealed   core.Fate = -2 // the generation has a successor
	poisoned core.Fate = -3 // the plugin must not have it again
)

// send queues f on the instance's generation. core.Answered means that f will
// be answered.
func (h *Host) send(instance string, conv core.ConversationID, f *openFrame, timeout time.Duration) core.Fate {
	i := h.instance(instance)
	if i == nil {
		return core.NoPlugin
	}
	if conv != (core.ConversationID{}) {
		f.conv = conv
		f.frame.Conversation = f.conv[:]
	}
	if s := i.slot.Load(); s != nil {
		if fate, stop := s.suspected(f); stop {
			return fate
		}
	}
	for {
		g := i.pin()
		if g == nil {
			return core.NoPlugin
		}
		fate := g.send(instance, f, timeout)
		g.unpin()
		if fate != sealed {
			return fate
		}
		runtime.Gosched() // its successor is being published
	}
}

func (g *generation) send(instance string, f *openFrame, timeout time.Duration) core.Fate {
	f.frame.Instance = instance
	f.frame.DeadlineMs = uint32(max(timeout.Milliseconds(), 1))
	f.started = time.Now()
	f.deadline = f.started.Add(timeout)
	if prev := g.prev.Load(); prev != nil && f.ordered() {
		if held, err := prev.link.hold(f, g.link); held || err != nil {
			return fateOf(err)
		}
	}
	return fateOf(g.link.send(f))
}

// Webhook gives an HTTP request to the driver of an instance and returns its
// answer when the events of the answer are durable; they are no longer in it.
// If the plugin is down it waits up to 4 s for it. Errors: core.NotFound (no
// such instance), core.Unavailable (the client should try again), core.TooLarge,
// and those of Core.Accept.
func (h *Host) Webhook(ctx context.Context, instance string, r *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
	i, a, err := h.webhook(ctx, instance, r)
	if err != nil {
		return nil, err
	}
	events := a.Events
	a.Events = nil
	if err := i.accept(ctx, events); err != nil {
		return nil, err
	}
	return a, nil
}

func (h *Host) webhook(ctx context.Context, name string, r *pluginv1.WebhookRequest) (*instance, *pluginv1.WebhookAnswer, error) {
	for {
		i, g, err := h.live(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		a, err := g.slot.webhook(ctx, g, name, r)
		g.unpin()
		if !errors.Is(err, errSealed) {
			return i, a, err
		}
		runtime.Gosched() // its successor is being published
	}
}

// live returns the instance and the generation that serves it, pinned.
func (h *Host) live(ctx context.Context, name string) (*instance, *generation, error) {
	i := h.instance(name)
	if i == nil {
		return nil, nil, core.Errorf(core.NotFound, "no instance %q", name)
	}
	if g := i.pin(); g != nil {
		return i, g, nil
	}
	g, err := i.await(ctx, i.isOpen, nil)
	return i, g, err
}

// webhook has g answer, unless a request like this one is poison to the plugin.
func (s *slot) webhook(ctx context.Context, g *generation, instance string, r *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
	key := ""
	if s.suspects.n.Load() > 0 {
		key = hookKey(instance, r)
	}
	switch s.suspects.ask(key) {
	case wait:
		return nil, core.Errorf(core.Unavailable, "plugin of instance %q is busy with what may have ended it", instance)
	case poison:
		return poisonAnswer(), nil
	case alone:
		fate := core.Lost
		defer func() { s.suspects.let(key, fate) }()
		a, err := g.webhook(ctx, instance, r)
		if err == nil {
			fate = core.Answered
		} else if s.suspects.poisonous(key) {
			return poisonAnswer(), nil
		}
		return a, err
	}
	return g.webhook(ctx, instance, r)
}

func (g *generation) webhook(ctx context.Context, instance string, r *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
	timeout := hookTimeout
	if d, ok := ctx.Deadline(); ok {
		timeout = time.Until(d)
	}
	type answer struct {
		*pluginv1.WebhookAnswer
		fate core.Fate
	}
	got := make(chan answer, 1)
	f := &openFrame{onWebhook: func(a *pluginv1.WebhookAnswer, fate core.Fate) { got <- answer{a, fate} }}
	f.hook.Webhook = r
	f.frame.Body = &f.hook
	switch g.send(instance, f, timeout) {
	case core.Answered:
	case sealed:
		return nil, errSealed
	case tooLarge:
		return nil, core.Errorf(core.TooLarge, "request is %s", errFrameSize)
	default:
		return nil, core.Errorf(core.Unavailable, "plugin of instance %q is busy", instance)
	}
	select {
	case a := <-got:
		if a.fate == core.Answered {
			return a.WebhookAnswer, nil
		}
		return nil, core.Errorf(core.Unavailable, "plugin of instance %q did not answer", instance)
	case <-ctx.Done():
		return nil, core.Errorf(core.Unavailable, "plugin of instance %q did not answer in time", instance)
	}
}
