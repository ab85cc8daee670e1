package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
	"github.com/openccsp/gateway/examples/internal/variant"
)

// dropped is a plugin whose file is replaced, removed and broken while it runs.
type dropped struct {
	a       *attacked
	program string // it is made of
	file    string // in the plugin directory
	of      variant.Variant
	n       int    // versions so far
	good    string // the last version without a fault
}

// split puts a plugin for each list of drivers in place of the one that has
// all. The gateway has not been started.
func (r *run) split(a *attacked, all ...variant.Variant) ([]*dropped, error) {
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		return nil, fmt.Errorf("%w: no /proc to find processes in", errSkipped)
	}
	err := errors.Join(os.Remove(a.home.Path("plugins", "bench")), os.Mkdir(a.home.Path("made"), 0o700),
		os.Mkdir(a.home.Path("plugins", ".versions"), 0o700))
	if err != nil {
		return nil, err
	}
	var plugins []*dropped
	for _, v := range all {
		d := &dropped{a: a, program: r.programs.Plugin, of: v, file: a.home.Path("plugins", strings.TrimPrefix(v.ID, "org.openccsp."))}
		made, err := d.make("")
		if err != nil {
			return nil, err
		}
		if err := os.Rename(made, d.file); err != nil {
			return nil, err
		}
		plugins = append(plugins, d)
	}
	return plugins, nil
}

// make makes the next version, outside of the plugin directory.
func (d *dropped) make(fault string) (file string, err error) {
	d.n++
	v := d.of
	v.Version, v.Fault = fmt.Sprintf("1.0.%d", d.n), fault
	if fault == "" {
		d.good = v.Version
	}
	file = d.a.home.Path("made", filepath.Base(d.file)+"-"+v.Version)
	return file, v.Write(file, d.program)
}

// again makes the last good version once more.
func (d *dropped) again() (file string, err error) {
	v := d.of
	v.Version = d.good
	file = d.a.home.Path("made", filepath.Base(d.file)+"-again")
	return file, v.Write(file, d.program)
}

// ways are how people bring a new version: from is a file, to the plugin's.
var ways = []struct {
	name   string
	script string
}{
	{"cp", `cp "$1" "$2"`},
	{"mv", `mv "$1" "$2"`},
	{"install", `install -m 0700 "$1" "$2"`},
	{"ln -sfn", `mv "$1" "${2%/*}/.versions/" && ln -sfn ".versions/${1##*/}" "$2"`},
}

// put brings a file in one of the ways.
func (d *dropped) put(ctx context.Context, way int, made string) error {
	w := ways[way%len(ways)]
	out, err := exec.CommandContext(ctx, "sh", "-ec", w.script, "sh", made, d.file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", w.name, err, out)
	}
	return nil
}

// swapWithin bounds the waits for what a gateway does about a file.
const swapWithin = 30 * time.Second

// await waits until what the gateway says of the plugin is as it should be.
func (d *dropped) await(ctx context.Context, what string, ok func(rig.PluginReport) bool) (r rig.PluginReport, err error) {
	err = d.a.until(ctx, fmt.Sprintf("%s %s", d.of.ID, what), func() (bool, error) {
		var err error
		r, err = d.a.home.Plugin(ctx, d.of.ID)
		return err == nil && ok(r), err
	})
	return r, err
}

