// Command wechat-sim is WeChat, as an Official Account sees it, to try the gateway
// with. What customers get to see is printed; what is typed is what a customer
// writes.
//
//	wechat-sim -hook http://127.0.0.1:8080/hooks/shop-wechat -token wxtoken
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/wechat-sim/sim"
)

func main() {
	desk.Main("wechat-sim", func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
		return run(ctx, args, os.Stdin, stdout, stderr)
	})
}

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("wechat-sim", flag.ContinueOnError)
	f.SetOutput(stderr)
	o := sim.Options{First: int(time.Now().UnixMicro()), Log: slog.New(slog.NewTextHandler(stderr, nil))}
	listen := f.String("listen", "127.0.0.1:8086", "`address` to listen on")
	f.StringVar(&o.Hook, "hook", "", "`URL` of the gateway's hook, such as http://127.0.0.1:8080/hooks/shop-wechat")
	f.StringVar(&o.AppID, "app-id", "wx5823bf96d3bd56c7", "the account's `AppID`")
	f.StringVar(&o.Secret, "app-secret", "app-secret", "the account's `AppSecret`")
	f.StringVar(&o.Token, "token", "wxtoken", "`token` that requests are signed with")
	f.StringVar(&o.AESKey, "aes-key", "", "`EncodingAESKey`; empty: messages are in plain text")
	f.BoolVar(&o.Compatible, "compatible", false, "with -aes-key: they are in plain text, too")
	user := f.String("user", "oUser1", "`OpenID` of the customer who types")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.Wire = func(toHook bool, what string) {
		mark := "<"
		if toHook {
			mark = ">"
		}
		_, _ = fmt.Fprintln(stdout, mark, what)
	}
	s, err := sim.New(o)
	if err != nil {
		return err
	}
	go typed(ctx, s, *user, stdin, stderr)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	return desk.Serve(ctx, l, s, stdout)
}

// typed has the customer write each line of r. It ends with r, which nobody can
// end from here.
func typed(ctx context.Context, s *sim.Sim, user string, r io.Reader, stderr io.Writer) {
	lines := bufio.NewScanner(r)
	for lines.Scan() && ctx.Err() == nil {
		if err := s.Say(ctx, user, lines.Text()); err != nil {
			_, _ = fmt.Fprintln(stderr, err)
		}
	}
}
