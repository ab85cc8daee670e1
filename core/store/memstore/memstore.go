// Package memstore keeps a store in memory: for tests, and as the plainest
// reading of the store's contract. It is safe for concurrent use, and every
// call takes effect at once, so that a test on one goroutine is deterministic.
package memstore

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// Store is a store.Store in memory.
type Store struct {
	now    func() time.Time
	failed chan struct{}

	mu     sync.Mutex
	wake   *sync.Cond // of feeds
	closed bool
	log    []store.Ref // of mail appended since New, for feeds
	data   data
}

// data is all that is kept; Export writes it.
type data struct {
	Seq        store.Seq
	Convs      table[core.ConversationID, *conv]
	Dedup      table[dedupKey, time.Time] // until when
	Binds      table[pair, bound]
	States     table[pair, entry]
	Secrets    table[pair, []byte]
	Blobs      table[string, []byte]
	Dead       table[string, []byte]
	Quarantine table[string, []byte]
}

type conv struct {
	Doc     []byte
	Rev     store.Rev
	Commit  [16]byte
	Mail    []store.Mail
	Out     table[store.Lane, []store.OutItem]
	Kept    []kept
	Timer   time.Time
	History table[uint64, entry]
	Index   *store.Index
}

type dedupKey struct {
	Conv         core.ConversationID
	Instance, ID string
}

type pair struct{ A, B string }

type bound struct {
	Conv  core.ConversationID
	Until time.Time // zero: for ever
}

type kept struct {
	store.Kept
	Until time.Time
}

type entry struct {
	Body  []byte
	Until time.Time // zero: kept
}

// New returns an empty store. now is its clock, for what expires.
func New(now func() time.Time) *Store {
	s := &Store{now: now, failed: make(chan struct{})}
	s.wake = sync.NewCond(&s.mu)
	s.data = data{
		Convs: table[core.ConversationID, *conv]{}, Dedup: table[dedupKey, time.Time]{}, Binds: table[pair, bound]{},
		States: table[pair, entry]{}, Secrets: table[pair, []byte]{}, Blobs: table[string, []byte]{},
		Dead: table[string, []byte]{}, Quarantine: table[string, []byte]{},
	}
	return s
}

func (s *Store) conv(id core.ConversationID) *conv {
	c := s.data.Convs[id]
	if c == nil {
		c = &conv{Out: table[store.Lane, []store.OutItem]{}, History: table[uint64, entry]{}}
		s.data.Convs[id] = c
	}
	return c
}

func (s *Store) lock() (unlock func(), err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, store.ErrClosed
	}
	return s.mu.Unlock, nil
}

// seen says whether an event has been accepted, and remembers it if not.
func (s *Store) seen(c core.ConversationID, d store.Dedup) bool {
	if d.ID == "" {
		return false
	}
	k := dedupKey{c, d.Instance, d.ID}
	if until, ok := s.data.Dedup[k]; ok && until.After(s.now()) {
		return true
	}
	s.data.Dedup[k] = s.now().Add(d.For)
	return false
}

// Append implements store.Store.
func (s *Store) Append(_ context.Context, events ...store.Event) ([]store.Receipt, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, ev := range events {
		if len(ev.Body) > store.MaxBody {
			return nil, store.ErrTooLarge
		}
	}
	receipts := make([]store.Receipt, len(events))
	for i, ev := range events {
		if s.seen(ev.Conversation, ev.Dedup) {
			receipts[i].Duplicate = true
			continue
		}
		s.data.Seq++
		receipts[i].Seq = s.data.Seq
		c := s.conv(ev.Conversation)
		c.Mail = append(c.Mail, store.Mail{Seq: s.data.Seq, Body: bytes.Clone(ev.Body)})
		s.log = append(s.log, store.Ref{Conversation: ev.Conversation, Seq: s.data.Seq})
	}
	s.wake.Broadcast()
	return receipts, nil
}

// Serve implements store.Store.
func (s *Store) Serve(ctx context.Context, own func(context.Context, store.Shard) error) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, store.Shards)
	for i := range store.Shards {
		go func() { errs <- own(ctx, s.Shard(i)) }()
	}
	var first error
	for range store.Shards {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}

// Shard returns shard i, for tests that drive it themselves.
func (s *Store) Shard(i int) store.Shard { return &shard{s, i} }

