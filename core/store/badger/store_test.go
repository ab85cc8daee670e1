package badger_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/core/store/storetest"
)

func openStore(t *testing.T, o badger.Options) *badger.Store {
	t.Helper()
	if o.Ballast == 0 {
		o.Ballast = -1
	}
	s, err := badger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t *testing.T, s *badger.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, badger.Options{Dir: dir})
	_, err := badger.Open(badger.Options{Dir: dir, Ballast: -1})
	if !errors.Is(err, badger.ErrInUse) || !strings.Contains(err.Error(), "data directory "+dir+" is in use by another gateway") {
		t.Errorf("Open twice = %v", err)
	}
	closeStore(t, s)
	closeStore(t, openStore(t, badger.Options{Dir: dir}))
}

// TestSecretsAtRest looks for a secret in the files of a store, and opens it
// with another key.
func TestSecretsAtRest(t *testing.T) {
	dir, key := t.TempDir(), bytes.Repeat([]byte{7}, 32)
	canary := []byte("canary-4711-canary")
	s := openStore(t, badger.Options{Dir: dir, Key: key})
	if err := s.SetSecret(t.Context(), "i", "token", canary); err != nil {
		t.Fatal(err)
	}
	var export bytes.Buffer
	if _, err := s.Export(t.Context(), &export, 0); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(export.Bytes(), canary) {
		t.Error("the export holds the secret in clear")
	}
	closeStore(t, s)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		if bytes.Contains(b, canary) {
			t.Errorf("%s holds the secret in clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := badger.Open(badger.Options{Dir: dir, Ballast: -1, Key: bytes.Repeat([]byte{8}, 32)}); err == nil ||
		!strings.Contains(err.Error(), "another key") {
		t.Errorf("Open with another key = %v", err)
	}
	s = openStore(t, badger.Options{Dir: dir})
	if _, err := s.Secret(t.Context(), "i", "token"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Secret without a key = %v", err)
	}
	closeStore(t, s)
	other := openStore(t, badger.Options{InMemory: true, Key: bytes.Repeat([]byte{8}, 32)})
	defer closeStore(t, other)
	if err := other.Import(t.Context(), bytes.NewReader(export.Bytes())); core.CodeOf(err) != core.Invalid {
		t.Errorf("Import with another key = %v", err)
	}
	if _, err := badger.Open(badger.Options{InMemory: true, Key: []byte("short")}); err == nil {
		t.Error("Open takes a short key")
	}
}

// TestClock lets what expires go by the clock of the store.
func TestClock(t *testing.T) {
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s := openStore(t, badger.Options{InMemory: true, Clock: clock})
	defer closeStore(t, s)
	c := core.NewConversationID("a", "b")
	ev := store.Event{Conversation: c, Dedup: store.Dedup{Instance: "i", ID: "x", For: 8 * 24 * time.Hour}}
	duplicate := func() bool {
		rs, err := s.Append(t.Context(), ev)
		if err != nil {
			t.Fatal(err)
		}
		return rs[0].Duplicate
	}
	if duplicate() {
		t.Error("a duplicate at first")
	}
	for _, at := range []struct {
		ahead time.Duration
		want  bool
	}{{0, true}, {8*24*time.Hour - time.Minute, true}, {8*24*time.Hour + time.Minute, false}, {9 * 24 * time.Hour, true}} {
		ahead.Store(int64(at.ahead))
		if got := duplicate(); got != at.want {
			t.Errorf("duplicate after %s = %t, want %t", at.ahead, got, at.want)
		}
	}
}

// TestOpenFloor refuses to open on a disk that is nearly full.
func TestOpenFloor(t *testing.T) {
	free := func(string) (uint64, error) { return 300 << 20, nil }
	_, err := badger.Open(badger.Options{Dir: t.TempDir(), Free: free})
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "300 MB free, 512 MB are needed") {
		t.Errorf("Open = %v", err)
	}
	closeStore(t, openStore(t, badger.Options{Dir: t.TempDir(), Free: free, OpenFloor: -1}))
}

// TestBallast keeps a ballast while there is room, gives it back when there is
// none, and refuses every write when even that is used up.
func TestBallast(t *testing.T) {
	dir := t.TempDir()
	ballast := filepath.Join(dir, "BALLAST")
	exists := func() bool { _, err := os.Stat(ballast); return err == nil }
	var free atomic.Uint64
	free.Store(100 << 20)
	disk := func(string) (uint64, error) {
		n := free.Load()
		if !exists() {
			n += 4 << 20
		}
		return n, nil
	}
	s := openStore(t, badger.Options{Dir: dir, Free: disk, Watermark: 20 << 20, OpenFloor: -1, Ballast: 4 << 20})
	defer closeStore(t, s)
	storetest.Eventually(t, "the ballast is made", exists)
	if fi, err := os.Stat(ballast); err != nil || fi.Size() != 4<<20 {
		t.Errorf("ballast = %v, %v", fi, err)
	}
	free.Store(8 << 20) // under half of the watermark
	storetest.Eventually(t, "the ballast is given back", func() bool { return !exists() })
	if err := s.SetState(t.Context(), "i", "k", nil, []byte("v")); err != nil {
		t.Errorf("SetState on the ballast's space = %v", err)
	}
	if h := s.Health(); !h.Full {
		t.Errorf("Health = %+v, want full", h)
	}
	free.Store(1 << 20)
	storetest.Eventually(t, "every write is refused", func() bool {
		return errors.Is(s.SetState(t.Context(), "i", "k", []byte("v"), []byte("v")), store.ErrFull)
	})
	free.Store(100 << 20)
	storetest.Eventually(t, "the ballast is back", exists)
	if _, err := s.Append(t.Context(), store.Event{Conversation: core.NewConversationID("a", "b")}); err != nil {
		t.Errorf("Append with room again = %v", err)
	}
}

// TestGroups holds the committer at its first point while others call: they
// must all come in one group, and the points in order.
func TestGroups(t *testing.T) {
	const callers = 50
	var points []string
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var armed atomic.Bool
	s := openStore(t, badger.Options{InMemory: true, Hook: func(p string) {
		if !armed.Load() {
			return
		}
		once.Do(func() { close(entered); <-release })
		points = append(points, p)
	}})
	armed.Store(true)
	var wg sync.WaitGroup
	append1 := func(i int) {
		wg.Go(func() {
			if _, err := s.Append(t.Context(), store.Event{Conversation: core.NewConversationID("a", fmt.Sprint(i))}); err != nil {
				t.Errorf("Append = %v", err)
			}
		})
	}
	append1(0)
	<-entered
	for i := range callers {
		append1(i)
	}
	storetest.Eventually(t, "all callers wait", func() bool { return badger.Waiting(s) == callers })
	close(release)
	wg.Wait()
	closeStore(t, s)
	want := []string{badger.PointBeforeCommit, badger.PointBeforeAnswer, badger.PointBeforeCommit, badger.PointBeforeAnswer}
	if !slices.Equal(points, want) {
		t.Errorf("points = %q, want those of two groups", points)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	for range 2 { // a second store after the first was closed
		s := openStore(t, badger.Options{InMemory: true, Metrics: reg})
		for range 3 {
			if err := s.Bind(t.Context(), "i", "r", core.NewConversationID("a", "b"), 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Bind(t.Context(), "i", "r", core.NewConversationID("a", "c"), 0); !errors.Is(err, store.ErrConflict) {
			t.Fatal(err)
		}
		want := `
# HELP gateway_store_refused_total Writes refused: conflicts, duplicates, a full disk, damaged values.
# TYPE gateway_store_refused_total counter
gateway_store_refused_total 1
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "gateway_store_refused_total"); err != nil {
			t.Error(err)
		}
		if ps, err := testutil.GatherAndLint(reg); err != nil || len(ps) > 0 {
			t.Error(ps, err)
		}
		closeStore(t, s)
		if got, err := reg.Gather(); err != nil || len(got) != 0 {
			t.Errorf("after Close: %d metrics, %v", len(got), err)
		}
	}
}

func TestWriteRaw(t *testing.T) {
	s := openStore(t, badger.Options{InMemory: true})
	defer closeStore(t, s)
	if err := s.WriteRaw(t.Context(), []byte("k"), make([]byte, 512)); err != nil {
		t.Error(err)
	}
	if err := s.WriteRaw(t.Context(), make([]byte, 1000), nil); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("WriteRaw with a long key = %v", err)
	}
}

// FuzzImport reads exports from elsewhere: no panic, and an error is told as
// the caller's or the store's.
func FuzzImport(f *testing.F) {
	s, err := badger.Open(badger.Options{InMemory: true})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.SetState(f.Context(), "i", "k", nil, []byte("v")); err != nil {
		f.Fatal(err)
	}
	var good bytes.Buffer
	if _, err := s.Export(f.Context(), &good, 0); err != nil {
		f.Fatal(err)
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte("OpenCCSP store\n\x01\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := openStore(t, badger.Options{InMemory: true})
		defer closeStore(t, s)
		err := s.Import(t.Context(), bytes.NewReader(b))
		if err != nil && core.CodeOf(err) != core.Invalid && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Import = %v", err)
		}
		if err == nil && !bytes.Equal(b, good.Bytes()) && len(b) < len(good.Bytes())-20 {
			t.Errorf("Import takes %d bytes", len(b))
		}
	})
}
