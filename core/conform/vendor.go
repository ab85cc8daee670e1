package conform

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// vendor stands for the far side: an HTTP server on loopback that takes
// everything and answers an empty JSON object. It can hold its answers back,
// so that calls of the plugin are surely open.
type vendor struct {
	url    string
	server *http.Server
	done   chan struct{}

	mu      sync.Mutex
	news    chan struct{} // closed at each request
	count   int
	waiting int           // requests held
	hold    chan struct{} // closed to let them go; nil: nothing is held
	shaky   bool
}

func startVendor() (*vendor, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &vendor{url: "http://" + lis.Addr().String(), done: make(chan struct{}), news: make(chan struct{})}
	v.server = &http.Server{Handler: v, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(v.done)
		_ = v.server.Serve(lis) // ends with close
	}()
	return v, nil
}

func (v *vendor) close() {
	v.release()
	_ = v.server.Close()
	<-v.done
}

// ServeHTTP implements http.Handler.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 8<<20))
	if err != nil && !errors.Is(err, io.EOF) {
		return
	}
	v.mu.Lock()
	v.count++
	n, hold, shaky := v.count, v.hold, v.shaky
	if hold != nil {
		v.waiting++
	}
	close(v.news)
	v.news = make(chan struct{})
	v.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
		v.mu.Lock()
		v.waiting--
		v.mu.Unlock()
	}
	if shaky && n%3 == 0 { // answers of different requests overtake one another
		t := time.NewTimer(15 * time.Millisecond)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}") // the plugin may be gone
}

// seen is how many requests came.
func (v *vendor) seen() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.count
}

// holdBack keeps the answers of requests that come from now on until release.
func (v *vendor) holdBack() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hold = make(chan struct{})
}

// release answers what is held, and holds nothing any more.
func (v *vendor) release() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.hold != nil {
		close(v.hold)
		v.hold = nil
	}
}

// tremble makes some answers late.
func (v *vendor) tremble() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shaky = true
}

// await waits until n requests are held, for d at most.
func (v *vendor) await(ctx context.Context, n int, d time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for {
		v.mu.Lock()
		enough, news := v.waiting >= n, v.news
		v.mu.Unlock()
		if enough {
			return true
		}
		select {
		case <-news:
		case <-ctx.Done():
			return false
		}
	}
}

// hear waits until n requests have come in all, or none for d.
func (v *vendor) hear(ctx context.Context, n int, d time.Duration) {
	for {
		v.mu.Lock()
		enough, news := v.count >= n, v.news
		v.mu.Unlock()
		if enough {
			return
		}
		t := time.NewTimer(d)
		select {
		case <-news:
			t.Stop()
		case <-t.C:
			return
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}
