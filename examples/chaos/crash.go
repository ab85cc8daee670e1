package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// Times between two kills: short ones are as many as long ones are long.
const (
	killsFrom = 100 * time.Millisecond
	killsTill = 5 * time.Second
)

func betweenKills(random *rand.Rand) time.Duration {
	return time.Duration(float64(killsFrom) * math.Pow(float64(killsTill)/float64(killsFrom), random.Float64()))
}

// pause waits unless the gateway ends.
func (a *attacked) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-a.process.Done():
		return fmt.Errorf("the gateway ended on its own\n%s", a.home.LogTail())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kills ends the gateway at random moments.
func kills(ctx context.Context, r *run) error {
	a, err := r.open(r.dir, setup{more: smallBallast})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	a.load.onlyKills = true
	random := rand.New(rand.NewPCG(seed, 5))
	rounds := r.doses(200)
	err = r.underLoad(ctx, a, func() error {
		for range rounds {
			if err := a.pause(ctx, betweenKills(random)); err != nil {
				return err
			}
			if err := a.attack(ctx, a.far, killGateway); err != nil {
				return err
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d kills, %v to %v apart", rounds, killsFrom, killsTill)
	r.note("ready again after %s", longest(a.ready))
	return err
}

// stops ends the gateway by SIGTERM. It must say that it is not ready before
// it refuses connections.
func stops(ctx context.Context, r *run) error {
	a, err := r.open(r.dir, setup{more: smallBallast})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	a.load.onlyKills = true
	random := rand.New(rand.NewPCG(seed, 6))
	rounds := r.doses(100)
	err = r.underLoad(ctx, a, func() error {
		for range rounds {
			if err := a.pause(ctx, killsFrom+time.Duration(random.IntN(1000))*time.Millisecond); err != nil {
				return err
			}
			watched := make(chan struct{})
			go func() { defer close(watched); a.watchStop() }()
			a.terminate()
			<-watched
			if err := a.restart(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d SIGTERMs", rounds)
	r.note("stopped after %s; ready again after %s", longest(a.stops), longest(a.ready))
	return err
}

// watchStop looks at a gateway that stops, until it has ended.
func (a *attacked) watchStop() {
	client := http.Client{Timeout: bar(time.Second)}
	defer client.CloseIdleConnections()
	every := time.NewTicker(2 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-a.process.Done():
			return
		case <-every.C:
		}
		c, err := net.Dial("tcp", a.home.Listen)
		if err == nil {
			_ = c.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		resp, err := client.Get("http://" + a.home.Admin + "/readyz")
		if err != nil {
			continue // closed as well
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			a.problem("the gateway refuses connections and says that it is ready")
			return
		}
	}
}

// point is where a gateway built for it kills itself: at the nth time, n up to
// most. The names are the gateway's.
type point struct {
	name string
	most int
}

// The points. "" is from outside, as soon as somebody has read a 2xx.
var failpoints = []point{
	{"durable, not acknowledged", 100},
	{"", 0},
	{"group before commit", 100},
	{"after commit before answer", 100},
	{"sent, result not durable", 100},
	{"timer fired, not durable", 10},
	{"rules kept, not in force", 2},
	{"in compaction", 1},
}

// A gateway that has lived so long and has acknowledged so many messages does
// not come to its point. It is killed, which leaves one more table to compact.
const (
	pointWithin = time.Second
	pointAcked  = 300
)

// newcomersRule answers those who wait, so that each timer has one effect.
const newcomersRule = `rules:
  - name: nobody answers
    on: customer_unattended
    when: (customer.address ?? "") startsWith "w"
    do:
      - send: "{{ customer.address ?? '' }}.fired"
`

// points kills the gateway where a random kill seldom hits.
func points(ctx context.Context, r *run) error {
	if r.programs.Failpoint == "" {
		return fmt.Errorf("%w: no gateway built with the tag failpoint", errSkipped)
	}
	r.programs.Gateway = r.programs.Failpoint
	a, err := r.open(r.dir, setup{more: smallBallast, service: `unattended_after = ["1s"]`,
		rules: map[string]string{"newcomers.yaml": newcomersRule}})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	a.load.onlyKills, a.load.newcomers = true, true
	random := rand.New(rand.NewPCG(seed, 7))
	rounds, hit, others := r.doses(50), 0, 0
	err = r.underLoad(ctx, a, func() error {
		for range rounds {
			for _, p := range failpoints {
				n, err := a.dieAt(ctx, p, random)
				if err != nil {
					return fmt.Errorf("point %q: %w", p.name, err)
				}
				hit++
				others += n
			}
		}
		a.env = nil
		return a.restart(ctx)
	})
	r.dosed = fmt.Sprintf("%d points, %d kills at each", len(failpoints), rounds)
	r.note("%d kills at a point, %d others to come to one; %d timers of new customers, each fired once; ready again after %s",
		hit, others, len(a.load.waiters), longest(a.ready))
	return err
}

// mostLives bounds the restarts until a point is come to.
const mostLives = 20

// dieAt starts the gateway again until it has died at a point. It returns how
// often it was killed elsewhere.
func (a *attacked) dieAt(ctx context.Context, p point, random *rand.Rand) (others int, err error) {
	for others = range mostLives {
		a.kill()
		a.env = nil
		if p.name != "" {
			a.env = []string{fmt.Sprintf("GATEWAY_FAILPOINT=%s=%d", p.name, 1+random.IntN(p.most))}
		}
		died, err := a.liveTill(ctx, p)
		if died || err != nil {
			return others, err
		}
	}
	return others, fmt.Errorf("not come to in %d lives", mostLives)
}

// liveTill lives one life and says whether it ended at the point.
func (a *attacked) liveTill(ctx context.Context, p point) (bool, error) {
	if err := a.restart(ctx); errors.Is(err, rig.ErrKilled) {
		return true, nil // while it started
	} else if err != nil {
		return false, err
	}
	switch p.name {
	case "":
		a.load.killer.Store(a.process)
	case "rules kept, not in force":
		text := fmt.Sprintf("%s# %d\n", newcomersRule, a.life.Load())
		if err := os.WriteFile(a.home.Path("rules.d", "newcomers.yaml"), []byte(text), 0o600); err != nil {
			return false, err
		}
	}
	plugins := rig.Children(a.process.PID)
	acked := a.load.acked.Load()
	every := time.NewTicker(pointWithin)
	defer every.Stop()
	limit := time.NewTimer(bar(movesWithin))
	defer limit.Stop()
	for alive := true; alive; {
		select {
		case <-a.process.Done():
			alive = false
		case <-every.C:
			if a.load.acked.Load() > acked+pointAcked {
				return false, nil
			}
		case <-limit.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	if err := a.process.Err(); !errors.Is(err, rig.ErrKilled) {
		return false, fmt.Errorf("the gateway ended on its own: %w\n%s", err, a.home.LogTail())
	}
	a.mindOrphans(plugins)
	return true, nil
}
