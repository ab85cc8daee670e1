package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/internal/rig"
)

// stage is the gateway, two contact centers, a bot and a page, in a folder of
// their own and on ports that were free.
type stage struct {
	home     *rig.Home // of the gateway
	bin      string    // where the examples are; the gateway is in the folder above
	desk     string    // address of the webshop's contact center, an Enghouse
	club     string    // address of the club's contact center, an IMIchat
	bot      string    // address of the club's bot, a Rasa
	page     string    // address of the customer's page of the webshop
	clubPage string    // and of the club, which the demo does without
	procs    map[string]*rig.Process
	agents   *agent.Agent // of the webshop
	others   *agent.Agent // of the club
}

// stopLimit is how long a program may take to stop.
const stopLimit = 15 * time.Second

const gatewayHCL = `listen      = %q
data_dir    = "data"
rules_dir   = "rules.d"
plugin_dirs = []

admin {
  listen = %q
}

integration "enghouse" "desk" {
  message_routing = true
  settings {
    base_url = "http://%s"
    queue    = "retail"
    poll     = { active = "250ms" }
  }
}

integration "imichat" "club_desk" {
  message_routing = true
  settings {
    instance_url = "http://%s"
    team_secret  = file("club.secret")
  }
}

integration "bot" "helper" {
  settings {
    profile = "rasa"
    url     = "http://%s"
    name    = "Robbie"
  }
}

channel "rtm" "webshop" {
  settings {
    app_id      = "webshop"
    origins     = ["http://%[6]s"]
    mqtt_listen = %[7]q
  }
}

channel "rtm" "club" {
  settings {
    app_id  = "club"
    origins = ["http://%[6]s", "http://%[8]s"]
  }
}

service "demo" {
  integration = "desk"
  channels    = ["webshop"]
}

service "club" {
  integration = "club_desk"
  bot         = "helper"
  channels    = ["club"]
  forward     = "bot"
}
`

// clubSecret is what the gateway and the club's contact center know each other by.
const clubSecret = "demo-team-secret"

// newStage writes the configuration for the programs in bin into dir. It starts
// nothing.
func newStage(dir, bin string) (*stage, error) {
	var ports [8]string
	for i := range ports {
		var err error
		if ports[i], err = rig.FreeAddress(); err != nil {
			return nil, err
		}
	}
	s := &stage{
		home:     &rig.Home{Dir: dir, Listen: ports[0], Admin: ports[1]},
		bin:      bin,
		desk:     ports[2],
		page:     ports[3],
		club:     ports[5],
		bot:      ports[6],
		clubPage: ports[7],
		procs:    map[string]*rig.Process{},
	}
	s.agents = &agent.Agent{Base: "http://" + s.desk, Take: "take"}
	s.others = &agent.Agent{Base: "http://" + s.club, Take: "pick"}
	return s, errors.Join(
		os.Mkdir(s.home.Path("rules.d"), 0o700),
		os.WriteFile(s.rules("notices.yaml"), []byte(noticeRules), 0o600),
		os.WriteFile(s.home.Path("gateway.hcl"),
			fmt.Appendf(nil, gatewayHCL, s.home.Listen, s.home.Admin, s.desk, s.club, s.bot, s.page, ports[4], s.clubPage), 0o600),
		os.WriteFile(s.home.Path("club.secret"), []byte(clubSecret), 0o600),
	)
}

// rules returns the path of a rule file.
func (s *stage) rules(name string) string { return s.home.Path("rules.d", name) }

// hook is where the customer's requests go.
func (s *stage) hook() string { return s.home.Hook("webshop") }

func (s *stage) start(ctx context.Context) error {
	return errors.Join(
		s.program(ctx, "desk", "listening on", filepath.Join(s.bin, "enghouse-sim"), "-listen", s.desk),
		s.program(ctx, "club", "listening on", filepath.Join(s.bin, "imichat-sim"), "-listen", s.club,
			"-hook", s.home.Hook("club_desk"), "-secret", clubSecret),
		s.program(ctx, "bot", "listening on", filepath.Join(s.bin, "bot-sim"), "-listen", s.bot),
		s.program(ctx, "page", "listening on", filepath.Join(s.bin, "webchat"), "-listen", s.page,
			"-gateway", "http://"+s.home.Listen, "-channel", "webshop"),
		s.startGateway(ctx),
	)
}

// openClub starts the club's page.
func (s *stage) openClub(ctx context.Context) error {
	return s.program(ctx, "club page", "listening on", filepath.Join(s.bin, "webchat"), "-listen", s.clubPage,
		"-gateway", "http://"+s.home.Listen, "-channel", "club")
}

// startGateway starts the gateway; also again, after it was killed.
func (s *stage) startGateway(ctx context.Context) error {
	return s.program(ctx, "gateway", "gateway ready", filepath.Join(s.bin, "..", "gateway"), "run",
		"--config", s.home.Path("gateway.hcl"))
}

func (s *stage) program(ctx context.Context, name, ready string, argv ...string) error {
	p, err := rig.Start(ctx, argv, nil, s.home.Path(name+".log"), ready)
	if err != nil {
		return fmt.Errorf("start the %s: %w", name, err)
	}
	s.procs[name] = p
	return nil
}

// stop ends what runs, the gateway first.
func (s *stage) stop() (err error) {
	for _, name := range []string{"gateway", "club page", "page", "desk", "club", "bot"} {
		if p := s.procs[name]; p != nil {
			if _, perr := p.Terminate(stopLimit); perr != nil {
				err = errors.Join(err, fmt.Errorf("stop the %s: %w", name, perr))
			}
		}
	}
	return err
}
