package files_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/media/files"
	"github.com/openccsp/gateway/core/media/inspect"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)} }

func open(t *testing.T, o files.Options) *files.Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "media")
	}
	s, err := files.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(t *testing.T, s *files.Store, name, text string) files.File {
	t.Helper()
	f, err := s.Save(t.Context(), files.Want{Name: name, Instance: "shop"}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func read(t *testing.T, s *files.Store, id string) string {
	t.Helper()
	body, f, err := s.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil || int64(len(b)) != f.Bytes {
		t.Errorf("%d bytes of %d, %v", len(b), f.Bytes, err)
	}
	return string(b)
}

// onDisk lists the files below a folder.
func onDisk(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSaved(t *testing.T) {
	c := newClock()
	dir := filepath.Join(t.TempDir(), "media")
	s := open(t, files.Options{Dir: dir, Now: c.now})
	f, err := s.Save(t.Context(), files.Want{Name: "../../note.txt", MIME: "image/png", Instance: "shop"}, iotest.OneByteReader(strings.NewReader("hello")))
	if err != nil {
		t.Fatal(err)
	}
	if !media.IsID(f.ID) {
		t.Errorf("id %q", f.ID)
	}
	want := files.File{ID: f.ID, Hash: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", Name: "note.txt", MIME: "text/plain",
		Bytes: 5, Instance: "shop", At: c.now()}
	if d := cmp.Diff(want, f); d != "" {
		t.Errorf("file (-want +got):\n%s", d)
	}
	if got := read(t, s, f.ID); got != "hello" {
		t.Errorf("read %q", got)
	}
	s = open(t, files.Options{Dir: dir, Now: c.now}) // as after a restart
	again, err := s.Stat(f.ID)
	if d := cmp.Diff(f, again); d != "" || err != nil {
		t.Errorf("after a restart: %v\n%s", err, d)
	}
	if u := s.Usage(); u.Files != 1 || u.Bytes != 8192 {
		t.Errorf("usage %+v", u)
	}
	for _, path := range onDisk(t, dir) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name    string
		options files.Options
		want    files.Want
		body    io.Reader
		code    core.Code
		reason  string
		says    string
	}{
		{"too large", files.Options{MaxFile: 4}, files.Want{}, strings.NewReader("hello"), core.TooLarge, media.TooLarge, "more than 4 bytes"},
		{"too large for the instance", files.Options{}, files.Want{MaxFile: 3}, strings.NewReader("hello"), core.TooLarge, media.TooLarge, "more than 3 bytes"},
		{"an instance cannot have more", files.Options{MaxFile: 4}, files.Want{MaxFile: 100}, strings.NewReader("hello"), core.TooLarge, media.TooLarge, "more than 4 bytes"},
		{"over all", files.Options{MaxTotal: 8191}, files.Want{}, strings.NewReader("hello"), core.TooLarge, media.Full, "store of files is full (max_total is 8191 bytes)"},
		{"no room", files.Options{Full: func() bool { return true }}, files.Want{}, strings.NewReader("hello"), core.Unavailable, media.Full, "no room on the disk"},
		{"a page", files.Options{}, files.Want{MIME: "image/png"}, strings.NewReader("<html>"), core.Invalid, media.WrongType, "text/html can do harm"},
		{"a type that is not taken", files.Options{}, files.Want{Policy: inspect.Policy{Types: []string{"image/*"}}}, strings.NewReader("x"), core.Invalid, media.WrongType, "text/plain are not taken"},
		{"broken off", files.Options{}, files.Want{}, iotest.ErrReader(errors.New("reset")), core.Internal, "", "reset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Dir = filepath.Join(t.TempDir(), "media")
			s := open(t, tt.options)
			_, err := s.Save(t.Context(), tt.want, tt.body)
			if core.CodeOf(err) != tt.code || core.ReasonOf(err) != tt.reason || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("got %v (%s), want %s with %q", err, core.ReasonOf(err), tt.code, tt.says)
			}
			if u, left := s.Usage(), onDisk(t, tt.options.Dir); u.Bytes != 0 || u.Files != 0 || len(left) != 0 {
				t.Errorf("%+v and %q are left", u, left)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	s := open(t, files.Options{Dir: dir})
	a, b := save(t, s, "a.txt", "same"), save(t, s, "b.txt", "same")
	if u := s.Usage(); u.Files != 2 || u.Bytes != 3*4096 {
		t.Errorf("two files that hold the same: %+v", u)
	}
	if err := s.Delete(a.ID); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, b.ID); got != "same" {
		t.Errorf("the other one holds %q", got)
	}
	for _, id := range []string{a.ID, "", "x", "../../../etc/passwd", strings.Repeat("0", 32), strings.ToUpper(b.ID), b.ID + "/"} {
		if _, err := s.Stat(id); core.CodeOf(err) != core.NotFound {
			t.Errorf("Stat(%q) = %v", id, err)
		}
		if _, _, err := s.Open(id); core.CodeOf(err) != core.NotFound {
			t.Errorf("Open(%q) = %v", id, err)
		}
		if err := s.Delete(id); core.CodeOf(err) != core.NotFound {
			t.Errorf("Delete(%q) = %v", id, err)
		}
	}
	if err := s.Delete(b.ID); err != nil {
		t.Fatal(err)
	}
	if u, left := s.Usage(), onDisk(t, dir); u.Bytes != 0 || u.Files != 0 || len(left) != 0 {
		t.Errorf("%+v and %q are left", u, left)
	}
}

func TestRetention(t *testing.T) {
	c := newClock()
	s := open(t, files.Options{Now: c.now, Retention: 24 * time.Hour, MaxTotal: 16384})
	old := save(t, s, "a.txt", "old")
	c.advance(23 * time.Hour)
	young := save(t, s, "a.txt", "young")
	if _, err := s.Save(t.Context(), files.Want{}, strings.NewReader("x")); core.CodeOf(err) != core.TooLarge {
		t.Errorf("a third file: %v", err)
	}
	if n := s.Sweep(t.Context()); n != 0 {
		t.Errorf("%d files younger than the retention were removed", n)
	}
	c.advance(2 * time.Hour)
	if n := s.Sweep(t.Context()); n != 1 {
		t.Errorf("%d files were removed, want the old one", n)
	}
	if _, err := s.Stat(old.ID); core.CodeOf(err) != core.NotFound {
		t.Errorf("the old file: %v", err)
	}
	if got := read(t, s, young.ID); got != "young" {
		t.Errorf("the young file holds %q", got)
	}
	save(t, s, "a.txt", "x") // there is room again
}

func TestUploads(t *testing.T) {
	c := newClock()
	dir := filepath.Join(t.TempDir(), "media")
	s := open(t, files.Options{Dir: dir, Now: c.now, Uploads: 8})
	begin := func(instance string) *files.Upload {
		u, err := s.Begin(files.Want{Name: "a.txt", Instance: instance})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	u := begin("shop")
	for _, part := range []string{"in ", "two ", "parts"} {
		again, err := s.Upload("shop", u.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := u.Finish()
	if err != nil || read(t, s, f.ID) != "in two parts" {
		t.Errorf("finished: %+v, %v", f, err)
	}
	if err := u.Write(nil); core.CodeOf(err) != core.NotFound {
		t.Errorf("a part after the end: %v", err)
	}
	if _, err := u.Finish(); core.CodeOf(err) != core.NotFound {
		t.Errorf("a second end: %v", err)
	}
	if _, err := s.Upload("other", begin("shop").ID); core.CodeOf(err) != core.NotFound {
		t.Errorf("another's upload: %v", err)
	}
	begin("shop")
	if _, err := s.Begin(files.Want{Instance: "shop"}); core.CodeOf(err) != core.Unavailable {
		t.Errorf("more than an instance's share: %v", err)
	}
	begin("other")
	c.advance(time.Hour)
	s.Sweep(t.Context())
	if left := onDisk(t, filepath.Join(dir, "tmp")); len(left) != 0 {
		t.Errorf("half uploads are left: %q", left)
	}
	if got := s.Usage().Bytes; got != 8192 {
		t.Errorf("%d bytes are in use, want those of the one file", got)
	}
}

// TestRun shows that the sweeper ends with its context, and half uploads with it.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	s := open(t, files.Options{Dir: dir})
	if _, err := s.Begin(files.Want{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left := onDisk(t, dir); len(left) != 0 || s.Usage().Bytes != 0 {
		t.Errorf("%q are left", left)
	}
}

// TestLeftovers opens a store in which a crash, or somebody, has left things.
func TestLeftovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	s := open(t, files.Options{Dir: dir})
	good, lost, cut := save(t, s, "a.txt", "good"), save(t, s, "b.txt", "lost"), save(t, s, "c.txt", "cut off")
	blob := func(hash string) string { return filepath.Join(dir, "blobs", hash[:2], hash) }
	for path, text := range map[string]string{
		filepath.Join(dir, "tmp", "123"):                    "half",
		filepath.Join(dir, "blobs", "00", "00"+lost.Hash):   "nobody's",
		filepath.Join(dir, "records", "00", ".00x-1.tmp"):   "half a record",
		filepath.Join(dir, "records", "00", "nonsense"):     "{}",
		filepath.Join(dir, "records", "00", good.ID+"copy"): fmt.Sprintf(`{"id":%q,"hash":"../../x"}`, good.ID+"copy"),
		blob(cut.Hash): "cut",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(blob(lost.Hash)); err != nil {
		t.Fatal(err)
	}
	s = open(t, files.Options{Dir: dir})
	if got := read(t, s, good.ID); got != "good" {
		t.Errorf("read %q", got)
	}
	if u, left := s.Usage(), onDisk(t, dir); u.Files != 3 || u.Lost != 2 || u.Bytes != 4*4096 || len(left) != 5 {
		t.Errorf("%+v; %q", u, left)
	}
}

// TestMany saves and removes side by side; in the end the count is what is there.
func TestMany(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	reg := prometheus.NewPedanticRegistry()
	s := open(t, files.Options{Dir: dir, Metrics: reg})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 20 {
				f, err := s.Save(t.Context(), files.Want{Instance: fmt.Sprint(n)}, strings.NewReader(fmt.Sprint("text ", i%5)))
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					if err := s.Delete(f.ID); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := s.Usage().Files; n != 80 {
		t.Errorf("%d files, want 80", n)
	}
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
	counted := s.Usage()
	if again := open(t, files.Options{Dir: dir}).Usage(); again != counted {
		t.Errorf("counted %+v, there are %+v", counted, again)
	}
}

// TestStreams shows that a file is never in memory as a whole.
func TestStreams(t *testing.T) {
	const size = 16 << 20
	s := open(t, files.Options{MaxFile: size})
	allocated := testing.AllocsPerRun(1, func() {
		f, err := s.Save(t.Context(), files.Want{}, io.LimitReader(endless{}, size))
		if err != nil || f.Bytes != size {
			t.Fatal(err)
		}
	})
	if allocated > 5000 {
		t.Errorf("%v allocations for one file", allocated)
	}
}

// endless is text without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	copy(b, bytes.Repeat([]byte{'x'}, len(b)))
	return len(b), nil
}
