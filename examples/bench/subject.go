package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// subject is a running gateway or floor.
type subject struct {
	name    string // the case
	rules   int
	hook    string
	addr    string
	process *rig.Process
	busy    func(context.Context) bool // something is under way
	stop    func() error
}

// gatewayHCL is what the benchmark's gateway is configured with.
func gatewayHCL(far string) string {
	return fmt.Sprintf(`
store "badger" {
  ballast = "1MiB"
}
log {
  level = "warn"
}
channel "benchchannel" "webshop" {
  settings { url = %[1]q }
}
integration "benchconnector" "desk" {
  settings { url = %[1]q }
}
service "retail" {
  integration      = "desk"
  channels         = ["webshop"]
  unattended_after = ["1h"]
  close_after      = "2h"
}
`, far)
}

// ruleFile returns n rules: one, or ten of a thousand, on the event that is
// measured, whose conditions are false; the rest is on other events.
func ruleFile(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	on := 1
	if n > 1 {
		on = 10
	}
	for i := range n {
		event, when := "customer_message", fmt.Sprintf(`(event.text ?? "") == "stop %d"`, i)
		if i >= on {
			event, when = "custom_event", fmt.Sprintf(`event.event_name == "order_%d"`, i)
		}
		fmt.Fprintf(&b, "  - name: rule %d\n    on: %s\n    when: %s\n    do:\n      - tag: tag%d\n", i, event, quote(when), i)
	}
	return b.String()
}

// quote makes a YAML string.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (b *bench) gateway(ctx context.Context, dir string, rules int) (*subject, error) {
	home, err := rig.NewHome(dir, b.programs, map[string]string{"bench.yaml": ruleFile(rules)}, gatewayHCL(b.far.url))
	if err != nil {
		return nil, err
	}
	s := &subject{name: "gateway", rules: rules}
	return s, s.start(ctx, home)
}

func (s *subject) start(ctx context.Context, home *rig.Home) error {
	p, err := home.Start(ctx, nil, nil)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, home.LogTail())
	}
	s.process, s.addr, s.hook = p, home.Listen, home.Hook("webshop")
	s.busy = func(ctx context.Context) bool { return !home.Idle(ctx) }
	s.stop = func() error { _, err := p.Terminate(15 * time.Second); return err }
	return nil
}

func (b *bench) floor(ctx context.Context, dir string, writes int) (*subject, error) {
	name := "floor"
	if writes == 1 {
		name = "floor, one write"
	}
	return b.startFloor(ctx, dir, name, fmt.Sprintf("-writes=%d", writes))
}

// startFloor starts the floor with more arguments.
func (b *bench) startFloor(ctx context.Context, dir, name string, more ...string) (*subject, error) {
	home, err := rig.NewHome(dir, b.programs, nil, "") // for its plugins and a free port
	if err != nil {
		return nil, err
	}
	argv := append([]string{b.programs.Floor, "-listen", home.Listen, "-data", home.Path("data"),
		"-plugins", home.Path("plugins"), "-far", b.far.url}, more...)
	p, err := rig.Start(ctx, argv, nil, home.Path("floor.log"), "floor ready")
	if err != nil {
		return nil, err
	}
	s := &subject{name: name, process: p, addr: home.Listen, hook: home.Hook("webshop")}
	s.stop = func() error { _, err := p.Terminate(10 * time.Second); return err }
	s.busy = func(ctx context.Context) bool { return askBusy(ctx, "http://"+home.Listen+"/busy") }
	return s, nil
}

func askBusy(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return true
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return true
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.ReadAll(io.LimitReader(resp.Body, 32))
	return err != nil || string(n) != "0"
}

// settle waits until the lanes are empty.
func (s *subject) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for s.busy(ctx) {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: something is under way that does not end", s.name)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// part measures writes or frames alone and returns messages per second.
func (b *bench) part(ctx context.Context, dir, part string, concurrency int) (float64, error) {
	home, err := rig.NewHome(dir, b.programs, nil, "")
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, b.programs.Floor, "-part", part, "-data", home.Path("data"), "-plugins", home.Path("plugins"),
		"-concurrency", fmt.Sprint(concurrency), "-for", b.seconds.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("floor's part %s: %w", part, err)
	}
	var answer struct {
		PerSecond float64 `json:"per_second"`
	}
	return answer.PerSecond, json.Unmarshal(out, &answer)
}

// quiet waits until a process does next to nothing: after a million writes the
// store has tables to merge.
func (s *subject) quiet(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < time.Minute; {
		before := rig.CPU(s.process.PID)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		if rig.CPU(s.process.PID)-before < 50*time.Millisecond {
			return nil
		}
	}
	return fmt.Errorf("%s does not come to rest", s.name)
}
