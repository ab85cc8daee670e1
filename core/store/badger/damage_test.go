package badger_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/core/store/storetest"
)

// crashed returns a data directory as a killed process left it, with what was
// acknowledged.
func crashed(t *testing.T) (dir string, a *acked) {
	t.Helper()
	dir, a = t.TempDir(), new(acked)
	kill := badger.PointBeforeAnswer + "=150"
	if n := runAndKill(t, dir, kill, a); n == 0 {
		t.Fatal("nothing was acknowledged")
	}
	return dir, a
}

// wal returns the log of the newest memtable and the length that is written.
func wal(t *testing.T, dir string) (path string, n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "db", "*.mem"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no log: %v", err)
	}
	path = files[len(files)-1]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, len(bytes.TrimRight(b, "\x00"))
}

// TestLostTail damages the log that a crash left. Badger opens it without a
// word; the head marker tells.
func TestLostTail(t *testing.T) {
	tests := map[string]func(path string, n int) error{
		"a bit in the middle": func(path string, n int) error { return flip(path, int64(n/2)) },
		"a bit near the end":  func(path string, n int) error { return flip(path, int64(n-8)) },
		"a bit at the start":  func(path string, _ int) error { return flip(path, 40) },
		"cut in the middle":   func(path string, n int) error { return os.Truncate(path, int64(n/2)) },
		"gone":                func(path string, _ int) error { return os.Remove(path) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			dir, _ := crashed(t)
			path, n := wal(t, dir)
			if err := spoil(path, n); err != nil {
				t.Fatal(err)
			}
			for range 2 { // also the second time
				s, err := badger.Open(badger.Options{Dir: dir, Ballast: -1})
				if !errors.Is(err, store.ErrBroken) || !strings.Contains(err.Error(), "commits missing") {
					t.Fatalf("Open = %v, want ErrBroken with the commits missing", err)
				}
				if s != nil {
					t.Fatal("Open returns a store with an error")
				}
			}
			s, err := badger.Open(badger.Options{Dir: dir, Ballast: -1, AcceptLoss: true})
			if err != nil {
				t.Fatalf("Open with AcceptLoss = %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = badger.Open(badger.Options{Dir: dir, Ballast: -1}); err != nil {
				t.Fatalf("Open after a loss was accepted = %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], at)
	return errors.Join(err, f.Close())
}

func TestHeadMarker(t *testing.T) {
	dir, a := crashed(t)
	head := filepath.Join(dir, "HEAD")
	if err := flip(head, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := badger.Open(badger.Options{Dir: dir, Ballast: -1}); !errors.Is(err, store.ErrBroken) {
		t.Errorf("Open with a damaged marker = %v, want ErrBroken", err)
	}
	if err := os.Remove(head); err != nil {
		t.Fatal(err)
	}
	a.verify(t, dir) // without a marker there is nothing to compare with
	if _, err := os.Stat(head); err != nil {
		t.Error(err)
	}
}

// TestLostMiddle opens a log in which a group is missing between others, as
// when an older log file lost its end.
func TestLostMiddle(t *testing.T) {
	dir := t.TempDir()
	writeHeads(t, dir, 1, 2, 3, 4, 6, 7)
	_, err := badger.Open(badger.Options{Dir: dir, Ballast: -1})
	if !errors.Is(err, store.ErrBroken) || !strings.Contains(err.Error(), "1 commits missing") {
		t.Errorf("Open = %v, want 1 commits missing", err)
	}
}

// raw opens the database below a store.
func raw(t *testing.T, dir string) *bdb.DB {
	t.Helper()
	o := bdb.DefaultOptions(filepath.Join(dir, "db")).WithLogger(nil).WithMemTableSize(32 << 20).WithValueLogFileSize(16 << 20)
	db, err := bdb.OpenManaged(o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// put writes one value below the store, as a group of its own.
func put(t *testing.T, db *bdb.DB, group uint64, key string, value []byte) {
	t.Helper()
	txn := db.NewTransactionAt(group, true)
	defer txn.Discard()
	if err := txn.Set([]byte(key), value); err != nil {
		t.Fatal(err)
	}
	if err := txn.CommitAt(group, nil); err != nil {
		t.Fatal(err)
	}
}

func writeHeads(t *testing.T, dir string, groups ...uint64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	db := raw(t, dir)
	for _, g := range groups {
		h := state.StoredHead{Group: g}
		b, err := h.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, g, "zhead", append([]byte{state.Format}, b...))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFormat(t *testing.T) {
	dir := t.TempDir()
	closeStore(t, openStore(t, badger.Options{Dir: dir}))
	db := raw(t, dir)
	put(t, db, db.MaxVersion(), "zformat", []byte{state.Format + 1})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := badger.Open(badger.Options{Dir: dir, Ballast: -1})
	if err == nil || !strings.Contains(err.Error(), "newer gateway") {
		t.Errorf("Open = %v, want the newer format refused", err)
	}
}

// TestUnknownFormat reads values whose format byte is not known: an error that
// names what it is, told by Health, and nothing else fails.
func TestUnknownFormat(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, badger.Options{Dir: dir})
	c := core.NewConversationID("a", "b")
	if err := s.Bind(t.Context(), "i", "r", c, 0); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	db := raw(t, dir)
	key := string([]byte{'s', 0, byte(store.ShardOf(c))}) + string(c[:])
	put(t, db, db.MaxVersion(), key, []byte{99, 1, 2, 3})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, badger.Options{Dir: dir})
	defer closeStore(t, s)
	_, _, err := s.Reader().Document(t.Context(), c)
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "document") || !strings.Contains(err.Error(), "99") {
		t.Errorf("Document = %v, want an error that names document and format 99", err)
	}
	if h := s.Health(); h.OK || h.Err == nil {
		t.Errorf("Health = %+v, want the damage told", h)
	}
	if got, err := s.Resolve(t.Context(), "i", "r"); got != c || err != nil {
		t.Errorf("Resolve = %s, %v", got, err)
	}
	select {
	case <-s.Failed():
		t.Error("one damaged value ended the store")
	default:
	}
}

// TestDamagedTable flips a bit in a table: Health and the log tell.
func TestDamagedTable(t *testing.T) {
	for _, at := range []int64{100, 50000, 150000} {
		dir := t.TempDir()
		s := openStore(t, badger.Options{Dir: dir})
		for i := range 500 {
			if err := s.WriteRaw(t.Context(), fmt.Append(nil, i), random(400)); err != nil {
				t.Fatal(err)
			}
		}
		closeStore(t, s)
		tables, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
		if err != nil || len(tables) != 1 {
			t.Fatalf("tables = %v, %v", tables, err)
		}
		if err := flip(tables[0], at); err != nil {
			t.Fatal(err)
		}
		var log lockedBuffer
		s = openStore(t, badger.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
		storetest.Eventually(t, "the damage is found", func() bool { return !s.Health().OK })
		if err := s.Health().Err; !strings.Contains(err.Error(), filepath.Base(tables[0])) {
			t.Errorf("Health says %v, want the table named", err)
		}
		if !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("log has no error:\n%s", log.String())
		}
		closeStore(t, s)
	}
}

// TestTableThatIsDeleted cuts a table off while it is checked, as compaction
// does with one that it deletes: the check ends, and the process lives.
func TestTableThatIsDeleted(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, badger.Options{Dir: dir})
	for i := range 300 {
		if err := s.WriteRaw(t.Context(), fmt.Append(nil, i), random(30_000)); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	tables, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables = %v, %v", tables, err)
	}
	b, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := badger.CheckTable(tables[0]); err != nil {
		t.Fatalf("a good table: %v", err)
	}
	faults := 0
	for i := range 40 {
		if err := os.WriteFile(tables[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		checked := make(chan error)
		go func() { checked <- badger.CheckTable(tables[0]) }()
		time.Sleep(time.Duration(i) * 50 * time.Microsecond) // somewhere in the check
		if err := os.Truncate(tables[0], 0); err != nil {
			t.Fatal(err)
		}
		if err := <-checked; err != nil {
			faults++
		}
	}
	if faults == 0 {
		t.Error("no check was cut off, the test shows nothing")
	}
	if err := badger.CheckTable(filepath.Join(dir, "db", "000999.sst")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a table that is not there: %v", err)
	}
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
