// Command imichat-sim is a contact center to try the gateway with: it speaks
// IMIchat's REST API and sends its webhooks, and has a page for the agent.
//
//	imichat-sim -hook http://127.0.0.1:8080/hooks/desk -secret team-secret
//	imichat-sim -hook … -auto -delay 500ms -script bot.txt
package main

import (
	"context"
	"fmt"
	"io"

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk"
)

func main() { desk.Main("imichat-sim", run) }

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	p := desk.NewProgram("imichat-sim", "127.0.0.1:8083", stderr)
	hook := p.String("hook", "", "`URL` of the gateway's hook, such as http://127.0.0.1:8080/hooks/desk")
	hookAuth := p.String("hook-auth", "hmac", "`proof` of webhooks: hmac, header, query or none")
	secrets := p.List("secret", "comma-separated team `secrets` that are valid; empty: any")
	typographic := p.Bool("typographic", false, "write webhooks as IMIchat's manual does, which is no JSON")
	if err := p.Parse(args, sim.ReadScript); err != nil {
		return err
	}
	switch *hookAuth {
	case "hmac", "header", "query", "none":
	default:
		return fmt.Errorf("-hook-auth %q is none of hmac, header, query and none", *hookAuth)
	}
	s := sim.New(sim.Options{Options: p.Options, Hook: *hook, HookAuth: *hookAuth, Secrets: *secrets,
		Typographic: *typographic})
	defer s.Close()
	return p.Serve(ctx, s, stdout)
}
