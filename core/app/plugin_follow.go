package app

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/httpd"
)

// lookEvery is how often a follower asks what has become of its plugin.
const lookEvery = 300 * time.Millisecond

// follower says what becomes of a plugin that is dropped, and what it writes.
type follower struct {
	cfg     *config.Config
	since   time.Time   // older lines are not of interest
	dropped chan string // path of the plugin; room for one
}

func (f *follower) drop(path string) {
	select {
	case f.dropped <- path:
	default: // it is always the same one
	}
}

// run follows until ctx ends, also while no gateway runs.
func (f *follower) run(ctx context.Context, out io.Writer) error {
	var path string
	select {
	case path = <-f.dropped:
	case <-ctx.Done():
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	a := newAdmin(f.cfg)
	defer a.close()
	l := logTail{a: a, out: out, since: f.since}
	defer l.stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	said := ""
	for {
		now := "no gateway is running with data_dir " + f.cfg.DataDir + "; start one to see the plugin at work"
		if list, err := a.plugins(ctx); err == nil {
			now = "the gateway has not seen it yet"
			if p := list.file(path); p != nil {
				now = lifeOf(*p)
				l.follow(ctx, keyOf(p))
			}
		} else if !isStopped(err) {
			now = err.Error()
		}
		if ctx.Err() != nil {
			return nil
		}
		if now != said {
			said = now
			if _, err := fmt.Fprintf(out, "%s: %s\n", filepath.Base(path), printable(now)); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lifeOf says in one line how a plugin does.
func lifeOf(p httpd.Plugin) string {
	parts := append([]string{strings.TrimSpace(p.Version + " " + stateOf(p))}, notes(p)...)
	for _, i := range p.Instances {
		parts = append(parts, fmt.Sprintf("%s is %s", i.Name, strings.TrimSuffix(i.State+": "+i.Problem, ": ")))
	}
	return strings.Join(parts, "; ")
}

// logTail prints the log of one plugin at a time.
type logTail struct {
	a     *adminAPI
	out   io.Writer
	since time.Time // of the last line that was printed

	id   string
	end  context.CancelFunc
	done chan struct{} // closed when the printing has ended; nil: there is none
}

// follow prints what id writes from now on, if that is not being done.
func (l *logTail) follow(ctx context.Context, id string) {
	if l.done != nil && l.id == id {
		select {
		case <-l.done: // the gateway has ended
		default:
			return
		}
	}
	l.stop()
	ctx, l.end = context.WithCancel(ctx)
	l.id, l.done = id, make(chan struct{})
	go func() {
		defer close(l.done)
		_ = l.a.logs(ctx, id, true, func(line httpd.PluginLine) error { // it is tried again
			if !line.At.After(l.since) {
				return nil
			}
			l.since = line.At
			return printLine(l.out, line)
		})
	}()
}

// stop ends the printing.
func (l *logTail) stop() {
	if l.done != nil {
		l.end()
		<-l.done
		l.done = nil
	}
}
