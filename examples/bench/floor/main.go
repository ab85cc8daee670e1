// Command floor is what the gateway is measured against: everything that a
// message cannot do without, and nothing else. The same fasthttp settings, the
// same batched frames to the same plugin process, the same HTTP calls, and
// writes of fixed sizes through the same committer; no documents, rules,
// lanes, timers or history.
//
// It imports the gateway's inside, as no other example does, because it must
// use the very same host and committer: a copy would measure the copy.
//
//	floor -listen 127.0.0.1:0 -data DIR -plugins DIR -far URL [-writes 1]
//	floor -part writes|frames -data DIR -plugins DIR -concurrency 64 -for 3s
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/store/badger"
)

// The sizes of the writes, in bytes: about what the gateway writes for a
// message of 100 bytes.
const (
	eventBytes    = 300  // the event in its mailbox, with its deduplication
	documentBytes = 1500 // the document, its history and the command in the outbox
	endBytes      = 300  // the end of the command
)

// The instances that hooks name.
const (
	channelName   = "webshop"
	connectorName = "desk"
)

type options struct {
	listen, data, plugins, far, part string
	writes, concurrency              int
	duration                         time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "`address` of the hooks")
	flag.StringVar(&o.data, "data", "", "`folder` of the store")
	flag.StringVar(&o.plugins, "plugins", "", "`folder` of the plugin")
	flag.StringVar(&o.far, "far", "", "`URL` of the far side; none: the plugin calls nobody")
	flag.StringVar(&o.part, "part", "", "measure a `part` alone: writes, frames; http serves without a plugin and a store")
	flag.IntVar(&o.writes, "writes", 3, "durable writes per message, `1` or 3")
	flag.IntVar(&o.concurrency, "concurrency", 64, "callers of a part")
	flag.DurationVar(&o.duration, "for", 3*time.Second, "how long a part is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	f := &floor{options: o, places: make(chan struct{}, maxFlying)}
	if o.part == "http" {
		f.client = newClient()
		return f.serve(ctx)
	}
	if o.part != "frames" {
		st, err := badger.Open(badger.Options{Dir: filepath.Join(o.data, "store"), Ballast: -1})
		if err != nil {
			return err
		}
		defer func() { _ = st.Close() }()
		f.store = st
	}
	if o.part == "writes" {
		return measure(ctx, o, f.writeAll)
	}
	return f.withPlugin(ctx)
}

// withPlugin starts the plugin and serves, or measures the frames alone.
func (f *floor) withPlugin(ctx context.Context) (err error) {
	f.host = host.New(host.Config{
		Dirs: []string{f.plugins}, DataDir: f.data, HostVersion: "floor",
		Log:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Metrics: prometheus.NewRegistry(), Core: f,
	})
	settings := fmt.Appendf(nil, `{"url":%q}`, f.far)
	f.host.SetInstances([]host.Instance{
		{Name: channelName, Driver: "benchchannel", Revision: 1, Settings: settings},
		{Name: connectorName, Driver: "benchconnector", Revision: 1, Settings: settings},
	})
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan error, 1)
	defer func() { end(); err = errors.Join(err, <-stopped) }()
	err = f.host.Open(ctx)
	go func() { stopped <- f.host.Run(running) }()
	if err != nil {
		return err
	}
	for _, i := range f.host.Instances() {
		if i.State != host.Opened {
			return fmt.Errorf("instance %s is %s: %s", i.Name, i.State, i.Message)
		}
	}
	if f.part == "frames" {
		return measure(ctx, f.options, f.frames)
	}
	return f.serve(ctx)
}

// serve answers hooks until ctx ends.
func (f *floor) serve(ctx context.Context) error {
	ln, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	s := newServer(f)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	fmt.Println("floor ready")
	select {
	case err := <-served:
		return errors.Join(err, errors.New("the server ended"))
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = s.ShutdownWithContext(limit) // connections of the load may be open still
	f.flying.Wait()
	return nil
}

// number makes the keys of the writes, each used once.
type number struct{ n atomic.Uint64 }

func (n *number) next() []byte { return fmt.Appendf(nil, "%016x", n.n.Add(1)) }
