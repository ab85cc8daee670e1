package desk

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
)

// Main runs a simulator until it ends or a signal ends it.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, name+":", err)
		}
		os.Exit(2)
	}
}

// Program is the flags that every simulator has. Each adds its own before
// Parse.
type Program struct {
	*flag.FlagSet
	Options // once parsed
	listen  string
}

// NewProgram returns the flags of a program, which listens on listen if nothing
// else is said.
func NewProgram(name, listen string, stderr io.Writer) *Program {
	p := &Program{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	p.SetOutput(stderr)
	p.StringVar(&p.listen, "listen", listen, "`address` to listen on")
	return p
}

// List is a flag of several values.
func (p *Program) List(name, usage string) *[]string {
	var list []string
	p.Func(name, usage, func(text string) error {
		list = nil
		if text != "" {
			list = strings.Split(text, ",")
		}
		return nil
	})
	return &list
}

// Parse reads args, and the automatic agent's script by read.
func (p *Program) Parse(args []string, read func(r io.Reader, name string) (Script, error)) error {
	script := p.String("script", "", "`file` of the automatic agent's answers; implies -auto")
	auto := p.Bool("auto", false, "take every chat and answer; without -script by echoing")
	delay := p.Duration("delay", 0, "the automatic agent's `time` to answer")
	canned := p.String("canned", "", "`file` of answers that the agent can insert, one a line")
	verbose := p.Bool("v", false, "log every call, without its text")
	if err := p.FlagSet.Parse(args); err != nil {
		return err
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	p.Log = slog.New(slog.NewTextHandler(p.Output(), &slog.HandlerOptions{Level: level}))
	if *auto || *script != "" {
		p.Auto = &Auto{Delay: *delay}
	}
	var err error
	if *canned != "" {
		p.Canned, err = readFile(*canned, readCanned)
	}
	if err == nil && *script != "" {
		p.Auto.Script, err = readFile(*script, read)
	}
	return err
}

func readFile[T any](path string, read func(r io.Reader, name string) (T, error)) (t T, err error) {
	f, err := os.Open(path)
	if err != nil {
		return t, err
	}
	defer func() { _ = f.Close() }()
	return read(f, path)
}

// Server is a simulator as Serve has it.
type Server interface {
	http.Handler
	Outages() <-chan time.Duration // for how long nothing shall listen
}

// Serve serves until ctx ends. Once it listens it prints the address.
func (p *Program) Serve(ctx context.Context, s Server, stdout io.Writer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	at := l.Addr().String()
	_, _ = fmt.Fprintf(stdout, "listening on http://%s\n", at)
	for {
		closed, err := serve(ctx, l, s, s.Outages())
		if err != nil || ctx.Err() != nil || !Sleep(ctx, closed) {
			return err
		}
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", at); err != nil {
			return fmt.Errorf("after an outage: %w", err)
		}
	}
}

// Serve serves a simulator without outages at l until ctx ends. It prints the
// address.
func Serve(ctx context.Context, l net.Listener, h http.Handler, stdout io.Writer) error {
	_, _ = fmt.Fprintf(stdout, "listening on http://%s\n", l.Addr())
	_, err := serve(ctx, l, h, nil)
	return err
}

// serve serves at l until ctx ends, or until an outage of so long.
func serve(ctx context.Context, l net.Listener, h http.Handler, outages <-chan time.Duration) (closed time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		MaxHeaderBytes: 64 << 10, BaseContext: func(net.Listener) context.Context { return ctx }}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case closed = <-outages:
			cancel()
		}
		// Streams and made-up hangs end with ctx; what is left is cut.
		grace, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer done()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return 0, err
	}
	wg.Wait()
	return closed, nil
}
