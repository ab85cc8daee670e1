// Command twitter-sim is X to try the gateway with, as far as direct messages go:
// both APIs, OAuth 1.0a and 2.0, uploads, limits, and signed webhooks.
//
//	twitter-sim -hook http://127.0.0.1:8080/hooks/shop_x
//	curl -d '{"from":"30","text":"Hello"}' http://127.0.0.1:8086/sim/write
package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/twitter-sim/sim"
)

func main() { desk.Main("twitter-sim", run) }

// server is an X that does not go down.
type server struct{ http.Handler }

// Outages implements desk.Server.
func (server) Outages() <-chan time.Duration { return nil }

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	p := desk.NewProgram("twitter-sim", "127.0.0.1:8086", stderr)
	var o sim.Options
	hook := p.String("hook", "", "`URL` of the gateway's hook, such as http://127.0.0.1:8080/hooks/shop_x")
	crc := p.Duration("crc", time.Hour, "`time` between challenges of the hook")
	p.StringVar(&o.UserID, "user", "43", "`id` of the account")
	p.StringVar(&o.ConsumerKey, "consumer-key", "ck", "API `key` of the app")
	p.StringVar(&o.ConsumerSecret, "consumer-secret", "consumer-secret", "its `secret`")
	p.StringVar(&o.AccessToken, "access-token", "43-access", "`token` of OAuth 1.0a")
	p.StringVar(&o.AccessTokenSecret, "access-token-secret", "access-secret", "its `secret`")
	p.StringVar(&o.ClientID, "client-id", "client", "`id` of OAuth 2.0")
	p.StringVar(&o.ClientSecret, "client-secret", "client-secret", "its `secret`")
	p.StringVar(&o.RefreshToken, "refresh-token", "", "first refresh `token`; empty: the gateway has to be authorized")
	p.StringVar(&o.Bearer, "bearer", "app-bearer", "the app's own `token`, to register webhooks")
	p.DurationVar(&o.AccessFor, "access-for", 2*time.Hour, "`time` that access tokens count")
	p.BoolVar(&o.Grace, "grace", false, "a refresh token may be used once more until the next one is")
	p.IntVar(&o.Window, "window", 0, "messages in 15 minutes; 0: 1000")
	verbose := p.Bool("v", false, "log every call, without its text")
	if err := p.FlagSet.Parse(args); err != nil {
		return err
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	o.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	x := sim.New(o)
	x.Name("30", "Ada")
	if *hook != "" {
		x.SetHook(*hook)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { x.Watch(ctx, *crc) })
	return p.Serve(ctx, server{x}, stdout)
}