// Bind implements store.Store.
func (s *Store) Bind(_ context.Context, instance, ref string, c core.ConversationID, ttl time.Duration) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	k := pair{instance, ref}
	if b, ok := s.data.Binds[k]; ok && b.live(s.now()) && b.Conv != c {
		return store.ErrConflict
	}
	b := bound{Conv: c}
	if ttl > 0 {
		b.Until = s.now().Add(ttl)
	}
	s.data.Binds[k] = b
	return nil
}

func (b bound) live(now time.Time) bool { return b.Until.IsZero() || b.Until.After(now) }

// Resolve implements store.Store.
func (s *Store) Resolve(_ context.Context, instance, ref string) (core.ConversationID, error) {
	unlock, err := s.lock()
	if err != nil {
		return core.ConversationID{}, err
	}
	defer unlock()
	if b, ok := s.data.Binds[pair{instance, ref}]; ok && b.live(s.now()) {
		return b.Conv, nil
	}
	return core.ConversationID{}, store.ErrNotFound
}

// State implements store.Store.
func (s *Store) State(_ context.Context, instance, key string) ([]byte, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if v := s.state(pair{instance, key}); v != nil {
		return append([]byte{}, v...), nil // empty is not nil
	}
	return nil, nil // no value
}

// state is a value that has not ended, nil if there is none.
func (s *Store) state(k pair) []byte {
	v, ok := s.data.States[k]
	if !ok || !v.Until.IsZero() && !v.Until.After(s.now()) {
		return nil
	}
	if v.Body == nil { // gob makes no difference
		return []byte{}
	}
	return v.Body
}

// SetState implements store.Store.
func (s *Store) SetState(ctx context.Context, instance, key string, old, next []byte) error {
	return s.SetStateFor(ctx, instance, key, old, next, 0)
}

// SetStateFor implements store.Store.
func (s *Store) SetStateFor(_ context.Context, instance, key string, old, next []byte, ttl time.Duration) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if len(next) > store.MaxBody {
		return store.ErrTooLarge
	}
	k := pair{instance, key}
	if is := s.state(k); (is != nil) != (old != nil) || !bytes.Equal(is, old) {
		return store.ErrConflict
	}
	if next == nil {
		delete(s.data.States, k)
		return nil
	}
	v := entry{Body: bytes.Clone(next)}
	if ttl > 0 {
		v.Until = s.now().Add(ttl)
	}
	s.data.States[k] = v
	return nil
}

// Secret implements store.Store.
func (s *Store) Secret(_ context.Context, instance, name string) ([]byte, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return lookup(s.data.Secrets, pair{instance, name})
}

// SetSecret implements store.Store.
func (s *Store) SetSecret(_ context.Context, instance, name string, value []byte) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if len(value) > store.MaxBody {
		return store.ErrTooLarge
	}
	s.data.Secrets[pair{instance, name}] = bytes.Clone(value)
	return nil
}

// Blob implements store.Store.
func (s *Store) Blob(_ context.Context, hash string) ([]byte, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return lookup(s.data.Blobs, hash)
}

// PutBlob implements store.Store.
func (s *Store) PutBlob(_ context.Context, hash string, b []byte) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	s.data.Blobs[hash] = bytes.Clone(b)
	return nil
}

func lookup[K comparable](m table[K, []byte], k K) ([]byte, error) {
	if b, ok := m[k]; ok {
		return append([]byte{}, b...), nil // empty is not nil
	}
	return nil, store.ErrNotFound
}

// Quarantine implements store.Store.
func (s *Store) Quarantine(_ context.Context, d store.Dead) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if len(d.Body) > store.MaxBody {
		return store.ErrTooLarge
	}
	s.data.Quarantine[d.ID] = bytes.Clone(d.Body)
	return nil
}

// DeleteDead implements store.Store.
func (s *Store) DeleteDead(_ context.Context, id string) error { return s.remove(s.data.Dead, id) }

// DeleteQuarantined implements store.Store.
func (s *Store) DeleteQuarantined(_ context.Context, id string) error {
	return s.remove(s.data.Quarantine, id)
}

func (s *Store) remove(m table[string, []byte], id string) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, ok := m[id]; !ok {
		return store.ErrNotFound
	}
	delete(m, id)
	return nil
}

