package host

import (
	"context"
	"time"
)

// changed wakes those in await.
func (h *Host) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changedLocked()
}

func (h *Host) changedLocked() {
	close(h.news)
	h.news = make(chan struct{})
}

// await returns when ok, called with mu held, is true, or ctx ends.
func (h *Host) await(ctx context.Context, ok func() bool) {
	for {
		h.mu.Lock()
		done, news := ok(), h.news
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// sleep returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
