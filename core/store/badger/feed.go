package badger

import (
	"context"
	"iter"
	"sync"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/openccsp/gateway/core/store"
)

// feeds tells the open feeds of new mails.
type feeds struct {
	mu   sync.Mutex
	open [store.Shards][]*feed
	seq  uint64 // the last place of a visible mail
	err  error
}

// feed is one caller of Shard.Feed: 24 bytes for every mail it has not taken.
type feed struct {
	mu   sync.Mutex
	refs []store.Ref
	err  error
	wake chan struct{}
}

// push calls show, which makes the mails visible, and hands them to the feeds.
func (fs *feeds) push(show func(), mailed []store.Ref) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	show()
	for _, r := range mailed {
		for _, f := range fs.open[store.ShardOf(r.Conversation)] {
			f.add(r)
		}
	}
	fs.seq = uint64(mailed[len(mailed)-1].Seq)
}

// start opens a feed of the mails after the returned place.
func (fs *feeds) start(shard int) (f *feed, after store.Seq) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f = &feed{wake: make(chan struct{}, 1), err: fs.err}
	fs.open[shard] = append(fs.open[shard], f)
	return f, store.Seq(fs.seq)
}

func (fs *feeds) stop(shard int, f *feed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, o := range fs.open[shard] {
		if o == f {
			fs.open[shard] = append(fs.open[shard][:i:i], fs.open[shard][i+1:]...)
			return
		}
	}
}

// end ends all feeds with err.
func (fs *feeds) end(err error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.err != nil {
		return
	}
	fs.err = err
	for _, shard := range fs.open {
		for _, f := range shard {
			f.mu.Lock()
			f.err = err
			f.mu.Unlock()
			f.signal()
		}
	}
}

func (f *feed) add(r store.Ref) {
	f.mu.Lock()
	f.refs = append(f.refs, r)
	f.mu.Unlock()
	f.signal()
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take waits for refs; spare is reused for those to come.
func (f *feed) take(ctx context.Context, spare []store.Ref) ([]store.Ref, error) {
	for {
		f.mu.Lock()
		refs, err := f.refs, f.err
		if err == nil && len(refs) > 0 {
			f.refs = spare[:0]
			f.mu.Unlock()
			return refs, nil
		}
		f.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// maxSpare is the largest queue, in refs, that a feed keeps for reuse.
const maxSpare = 4096

// Feed implements store.Shard. The backlog is read in parts, each from a view
// of its own, so that a slow owner holds back no compaction.
func (s *shard) Feed(ctx context.Context) iter.Seq2[store.Ref, error] {
	return func(yield func(store.Ref, error) bool) {
		fs := &s.store.feeds
		f, last := fs.start(s.id)
		defer fs.stop(s.id, f)
		if !s.backlog(ctx, last, yield) || !yield(store.Ref{}, nil) {
			return
		}
		var spare []store.Ref
		for ctx.Err() == nil {
			refs, err := f.take(ctx, spare)
			if err != nil {
				yield(store.Ref{}, err)
				return
			}
			for _, r := range refs {
				if ctx.Err() != nil || !yield(r, nil) {
					return
				}
			}
			if spare = refs; cap(spare) > maxSpare {
				spare = nil
			}
		}
	}
}

// backlogPart is how many keys are read at once.
const backlogPart = 1024

// backlog yields the mails up to last and tells whether to go on.
func (s *shard) backlog(ctx context.Context, last store.Seq, yield func(store.Ref, error) bool) bool {
	prefix := shardPrefix(kindMail, s.id)
	var start []byte
	refs := make([]store.Ref, 0, backlogPart)
	for {
		refs = refs[:0]
		v, err := s.store.view()
		if err == nil {
			err = v.scan(prefix, start, keysOnly, func(item *bdb.Item) (bool, error) {
				r := store.Ref{Conversation: convOf(item.Key()), Seq: store.Seq(lastNumber(item.Key()))}
				if r.Seq <= last {
					refs = append(refs, r)
				}
				start = append(item.KeyCopy(start), 0)
				return len(refs) < backlogPart, nil
			})
			v.close()
		}
		if err != nil {
			yield(store.Ref{}, s.store.noted(err))
			return false
		}
		for _, r := range refs {
			if ctx.Err() != nil || !yield(r, nil) {
				return false
			}
		}
		if len(refs) < backlogPart {
			return true
		}
	}
}