// Reader implements store.Store.
func (s *Store) Reader() store.Reader { return reader{s} }

// Health implements store.Store.
func (s *Store) Health() store.Health { return store.Health{OK: true} }

// Failed implements store.Store.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wake.Broadcast()
	return nil
}

// shard is a part of a Store.
type shard struct {
	s *Store
	i int
}

func (h *shard) ID() int { return h.i }

// Feed implements store.Shard.
func (h *shard) Feed(ctx context.Context) iter.Seq2[store.Ref, error] {
	return func(yield func(store.Ref, error) bool) {
		s := h.s
		stop := context.AfterFunc(ctx, func() { s.mu.Lock(); defer s.mu.Unlock(); s.wake.Broadcast() })
		defer stop()
		unlock, err := s.lock()
		if err != nil {
			yield(store.Ref{}, err)
			return
		}
		next, backlog := len(s.log), h.backlog()
		unlock()
		for _, ref := range append(backlog, store.Ref{}) {
			if !yield(ref, nil) {
				return
			}
		}
		for {
			s.mu.Lock()
			for next == len(s.log) && ctx.Err() == nil && !s.closed {
				s.wake.Wait()
			}
			if s.closed && ctx.Err() == nil {
				s.mu.Unlock()
				yield(store.Ref{}, store.ErrClosed)
				return
			}
			if ctx.Err() != nil {
				s.mu.Unlock()
				return
			}
			ref := s.log[next]
			next++
			s.mu.Unlock()
			if store.ShardOf(ref.Conversation) == h.i && !yield(ref, nil) {
				return
			}
		}
	}
}

func (h *shard) backlog() (refs []store.Ref) {
	for _, id := range h.ids() {
		for _, m := range h.s.data.Convs[id].Mail {
			refs = append(refs, store.Ref{Conversation: id, Seq: m.Seq})
		}
	}
	return refs
}

// ids returns the shard's conversations, sorted. The caller holds the lock.
func (h *shard) ids() (ids []core.ConversationID) {
	for id := range h.s.data.Convs {
		if store.ShardOf(id) == h.i {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b core.ConversationID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// Mail implements store.Shard.
func (h *shard) Mail(_ context.Context, id core.ConversationID, after store.Seq, limit int) ([]store.Mail, error) {
	unlock, err := h.s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []store.Mail
	if c := h.s.data.Convs[id]; c != nil {
		for _, m := range c.Mail {
			if m.Seq > after && len(out) < limit {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

// Pending implements store.Shard.
func (h *shard) Pending(context.Context) iter.Seq2[store.OutRef, error] {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	var refs []store.OutRef
	for _, id := range h.ids() {
		c := h.s.data.Convs[id]
		for _, lane := range slices.Sorted(maps.Keys(c.Out)) {
			for _, o := range c.Out[lane] {
				refs = append(refs, store.OutRef{ID: o.ID, Lane: lane})
			}
		}
	}
	return all(refs)
}

// Timers implements store.Shard.
func (h *shard) Timers(context.Context) iter.Seq2[store.Timer, error] {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	var timers []store.Timer
	for _, id := range h.ids() {
		if c := h.s.data.Convs[id]; !c.Timer.IsZero() {
			timers = append(timers, store.Timer{Conversation: id, Due: c.Timer})
		}
	}
	return all(timers)
}

func all[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Lane implements store.Shard.
func (h *shard) Lane(_ context.Context, id core.ConversationID, lane store.Lane, after core.CommandID, limit int) ([]store.OutItem, error) {
	unlock, err := h.s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []store.OutItem
	if c := h.s.data.Convs[id]; c != nil {
		for _, o := range c.Out[lane] {
			if before(after, o.ID) && len(out) < limit {
				out = append(out, o)
			}
		}
	}
	return out, nil
}

// before says whether a comes before b in a lane.
func before(a, b core.CommandID) bool {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.N, b.N)) < 0
}

// Load implements store.Shard.
func (h *shard) Load(_ context.Context, id core.ConversationID) ([]byte, store.Rev, error) {
	unlock, err := h.s.lock()
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	c := h.s.data.Convs[id]
	if c == nil || c.Rev == 0 {
		return nil, 0, store.ErrNotFound
	}
	return bytes.Clone(c.Doc), c.Rev, nil
}
