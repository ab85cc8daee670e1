package badger

import (
	"context"
	"fmt"

	"github.com/openccsp/gateway/core/store"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	if s.space.full() {
		return nil, fmt.Errorf("append: %w", store.ErrFull)
	}
	for i := range events {
		if err := checkBody("event", events[i].Body); err != nil {
			return nil, fmt.Errorf("append: %w", err)
		}
	}
	receipts := make([]store.Receipt, 0, len(events))
	for len(events) > 0 {
		n, err := s.appendSome(ctx, events, &receipts)
		if err != nil {
			return nil, fmt.Errorf("append: %w", err)
		}
		events = events[n:]
	}
	return receipts, nil
}

// appendSome appends as many of the events as one group takes.
func (s *Store) appendSome(ctx context.Context, events []store.Event, receipts *[]store.Receipt) (int, error) {
	r := newRequest(opAppend)
	defer r.free()
	now, n := s.now(), 0
	for n < len(events) && (n == 0 || r.size+len(events[n].Body) < maxGroupBytes) {
		r.encodeMail(&events[n], now)
		n++
	}
	if err := s.submit(ctx, r); err != nil {
		return 0, err
	}
	for _, m := range r.mails {
		*receipts = append(*receipts, store.Receipt{Seq: m.ref.Seq, Duplicate: m.dup})
	}
	return n, nil
}
