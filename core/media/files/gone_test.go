package files_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media/files"
)

// TestGone: what somebody has removed from the folder is told once, with its id, and
// shown until it is back or erased. A file that comes again is whole.
func TestGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	var log bytes.Buffer
	reg := prometheus.NewPedanticRegistry()
	options := files.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: reg}
	s := open(t, options)
	a, same, cut, other := save(t, s, "a.txt", "one"), save(t, s, "b.txt", "one"), save(t, s, "c.txt", "three"), save(t, s, "d.txt", "four")
	full := s.Usage().Bytes
	blob := func(f files.File) string { return filepath.Join(dir, "blobs", f.Hash[:2], f.Hash) }
	if err := os.RemoveAll(filepath.Dir(blob(a))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blob(cut), []byte("th"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, f := range []files.File{a, same, cut} {
			if _, _, err := s.Open(f.ID); core.CodeOf(err) != core.NotFound || !strings.Contains(err.Error(), "not on the disk") {
				t.Errorf("open: %v", err)
			}
			if _, err := s.Stat(f.ID); core.CodeOf(err) != core.NotFound {
				t.Errorf("stat: %v", err)
			}
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 2 || !strings.Contains(log.String(), "media="+a.ID) || !strings.Contains(log.String(), "media="+cut.ID) {
		t.Errorf("%d lines of the log:\n%s", n, &log)
	}
	if u := s.Usage(); u.Lost != 2 || u.Files != 4 || u.Bytes != full-2*4096 {
		t.Errorf("usage %+v, before it was %d bytes", u, full)
	}
	if got, err := testutil.GatherAndCount(reg, "gateway_media_lost"); got != 1 || err != nil {
		t.Errorf("the metric is there %d times, %v", got, err)
	}

	if _, err := s.Save(t.Context(), files.Want{}, strings.NewReader("one")); core.CodeOf(err) != core.Unavailable {
		t.Errorf("a file without a folder: %v", err)
	}
	again := save(t, s, "e.txt", "one") // the folder is there again
	for _, f := range []files.File{a, same, again} {
		if got := read(t, s, f.ID); got != "one" {
			t.Errorf("%s holds %q", f.Name, got)
		}
	}
	if err := s.Delete(cut.ID); err != nil {
		t.Errorf("a file whose bytes are gone is not erased: %v", err)
	}
	if u := s.Usage(); u.Lost != 0 || u.Files != 4 {
		t.Errorf("usage %+v", u)
	}
	counted := s.Usage()
	options.Metrics = nil
	if s = open(t, options); s.Usage() != counted || read(t, s, other.ID) != "four" {
		t.Errorf("after a restart %+v, want %+v", s.Usage(), counted)
	}
}

// TestGoneWhileStopped: a folder that is not there at a start may come back.
func TestGoneWhileStopped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	s := open(t, files.Options{Dir: dir})
	f := save(t, s, "a.txt", "one")
	blobs := filepath.Join(dir, "blobs")
	if err := os.Rename(blobs, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	s = open(t, files.Options{Dir: dir})
	if u := s.Usage(); u.Lost != 1 || u.Bytes != 4096 {
		t.Errorf("usage %+v", u)
	}
	if err := os.RemoveAll(blobs); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"-away", blobs); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, f.ID); got != "one" || s.Usage().Lost != 0 {
		t.Errorf("it holds %q, %+v", got, s.Usage())
	}
}

// TestUnreadable: what cannot be looked at is not taken for gone, and nothing of it
// is removed.
func TestUnreadable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	f := save(t, open(t, files.Options{Dir: dir}), "a.txt", "one")
	record := filepath.Join(dir, "records", f.ID[:2], f.ID)
	if err := os.Rename(record, record+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(record, record); err != nil { // it leads to itself: no error of permissions, which root has not
		t.Fatal(err)
	}
	if _, err := files.Open(files.Options{Dir: dir}); err == nil {
		t.Error("a store with a record that cannot be read was opened")
	}
	if _, err := os.Lstat(record); err != nil {
		t.Errorf("the record was removed: %v", err)
	}
}
