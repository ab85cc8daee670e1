package sdk

import (
	"context"
	"sync"
	"sync/atomic"
)

// keepIdle is how many workers wait for work; more of them end when idle.
const keepIdle = 64

// conversation is the key of a barrier: tasks with an equal one never run at
// the same time and run in the order of their arrival.
type conversation struct {
	instance string
	id       [16]byte
}

// work runs tasks on reused goroutines. How many there are is bounded by the
// callers, who bound the tasks.
type work struct {
	mu    sync.Mutex
	tails map[conversation]*task // the last task of each conversation that has one
	ready chan *task
	quit  chan struct{}
	idle  atomic.Int32
	n     gauge // workers
}

func newWork() *work {
	return &work{
		tails: make(map[conversation]*task),
		ready: make(chan *task),
		quit:  make(chan struct{}),
	}
}

// submit runs t at once, or behind the tasks of its conversation.
func (w *work) submit(t *task) {
	if t.ordered {
		w.mu.Lock()
		tail := w.tails[t.key]
		w.tails[t.key] = t
		if tail != nil {
			tail.next = t
		}
		w.mu.Unlock()
		if tail != nil {
			return
		}
	}
	w.start(t)
}

func (w *work) start(t *task) {
	select {
	case w.ready <- t:
	default:
		w.n.run(func() { w.worker(t) })
	}
}

// after returns the task that waited for t, if one did.
func (w *work) after(t *task) *task {
	if !t.ordered {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.next == nil {
		delete(w.tails, t.key)
	}
	return t.next
}

func (w *work) worker(t *task) {
	defer func() {
		if t != nil { // the driver ended the goroutine (runtime.Goexit)
			if next := w.after(t); next != nil {
				w.start(next)
			}
		}
	}()
	for {
		for t != nil {
			t.run()
			t = w.after(t)
		}
		if w.idle.Add(1) > keepIdle {
			w.idle.Add(-1)
			return
		}
		select {
		case t = <-w.ready:
			w.idle.Add(-1)
		case <-w.quit:
			return
		}
	}
}

// stop ends the idle workers and waits for the others until ctx ends. No task
// may come later.
func (w *work) stop(ctx context.Context) {
	close(w.quit)
	_ = w.n.wait(ctx)
}
