package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/host/stage"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Describe starts the program of a staged file in a sandbox, asks it what it is,
// and ends it. It needs no running gateway.
func Describe(ctx context.Context, f stage.File, hostVersion string) (m *pluginv1.Manifest, err error) {
	dir, err := os.MkdirTemp("", "gateway-describe-")
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", f.Path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h := New(Config{DataDir: dir, HostVersion: hostVersion, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err := h.prepare(); err != nil {
		return nil, err
	}
	h.limits.sandbox = true
	h.launcher = newLauncher()
	defer func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel()
		_ = h.Run(ctx) // returns nil
	}()
	g, err := startGeneration(ctx, h, programOf(f), "", &tail{})
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", f.Path, err)
	}
	defer g.kill()
	return g.mf.Manifest, nil
}

// Known returns what programs said of themselves when a gateway ran with
// dataDir, by digest.
func Known(dataDir string) (map[string]*pluginv1.Manifest, error) {
	l, err := openLedger(ledgerPath(dataDir))
	if err != nil {
		return nil, err
	}
	known := make(map[string]*pluginv1.Manifest)
	for digest, m := range l.manifests {
		known[digest] = m.Manifest
	}
	return known, nil
}
