package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// syncs are the system calls that make writes durable. Badger maps its logs
// into memory, so it is msync that counts most.
const syncs = "msync,fsync,fdatasync"

// strace returns the path of a strace that works here: containers forbid it.
func strace(ctx context.Context) (string, error) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return "", fmt.Errorf("%w: no strace", errSkipped)
	}
	args := []string{"-D", "-f", "-qq", "--seccomp-bpf", "-o", os.DevNull, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true"}
	if out, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: strace: %w: %s", errSkipped, err, out)
	}
	return path, nil
}

// stopWithinError is how long a gateway may run whose disk reported an error.
const stopWithinError = time.Second

// syncError makes syncs of a running gateway fail, one or all from then on. It
// must stop by itself, and lose nothing.
func syncError(ctx context.Context, r *run) error {
	path, err := strace(ctx)
	if err != nil {
		return err
	}
	a, err := r.open(r.dir, setup{more: smallBallast})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	random := rand.New(rand.NewPCG(seed, 4))
	rounds, slowest := r.doses(50), time.Duration(0)
	err = r.underLoad(ctx, a, func() error {
		for n := range rounds {
			when := fmt.Sprint(1 + random.IntN(20)) // one of them
			if n%2 == 0 {
				when += "+" // it and all later ones
			}
			took, err := a.breakSync(ctx, path, a.home.Path(fmt.Sprint("strace", n)), when)
			if err != nil {
				return fmt.Errorf("round %d: %w", n+1, err)
			}
			slowest = max(slowest, took)
			if took > bar(stopWithinError) {
				a.problem("round %d: ended %v after the error, want %v", n+1, took, bar(stopWithinError))
			}
			if err := a.restart(ctx); err != nil {
				return fmt.Errorf("round %d: %w", n+1, err)
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d sync errors, one or all from then on", rounds)
	r.note("%d sync errors; the gateway ended %v after one at most; ready again after %s", rounds, slowest.Round(time.Millisecond), longest(a.ready))
	return err
}

// breakSync attaches strace to the gateway and returns how long after the
// first error it ended.
func (a *attacked) breakSync(ctx context.Context, path, out, when string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, path, "-f", "-qq", "-ttt", "-o", out, "-p", strconv.Itoa(a.process.PID),
		"-e", "trace="+syncs, "-e", "inject="+syncs+":error=EIO:when="+when)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	detached := make(chan struct{})
	var failure error
	go func() { failure = cmd.Wait(); close(detached) }()
	defer func() { _ = cmd.Process.Kill(); <-detached }()
	select {
	case <-a.process.Done():
	case <-detached: // with the gateway, or it could not attach
		if failure != nil {
			return 0, fmt.Errorf("%w: strace: %w: %s", errSkipped, failure, said.String())
		}
		<-a.process.Done()
	case <-time.After(bar(20 * time.Second)):
		return 0, errors.New("the gateway runs on, although its syncs report errors")
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	ended := time.Now()
	b, err := os.ReadFile(out)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && strings.Contains(line, "(INJECTED)") {
			at, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				return 0, err
			}
			return ended.Sub(time.Unix(0, int64(at*1e9))), os.Remove(out)
		}
	}
	return 0, fmt.Errorf("the gateway ended before a sync failed\n%s", a.home.LogTail())
}

// slowDisk runs the gateway with syncs that take longer.
func slowDisk(ctx context.Context, r *run) error {
	path, err := strace(ctx)
	if err != nil {
		return err
	}
	for _, delay := range r.delays() {
		if err := r.slowBy(ctx, path, delay); err != nil {
			return fmt.Errorf("syncs %v slower: %w", delay, err)
		}
		if len(r.verdict.violations) > 0 {
			break
		}
	}
	return nil
}

// delays are how much longer a sync takes. Even a start takes long if it is a
// second: a small dose does with less.
func (r *run) delays() []time.Duration {
	if r.dose < 0.1 {
		return []time.Duration{20 * time.Millisecond, 100 * time.Millisecond}
	}
	return []time.Duration{50 * time.Millisecond, time.Second}
}

// mostSlowMB is what a gateway with a slow disk may hold, in MB: twice what it
// takes under this load with a fast one.
const mostSlowMB = 400

func (r *run) slowBy(ctx context.Context, path string, delay time.Duration) error {
	a, err := r.open(r.dir+delay.String(), setup{more: smallBallast})
	if err != nil {
		return err
	}
	// -D: the gateway, not strace, is the child that is killed and watched.
	a.wrap = []string{path, "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=" + syncs,
		"-e", fmt.Sprintf("inject=%s:delay_exit=%d", syncs, delay.Microseconds())}
	defer func() { a.close(r) }()
	var most rig.Memory
	length := time.Duration(float64(2*time.Minute) * r.dose)
	err = r.underLoad(ctx, a, func() error {
		for began := time.Now(); time.Since(began) < length; {
			if err := a.moves(ctx, &a.load.acked, "an event is taken"); err != nil {
				return err
			}
			if m := rig.MemoryOf(a.process.PID); m.RSS > most.RSS {
				most = m
			}
		}
		return nil
	})
	if most.RSS > mostSlowMB {
		a.problem("the gateway took %.0f MB, want at most %d", most.RSS, mostSlowMB)
	}
	r.dosed = fmt.Sprintf("syncs %v slower, %v each", r.delays(), length)
	r.note("syncs %v slower for %v: %d acknowledged, the slowest answer after %v, memory %.0f MB at most", delay, length,
		a.load.acked.Load(), time.Duration(a.load.slowest.Load()).Round(time.Millisecond), most.RSS)
	return err
}
