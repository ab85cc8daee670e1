package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// Bars of slow clients.
const (
	slowMB     = 50              // what the gateway may take more
	slowClosed = 8 * time.Second // when the last is cut off: the time for a request is 5 s
	slowSlack  = 50 * time.Millisecond
)

// slowClients opens very many connections, half of which send a header and
// half a body, a byte at a time. They are cut off, cost little, and others are
// served as before.
func (b *bad) slowClients(ctx context.Context) error {
	before, err := b.probe(ctx, 300)
	if err != nil {
		return err
	}
	memory := rig.MemoryOf(b.process.PID).Anon
	var open atomic.Int64
	var longest atomic.Int64
	var all sync.WaitGroup
	clients := b.r.doses(2000)
	for i := range clients {
		all.Go(func() {
			c, err := net.DialTimeout("tcp", b.home.Listen, bar(5*time.Second))
			if err != nil {
				b.problem("slow client: %v", err)
				return
			}
			defer func() { _ = c.Close() }()
			open.Add(1)
			began := time.Now()
			drip(c, i%2 == 0)
			open.Add(-1)
			for took := int64(time.Since(began)); ; {
				if old := longest.Load(); took <= old || longest.CompareAndSwap(old, took) {
					return
				}
			}
		})
	}
	during, probeErr := b.probe(ctx, 300)
	held := open.Load()
	grown := rig.MemoryOf(b.process.PID).Anon - memory
	all.Wait()
	if probeErr != nil {
		return probeErr
	}
	cut := time.Duration(longest.Load())
	b.r.note("%d slow clients: others answered within %v of p99, %v before; %.0f MB more with %d open; the last cut off after %v",
		clients, during.Round(time.Microsecond), before.Round(time.Microsecond), grown, held, cut.Round(time.Millisecond))
	if during > bar(2*before+slowSlack) {
		b.problem("p99 of others is %v beside slow clients, %v before", during, before)
	}
	if grown > slowMB*patience {
		b.problem("memory grew by %.0f MB, want at most %d", grown, slowMB)
	}
	if cut > bar(slowClosed) {
		b.problem("a slow client was cut off after %v, want %v", cut, bar(slowClosed))
	}
	return nil
}

// drip sends a request byte by byte until the other side ends it.
func drip(c net.Conn, body bool) {
	head := "POST /hooks/phone HTTP/1.1\r\nHost: x\r\n"
	if body {
		head += "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", 8<<10)
	} else {
		head += "X-Slow: "
	}
	_, _ = io.WriteString(c, head)
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = io.Copy(io.Discard, c) }()
	every := time.NewTicker(250 * time.Millisecond)
	defer every.Stop()
	limit := time.NewTimer(2 * bar(slowClosed))
	defer limit.Stop()
	for {
		select {
		case <-every.C:
			_, _ = io.WriteString(c, "x")
		case <-ended:
			return
		case <-limit.C:
			_ = c.Close()
			<-ended
			return
		}
	}
}

// probe asks n times, 10 ms apart, and returns the 99th percentile.
func (b *bad) probe(ctx context.Context, n int) (time.Duration, error) {
	var took []time.Duration
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for range n {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.home.Hook("web")+"/config", nil)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		resp, err := b.client.Do(r)
		if err != nil {
			return 0, err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("others are answered %s", resp.Status)
		}
		took = append(took, time.Since(began))
		<-every.C
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}
