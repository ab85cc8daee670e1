package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// maxShown is how much of one thing that went over the wire is shown, in bytes.
const maxShown = 600

// wire prints what went over the wires. It is safe for concurrent use.
type wire struct {
	to    io.Writer
	began time.Time

	mu sync.Mutex
}

// head begins a scene.
func (w *wire) head(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = fmt.Fprintf(w.to, "\n== %s\n", name)
}

// in prints what came to the gateway from a platform, out what went to it.
func (w *wire) in(what string)  { w.print(">", what) }
func (w *wire) out(what string) { w.print("<", what) }

// say prints a line of our own.
func (w *wire) say(format string, args ...any) { w.print(" ", fmt.Sprintf(format, args...)) }

func (w *wire) print(mark, what string) {
	if len(what) > maxShown {
		what = strings.ToValidUTF8(what[:maxShown], "") + "…"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range strings.Lines(strings.TrimRight(what, "\r\n")) {
		_, _ = fmt.Fprintf(w.to, "%8.2f s %s %s\n", time.Since(w.began).Seconds(), mark, strings.TrimRight(line, "\r\n"))
		mark = strings.Repeat(" ", len(mark))
	}
}
