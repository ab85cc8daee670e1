package host

import (
	"context"
	"errors"
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
		go done(tooLargeResult(), core.Answered)
	default:
		go done(nil, fate)
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

// tooLarge is a fate of send alone.
const tooLarge core.Fate = -1

// send queues f on the instance's generation. core.Answered means that f will
// be answered.
func (h *Host) send(instance string, conv core.ConversationID, f *openFrame, timeout time.Duration) core.Fate {
	i := h.instance(instance)
	if i == nil {
		return core.NoPlugin
	}
	g := i.pin()
	if g == nil {
		return core.NoPlugin
	}
	defer g.unpin()
	if conv != (core.ConversationID{}) {
		f.conv = conv
		f.frame.Conversation = f.conv[:]
	}
	return g.send(instance, f, timeout)
}

func (g *generation) send(instance string, f *openFrame, timeout time.Duration) core.Fate {
	f.frame.Instance = instance
	f.frame.DeadlineMs = uint32(max(timeout.Milliseconds(), 1))
	f.started = time.Now()
	f.deadline = f.started.Add(timeout)
	err := g.link.send(f)
	switch {
	case err == nil:
		return core.Answered
	case errors.Is(err, errFrameSize):
		return tooLarge
	case errors.Is(err, errLinkClosed):
		return core.NoPlugin
	}
	return core.NotSent
}

// Webhook gives an HTTP request to the driver of an instance and returns its
// answer when the events of the answer are durable; they are no longer in it.
// If the plugin is down it waits up to 4 s for it. Errors: core.NotFound (no
// such instance), core.Unavailable (the client should try again), core.TooLarge,
// and those of Core.Accept.
func (h *Host) Webhook(ctx context.Context, instance string, r *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
	i, g, err := h.live(ctx, instance)
	if err != nil {
		return nil, err
	}
	a, err := g.webhook(ctx, instance, r)
	g.unpin()
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

// live returns the instance and the generation that serves it, pinned.
func (h *Host) live(ctx context.Context, name string) (*instance, *generation, error) {
	i := h.instance(name)
	if i == nil {
		return nil, nil, core.Errorf(core.NotFound, "no instance %q", name)
	}
	if g := i.pin(); g != nil {
		return i, g, nil
	}
	g, err := i.await(ctx, i.isOpen)
	return i, g, err
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
