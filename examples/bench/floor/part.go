package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// measure calls one from many goroutines and prints how many calls a second
// there were.
func measure(ctx context.Context, o options, one func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	var calls atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, o.concurrency)
	began := time.Now()
	for range o.concurrency {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := one(ctx); err != nil && ctx.Err() == nil {
					failed <- err
					return
				}
				calls.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return err
	default:
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"per_second": float64(calls.Load()) / took.Seconds()})
}

// writeAll does the writes of one message.
func (f *floor) writeAll(ctx context.Context) error {
	values := [][]byte{event, document, end}
	for _, v := range values[:f.writes] {
		if err := f.store.WriteRaw(ctx, f.keys.next(), v); err != nil {
			return err
		}
	}
	return nil
}

// frames exchanges the frames of one message: a webhook and a call.
func (f *floor) frames(ctx context.Context) error {
	address := fmt.Sprintf("customer-%d", f.keys.n.Add(1)%1000)
	body, err := json.Marshal(map[string]string{"id": "1", "from": address, "text": frameText})
	if err != nil {
		return err
	}
	a, err := f.host.Webhook(ctx, channelName, &pluginv1.WebhookRequest{Method: "POST", Body: body})
	if err != nil {
		return err
	}
	if a.Status >= 300 {
		return fmt.Errorf("the plugin answered %d", a.Status)
	}
	if fate := f.call(address, frameText); fate != core.Answered {
		return fmt.Errorf("call: fate %v", fate)
	}
	return nil
}

// frameText is 100 bytes, as in the benchmark.
const frameText = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
