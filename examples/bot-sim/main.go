// Command bot-sim is a bot to try the gateway with: it speaks Rasa's channels
// rest and callback, and the gateway's signed JSON, and does some small talk.
//
//	bot-sim -hook http://127.0.0.1:8080/hooks/helper -hook-token 0123456789abcdef
//	bot-sim -secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw -later
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/openccsp/gateway/examples/bot-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk"
)

func main() { desk.Main("bot-sim", run) }

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("bot-sim", flag.ContinueOnError)
	f.SetOutput(stderr)
	var o sim.Options
	listen := f.String("listen", "127.0.0.1:8085", "`address` to listen on")
	f.StringVar(&o.Hook, "hook", "", "`URL` of the gateway's hook, such as http://127.0.0.1:8080/hooks/helper")
	f.StringVar(&o.HookToken, "hook-token", "", "`token` of Rasa's callbacks")
	secrets := f.String("secret", "", "comma-separated `secrets` of the signed JSON; empty: it is not spoken")
	f.BoolVar(&o.Later, "later", false, "answer signed JSON at the hook, not in the response")
	f.DurationVar(&o.Delay, "delay", 0, "`time` to answer")
	script := f.String("script", "", "`file` of what it says; without it some small talk")
	verbose := f.Bool("v", false, "log every call, without its text")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *secrets != "" {
		o.Secrets = strings.Split(*secrets, ",")
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	o.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	if *script != "" {
		text, err := os.ReadFile(*script)
		if err != nil {
			return err
		}
		if o.Script, err = sim.ReadScript(*script, string(text)); err != nil {
			return err
		}
	}
	s, err := sim.New(o)
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	return desk.Serve(ctx, l, s, stdout)
}
