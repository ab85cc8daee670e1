package host

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
)

// Limits of what is kept of a plugin's log.
const (
	maxTailLines = 1000
	maxTailLine  = 2 << 10 // bytes
	reportLines  = 100     // of Plugin.Log
)

// LogLine is a line that a plugin wrote. Attributes of a structured one are in
// the gateway's log only.
type LogLine struct {
	At         time.Time
	Level      slog.Level
	Text       string
	Generation uint64
	PID        int
}

// tail keeps the last lines of a plugin, over its restarts. Its zero value is
// empty.
type tail struct {
	mu    sync.Mutex
	lines []LogLine
	total int           // ever added
	news  chan struct{} // closed at the next line; nil: nobody waits
}

func (t *tail) add(line LogLine) {
	line.Text = clip(line.Text, maxTailLine)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == maxTailLines {
		t.lines = dropFront(t.lines, maxTailLines/10) // seldom, so it costs little
	}
	t.lines = append(t.lines, line)
	t.total++
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// since returns the lines from number n on, counted from 0, how many there have
// been, and what is closed at the next one.
func (t *tail) since(n int) (lines []LogLine, total int, news <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.news == nil {
		t.news = make(chan struct{})
	}
	have := min(max(t.total-n, 0), len(t.lines))
	return slices.Clone(t.lines[len(t.lines)-have:]), t.total, t.news
}

func (t *tail) last(n int) []LogLine {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines[max(len(t.lines)-n, 0):])
}

func (t *tail) texts() (texts []string) {
	for _, l := range t.last(reportLines) {
		texts = append(texts, l.Text)
	}
	return texts
}

// Logs calls emit for each of the last lines that a plugin wrote, oldest first,
// and if follow is set for each new one until ctx ends, which is no error. An
// error of emit ends it and is returned. Lines that come faster than emit takes
// them are left out. Of a file that has never said which plugin it is, plugin is
// the path. Error: core.NotFound.
func (h *Host) Logs(ctx context.Context, plugin string, follow bool, emit func(LogLine) error) error {
	log, err := h.tailOf(plugin)
	if err != nil {
		return err
	}
	for n := 0; ; {
		lines, total, news := log.since(n)
		n = total
		for _, l := range lines {
			if err := emit(l); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil
		}
	}
}

// slotOf returns the slot of a plugin id.
func (h *Host) slotOf(plugin string) (*slot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.slots[plugin]; s != nil {
		return s, nil
	}
	return nil, core.Errorf(core.NotFound, "no plugin %q", plugin)
}

func (h *Host) tailOf(plugin string) (*tail, error) {
	h.mu.Lock()
	p := h.places[plugin]
	unknown := p != nil && p.slot == nil
	h.mu.Unlock()
	if unknown {
		return p.tail, nil
	}
	s, err := h.slotOf(plugin)
	if err != nil {
		return nil, err
	}
	return s.log, nil
}
