// Command messenger-sim is Meta's Messenger Platform to try the gateway with: the
// Graph API of one page, and signed webhooks. What customers do is ordered over
// HTTP:
//
//	messenger-sim -page 1001 -token page-token -app-secret app-secret -hook http://127.0.0.1:8080/hooks/page
//	curl -d '{"psid":"2002","text":"Hello"}' http://127.0.0.1:8086/sim/say
//	curl http://127.0.0.1:8086/sim/messages
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/messenger-sim/sim"
)

func main() { desk.Main("messenger-sim", run) }

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("messenger-sim", flag.ContinueOnError)
	f.SetOutput(stderr)
	o := sim.Options{First: int(time.Now().UnixMicro())}
	listen := f.String("listen", "127.0.0.1:8086", "`address` to listen on")
	f.StringVar(&o.Page, "page", "1001", "`id` of the page")
	f.StringVar(&o.App, "app", "9001", "`id` of the app")
	f.StringVar(&o.Default, "default-app", "", "`id` of the page's default app: threads are routed; the one of -app is this app")
	f.StringVar(&o.Token, "token", "page-token", "access `token` of the page")
	f.StringVar(&o.AppSecret, "app-secret", "app-secret-to-sign", "`secret` that signs webhooks")
	f.StringVar(&o.Hook, "hook", "", "`URL` of the gateway's hook, such as http://127.0.0.1:8080/hooks/page")
	f.BoolVar(&o.HumanAgent, "human-agent", false, "the app has the feature Human Agent")
	f.BoolVar(&o.Echoes, "echoes", true, "what is sent comes back as an echo")
	f.BoolVar(&o.Receipts, "receipts", true, "what is sent is delivered and read")
	verbose := f.Bool("v", false, "log what breaks the contract, and more")
	if err := f.Parse(args); err != nil {
		return err
	}
	level := slog.LevelWarn
	if *verbose {
		level = slog.LevelDebug
	}
	o.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	s := sim.New(o)
	defer s.Close()
	s.SetBase("http://" + l.Addr().String())
	return desk.Serve(ctx, l, s, stdout)
}
