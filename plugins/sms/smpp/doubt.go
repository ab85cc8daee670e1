package smpp

import (
	"context"
	"time"
)

// doubt is that the other side may not be there any more.
type doubt struct{ over chan struct{} }

// hear notes that the other side is there.
func (s *Session) hear() {
	s.heard.Store(time.Now().UnixNano())
	if d := s.doubted.Swap(nil); d != nil {
		close(d.over)
	}
}

// doubt has the other side asked whether it is there, when it has not answered a
// request that went out at began, and has not been heard since. A request that went out
// now would most likely have no answer either, and nobody would know what became of it.
func (s *Session) doubt(began time.Time) {
	if s.heard.Load() > began.UnixNano() || !s.doubted.CompareAndSwap(nil, &doubt{make(chan struct{})}) {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// trust waits until the other side is not in doubt.
func (s *Session) trust(ctx context.Context) error {
	d := s.doubted.Load()
	if d == nil {
		return nil
	}
	select {
	case <-d.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return s.cause()
	}
}
