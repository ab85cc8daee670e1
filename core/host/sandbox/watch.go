package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Watch looks at what plugins use and says when one is over its ceiling: where
// there is no cgroup to do so. It sees a plugin's process group and the
// descendants of its members. What was orphaned and left the group escapes
// it, and between two looks there is no limit.
type Watch struct {
	proc     string
	interval time.Duration

	mu     sync.Mutex
	groups map[int]group
}

// Usage is what a plugin's processes use together.
type Usage struct {
	Memory int64 // bytes resident; what processes share counts for each of them
	Procs  int   // processes and their threads
}

// Limits are ceilings; 0 is none.
type Limits struct {
	Memory int64 // bytes
	Procs  int   // processes and threads
}

func (l Limits) exceeded(u Usage) bool {
	return l.Memory > 0 && u.Memory > l.Memory || l.Procs > 0 && u.Procs > l.Procs
}

type group struct {
	limits Limits
	over   func(Usage)
}

// NewWatch returns a Watch that looks once per interval.
func NewWatch(interval time.Duration) *Watch {
	return &Watch{proc: "/proc", interval: interval, groups: make(map[int]group)}
}

// Run looks until ctx ends. It returns an error if there is nothing to look
// at, as on other systems than Linux.
func (w *Watch) Run(ctx context.Context) error {
	if _, err := resident(w.proc, "self"); err != nil {
		return fmt.Errorf("memory watch: %w", err)
	}
	t := time.NewTicker(w.interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			w.look()
		}
	}
}

// Add watches over the process group that pid leads. over is called once, from
// Run's goroutine, when it is over a ceiling; it must not block. The returned
// entries are for the report.
func (w *Watch) Add(pid int, l Limits, over func(Usage)) []Restriction {
	w.mu.Lock()
	w.groups[pid] = group{limits: l, over: over}
	w.mu.Unlock()
	var r []Restriction
	if l.Memory > 0 {
		r = append(r, Restriction{Name: Memory, On: true,
			Detail: fmt.Sprintf("watched every %s, %d MiB", w.interval, l.Memory>>20)})
	}
	if l.Procs > 0 {
		r = append(r, Restriction{Name: Processes, On: true,
			Detail: fmt.Sprintf("watched every %s, %d", w.interval, l.Procs)})
	}
	return r
}

// Remove ends that. It must be called before pid is waited for, or its number
// may be somebody else's already. over may be running yet when it returns.
func (w *Watch) Remove(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.groups, pid)
}

func (w *Watch) look() {
	w.mu.Lock()
	groups := maps.Clone(w.groups)
	w.mu.Unlock()
	if len(groups) == 0 {
		return
	}
	for pid, u := range usage(w.proc, groups) {
		g := groups[pid]
		if !g.limits.exceeded(u) {
			continue
		}
		w.mu.Lock()
		_, still := w.groups[pid]
		delete(w.groups, pid)
		w.mu.Unlock()
		if still {
			g.over(u)
		}
	}
}

// usage sums up the processes of groups. Those that end meanwhile are left out.
func usage(proc string, groups map[int]group) map[int]Usage {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	all := make(map[int]stat, len(entries))
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(proc, e.Name()); err == nil {
			all[pid] = s
		}
	}
	out := make(map[int]Usage, len(groups))
	for pid, s := range all {
		leader, ok := owner(pid, all, groups)
		if !ok {
			continue
		}
		rss, _ := resident(proc, strconv.Itoa(pid)) // 0 once it has ended
		u := out[leader]
		u.Memory += rss
		u.Procs += s.threads
		out[leader] = u
	}
	return out
}

// owner returns the group that pid, or the nearest of its ancestors in one,
// belongs to.
func owner(pid int, all map[int]stat, groups map[int]group) (int, bool) {
	for range len(all) { // a snapshot of a moving thing may have loops
		s, ok := all[pid]
		if !ok {
			return 0, false
		}
		if _, ok := groups[s.group]; ok {
			return s.group, true
		}
		pid = s.parent
	}
	return 0, false
}

// stat is what counts of a line of /proc/<pid>/stat.
type stat struct{ parent, group, threads int }

func readStat(proc, pid string) (stat, error) {
	text, err := os.ReadFile(proc + "/" + pid + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(text))
}

// parseStat reads the fields after the program's name, which is in brackets
// and may contain anything: proc_pid_stat(5).
func parseStat(line string) (stat, error) {
	f := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(f) < 18 {
		return stat{}, fmt.Errorf("process status of %d fields", len(f))
	}
	parent, err1 := strconv.Atoi(f[1])
	group, err2 := strconv.Atoi(f[2])
	threads, err3 := strconv.Atoi(f[17])
	return stat{parent: parent, group: group, threads: threads}, errors.Join(err1, err2, err3)
}

// resident returns the bytes a process has in memory. The figure in its stat
// is a rough one on machines with many processors.
func resident(proc, pid string) (int64, error) {
	text, err := os.ReadFile(proc + "/" + pid + "/statm")
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return 0, fmt.Errorf("memory status of %d fields", len(f))
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
