// Command enghouse-sim is a contact center to try the gateway with: it speaks
// Enghouse's chat protocol, and has a page for the agent.
//
//	enghouse-sim -listen 127.0.0.1:8082
//	enghouse-sim -auto -delay 500ms -script bot.txt
package main

import (
	"context"
	"io"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk"
)

func main() { desk.Main("enghouse-sim", run) }

// run serves until ctx ends. Once it listens it prints the address.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	p := desk.NewProgram("enghouse-sim", "127.0.0.1:8082", stderr)
	queues := p.List("queues", "comma-separated `names` of the queues there are; empty: any")
	skills := p.List("skills", "comma-separated `names` of the skills there are; empty: any")
	if err := p.Parse(args, sim.ReadScript); err != nil {
		return err
	}
	s := sim.New(sim.Options{Options: p.Options, Queues: *queues, Skills: *skills})
	defer s.Close()
	return p.Serve(ctx, s, stdout)
}
