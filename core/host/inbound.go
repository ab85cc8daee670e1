package host

import (
	"context"
	"sync"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// task is an Inbound frame on its way to being durable.
type task struct {
	frame   *pluginv1.PluginFrame
	keys    []string
	before  int     // tasks that must end first
	after   []*task // tasks that wait for this one
	refused error   // an earlier task of the same conversation was not accepted
}

// inbox has the frames of one customer or ref accepted in order and those of
// different ones at the same time. A frame behind a refused one is refused as
// well: the plugin sends both again, in order.
//
// Its goroutines are made as they are needed, at most one per credit.
type inbox struct {
	accept func(*pluginv1.PluginFrame) error
	finish func(*pluginv1.PluginFrame, error) // once per frame

	mu     sync.Mutex
	last   map[string]*task // by key, while it is not done
	of     map[string]int   // tasks by instance
	quiet  chan struct{}    // closed and replaced when an instance has none left
	ready  []*task
	busy   int
	idle   int
	wake   *sync.Cond
	closed bool
	wg     sync.WaitGroup
}

func newInbox(accept func(*pluginv1.PluginFrame) error, finish func(*pluginv1.PluginFrame, error)) *inbox {
	b := &inbox{accept: accept, finish: finish, last: make(map[string]*task),
		of: make(map[string]int), quiet: make(chan struct{})}
	b.wake = sync.NewCond(&b.mu)
	return b
}

// add takes a frame. It does not block, and returns false if the plugin has
// sent more than its credits allow, or the inbox is closed.
func (b *inbox) add(f *pluginv1.PluginFrame) bool {
	t := &task{frame: f, keys: keysOf(f)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.busy >= credits {
		return false
	}
	b.busy++
	b.of[f.Instance]++
	for _, k := range t.keys {
		prev := b.last[k]
		if prev == t {
			continue
		}
		if prev != nil {
			prev.after = append(prev.after, t)
			t.before++
		}
		b.last[k] = t
	}
	if t.before == 0 {
		b.start(t)
	}
	return true
}

// start hands t to a worker. The caller holds mu.
func (b *inbox) start(t *task) {
	b.ready = append(b.ready, t)
	if b.idle > 0 {
		b.idle--
		b.wake.Signal()
		return
	}
	b.wg.Go(b.work)
}

func (b *inbox) work() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.ready) == 0 {
			if b.closed {
				return
			}
			b.idle++
			b.wake.Wait()
		}
		t := b.ready[0]
		b.ready = dropFront(b.ready, 1)
		b.mu.Unlock()
		err := t.refused
		if err == nil {
			err = b.accept(t.frame)
		}
		b.finish(t.frame, err)
		b.mu.Lock()
		b.done(t, err)
	}
}

// done releases those who waited for t. The caller holds mu.
func (b *inbox) done(t *task, err error) {
	b.busy--
	if name := t.frame.Instance; b.of[name] > 1 {
		b.of[name]--
	} else {
		delete(b.of, name)
		close(b.quiet)
		b.quiet = make(chan struct{})
	}
	for _, k := range t.keys {
		if b.last[k] == t {
			delete(b.last, k)
		}
	}
	for _, next := range t.after {
		if err != nil && next.refused == nil {
			next.refused = err
		}
		if next.before--; next.before == 0 {
			b.start(next)
		}
	}
}

// await returns when no frame of the instance is on its way, or ctx ends.
func (b *inbox) await(ctx context.Context, instance string) {
	for {
		b.mu.Lock()
		n, quiet := b.of[instance], b.quiet
		b.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-quiet:
		case <-ctx.Done():
			return
		}
	}
}

// close lets the workers finish what was added and waits for them.
func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	b.idle = 0
	b.wake.Broadcast()
	b.mu.Unlock()
	b.wg.Wait()
}

// keysOf are the customers and refs that the events of f are about. A key may
// come twice.
func keysOf(f *pluginv1.PluginFrame) []string {
	events := f.GetInbound().GetEvents()
	keys := make([]string, 0, len(events))
	for _, e := range events {
		if a := e.Customer.GetAddress(); a != "" {
			keys = append(keys, f.Instance+"\x00c"+a)
		} else {
			keys = append(keys, f.Instance+"\x00r"+e.Ref)
		}
	}
	return keys
}
