package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// read opens the journal in dir, and closes it when the test ends.
func read(t *testing.T, dir string) (*journal, map[string]string, *plugintest.Host) {
	t.Helper()
	host, known := new(plugintest.Host), map[string]string{}
	j := openJournal(dir, host.Log(), func(key, mid string) { known[key] = mid })
	t.Cleanup(j.close)
	return j, known, host
}

// What was noted is known to the next one, whatever a crash left behind.
func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "page")
	j, known, _ := read(t, dir)
	if len(known) > 0 {
		t.Errorf("a new one knows %v", known)
	}
	j.add("c.1.1/1", "m_1")
	j.add("c.1.2/1", "m_2")
	j.add("c.1.3/1", "two words") // is not ours: a line has two
	j.add(strings.Repeat("k", maxLine), "m")
	name := filepath.Join(dir, "sent")
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, append(b, "c.1.4/1 m_4\n\x00\x00 \x00\nc.1.5/1"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	j2, known, _ := read(t, dir)
	j2.add("c.1.6/1", "m_6")
	want := map[string]string{"c.1.1/1": "m_1", "c.1.2/1": "m_2", "c.1.4/1": "m_4"}
	if diff := cmp.Diff(want, known); diff != "" {
		t.Error(diff)
	}
	_, known, host := read(t, dir)
	if want["c.1.6/1"] = "m_6"; cmp.Diff(want, known) != "" {
		t.Error(cmp.Diff(want, known))
	}
	if host.Logged() != "" {
		t.Errorf("logged: %s", host.Logged())
	}
}

// It does not grow for ever, and still knows as many as are remembered.
func TestJournalTurns(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := read(t, dir)
	const n = 3*maxSent + 100
	for i := range n {
		j.add(fmt.Sprintf("c.1.%d/1", i), fmt.Sprintf("m_%d", i))
	}
	lines := 0
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range all {
		b, readErr := os.ReadFile(name)
		if readErr != nil {
			t.Fatal(readErr)
		}
		lines += bytes.Count(b, []byte("\n"))
	}
	if err != nil || len(all) != 2 || lines > 2*maxSent {
		t.Errorf("%d lines in %q (%v), want two files with %d", lines, all, err, 2*maxSent)
	}
	_, known, _ := read(t, dir)
	for i := n - maxSent; i < n; i++ {
		if key := fmt.Sprintf("c.1.%d/1", i); known[key] != fmt.Sprintf("m_%d", i) {
			t.Fatalf("%s is %q", key, known[key])
		}
	}
}

// Where it cannot be written the channel does without it, and says so once.
func TestJournalBroken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j, known, host := read(t, dir)
	j.add("c.1.1/1", "m_1")
	if len(known) > 0 || !strings.Contains(host.Logged(), "it may come twice behind a crash") {
		t.Errorf("%v; logged: %s", known, host.Logged())
	}
	dir = t.TempDir()
	j, _, host = read(t, dir)
	_ = j.file.Close()
	for range 2 {
		j.add("c.1.1/1", "m_1")
	}
	if n := strings.Count(host.Logged(), "WARN"); n != 1 {
		t.Errorf("%d warnings, want 1: %s", n, host.Logged())
	}
	var none *journal
	none.add("c.1.1/1", "m_1") // there is no folder
	none.close()
}
