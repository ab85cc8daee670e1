// Command twilio-sim is a Twilio account to try the gateway with: text messages
// both ways, files, phone calls that do what TwiML says, and signed webhooks.
//
//	twilio-sim -hook http://127.0.0.1:8080/hooks/sms
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/twilio-sim/sim"
)

func main() { desk.Main("twilio-sim", run) }

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("twilio-sim", flag.ContinueOnError)
	f.SetOutput(stderr)
	o := sim.Options{AllowHTTP: true}
	listen := f.String("listen", "127.0.0.1:8086", "`address` to listen on")
	hook := f.String("hook", "", "`URL` of the gateway's hook for messages, such as http://127.0.0.1:8080/hooks/sms")
	f.StringVar(&o.AccountSID, "account", "AC00000000000000000000000000000001", "account `SID`")
	f.StringVar(&o.AuthToken, "token", "12345abcdef67890", "auth `token`")
	f.BoolVar(&o.Disorder, "disorder", false, "tell what becomes of messages and calls in reverse order")
	f.BoolVar(&o.Duplicate, "duplicate", false, "tell everything twice")
	https := f.Bool("https", false, "refuse callbacks that are not https, as Twilio does")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.AllowHTTP = !*https
	o.Log = slog.New(slog.NewTextHandler(stderr, nil))
	s := sim.New(o)
	defer s.Close()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	base := "http://" + l.Addr().String()
	s.SetHook(*hook, base)
	return desk.Serve(ctx, l, s, stdout)
}
