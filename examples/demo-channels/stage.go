package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/internal/rig"
)

// stage is the gateway and one contact center, an Enghouse, in a folder of their
// own and on ports that were free; and what the scenes have started.
type stage struct {
	home *rig.Home // of the gateway
	bin  string    // where the examples are; the gateway is in the folder above
	desk string    // address of the contact center
	out  *wire
	ends []func() error // in the order in which they were added
}

// stopLimit is how long a program may take to stop.
const stopLimit = 15 * time.Second

const gatewayHCL = `listen      = %[1]q
public_url  = "http://%[1]s"
data_dir    = "data"
rules_dir   = "rules.d"
plugin_dirs = []

admin {
  listen = %[2]q
}

integration "enghouse" "desk" {
  message_routing = true
  settings {
    base_url = "http://%[3]s"
    queue    = "retail"
    poll     = { active = "250ms" }
  }
}

service "all" {
  integration = "desk"
  channels    = [%[4]s]
}
`

// start prepares the scenes and starts the programs.
func (s *stage) start(ctx context.Context, dir string, chosen []scene) error {
	var ports [3]string
	for i := range ports {
		var err error
		if ports[i], err = rig.FreeAddress(); err != nil {
			return err
		}
	}
	s.home = &rig.Home{Dir: dir, Listen: ports[0], Admin: ports[1]}
	s.desk = ports[2]
	if err := os.Mkdir(s.home.Path("rules.d"), 0o700); err != nil {
		return err
	}
	var names, blocks []string
	for _, sc := range chosen {
		block, err := sc.prepare(ctx, s)
		if err != nil {
			return fmt.Errorf("prepare %s: %w", sc.name, err)
		}
		if blocks = append(blocks, block); !sc.apart {
			names = append(names, fmt.Sprintf("%q", sc.name))
		}
	}
	hcl := fmt.Sprintf(gatewayHCL, s.home.Listen, s.home.Admin, s.desk, strings.Join(names, ", ")) + strings.Join(blocks, "\n")
	return errors.Join(
		os.WriteFile(s.home.Path("gateway.hcl"), []byte(hcl), 0o600),
		s.program(ctx, "desk", "listening on", filepath.Join(s.bin, "enghouse-sim"), "-listen", s.desk),
		s.program(ctx, "gateway", "gateway ready", filepath.Join(s.bin, "..", "gateway"), "run", "--config", s.home.Path("gateway.hcl")),
	)
}

// program starts one, which is ready when it prints a line that begins so.
func (s *stage) program(ctx context.Context, name, ready string, argv ...string) error {
	p, err := rig.Start(ctx, argv, nil, s.home.Path(name+".log"), ready)
	if err != nil {
		return fmt.Errorf("start the %s: %w", name, err)
	}
	s.atEnd(func() error {
		if _, err := p.Terminate(stopLimit); err != nil {
			return fmt.Errorf("stop the %s: %w", name, err)
		}
		return nil
	})
	return nil
}

// rule writes a rule file.
func (s *stage) rule(name, text string) error {
	return os.WriteFile(s.home.Path("rules.d", name+".yaml"), []byte(text), 0o600)
}

// atEnd has f called when the stage is taken down, the last one first.
func (s *stage) atEnd(f func() error) { s.ends = append(s.ends, f) }

func (s *stage) stop() (err error) {
	for _, f := range slices.Backward(s.ends) {
		err = errors.Join(err, f())
	}
	return err
}

// talk is the conversation that every channel can have: what the customer writes
// rings at the contact center, the agent takes the chat and answers. write has the
// customer write it; read waits until the customer has the answer.
func (s *stage) talk(ctx context.Context, text, answer string, write func(context.Context, string) error, read func(context.Context, string) error) (*agent.Agent, error) {
	if err := write(ctx, text); err != nil {
		return nil, fmt.Errorf("the customer writes: %w", err)
	}
	a := &agent.Agent{Base: "http://" + s.desk, Take: "take"}
	if err := a.Takes(ctx, "Zoe"); err != nil {
		return nil, err
	}
	err := agent.Until(ctx, "the agent sees "+text, func(ctx context.Context) (bool, error) {
		_, lines, err := a.Log(ctx)
		return slices.ContainsFunc(lines, func(e agent.Entry) bool { return strings.Contains(e.Text, text) }), err
	})
	if err != nil {
		return nil, err
	}
	if err := a.Say(ctx, answer); err != nil {
		return nil, err
	}
	if err := read(ctx, answer); err != nil {
		return nil, fmt.Errorf("the customer reads the answer: %w", err)
	}
	return a, nil
}
