package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// watched are what must not grow. Resident memory may: it includes the mapped
// files of a store that grows.
var watched = []struct {
	metric, name string
	slack        float64 // what it may grow by beside a quarter
}{
	{"go_memstats_heap_inuse_bytes", "heap", 64 << 20},
	{"process_open_fds", "open files", 64},
	{"go_goroutines", "goroutines", 200},
}

// watch samples a gateway while it is attacked. A kill does not hide a leak:
// what leaks on disk, or in how much a start loads, is in the later samples.
type watch struct {
	home    *rig.Home
	samples map[string][]float64
}

func newWatch(h *rig.Home) *watch { return &watch{home: h, samples: map[string][]float64{}} }

func (w *watch) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(max(every, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		m, err := w.home.Metrics(ctx)
		if err != nil {
			continue // it is down
		}
		for _, x := range watched {
			w.samples[x.metric] = append(w.samples[x.metric], m[x.metric])
		}
	}
}

// ends returns the medians of the first and of the last third.
func (w *watch) ends(metric string) (first, last float64) {
	all := w.samples[metric]
	n := len(all) / 3
	if n == 0 {
		return 0, 0
	}
	middle := func(s []float64) float64 {
		s = slices.Clone(s)
		slices.Sort(s)
		return s[len(s)/2]
	}
	return middle(all[:n]), middle(all[len(all)-n:])
}

// leaks names what has grown.
func (w *watch) leaks() (all []string) {
	for _, x := range watched {
		if first, last := w.ends(x.metric); last > first*1.25+x.slack {
			all = append(all, fmt.Sprintf("%s grew from %.0f to %.0f", x.name, first, last))
		}
	}
	return all
}

func (w *watch) String() string {
	text := fmt.Sprintf("%d samples, medians of the first and of the last third:", len(w.samples[watched[0].metric]))
	for _, x := range watched {
		first, last := w.ends(x.metric)
		text += fmt.Sprintf(" %s %.0f, %.0f;", x.name, first, last)
	}
	return text
}
