package httpd

import (
	"bufio"
	"context"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
)

const (
	maxStreams = 64               // responses without an end, per listener
	streamBeat = 10 * time.Second // of silence, then an empty line shows whether the client is still there
)

type streamsKey struct{}

// stream answers with what feed writes, each write at once. If it is endless,
// feed's ctx ends with the server or the client, else feed ends by itself. An
// error of feed after the first byte can only end the response.
func (a *Admin) stream(r *fasthttp.RequestCtx, endless bool, kind string, feed func(ctx context.Context, write func([]byte) error) error) error {
	s, _ := r.UserValue(streamsKey{}).(*sockets)
	if !s.enter() {
		return core.Errorf(core.TooMany, "too many streams at once")
	}
	if c, ok := r.Conn().(*conn); ok && endless {
		c.patient.Store(true)
		r.SetConnectionClose() // its writes are bounded one by one from here on
	}
	r.SetContentType(kind)
	r.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer s.leave()
		defer a.recoverStream()
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		out := &streamWriter{w: w, cancel: cancel, last: time.Now()}
		var beating sync.WaitGroup
		defer beating.Wait()
		defer cancel()
		if endless {
			beating.Go(func() { out.beat(ctx, a.beat) })
		}
		if err := feed(ctx, out.write); err != nil && ctx.Err() == nil {
			a.log.Warn("stream ended", "err", err)
		}
	})
	return nil
}

func (a *Admin) recoverStream() {
	if v := recover(); v != nil {
		a.log.Error("stream panicked", "panic", v)
	}
}

// streamWriter is safe for concurrent use. When the client is gone it cancels.
type streamWriter struct {
	mu     sync.Mutex
	w      *bufio.Writer
	cancel context.CancelFunc
	last   time.Time
}

func (s *streamWriter) write(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flush(b)
}

func (s *streamWriter) flush(b []byte) error {
	_, err := s.w.Write(b)
	if err == nil {
		err = s.w.Flush()
	}
	if err != nil {
		s.cancel()
	}
	s.last = time.Now()
	return err
}

// beat writes an empty line after each silence until ctx ends.
func (s *streamWriter) beat(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		s.mu.Lock()
		if time.Since(s.last) >= every/2 {
			_ = s.flush([]byte{'\n'}) // it cancels
		}
		s.mu.Unlock()
	}
}
