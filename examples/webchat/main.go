// Command webchat serves a page from which a customer writes to the gateway's
// RTM channel: one script tag, of the widget that the gateway serves.
//
//	webchat -listen 127.0.0.1:8083 -gateway http://127.0.0.1:8080 -channel webshop
//
// The page's origin must be allowed by the channel's origins setting.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed page
var files embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "webchat:", err)
		}
		os.Exit(2)
	}
}

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fl := flag.NewFlagSet("webchat", flag.ContinueOnError)
	fl.SetOutput(stderr)
	listen := fl.String("listen", "127.0.0.1:8083", "`address` to listen on")
	gateway := fl.String("gateway", "http://127.0.0.1:8080", "`URL` of the gateway, as browsers reach it")
	channel := fl.String("channel", "webshop", "`name` of the rtm channel in gateway.hcl")
	if err := fl.Parse(args); err != nil {
		return err
	}
	handler, err := newPage(*gateway, *channel)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	if _, err := fmt.Fprintf(stdout, "listening on http://%s\n", l.Addr()); err != nil {
		_ = l.Close()
		return err
	}
	return serve(ctx, l, handler)
}

func serve(ctx context.Context, l net.Listener, handler http.Handler) error {
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	ctx, cancel := context.WithCancel(ctx)
	var stopping sync.WaitGroup
	stopping.Go(func() {
		<-ctx.Done()
		grace, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer done()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	defer stopping.Wait()
	defer cancel()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

var channelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// newPage serves the page, which gets its chat from the gateway, and may talk to
// that gateway and to nobody else.
func newPage(gateway, channel string) (http.Handler, error) {
	u, err := url.Parse(strings.TrimSuffix(gateway, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Path != "" ||
		strings.ContainsAny(u.Host, " ;,'\"") {
		return nil, fmt.Errorf("-gateway %q: want a URL such as \"http://127.0.0.1:8080\"", gateway)
	}
	if !channelName.MatchString(channel) {
		return nil, fmt.Errorf("-channel %q: want the name of a channel", channel)
	}
	text, err := files.ReadFile("page/index.html")
	if err != nil {
		return nil, err
	}
	index := strings.NewReplacer("GATEWAY", u.String(), "CHANNEL", channel).Replace(string(text))
	root, err := fs.Sub(files, "page")
	if err != nil {
		return nil, err
	}
	socket := "ws" + strings.TrimPrefix(u.Scheme, "http") + "://" + u.Host
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(root))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, index) // the client may have gone
	})
	policy := "default-src 'none'; script-src " + u.String() + "; style-src 'self'; img-src 'self'; " +
		"connect-src " + u.String() + " " + socket + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	}), nil
}
