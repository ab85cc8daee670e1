package main

import (
	"context"
	"errors"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/openccsp/gateway/sdk"
)

// replay publishes what the gateway keeps for the user after the message that
// was published last, and what it may not list yet.
func (s *session) replay(ctx context.Context, sub packets.Subscription) error {
	for after := s.last; ; {
		page, err := s.undelivered(ctx, after)
		if err != nil {
			return err
		}
		for _, m := range page {
			p, err := s.b.c.packet(s.user, m)
			if err != nil {
				continue // Send has refused it
			}
			if err := s.publish(ctx, sub, p); err != nil {
				return err
			}
			after = m.ID
		}
		if len(page) < maxPage {
			break
		}
	}
	if err := s.catchUp(ctx, sub); err != nil {
		return err
	}
	return s.tellStanding(ctx, sub)
}

// tellStanding publishes what the client may have missed beside messages.
func (s *session) tellStanding(ctx context.Context, sub packets.Subscription) error {
	list, err := s.b.c.stands(s.user)
	for _, p := range list {
		if err == nil {
			err = s.publish(ctx, sub, p)
		}
	}
	return err
}

// catchUp publishes what was just sent and stands behind all that is published.
func (s *session) catchUp(ctx context.Context, sub packets.Subscription) error {
	just := s.b.justSent(s.user)
	from := 0
	for i, p := range just {
		if s.done.Contains(p.id) {
			from = i + 1
		}
	}
	for _, p := range just[from:] {
		if err := s.publish(ctx, sub, p); err != nil {
			return err
		}
	}
	return nil
}

// undelivered asks the gateway until it answers.
func (s *session) undelivered(ctx context.Context, after string) ([]sdk.Message, error) {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		page, err := s.page(ctx, after)
		if err == nil || errors.Is(err, sdk.ErrUnsupported) {
			return page, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.b.c.host.Log().Warn("undelivered messages not readable, will retry", "wait", wait.String(), "err", err)
		pause(ctx, wait)
	}
}

// page asks the gateway once. Only some sessions ask at the same time, and none of
// them waits for its client meanwhile: one that acknowledges nothing would keep
// the others from their messages.
func (s *session) page(ctx context.Context, after string) ([]sdk.Message, error) {
	select {
	case s.b.replays <- struct{}{}:
		defer func() { <-s.b.replays }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.b.c.host.Undelivered(ctx, s.user, after, maxPage)
}
