package engine

import (
	"sync"
	"time"
)

// Executor runs the engine's work.
type Executor interface {
	Go(f func())   // run f soon
	Then(f func()) // go on with f, which may block; the caller returns next
}

// Clock tells and waits.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (stop func())
}

// goroutines is the Executor of the real gateway.
type goroutines struct {
	mu     sync.RWMutex
	closed bool
	wg     sync.WaitGroup
}

func (g *goroutines) Go(f func()) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.closed {
		g.wg.Go(f)
	}
}

func (g *goroutines) Then(f func()) { f() }

// do runs f on the caller's goroutine, and close waits for it too.
func (g *goroutines) do(f func()) {
	g.mu.RLock()
	if g.closed {
		g.mu.RUnlock()
		return
	}
	g.wg.Add(1)
	g.mu.RUnlock()
	defer g.wg.Done()
	f()
}

// do runs a step on the caller's goroutine, as work of the executor.
func (e *Engine) do(step func()) {
	if g, ok := e.Exec.(*goroutines); ok {
		g.do(step)
		return
	}
	step()
}

// close waits for all that runs; nothing starts any more.
func (g *goroutines) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wg.Wait()
}

// wallClock is the Clock of the real gateway.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) AfterFunc(d time.Duration, f func()) func() {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}
