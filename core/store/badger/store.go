// Package badger keeps the store on the local disk, in a Badger database.
//
// All writes go through one committer goroutine, which merges those that wait
// into one transaction and one sync. A write is answered after that sync. Any
// error of a sync ends the store: see Store.Failed.
//
// A data directory holds:
//
//	db/      Badger's files
//	HEAD     number of the last durable group, to notice a lost tail
//	BALLAST  space to give back when the disk is full
//	LOCK     held by the process that has the store open
package badger

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/openccsp/gateway/core/durable"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// ErrInUse is the cause of Open's error if another process has the store.
var ErrInUse = errors.New("in use by another gateway")

// Options are the settings of a store. Only Dir or InMemory must be set.
// Sizes are in bytes: 0 is the default, a negative one turns the thing off.
type Options struct {
	Dir       string        // is made if missing
	InMemory  bool          // nothing is kept, for tests
	Key       []byte        // 32 bytes, seals secrets; none: there can be no secrets
	Retention time.Duration // of retired entries whose commit names none; 30 days
	Watermark int64         // less free space: nothing new is accepted; 1 GB
	OpenFloor int64         // less free space: Open refuses; 512 MB
	Ballast   int64         // 256 MB
	Memory    int64         // of the whole process: tables and caches are made to fit; 512 MB

	// AcceptLoss opens a store although committed groups are missing.
	AcceptLoss bool

	Log     *slog.Logger                     // nil: none
	Metrics prometheus.Registerer            // nil: none
	Clock   func() time.Time                 // time.Now; must not be behind it
	Free    func(dir string) (uint64, error) // free bytes; the file system's
	Hook    func(point string)               // called at its points, for tests
}

const (
	memTable         = 32 << 20
	memTables        = 3
	defaultWatermark = 1 << 30
	defaultOpenFloor = 512 << 20
	defaultBallast   = 256 << 20
	defaultRetention = 30 * 24 * time.Hour
)

