package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
	"github.com/openccsp/gateway/examples/internal/variant"
)

// crashes mistreats one of two plugins in every way, and then has it crash so
// often that it is put into quarantine, again and again. The other one must not
// notice, and nothing may be left of the dead.
func crashes(ctx context.Context, r *run) error {
	r.conversations, r.rate = 64, 200
	a, err := r.open(r.dir, setup{more: smallBallast})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	temp, err := os.MkdirTemp("", "gwc-") // a socket's path is short
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	a.env = []string{"TMPDIR=" + temp}
	plugins, err := r.split(a,
		variant.Variant{ID: "org.openccsp.first", Drivers: []string{"benchchannel", "benchconnector"}},
		variant.Variant{ID: "org.openccsp.second", Drivers: []string{"benchchannel_idempotent", "benchconnector_idempotent"}})
	if err != nil {
		return err
	}
	a.load.posted = &sync.Map{}
	if err := a.start(ctx); err != nil {
		return err
	}
	v := &victim{dropped: plugins[0], temp: temp, by: map[string][]span{}}
	if err := v.suffer(ctx, r); err != nil {
		return err
	}
	if err := a.finish(ctx, r); err != nil {
		return err
	}
	v.judge(ctx, r)
	return nil
}

// victim is the plugin that is mistreated.
type victim struct {
	*dropped
	temp           string // folder of the sockets' folder
	before         leftover
	calm, troubled []span
	by             map[string][]span // troubled, by what it was
	kills, hangs   []time.Duration   // to serving again
	shown          []time.Duration   // bad files, with their problem
	waits          [][]time.Duration // before the restarts of each row of crashes
	crashed        int
}

// span is a time in which messages are looked at.
type span struct{ from, to time.Time }

// calmFor is how long the other plugin is looked at without trouble, again after
// each ten faults: the machine may have its own.
const calmFor = 3 * time.Second

// crashesInARow are too many for a plugin.
const crashesInARow = 5

