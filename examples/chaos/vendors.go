package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// The doses and bars of misbehaving vendors.
const (
	vendorsInAll  = 10
	chatsOfVendor = 20
	vendorsRate   = 200 // messages per second, in all

	badForAtMost  = 10 * time.Minute
	badForAtLeast = 500 * time.Millisecond
	quietFor      = 2 * time.Second // before anything is measured

	p99Times = 10          // what others may become slower by; the notes say by how much they did
	p99Least = time.Second // and what is no slowness on a machine that does other things
	moreFDs  = 500         // sockets of one bad vendor in the plugin: its connections are capped
	moreRuns = 2000        // goroutines of the gateway
)

// vendors has ten contact centers behind one plugin process, of which one after
// the other misbehaves in its own way, while customers write to all.
func vendors(ctx context.Context, r *run) (err error) {
	// Both the number of bad moments and their length are the dose.
	bad := max(badForAtLeast, time.Duration(float64(badForAtMost)*r.dose*r.dose))
	m, err := r.newMarket(ctx)
	if err != nil {
		return err
	}
	defer func() { m.close(r) }()
	if err := m.open(ctx); err != nil {
		return err
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	wrote := make(chan struct{})
	go func() { defer close(wrote); m.write(writing, ctx) }()
	err = m.misbehave(ctx, r, bad)
	stop()
	<-wrote
	if err != nil {
		return err
	}
	began := time.Now()
	if err := m.settle(ctx, bar(drainWithin+bad)); err != nil {
		m.problem("%v", err)
	}
	if err := m.verify(ctx, r); err != nil {
		return err
	}
	r.dosed = fmt.Sprintf("%d vendors, one after the other bad for %v in %d ways", vendorsInAll, bad, len(waysOfVendors))
	r.note("%d messages of customers, drained in %v", m.acked.Load(), time.Since(began).Round(time.Millisecond))
	return nil
}

// vendorsHCL has ten services, each with its channel and its contact center.
func (m *market) vendorsHCL() (string, error) {
	text := "log {\n  level = \"error\"\n}\n" + smallBallast
	for i, v := range m.vendors {
		more := ""
		if pem := v.ca(); pem != nil {
			file := m.home.Path("ca.pem")
			if err := os.WriteFile(file, pem, 0o644); err != nil {
				return "", err
			}
			text += fmt.Sprintf("plugins {\n  read = [%q]\n}\n", file)
			more = fmt.Sprintf("tls = { ca = %q }", file)
		}
		text += fmt.Sprintf(`
channel "benchchannel" "phone%[1]d" {
  settings { url = %[2]q }
}
integration "enghouse" "desk%[1]d" {
  settings {
    base_url = %[3]q
    queue    = "retail"
    %[4]s
  }
}
service "service%[1]d" {
  integration = "desk%[1]d"
  channels    = ["phone%[1]d"]
}
`, i, m.far.url, v.url, more)
	}
	return text, nil
}

// newMarket makes the vendors and starts the gateway.
func (r *run) newMarket(ctx context.Context) (*market, error) {
	f, err := newFar()
	if err != nil {
		return nil, err
	}
	home, err := rig.NewHome(r.dir, r.programs, nil, "")
	if err != nil {
		return nil, err
	}
	m := &market{attacked: &attacked{gateway: &gateway{home: home, life: &f.life}, far: f}, phase: &phase{}}
	for i := range vendorsInAll {
		v, err := newVendor(i)
		if err != nil {
			return nil, err
		}
		m.vendors = append(m.vendors, v)
		for n := range chatsOfVendor {
			m.talks = append(m.talks, &talk{vendor: i, customer: fmt.Sprintf("v%d.k%d", i, n)})
		}
	}
	hcl, err := m.vendorsHCL()
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(home.Path("gateway.hcl"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteString(hcl)
	err = errors.Join(err, file.Close(), rig.CopyFile(home.Path("plugins", "enghouse"),
		filepath.Join(filepath.Dir(r.programs.Gateway), "plugins", "enghouse")))
	if err != nil {
		return nil, err
	}
	return m, m.start(ctx)
}

// close ends the vendors with the gateway.
func (m *market) close(r *run) {
	m.attacked.close(r)
	for _, v := range m.vendors {
		v.becomes("")
		_ = v.server.Close()
	}
}

// misbehave lets one vendor after the other be bad, and quiet times pass between.
func (m *market) misbehave(ctx context.Context, r *run, bad time.Duration) error {
	m.enter(-1, "", nil)
	if err := m.pause(ctx, quietFor); err != nil {
		return err
	}
	before, err := m.usage(ctx)
	if err != nil {
		return err
	}
	most := before
	quiet, err := m.calm(ctx, bad)
	if err != nil {
		return err
	}
	var phases []badPhase
	for i, w := range waysOfVendors {
		behind, err := m.behind(ctx)
		if err != nil {
			return err
		}
		p := badPhase{phase: m.enter(i, w, behind), before: quiet}
		m.vendors[i].becomes(w)
		err = m.pause(ctx, bad)
		if err == nil {
			var now usage
			now, err = m.usage(ctx)
			most = most.or(now)
		}
		m.vendors[i].becomes("")
		if err == nil {
			quiet, err = m.calm(ctx, bad)
		}
		if err != nil {
			return err
		}
		p.after = quiet
		phases = append(phases, p)
	}
	m.enter(-1, "", nil)
	for _, p := range phases {
		m.judge(r, p, bad)
	}
	if n := most.fds - before.fds; n > moreFDs {
		m.problem("the plugin has %d sockets more, want at most %d", n, moreFDs)
	}
	if n := most.goroutines - before.goroutines; n > moreRuns {
		m.problem("the gateway has %d goroutines more, want at most %d", n, moreRuns)
	}
	r.note("sockets of the plugin %d before and %d at most, goroutines of the gateway %d and %d",
		before.fds, most.fds, before.goroutines, most.goroutines)
	return nil
}

// badPhase is one between two quiet ones, with which it is compared: what else
// the machine does changes from minute to minute.
type badPhase struct {
	*phase
	before, after *phase
}

// calm lets a while pass in which all vendors are well.
func (m *market) calm(ctx context.Context, bad time.Duration) (*phase, error) {
	behind, err := m.behind(ctx)
	if err != nil {
		return nil, err
	}
	p := m.enter(-1, "", behind)
	return p, m.pause(ctx, min(bad/3, 30*time.Second))
}

// judge says how others fared while one was bad, and what that one was asked.
func (m *market) judge(r *run, p badPhase, bad time.Duration) {
	_, base := m.p99(p.phase, p.before, p.after)
	n, p99 := m.p99(p.phase, p.phase)
	posts, polls, conns := p.posts, p.polls, p.conns
	r.note("%-15s others' p99 %v, %.2f times that of the quiet before and after, %v (%d messages); at the bad one %d messages posted, %d calls, %d polls, %d connections",
		p.way, short(p99), float64(p99)/float64(max(base, 1)), short(base), n, p.posted.Load(), posts, polls, conns)
	if limit := bar(max(p99Times*base, p99Least)); p99 > limit {
		m.problem("%s: p99 of the others is %v, want at most %v: %v in the quiet before and after", p.way, short(p99), limit, short(base))
	}
	// A call without an answer is made twice; a refused one as the waits allow,
	// which double from half a second on. Both as often as the lanes are.
	waits := int64(math.Log2(bad.Seconds()/0.45+1)) + 3
	if most := 2*p.posted.Load() + chatsOfVendor*waits; posts > most {
		m.problem("%s: %d calls at the bad vendor in %v, want at most %d", p.way, posts, bad, most)
	}
	// A poll that fails comes again after 1.5, 3, 6 and then every 6 seconds or
	// more. What was under way at the beginning counts as well.
	if most := chatsOfVendor * (4 + int64(bad.Seconds()/6)); polls > most {
		m.problem("%s: %d polls at the bad vendor in %v, want at most %d", p.way, polls, bad, most)
	}
}
