package rules

import "time"

// Rescan changes how often the files are read without a change being told.
// Call it before Run.
func (w *Watcher) Rescan(every time.Duration) { w.rescan = every }
