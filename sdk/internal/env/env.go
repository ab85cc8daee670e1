// Package env lets a test harness stand in for the surroundings of a plugin.
package env

import (
	"context"
	"log/slog"
	"time"
)

// Env is what a served plugin takes from its surroundings.
type Env struct {
	Log *slog.Logger
	Now func() time.Time
}

type key struct{}

// With returns a context that carries e to Plugin.Serve.
func With(ctx context.Context, e Env) context.Context { return context.WithValue(ctx, key{}, e) }

// From returns the Env of ctx, completed from the real surroundings.
func From(ctx context.Context) Env {
	e, _ := ctx.Value(key{}).(Env)
	if e.Log == nil {
		e.Log = slog.Default()
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	return e
}
