package rules

import "time"

// Rescan changes how often the files are read without a change being told.
// Call it before Run.
func (w *Watcher) Rescan(every time.Duration) { w.rescan = every }

// Clock replaces the clock that evaluations are timed with. Call it before Run.
func (w *Watcher) Clock(now func() time.Time) { w.clock = now }
