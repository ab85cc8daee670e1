// Command imichat-sim is a contact center to try the gateway with: it speaks
// IMIchat's REST API and sends its webhooks, and has a page for the agent.
//
//	imichat-sim -hook http://127.0.0.1:8080/hooks/desk -secret team-secret
//	imichat-sim -hook … -auto -delay 500ms -script bot.txt
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

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "imichat-sim:", err)
		}
		os.Exit(2)
	}
}

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fl := flag.NewFlagSet("imichat-sim", flag.ContinueOnError)
	fl.SetOutput(stderr)
	listen := fl.String("listen", "127.0.0.1:8083", "`address` to listen on")
	hook := fl.String("hook", "", "`URL` of the gateway's hook, such as http://127.0.0.1:8080/hooks/desk")
	hookAuth := fl.String("hook-auth", "hmac", "`proof` of webhooks: hmac, header, query or none")
	secret := fl.String("secret", "", "comma-separated team `secrets` that are valid; empty: any")
	typographic := fl.Bool("typographic", false, "write webhooks as IMIchat's manual does, which is no JSON")
	script := fl.String("script", "", "`file` of the automatic agent's answers; implies -auto")
	auto := fl.Bool("auto", false, "pick every chat and answer; without -script by echoing")
	delay := fl.Duration("delay", 0, "the automatic agent's `time` to answer")
	verbose := fl.Bool("v", false, "log every call and webhook, without its text")
	if err := fl.Parse(args); err != nil {
		return err
	}
	opts := sim.Options{Log: logger(stderr, *verbose), Hook: *hook, HookAuth: *hookAuth, Typographic: *typographic}
	if *secret != "" {
		opts.Secrets = strings.Split(*secret, ",")
	}
	switch *hookAuth {
	case "hmac", "header", "query", "none":
	default:
		return fmt.Errorf("-hook-auth %q is none of hmac, header, query and none", *hookAuth)
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
	s := sim.New(opts)
	defer s.Close()
	return serve(ctx, *listen, s, stdout)
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