// Store implements store.Store.
type Store struct {
	opt     Options
	db      *bdb.DB
	lock    *os.File
	marker  *marker
	seal    cipher.AEAD // nil: no key
	queue   *queue
	readers readers
	space   *space
	feeds   feeds
	metrics *metrics
	log     *slog.Logger

	visible atomic.Uint64 // the last group that views see
	fault   func() error  // tests: an error fails the commit

	failure   atomic.Pointer[error]
	damage    atomic.Pointer[error]
	failed    chan struct{}
	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	running   sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open opens the store in o.Dir and starts its committer. Errors are
// ErrInUse, store.ErrBroken if the log lost something, store.ErrFull, and
// those of a store of another key or a newer format.
func Open(o Options) (*Store, error) { return open(o, nil) }

func open(o Options, fault func() error) (*Store, error) {
	o.defaults()
	s := &Store{opt: o, log: o.Log, queue: newQueue(), fault: fault,
		failed: make(chan struct{}), closing: make(chan struct{})}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// start acquires the directory, the database and what is in it, then runs.
func (s *Store) start() (err error) {
	o := &s.opt
	s.space = newSpace(o)
	if !o.InMemory {
		if err := s.openDir(); err != nil {
			return err
		}
	}
	if s.db, err = bdb.OpenManaged(o.badger().WithLogger(badgerLog{o.Log, s.fail, s.hook})); err != nil {
		return fmt.Errorf("store %s: %w: %w", o.Dir, store.ErrBroken, err)
	}
	if s.metrics, err = newMetrics(o.Metrics, s.space); err != nil {
		return err
	}
	c := &committer{s: s, ring: keptRing{keep: 2 * memTables * memTable}}
	if err := s.openHead(c); err != nil {
		return fmt.Errorf("store %s: %w", o.Dir, err)
	}
	if err := s.openMeta(c); err != nil {
		return fmt.Errorf("store %s: %w", o.Dir, err)
	}
	s.feeds.seq = c.head.Seq
	s.running.Go(c.run)
	s.running.Go(func() { s.space.watch(s.closing) })
	if !o.InMemory {
		s.running.Go(s.scrub)
		s.running.Go(s.advise)
	}
	return nil
}

func (o *Options) defaults() {
	size := func(n *int64, d int64) {
		if *n == 0 {
			*n = d
		}
		*n = max(*n, 0)
	}
	size(&o.Watermark, defaultWatermark)
	size(&o.OpenFloor, defaultOpenFloor)
	size(&o.Ballast, defaultBallast)
	if o.Retention == 0 {
		o.Retention = defaultRetention
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Free == nil && !o.InMemory {
		o.Free = diskFree
	}
	if o.InMemory {
		o.Ballast = 0
	}
}

// badger are the options of the database. Values stay far below
// ValueThreshold, so none goes to the value log, whose sync errors Badger
// swallows.
func (o *Options) badger() bdb.Options {
	dir := filepath.Join(o.Dir, "db")
	if o.InMemory {
		dir = ""
	}
	return bdb.DefaultOptions(dir).
		WithInMemory(o.InMemory).
		WithSyncWrites(!o.InMemory).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1).
		WithMemTableSize(o.table()).
		WithNumMemtables(memTables).
		WithValueLogFileSize(16 << 20).
		WithValueThreshold(1 << 20).
		WithBlockCacheSize(o.table()).
		WithCompression(options.None).
		WithNumCompactors(2).
		WithMetricsEnabled(false)
}

// table is the size of a table in memory, and of the cache of blocks: a
// sixteenth of the process's memory, up to 32 MB.
func (o *Options) table() int64 {
	if o.Memory <= 0 {
		return memTable
	}
	return min(max(o.Memory/16, memTable/2), memTable)
}

// openDir makes and locks the data directory and looks at its disk.
func (s *Store) openDir() error {
	dir := s.opt.Dir
	if err := os.MkdirAll(filepath.Join(dir, "db"), 0o700); err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.lock = lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("data directory %s is %w", dir, ErrInUse)
	}
	free, err := s.opt.Free(dir)
	if err != nil {
		return err
	}
	if free < uint64(s.opt.OpenFloor) {
		return fmt.Errorf("%w: data directory %s has %d MB free, %d MB are needed to open it safely",
			store.ErrFull, dir, free>>20, s.opt.OpenFloor>>20)
	}
	return nil
}

func newSpace(o *Options) *space {
	p := &space{dir: o.Dir, free: o.Free, watermark: uint64(o.Watermark), ballast: uint64(o.Ballast), log: o.Log}
	p.floor = min(4*memTable, p.watermark/2)
	if p.free == nil {
		p.free = func(string) (uint64, error) { return 1 << 62, nil }
	}
	if _, err := os.Stat(o.Dir); err == nil || o.InMemory {
		p.look()
	}
	return p
}

// openHead finds the last group and compares it with the marker.
func (s *Store) openHead(c *committer) error {
	missing, err := s.readHead(&c.head)
	if err != nil {
		return err
	}
	var marked uint64
	if !s.opt.InMemory {
		if s.marker, marked, err = openMarker(s.opt.Dir); err != nil {
			return fmt.Errorf("%w: %w", store.ErrBroken, err)
		}
	}
	if marked > c.head.Group {
		missing += marked - c.head.Group
	}
	if missing > 0 && !s.opt.AcceptLoss {
		return fmt.Errorf("%w: %d commits missing: the log ends at %d, the head marker says %d; restore a backup",
			store.ErrBroken, missing, c.head.Group, marked)
	}
	c.lost = missing
	if missing > 0 {
		s.log.Error("store opened in spite of lost commits", "missing", missing)
		c.head.Group = max(c.head.Group, marked)
		c.head.Kept = c.head.Group
		c.head.Seq += missing * maxGroupBytes / perWrite // beyond all that was given out
	}
	c.ring.kept = c.head.Kept
	s.visible.Store(c.head.Group)
	return nil
}

// readHead reads the last head record and counts the groups that are missing
// below it: all after Kept must be there, unless a log file lost its end.
func (s *Store) readHead(head *state.StoredHead) (missing uint64, err error) {
	txn := s.db.NewTransactionAt(s.db.MaxVersion(), false)
	defer txn.Discard()
	it := txn.NewKeyIterator(metaHead, bdb.IteratorOptions{AllVersions: true})
	defer it.Close()
	var found uint64
	for it.Rewind(); it.Valid(); it.Next() {
		if head.Group == 0 {
			if err := it.Item().Value(func(b []byte) error { return decode(kindMeta, b, head) }); err != nil {
				return 0, fmt.Errorf("%w: %w", store.ErrBroken, err)
			}
		}
		if it.Item().Version() > head.Kept {
			found++
		}
	}
	return head.Group - head.Kept - found, nil
}

// now is the time of the store's clock.
func (s *Store) now() time.Time { return s.opt.Clock() }

func (s *Store) hook(point string) {
	if s.opt.Hook != nil {
		s.opt.Hook(point)
	}
}

// publish makes a group visible and feeds its mails.
func (s *Store) publish(group uint64, mailed []store.Ref) {
	if len(mailed) == 0 {
		s.visible.Store(group)
		return
	}
	s.feeds.push(func() { s.visible.Store(group) }, mailed)
}

// fail stops the store for good: its answers so far hold, nothing more is
// acknowledged.
func (s *Store) fail(cause error) error {
	err := broken(cause)
	if errors.Is(cause, store.ErrBroken) {
		err = cause
	}
	if !s.failure.CompareAndSwap(nil, &err) {
		return *s.failure.Load()
	}
	s.log.Error("store is broken, the gateway must stop", "err", err)
	s.readers.end(err)
	s.queue.end(err)
	s.feeds.end(err)
	close(s.failed)
	return err
}

func (s *Store) broken() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// noted keeps the last damage that a read met, for Health, and returns err.
func (s *Store) noted(err error) error {
	if errors.Is(err, errDamaged) {
		if was := s.damage.Swap(&err); was == nil || (*was).Error() != err.Error() {
			s.log.Error("stored value is damaged", "err", err)
		}
	}
	return err
}

// Failed implements store.Store.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Health implements store.Store.
func (s *Store) Health() store.Health {
	h := store.Health{OK: true, Full: s.space.full(), FreeBytes: s.space.bytes.Load()}
	if err := s.broken(); err != nil {
		h.OK, h.Err = false, err
	} else if p := s.damage.Load(); p != nil {
		h.OK, h.Err = false, *p
	}
	return h
}

// Close answers what waits, ends all feeds, and closes the database. Later
// calls get ErrClosed. A broken store is only let go: closing Badger would
// write what was never acknowledged.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.queue.end(store.ErrClosed)
		close(s.closing)
		s.feeds.end(store.ErrClosed)
		s.running.Wait()
		s.readers.end(store.ErrClosed)
		s.readers.wait()
		s.closeErr = s.release()
	})
	return s.closeErr
}

// release closes what Open opened, in reverse order. Of a broken store on
// disk the database stays open, and locked, until the process ends.
func (s *Store) release() error {
	errs := []error{s.metrics.close()}
	broken := s.broken()
	if broken != nil && !s.opt.InMemory {
		return broken
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	errs = append(errs, s.marker.close())
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(append(errs, broken)...)
}
