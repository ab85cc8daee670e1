package sandbox_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/openccsp/gateway/core/host/sandbox"
)

// What a plugin's child eats in a group of its own counts, too.
func TestWatchMemory(t *testing.T) {
	spec := sandbox.Spec{Command: []string{self(t), "eat"}, Memory: 64 << 20}
	r := start(t, spec, nil)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if e := r.report.Entry(sandbox.Memory); e.On || e.Detail != "GOMEMLIMIT only, for a limit of 64 MiB" {
		t.Errorf("%+v", e)
	}
	w := sandbox.NewWatch(5 * time.Millisecond)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	pid := r.cmd.Process.Pid
	over := make(chan sandbox.Usage, 2)
	for _, e := range w.Add(pid, sandbox.Limits{Memory: spec.Memory, Procs: 500}, func(u sandbox.Usage) {
		over <- u
		_ = unix.Kill(-pid, unix.SIGKILL)
	}) {
		r.report = r.report.With(e)
	}
	isOn(t, r.report, sandbox.Memory, sandbox.Processes)
	select {
	case u := <-over:
		if u.Memory <= spec.Memory || u.Procs < 2 {
			t.Errorf("over with %+v", u)
		}
	case <-time.After(patience):
		t.Error("nobody noticed")
	}
	_ = r.cmd.Wait()
	w.Remove(pid)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(over) != 0 {
		t.Error("over was called twice")
	}
}

// The plugin's own processes are not bothered below the ceiling.
func TestWatchLeavesOthersAlone(t *testing.T) {
	r := start(t, sandbox.Spec{Command: []string{self(t), "eat"}}, nil)
	line, err := bufio.NewReader(r.stdout).ReadString('\n')
	if err != nil || line != "eaten\n" {
		t.Fatal(line, err, r.err)
	}
	w := sandbox.NewWatch(time.Hour)
	w.Add(r.cmd.Process.Pid, sandbox.Limits{Memory: 1 << 40, Procs: 1 << 20},
		func(u sandbox.Usage) { t.Errorf("over with %+v", u) })
	w.Look()
}

func TestWatchCounts(t *testing.T) {
	proc := t.TempDir()
	add := func(pid, parent, group, threads, pages int, name string) {
		dir := filepath.Join(proc, fmt.Sprint(pid))
		stat := fmt.Sprintf("%d (%s) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 %d 0 1\n", pid, name, parent, group, group, threads)
		for file, text := range map[string]string{"stat": stat, "statm": fmt.Sprintf("9999 %d 7 1 0 5 0\n", pages)} {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(1, 0, 1, 1, 1000, "init")
	add(10, 1, 10, 5, 100, "plugin")
	add(11, 10, 10, 1, 10, "of the group) R 1 1 1")
	add(12, 11, 12, 1, 1, "a group of its own")
	add(13, 1, 10, 1, 1000, "orphan of the group")
	add(14, 1, 14, 1, 1000, "stranger")
	add(20, 1, 20, 1, 30, "another plugin")
	add(21, 20, 20, 2, 30, "its child")
	add(30, 31, 30, 1, 1, "loop")
	add(31, 30, 31, 1, 1, "loop")
	if err := os.MkdirAll(filepath.Join(proc, "99"), 0o700); err != nil { // has just ended
		t.Fatal(err)
	}

	page := int64(os.Getpagesize())
	got := make(map[int]sandbox.Usage)
	w := sandbox.NewWatchAt(proc)
	watch := func(pid int, l sandbox.Limits) {
		w.Add(pid, l, func(u sandbox.Usage) { got[pid] = u })
	}
	watch(10, sandbox.Limits{Memory: 1111*page - 1})
	watch(20, sandbox.Limits{Procs: 2, Memory: 1 << 30})
	watch(14, sandbox.Limits{Memory: 1000 * page, Procs: 1})
	watch(77, sandbox.Limits{Memory: 1, Procs: 1})
	w.Look()
	want := map[int]sandbox.Usage{10: {Memory: 1111 * page, Procs: 8}, 20: {Memory: 60 * page, Procs: 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	clear(got)
	w.Remove(14)
	w.Look()
	if len(got) != 0 {
		t.Errorf("again %v", got)
	}
}

func TestWatchWithoutProc(t *testing.T) {
	err := sandbox.NewWatchAt(t.TempDir()).Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "memory watch: ") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (a) b) S 2 3 4 0 -1 0 0 0 0 0 0 0 0 0 20 0 5 0 1")
	f.Add("")
	f.Add(")")
	f.Fuzz(func(t *testing.T, line string) {
		_, group, threads, err := sandbox.ParseStat(line)
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%d %d: an error without a word", group, threads)
		}
		prefixed, g, n, err2 := sandbox.ParseStat("1 (x) y) " + line[strings.LastIndexByte(line, ')')+1:])
		if (err == nil) != (err2 == nil) || err == nil && (g != group || n != threads) {
			t.Errorf("the name matters: %d %d %d", prefixed, g, n)
		}
	})
}

func FuzzParseReport(f *testing.F) {
	f.Add([]byte(`{"report":[{"name":"scope","on":true}]}` + "\n" + `{"error":"exec x"}`))
	f.Add([]byte("{"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := sandbox.ParseReport(text)
		if len(text) == 0 && err == nil {
			t.Error("no text is no error")
		}
		if e := r.Entry("no such"); e.On {
			t.Error("on by default")
		}
	})
}
