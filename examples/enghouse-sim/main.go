// Command enghouse-sim is a contact center to try the gateway with: it speaks
// Enghouse's chat protocol, and has a page for the agent.
//
//	enghouse-sim -listen 127.0.0.1:8082
//	enghouse-sim -auto -delay 500ms -script bot.txt
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "enghouse-sim:", err)
		}
		os.Exit(2)
	}
}

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fl := flag.NewFlagSet("enghouse-sim", flag.ContinueOnError)
	fl.SetOutput(stderr)
	listen := fl.String("listen", "127.0.0.1:8082", "`address` to listen on")
	script := fl.String("script", "", "`file` of the automatic agent's answers; implies -auto")
	auto := fl.Bool("auto", false, "take every chat and answer; without -script by echoing")
	delay := fl.Duration("delay", 0, "the automatic agent's `time` to answer")
	queues := fl.String("queues", "", "comma-separated `names` of the queues there are; empty: any")
	verbose := fl.Bool("v", false, "log every call, without its text")
	if err := fl.Parse(args); err != nil {
		return err
	}
	opts := sim.Options{Log: logger(stderr, *verbose)}
	if *queues != "" {
		opts.Queues = strings.Split(*queues, ",")
	}
	if *auto || *script != "" {
		opts.Auto = &sim.Auto{Delay: *delay}
	}
	if *script != "" {
		s, err := readScript(*script)
		if err != nil {
			return err
		}
		opts.Auto.Script = s
	}
	return serve(ctx, *listen, sim.New(opts), stdout)
}

func serve(ctx context.Context, addr string, s *sim.Sim, stdout io.Writer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		MaxHeaderBytes: 64 << 10, BaseContext: func(net.Listener) context.Context { return ctx }}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { s.Run(ctx) })
	wg.Go(func() {
		<-ctx.Done()
		// Streams and made-up hangs end with ctx; what is left is cut.
		grace, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer done()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	_, _ = fmt.Fprintf(stdout, "listening on http://%s\n", l.Addr())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func readScript(name string) (sim.Script, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return sim.ReadScript(f, name)
}

func logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