// until asks until ok says so, which is refused for as long as there is an
// error.
func (a *attacked) until(ctx context.Context, what string, ok func() (bool, error)) error {
	limit := time.NewTimer(bar(swapWithin))
	defer limit.Stop()
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		good, err := ok()
		if good {
			return nil
		}
		select {
		case <-every.C:
		case <-a.process.Done():
			return fmt.Errorf("the gateway ended while waiting until %s\n%s", what, a.home.LogTail())
		case <-limit.C:
			return fmt.Errorf("%v passed, and not: %s; %w\n%s", bar(swapWithin), what, err, a.home.LogTail())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// runs says that a version runs, "" for any, in another process than before.
func runs(version string, before int) func(rig.PluginReport) bool {
	return func(r rig.PluginReport) bool {
		f := r.Files[0]
		return f.State == "running" && f.PID != 0 && f.PID != before && (version == "" || f.Version == version)
	}
}

// replacement is how a new version took over.
type replacement struct {
	gap   time.Duration // of the gateway's own report
	live  time.Duration // from the file's arrival until the new process served
	pause time.Duration // the longest one between two messages from the plugin, meanwhile
}

// replace brings the next version and waits until it serves.
func (d *dropped) replace(ctx context.Context, way int) (x replacement, err error) {
	made, err := d.make("")
	if err != nil {
		return x, err
	}
	version, began := d.good, time.Now()
	if err := d.put(ctx, way, made); err != nil {
		return x, err
	}
	what := fmt.Sprintf("runs as %s (%s)", version, ways[way%len(ways)].name)
	r, err := d.await(ctx, what, func(r rig.PluginReport) bool {
		return len(r.Swaps) > 0 && r.Swaps[len(r.Swaps)-1].To == version && runs(version, 0)(r)
	})
	if err != nil {
		return x, err
	}
	live := time.Since(began)
	s := r.Swaps[len(r.Swaps)-1]
	if s.Problem != "" || s.Exclusive != d.of.Exclusive {
		d.a.problem("%s: the last swap is %+v, want one to %s", d.of.ID, s, version)
	}
	if err := d.a.pause(ctx, 200*time.Millisecond); err != nil { // for its first messages
		return x, err
	}
	return replacement{s.Gap(), live, d.a.far.pause(d.of.ID, began, time.Now())}, nil
}

// provedAfter is how long a process must have served for the gateway to see no
// fault of the plugin in a kill.
const provedAfter = 1100 * time.Millisecond

// ended is how long after a kill a plugin served again.
type ended struct {
	outside time.Duration // until the new process had its first effect
	own     time.Duration // until the gateway says that it runs
}

// kill ends the plugin's process with SIGKILL and waits for the next one.
func (d *dropped) kill(ctx context.Context) (x ended, err error) {
	r, err := d.await(ctx, "runs", runs("", 0))
	if err != nil {
		return x, err
	}
	f := r.Files[0]
	if err := d.a.pause(ctx, time.Until(f.Since.Add(provedAfter))); err != nil {
		return x, err
	}
	d.a.far.life.Add(1)
	at := time.Now()
	if err := d.signal(f.PID, syscall.SIGKILL); err != nil {
		return x, err
	}
	if r, err = d.await(ctx, "runs again", runs("", f.PID)); err != nil {
		return x, err
	}
	x.own = r.Files[0].Since.Sub(at)
	by := fmt.Sprintf("%s %s %d", d.of.ID, r.Files[0].Version, r.Files[0].PID)
	err = d.a.until(ctx, by+" answers", func() (bool, error) {
		first, ok := d.a.far.firstOf(by)
		x.outside = first.Sub(at)
		return ok, nil
	})
	return x, err
}

// signal sends a signal to a process of the plugin.
func (d *dropped) signal(pid int, s syscall.Signal) error {
	if !slices.ContainsFunc(rig.Children(d.a.process.PID), func(c rig.ID) bool { return c.PID == pid }) {
		return fmt.Errorf("process %d of %s is no child of the gateway", pid, d.of.ID)
	}
	return syscall.Kill(pid, s)
}

// remove takes the file away and waits until the plugin has been stopped.
func (d *dropped) remove(ctx context.Context) error {
	r, err := d.await(ctx, "runs", runs("", 0))
	if err != nil {
		return err
	}
	process, err := rig.Running(r.Files[0].PID)
	if err != nil {
		return err
	}
	if err := os.Remove(d.file); err != nil {
		return err
	}
	return d.a.until(ctx, fmt.Sprintf("%s has stopped", d.of.ID), func() (bool, error) {
		return !process.Alive(), nil
	})
}

// back brings the last version back and waits until it runs.
func (d *dropped) back(ctx context.Context) error {
	made, err := d.again()
	if err != nil {
		return err
	}
	if err := os.Remove(d.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(made, d.file); err != nil {
		return err
	}
	_, err = d.await(ctx, "runs as before", func(r rig.PluginReport) bool {
		return runs(d.good, 0)(r) && r.Files[0].File == "ready"
	})
	return err
}

// pause returns the longest time between two messages from a plugin.
func (f *far) pause(id string, from, to time.Time) (longest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := from
	for _, m := range f.marks {
		if m.at.Before(from) || m.at.After(to) || !strings.HasPrefix(m.by, id+" ") {
			continue
		}
		longest, last = max(longest, m.at.Sub(last)), m.at
	}
	return max(longest, to.Sub(last))
}

// firstOf returns when a process of a plugin had its first effect.
func (f *far) firstOf(by string) (at time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.marks {
		if m.by == by {
			return m.at, true
		}
	}
	return at, false
}

// percentiles are of all, which it sorts.
func percentiles(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	return fmt.Sprintf("p50 %v, p99 %v, %v at most (of %d)", short(percentile(all, 50)), short(percentile(all, 99)),
		short(percentile(all, 100)), len(all))
}

// percentile returns the smallest value that p percent are not above. It sorts.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[max((len(all)*p+99)/100, 1)-1]
}

// short has three digits or so.
func short(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}
