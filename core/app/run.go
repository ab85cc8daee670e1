package app

import (
	"context"
	"errors"
	"fmt"
)

// A part is a long-running piece of the gateway. Its run blocks until ctx
// ends, finishes the work in hand within a time of its own, and returns nil
// after a clean stop.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// runAll starts parts in order, waits until ctx ends or a part returns, and
// stops them one at a time, last started first: the door before the workers,
// the workers before the store. A part that returns early without an error is
// one too.
func runAll(ctx context.Context, parts ...part) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range parts {
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan error, 1)
		go func() {
			defer cancel()
			err := p.run(own)
			if err == nil && own.Err() == nil {
				err = errors.New("ended on its own")
			}
			done <- err
		}()
		defer func() { stop(); err = errors.Join(err, named(p.name, <-done)) }()
	}
	<-ctx.Done()
	return nil
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
