package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// Bars of the faults.
const (
	readyWithin  = 3 * time.Second  // after a restart
	stopWithin   = 10 * time.Second // after SIGTERM
	orphanWithin = 2 * time.Second  // after SIGKILL
)

// gateway is the gateway under attack. One goroutine attacks.
type gateway struct {
	home    *rig.Home
	life    *atomic.Int64 // counts the starts
	process *rig.Process
	wrap    []string
	env     []string

	ready, stops []time.Duration
	orphans      sync.WaitGroup
	mu           sync.Mutex
	left         []string // what should not have happened
}

func (g *gateway) problem(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = append(g.left, fmt.Sprintf(format, args...))
}

func (g *gateway) start(ctx context.Context) error {
	g.life.Add(1)
	p, err := g.home.Start(ctx, g.wrap, g.env)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, g.home.LogTail())
	}
	g.process = p
	return nil
}

// restart starts a gateway that is down, and minds the bar.
func (g *gateway) restart(ctx context.Context) error {
	if err := g.start(ctx); err != nil {
		return err
	}
	g.ready = append(g.ready, g.process.Took)
	if g.process.Took > bar(readyWithin) {
		g.problem("ready %v after a restart, want less than %v", g.process.Took.Round(time.Millisecond), bar(readyWithin))
	}
	return nil
}

// kill ends the gateway with SIGKILL. Its plugins must be gone soon.
func (g *gateway) kill() {
	plugins := rig.Children(g.process.PID)
	g.process.Kill()
	g.mindOrphans(plugins)
}

// mindOrphans looks whether the plugins of a dead gateway end soon.
func (g *gateway) mindOrphans(plugins []rig.ID) {
	g.orphans.Go(func() {
		for end := time.Now().Add(bar(orphanWithin)); slices.ContainsFunc(plugins, rig.ID.Alive); {
			if time.Now().After(end) {
				g.problem("plugin processes %v live %v after their gateway was killed", plugins, bar(orphanWithin))
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
}

// killPlugin ends the plugins with SIGKILL.
func (g *gateway) killPlugin() {
	for _, p := range rig.Children(g.process.PID) {
		if p.Alive() {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
	}
}

// terminate asks the gateway to stop.
func (g *gateway) terminate() {
	took, err := g.process.Terminate(2 * bar(stopWithin))
	g.stops = append(g.stops, took)
	if err != nil || took > bar(stopWithin) {
		g.problem("SIGTERM: stopped after %v: %v, want exit 0 within %v", took.Round(time.Millisecond), err, bar(stopWithin))
	}
}

// attack is one thing to do at a random moment.
type attack string

// The attacks.
const (
	killGateway attack = "kill"
	killPlugin  attack = "plugin"
	terminate   attack = "term"
	refuse      attack = "500"
	throttle    attack = "429"
	reset       attack = "reset"
	hang        attack = "hang"
)

// moods are what an unfriendly far side does, and for how long.
var moods = map[attack]*mood{
	refuse:   {refuse: 0.3},
	throttle: {throttle: 0.05},
	reset:    {reset: 0.2},
	hang:     {hang: 0.02, hangFor: 3 * time.Second},
}

// counts is how often each attack is done.
type counts map[attack]int

// shuffled returns all attacks in random order.
func (c counts) shuffled(random *rand.Rand) []attack {
	var all []attack
	for _, a := range []attack{killGateway, killPlugin, terminate, refuse, throttle, reset, hang} {
		all = append(all, slices.Repeat([]attack{a}, c[a])...)
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// attackAll does all attacks, on average every d, and then calms down.
func (g *gateway) attackAll(ctx context.Context, f *far, all []attack, every time.Duration, random *rand.Rand) error {
	defer f.mood.Store(calm)
	for _, a := range all {
		select {
		case <-time.After(100*time.Millisecond + time.Duration(random.Float64()*2*float64(every))):
		case <-g.process.Done():
			return fmt.Errorf("the gateway ended on its own\n%s", g.home.LogTail())
		case <-ctx.Done():
			return nil
		}
		if err := g.attack(ctx, f, a); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateway) attack(ctx context.Context, f *far, a attack) error {
	switch a {
	case killGateway:
		g.kill()
		return g.restart(ctx)
	case terminate:
		g.terminate()
		return g.restart(ctx)
	case killPlugin:
		g.killPlugin()
	default:
		f.mood.Store(moods[a])
		time.AfterFunc(time.Second, func() { f.mood.CompareAndSwap(moods[a], calm) })
	}
	return nil
}