func (v *victim) suffer(ctx context.Context, r *run) (err error) {
	// An opening that is cut off holds up its agent for long: none is later.
	err = v.a.during(ctx, func() error {
		return v.a.until(ctx, "all chats are open", func() (bool, error) { return v.a.load.open(), nil })
	})
	if err != nil {
		return err
	}
	if v.before, err = v.settled(ctx, nil); err != nil {
		return err
	}
	faults, many := max(r.doses(200), 4), r.doses(100)
	err = v.a.during(ctx, func() error {
		if err := v.rest(ctx); err != nil {
			return err
		}
		for n := range faults {
			if err := v.fault(ctx, r, n); err != nil {
				return fmt.Errorf("fault %d: %w", n+1, err)
			}
			if n%10 != 9 {
				continue
			}
			if err := v.rest(ctx); err != nil {
				return err
			}
		}
		for v.crashed < many {
			// One that has served for long ends the waits of the row before.
			if err := v.during("kill", func() error { return v.killed(ctx) }); err != nil {
				return err
			}
			patient := r.dose >= 1 && v.crashed == 0
			if err := v.during("crashes", func() error { return v.crashInARow(ctx, patient) }); err != nil {
				return fmt.Errorf("after %d crashes in rows: %w", v.crashed, err)
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d kills, hangs and bad files, then %d crashes in rows", faults, v.crashed)
	return err
}

// rest is a time without trouble.
func (v *victim) rest(ctx context.Context) error {
	from := time.Now()
	err := v.a.pause(ctx, calmFor)
	v.calm = append(v.calm, span{from, time.Now()})
	return err
}

// during is a time with trouble.
func (v *victim) during(what string, f func() error) error {
	from := time.Now()
	err := f()
	s := span{from, time.Now()}
	v.troubled, v.by[what] = append(v.troubled, s), append(v.by[what], s)
	return err
}

// fault does one thing to the plugin.
func (v *victim) fault(ctx context.Context, r *run, n int) error {
	switch {
	case n%25 == 7 && r.dose >= 0.2: // to notice takes as long as three pings; ten would be too many crashes
		return v.during("hang", func() error { return v.hang(ctx) })
	case n%10 == 2:
		return v.during("exit", func() error { return v.badFile(ctx, variant.Exit) })
	case n%10 == 3:
		return v.during("garbage", func() error { return v.badFile(ctx, variant.Garbage) })
	}
	return v.during("kill", func() error { return v.killed(ctx) })
}

// killed is one kill -9.
func (v *victim) killed(ctx context.Context) error {
	e, err := v.kill(ctx)
	v.kills = append(v.kills, e.outside)
	return err
}

// hang stops the process until the gateway has replaced it.
func (v *victim) hang(ctx context.Context) error {
	r, err := v.await(ctx, "runs", runs("", 0))
	if err != nil {
		return err
	}
	began := time.Now()
	if err := v.signal(r.Files[0].PID, syscall.SIGSTOP); err != nil {
		return err
	}
	_, err = v.await(ctx, "has been replaced after it hung", runs("", r.Files[0].PID))
	v.hangs = append(v.hangs, time.Since(began))
	return err
}

// badFile replaces the file by one that does not start. The process that runs
// must go on, and the file be shown with what is wrong with it.
func (v *victim) badFile(ctx context.Context, fault string) error {
	r, err := v.await(ctx, "runs", runs("", 0))
	if err != nil {
		return err
	}
	made, err := v.make(fault)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := os.Rename(made, v.file); err != nil {
		return err
	}
	err = v.a.until(ctx, fmt.Sprintf("the file that does not start (%s) is shown with its problem", fault), func() (bool, error) {
		all, err := v.a.home.Plugins(ctx)
		for _, p := range all {
			if p.PID == 0 && p.Problem != "" && p.Since.After(began) && filepath.Base(p.Path) == filepath.Base(v.file) {
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	v.shown = append(v.shown, time.Since(began))
	after, err := v.await(ctx, "runs although there is a bad file", runs("", 0))
	if err != nil {
		return err
	}
	if before := r.Files[0].PID; after.Files[0].PID != before {
		v.a.problem("process %d was replaced by %d for a file that does not start (%s)", before, after.Files[0].PID, fault)
	}
	return v.back(ctx)
}

// crashInARow kills the plugin as soon as it runs, until it is in quarantine.
// Then it is released, or runs again when its time is over.
func (v *victim) crashInARow(ctx context.Context, patient bool) error {
	var waits []time.Duration
	var f rig.Plugin
	for at, last := (time.Time{}), 0; ; {
		r, err := v.await(ctx, "runs again or is in quarantine", func(r rig.PluginReport) bool {
			return r.Files[0].State == "quarantined" || runs("", last)(r)
		})
		if err != nil {
			return err
		}
		if f = r.Files[0]; f.State == "quarantined" {
			break
		}
		if last != 0 {
			waits = append(waits, f.Since.Sub(at))
		}
		if len(waits) > 10*crashesInARow { // a slow machine needs some more: who has served a second is not blamed
			return fmt.Errorf("%d crashes in a row, and it is not in quarantine", len(waits))
		}
		v.a.far.life.Add(1)
		at, last = time.Now(), f.PID
		if err := v.signal(f.PID, syscall.SIGKILL); err != nil {
			return err
		}
		v.crashed++
	}
	v.waits = append(v.waits, waits)
	if time.Until(f.Quarantine) <= 0 {
		v.a.problem("in quarantine until %v, which is past", f.Quarantine)
	}
	if m, err := v.a.home.Metrics(ctx); err != nil || m["gateway_plugin_quarantined"] != 1 {
		v.a.problem("gateway_plugin_quarantined is %v in quarantine, want 1; %v", m["gateway_plugin_quarantined"], err)
	}
	if patient {
		if err := v.a.pause(ctx, time.Until(f.Quarantine)); err != nil {
			return err
		}
	} else if err := v.a.home.Order(ctx, v.of.ID, "release"); err != nil {
		return err
	}
	_, err := v.await(ctx, "runs after its quarantine", runs("", 0))
	return err
}

// leftover is what the dead may leave in the gateway, when nothing is under
// way.
type leftover struct{ descriptors, goroutines, sockets int }

// settled waits until nobody writes and all is sent, and with a limit until
// there is no more left than that.
func (v *victim) settled(ctx context.Context, limit *leftover) (l leftover, err error) {
	err = v.a.until(ctx, "nothing is under way", func() (bool, error) {
		v.a.load.client.CloseIdleConnections()
		m, err := v.a.home.Metrics(ctx)
		if err != nil {
			return false, err
		}
		folders, err := filepath.Glob(filepath.Join(v.temp, "gw-*", "plugin-dir*"))
		l = leftover{rig.Descriptors(v.a.process.PID), int(m["go_goroutines"]), len(folders)}
		idle := m["gateway_conversations_active"] == 0 && m["gateway_events_waiting"] == 0
		within := limit == nil || l.descriptors <= limit.descriptors && l.goroutines <= limit.goroutines && l.sockets <= limit.sockets
		return idle && within, errors.Join(err, fmt.Errorf("%+v", l))
	})
	return l, err
}

// slack is what may be more, of connections that have not been closed yet. The
// server keeps idle goroutines for a while, one for each writer.
const slack = 12

// noticed is a delay that says nothing on a machine that does other things.
const noticed = 10 * time.Millisecond

func (v *victim) judge(ctx context.Context, r *run) {
	limit := leftover{v.before.descriptors + slack, v.before.goroutines + slack + writers, v.before.sockets}
	after, err := v.settled(ctx, &limit)
	if err != nil {
		v.a.problem("the crashes left something: %v", err)
	}
	l := v.a.load
	calm, troubled := l.latencies(sides[1], v.calm), l.latencies(sides[1], v.troubled)
	if c, t := percentile(calm, 99), percentile(troubled, 99); t > 2*bar(max(c, noticed)) {
		v.a.problem("the other plugin's messages took %s, without trouble %s: want less than twice", percentiles(troubled), percentiles(calm))
	}
	r.note("the other plugin's messages, from their post to their arrival: %s; without trouble %s", percentiles(troubled), percentiles(calm))
	for _, what := range slices.Sorted(maps.Keys(v.by)) {
		r.note("  of them during %s: %s", what, percentiles(l.latencies(sides[1], v.by[what])))
	}
	r.note("killed to serving %s; hung to replaced %s", percentiles(v.kills), percentiles(v.hangs))
	r.note("file that does not start, to its problem in GET /v1/plugins %s", percentiles(v.shown))
	var rows []string
	for _, w := range v.waits[:min(len(v.waits), 3)] {
		rows = append(rows, fmt.Sprint(rounded(w)))
	}
	r.note("%d crashes; crash to serving in the first rows: %s, then quarantine", v.crashed, strings.Join(rows, ", "))
	r.note("before: %d descriptors that are no files, %d goroutines, %d folders of sockets; after: %d, %d, %d",
		v.before.descriptors, v.before.goroutines, v.before.sockets, after.descriptors, after.goroutines, after.sockets)
}

func rounded(all []time.Duration) (out []time.Duration) {
	for _, d := range all {
		out = append(out, d.Round(time.Millisecond))
	}
	return out
}

// open says whether all conversations have a chat.
func (l *load) open() bool {
	for _, c := range l.conversations {
		c.mu.Lock()
		chat := c.chat
		c.mu.Unlock()
		if chat == "" {
			return false
		}
	}
	return true
}

// latencies returns how long the messages of a side took that were posted in
// one of the spans.
func (l *load) latencies(s side, in []span) (all []time.Duration) {
	l.far.mu.Lock()
	defer l.far.mu.Unlock()
	l.posted.Range(func(id, at any) bool {
		posted := at.(time.Time)
		who, _, _ := strings.Cut(id.(string), ".")
		took := l.far.took[id.(string)]
		within := func(x span) bool { return posted.After(x.from) && posted.Before(x.to) }
		if l.byCustomer[who].side == s && len(took) > 0 && slices.ContainsFunc(in, within) {
			all = append(all, took[0].at.Sub(posted))
		}
		return true
	})
	return all
}
