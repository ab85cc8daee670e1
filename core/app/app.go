// Package app wires the parts of the gateway together, runs them, and is its
// command line. It alone knows all other packages.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/openccsp/gateway/core/config"
)

// App is a gateway that is ready to run.
type App struct {
	config *config.Config
	log    *slog.Logger
	out    io.Writer // gets the ready line

	key   []byte        // encrypts secrets in the store; 32 bytes
	token config.Secret // of the admin API

	public, admin, socket net.Listener
	gateway               *gateway
	began                 time.Time

	parts  []part                          // in the order of start
	ready  func(ctx context.Context) error // waits until the gateway can do its work
	closes []closer                        // undone last first
}

// closer undoes one step of Open.
type closer struct {
	name  string
	close func() error
}

// Open acquires everything that can fail: folders, keys, the store, listeners,
// plugins. Nothing is served yet. If it fails, what it had acquired is released.
// Mistakes in a user's file are a diag.Problems or a *diag.Problem. ctx bounds
// Open alone.
func Open(ctx context.Context, c *config.Config, log *slog.Logger) (*App, error) {
	a := &App{config: c, log: log, out: io.Discard, began: time.Now(), ready: func(context.Context) error { return nil }}
	steps := []func(context.Context) error{
		func(context.Context) error { return endpointProblems(c).Err() },
		a.openData,
		a.openKey,
		a.openToken,
		a.openListeners,
		a.wire, // the store first: its lock says that no other gateway uses data_dir
		a.openSocket,
		a.wireDoors,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return a, nil
}

// Run serves until ctx ends or a part fails, then stops every part, the last
// started first, and releases what Open acquired. An App runs once.
func (a *App) Run(ctx context.Context) error {
	err := runAll(ctx, append(slices.Clip(a.parts), part{"ready", a.announce})...)
	return errors.Join(err, a.close())
}

// onClose has f called when the App is closed, before what was opened earlier.
func (a *App) onClose(name string, f func() error) { a.closes = append(a.closes, closer{name, f}) }

func (a *App) close() (err error) {
	for _, c := range slices.Backward(a.closes) {
		if cerr := c.close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
			err = errors.Join(err, fmt.Errorf("close %s: %w", c.name, cerr))
		}
	}
	a.closes = nil
	return err
}

// slowStart is after how long a start that is not ready yet is logged.
const slowStart = 10 * time.Second

// announce prints the ready line once the gateway can do its work.
func (a *App) announce(ctx context.Context) error {
	slow := time.AfterFunc(slowStart, func() { a.log.WarnContext(ctx, "not ready yet", "waited", slowStart.String()) })
	defer slow.Stop()
	if err := a.ready(ctx); err != nil {
		if ctx.Err() != nil { // stopped before it was ready
			return nil
		}
		return err
	}
	slow.Stop()
	line := fmt.Sprintf("gateway ready: hooks at http://%s/hooks/, admin at http://%s/, data in %s\n",
		a.public.Addr(), a.admin.Addr(), a.config.DataDir)
	if _, err := io.WriteString(a.out, line); err != nil {
		a.log.WarnContext(ctx, "ready line not written", "err", err)
	}
	a.log.InfoContext(ctx, "gateway ready", "took", time.Since(a.began).Round(time.Millisecond).String(),
		"hooks", a.public.Addr().String(), "admin", a.admin.Addr().String())
	<-ctx.Done()
	a.log.InfoContext(context.WithoutCancel(ctx), "gateway stops")
	return nil
}

// limitMemory sets the soft limit of the heap, unless $GOMEMLIMIT did.
func limitMemory(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}
