package badger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	bdb "github.com/dgraph-io/badger/v4"
	"golang.org/x/sync/errgroup"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// shard implements store.Shard. This node owns all of them.
type shard struct {
	store *Store
	id    int
}

// Serve implements store.Store. The context of own ends, with the cause, when
// the store is closed or broken.
func (s *Store) Serve(ctx context.Context, own func(ctx context.Context, sh store.Shard) error) error {
	if err := s.broken(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g, ctx := errgroup.WithContext(ctx)
	for i := range store.Shards {
		g.Go(func() error {
			if err := own(ctx, &shard{s, i}); err != nil {
				return fmt.Errorf("shard %d: %w", i, err)
			}
			return nil
		})
	}
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-s.failed:
			cancel(s.broken())
		case <-s.closing:
			cancel(store.ErrClosed)
		}
		return nil
	})
	err := g.Wait()
	if err == nil {
		err = s.broken()
	}
	if err == nil && errors.Is(context.Cause(ctx), store.ErrClosed) {
		err = store.ErrClosed
	}
	return err
}

// ID implements store.Shard.
func (s *shard) ID() int { return s.id }

// Mail implements store.Shard.
func (s *shard) Mail(_ context.Context, c core.ConversationID, after store.Seq, limit int) (mails []store.Mail, err error) {
	if after == maxSeq {
		return nil, nil
	}
	v, err := s.store.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	err = v.bodies(appendConv(nil, kindMail, c), appendNumbered(nil, kindMail, c, uint64(after)+1), false, limit,
		func(key, b []byte) bool {
			mails = append(mails, store.Mail{Seq: store.Seq(lastNumber(key)), Body: b})
			return true
		})
	return mails, s.store.noted(err)
}

// Lane implements store.Shard.
func (s *shard) Lane(_ context.Context, c core.ConversationID, lane store.Lane, after core.CommandID, limit int) (items []store.OutItem, err error) {
	v, err := s.store.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	prefix := appendLane(nil, c, lane)
	start := append(appendCommand(appendLane(nil, c, lane), after), 0)
	err = v.bodies(prefix, start, false, limit, func(key, b []byte) bool {
		items = append(items, store.OutItem{ID: commandOf(key), Lane: lane, Body: b})
		return true
	})
	return items, s.store.noted(err)
}

// Pending implements store.Shard.
func (s *shard) Pending(ctx context.Context) iter.Seq2[store.OutRef, error] {
	return each(ctx, s, kindOut, bdb.IteratorOptions{}, func(item *bdb.Item) (store.OutRef, error) {
		return outOf(item.Key()), nil
	})
}

// Timers implements store.Shard.
func (s *shard) Timers(ctx context.Context) iter.Seq2[store.Timer, error] {
	o := bdb.IteratorOptions{PrefetchValues: true, PrefetchSize: 100}
	return each(ctx, s, kindTimer, o, func(item *bdb.Item) (t store.Timer, err error) {
		var m state.StoredTimer
		err = item.Value(func(b []byte) error { return decode(kindTimer, b, &m) })
		return store.Timer{Conversation: convOf(item.Key()), Due: time.UnixMilli(m.DueMs)}, err
	})
}

// each yields what read makes of the shard's keys of one kind, from one view.
func each[T any](ctx context.Context, s *shard, kind byte, o bdb.IteratorOptions, read func(*bdb.Item) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		v, err := s.store.view()
		if err != nil {
			yield(zero, err)
			return
		}
		defer v.close()
		err = v.scan(shardPrefix(kind, s.id), nil, o, func(item *bdb.Item) (bool, error) {
			t, err := read(item)
			return err == nil && ctx.Err() == nil && yield(t, nil), err
		})
		if err != nil {
			yield(zero, s.store.noted(err))
		}
	}
}

// Load implements store.Shard. A conversation that has had commits, but none
// with a document, has a nil document.
func (s *shard) Load(_ context.Context, c core.ConversationID) ([]byte, store.Rev, error) {
	return s.store.document(c)
}

func (s *Store) document(c core.ConversationID) ([]byte, store.Rev, error) {
	v, err := s.view()
	if err != nil {
		return nil, 0, err
	}
	defer v.close()
	doc, err := v.doc(c)
	if err != nil {
		return nil, 0, s.noted(err)
	}
	if doc == nil {
		return nil, 0, fmt.Errorf("conversation %s: %w", c, store.ErrNotFound)
	}
	return doc.Body, store.Rev(doc.Rev), nil
}
