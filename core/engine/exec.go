package engine

import (
	"sync"
	"time"
)

// Executor runs the engine's work. Its methods may be called from any
// goroutine, also by the work itself.
type Executor interface {
	// Go runs f soon, and returns before it has.
	Go(f func())
	// Then goes on with f, which may block. The caller holds no lock and does
	// nothing after it.
	Then(f func())
	// Do runs f before it returns.
	Do(f func())
	// Close returns when all that runs has ended. What is given afterwards is
	// not run.
	Close()
}

// Clock tells the time and waits. It may be called from any goroutine.
type Clock interface {
	// Now is the time. It may jump, in both directions.
	Now() time.Time
	// AfterFunc calls f once, on any goroutine, when d has passed; f does not
	// block. stop may be called more than once, and does not wait for an f that
	// has begun.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// goroutines is the Executor of the real gateway.
type goroutines struct {
	mu     sync.RWMutex
	closed bool
	wg     sync.WaitGroup
}

// Go implements Executor.
func (g *goroutines) Go(f func()) {
	if g.begin() {
		go g.run(f)
	}
}

// Then implements Executor.
func (g *goroutines) Then(f func()) { f() }

// Do implements Executor.
func (g *goroutines) Do(f func()) {
	if g.begin() {
		g.run(f)
	}
}

// begin counts one more that runs, unless there are to be no more.
func (g *goroutines) begin() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return false
	}
	g.wg.Add(1)
	return true
}

func (g *goroutines) run(f func()) {
	defer g.wg.Done()
	f()
}

// Close implements Executor.
func (g *goroutines) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wg.Wait()
}

// wallClock is the Clock of the real gateway.
type wallClock struct{}

// Now implements Clock.
func (wallClock) Now() time.Time { return time.Now() }

// AfterFunc implements Clock.
func (wallClock) AfterFunc(d time.Duration, f func()) func() {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}
