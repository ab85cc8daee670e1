package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// oversizedMB is what the gateway may take more while thousands of requests
// are too large. Half of that comes and goes with others' messages.
const oversizedMB = 40

// oversized sends requests just over a limit and far over it.
func (b *bad) oversized(ctx context.Context) error {
	const post = "POST /hooks/phone HTTP/1.1\r\nHost: x\r\n"
	body := strings.Repeat("x", 1<<20+1)
	many := strings.Repeat("A: b\r\n", 10_000)
	requests := []struct {
		raw  string
		code int
	}{
		{fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(body), body), http.StatusRequestEntityTooLarge},
		{fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, 10<<30, body), http.StatusRequestEntityTooLarge},
		{post + "Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n" + body, http.StatusRequestEntityTooLarge},
		{post + "X: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		{post + many + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
		{"GET /hooks/phone/" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
	}
	var memory float64
	n := b.r.doses(1000)
	for i := range n {
		if i == n/10 { // the buffers are warm
			memory = rig.MemoryOf(b.process.PID).Anon
		}
		for _, q := range requests {
			code, err := b.raw(ctx, q.raw)
			if err != nil {
				return fmt.Errorf("%.60q: %w", q.raw, err)
			}
			if code != q.code {
				b.problem("%.60q: %d, want %d", q.raw, code, q.code)
			}
		}
	}
	grown := rig.MemoryOf(b.process.PID).Anon - memory
	b.r.note("%d oversized requests, all refused; %.0f MB more", n*len(requests), grown)
	if grown > oversizedMB*patience {
		b.problem("memory grew by %.0f MB for oversized requests, want at most %d", grown, oversizedMB)
	}
	return nil
}

// raw sends bytes on a connection of their own and returns the answer's code.
func (b *bad) raw(ctx context.Context, request string) (int, error) {
	c, err := (&net.Dialer{Timeout: bar(time.Second)}).DialContext(ctx, "tcp", b.home.Listen)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(bar(movesWithin))); err != nil {
		return 0, err
	}
	written := make(chan struct{})
	go func() { // the answer may come before all is written
		defer close(written)
		_, _ = c.Write([]byte(request))
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	_ = c.SetWriteDeadline(time.Now())
	<-written
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
