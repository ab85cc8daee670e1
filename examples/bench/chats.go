package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// The times of a run with open chats. After the last word a chat is polled at
// the active rate for a while and then ever less often: quietAfter is when all
// have come down to the idle rate.
const (
	pollActive = time.Second
	pollIdle   = 5 * time.Second
	quietAfter = 33 * time.Second

	answersPerSecond = 50
	answersFor       = 6 * time.Second
	watchedFor       = pollIdle         // a whole round of polls: those of chats that fell silent together come together
	chatsWithin      = 90 * time.Second // all of it
)

// chatsHCL is a gateway of an operator who has left the polling as it is.
func chatsHCL(customers, desk string) string {
	return fmt.Sprintf(`
store "badger" {
  ballast = "1MiB"
}
log {
  level = "warn"
}
channel "benchchannel" "webshop" {
  settings { url = %q }
}
integration "enghouse" "desk" {
  settings {
    base_url = %q
    queue    = "retail"
    poll     = { active = %q, idle = %q }
  }
}
service "retail" {
  integration = "desk"
  channels    = ["webshop"]
}
`, customers, desk, pollActive, pollIdle)
}

// openChats measures what open chats cost that have to be polled: the real
// connector to Enghouse against the simulator.
func (b *bench) openChats(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, chatsWithin, fmt.Errorf("open chats took longer than %v", chatsWithin))
	defer cancel()
	c, err := b.newCrowd(ctx, filepath.Join(b.dir, "chats"), b.chats)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if err := c.measure(ctx, &b.results); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("%d open chats: %w\n%s", b.chats, err, c.home.LogTail())
	}
	return nil
}

// newCrowd starts the simulator and the gateway.
func (b *bench) newCrowd(ctx context.Context, dir string, chats int) (c *crowd, err error) {
	c = &crowd{chats: chats, answers: map[string]*answer{}, arrived: make(chan struct{}, 1)}
	if c.customers, err = newFar(c.took); err != nil {
		return nil, err
	}
	go c.customers.serve()
	addr, err := rig.FreeAddress()
	if err != nil {
		return nil, err
	}
	c.desk = "http://" + addr
	c.home, err = rig.NewHome(dir, b.programs, nil, chatsHCL(c.customers.url, c.desk))
	if err != nil {
		return nil, err
	}
	bin := filepath.Dir(b.programs.Plugin)
	err = rig.CopyFile(c.home.Path("plugins", "enghouse"), filepath.Join(filepath.Dir(b.programs.Gateway), "plugins", "enghouse"))
	if err != nil {
		return nil, fmt.Errorf("%w; run make build", err)
	}
	argv := []string{filepath.Join(bin, "enghouse-sim"), "-listen", addr}
	if c.sim, err = rig.Start(ctx, argv, nil, c.home.Path("sim.log"), "listening on"); err != nil {
		return nil, err
	}
	if c.gateway, err = c.home.Start(ctx, nil, nil); err != nil {
		c.sim.Kill()
		return nil, fmt.Errorf("%w\n%s", err, c.home.LogTail())
	}
	report, err := c.home.Plugin(ctx, "org.openccsp."+plugin)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.plugin = report.Files[0].PID
	return c, nil
}

func (c *crowd) stop() error {
	_, err := c.gateway.Terminate(15 * time.Second)
	_, simErr := c.sim.Terminate(10 * time.Second)
	return errors.Join(err, simErr, c.customers.server.Shutdown())
}

// measure opens the chats and looks at them twice: while all count as lively,
// and when all have gone quiet.
func (c *crowd) measure(ctx context.Context, r *results) error {
	empty := c.memory()
	began := time.Now()
	if err := c.openAll(ctx); err != nil {
		return err
	}
	fmt.Printf("%d chats opened and taken in %v\n", c.chats, time.Since(began).Round(100*time.Millisecond))
	lively := ChatsRow{Case: "all lively", Chats: c.chats, Floor: waits(pollActive)}
	if err := c.watch(ctx, &lively); err != nil {
		return err
	}
	if err := c.answerAt(ctx, answersPerSecond, c.chats/2, c.chats); err != nil {
		return err
	}
	lively.Answer = c.delays()
	if err := pause(ctx, quietAfter); err != nil {
		return err
	}
	quiet := ChatsRow{Case: "all quiet", Chats: c.chats, Floor: waits(pollIdle), Memory: c.memory().less(empty).per(c.chats)}
	if err := c.watch(ctx, &quiet); err != nil {
		return err
	}
	if err := c.answerAt(ctx, answersPerSecond, 0, c.chats/2-talking); err != nil {
		return err
	}
	quiet.Answer = c.delays()
	if err := c.write(ctx, c.talkers()); err != nil {
		return err
	}
	if err := pause(ctx, 2*pollActive); err != nil {
		return err
	}
	talk := ChatsRow{Case: "20 talk, the others quiet", Chats: c.chats, Floor: waits(pollActive)}
	if err := c.answerAt(ctx, answersPerSecond, c.chats/2-talking, c.chats/2); err != nil {
		return err
	}
	talk.Answer = c.delays()
	r.chats = append(r.chats, lively, quiet, talk)
	fmt.Print(chatsTable(r.chats))
	return c.check(ctx)
}

// talking is how many customers write again, before the agents answer in their
// chats again and again.
const talking = 20

// talkers are the chats of those.
func (c *crowd) talkers() []deskChat { return c.list[c.chats/2-talking : c.chats/2] }

// watch measures polls and processor time while nobody says anything.
func (c *crowd) watch(ctx context.Context, row *ChatsRow) error {
	before, err := c.usage(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, watchedFor); err != nil {
		return err
	}
	after, err := c.usage(ctx)
	if err != nil {
		return err
	}
	seconds := after.at.Sub(before.at).Seconds()
	row.Polls = (after.polls - before.polls) / seconds
	row.PollErrors = after.errors - before.errors
	row.CPU = map[string]float64{}
	for name, used := range after.cpu {
		row.CPU[name] = float64((used - before.cpu[name]).Microseconds()) / seconds / float64(c.chats)
	}
	row.Goroutines = after.goroutines
	return nil
}

// usage is what the processes have used so far.
type usage struct {
	at            time.Time
	polls, errors float64
	goroutines    float64
	cpu           map[string]time.Duration
}

// plugin names the plugin's process in what is measured.
const plugin = "enghouse"

func (c *crowd) usage(ctx context.Context) (u usage, err error) {
	m, err := c.home.Metrics(ctx)
	if err != nil {
		return u, err
	}
	u = usage{at: time.Now(), polls: m["gateway_polls_total"], errors: m["gateway_poll_errors_total"],
		goroutines: m["go_goroutines"], cpu: map[string]time.Duration{}}
	for name, pid := range c.processes() {
		u.cpu[name] = rig.OwnCPU(pid)
	}
	return u, nil
}

func (c *crowd) processes() map[string]int {
	return map[string]int{"gateway": c.gateway.PID, plugin: c.plugin, "simulator": c.sim.PID}
}

// sizes are resident kB of anonymous memory, by process.
type sizes map[string]float64

func (c *crowd) memory() sizes {
	s := sizes{}
	for name, pid := range c.processes() {
		s[name] = rig.MemoryOf(pid).Anon * 1024
	}
	return s
}

func (s sizes) less(o sizes) sizes {
	d := sizes{}
	for name, kb := range s {
		d[name] = kb - o[name]
	}
	return d
}

func (s sizes) per(chats int) sizes {
	d := sizes{}
	for name, kb := range s {
		d[name] = kb / float64(chats)
	}
	return d
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(max(d, 0)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
