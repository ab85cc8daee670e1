package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// Sizes of the disk that runs full, in bytes. A store does not open with less
// than half a gigabyte free.
const (
	fullDisk      = 900 << 20
	fullWatermark = 192 << 20
)

// diskFull fills the disk under the store and frees it again. Below the
// watermark new events are refused and what is there goes on; nothing crashes,
// and when there is space again nobody has to restart anything.
func diskFull(ctx context.Context, r *run) (err error) {
	a, err := r.open(r.dir, setup{more: fmt.Sprintf("store \"badger\" {\n  ballast = \"1MiB\"\n  watermark = \"%dMiB\"\n}\n", fullWatermark>>20)})
	if err != nil {
		return err
	}
	data := a.home.Path("data")
	unmount, err := mount(ctx, data, "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", fullDisk), "tmpfs")
	if err != nil {
		return err
	}
	defer func() { a.close(r); err = errors.Join(err, unmount()) }()
	random := rand.New(rand.NewPCG(seed, 2))
	rounds, slowest := r.doses(20), time.Duration(0)
	err = r.underLoad(ctx, a, func() error {
		for n := range rounds {
			took, err := a.fillOnce(ctx, filepath.Join(data, "filler"), int64(random.IntN(fullWatermark*3/4)))
			if err != nil {
				return fmt.Errorf("round %d: %w", n+1, err)
			}
			slowest = max(slowest, took)
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d times, tmpfs of %d MB", rounds, fullDisk>>20)
	r.note("%d times full; accepting again after %v at most", rounds, slowest.Round(time.Millisecond))
	return err
}

// fillOnce leaves that many bytes, waits until new events are refused, then
// frees the space and returns how long it took until they were taken again.
func (a *attacked) fillOnce(ctx context.Context, file string, leave int64) (time.Duration, error) {
	if err := a.moves(ctx, &a.load.acked, "an event is taken"); err != nil {
		return 0, err
	}
	if err := fill(file, leave); err != nil {
		return 0, err
	}
	refused := a.moves(ctx, &a.load.shed, "new events are refused")
	select { // for the drain to go on, or not
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	if err := errors.Join(refused, os.Remove(file)); err != nil {
		return 0, err
	}
	began := time.Now()
	err := a.moves(ctx, &a.load.acked, "events are taken again")
	return time.Since(began), err
}

// counter is one of a load's counters.
type counter interface{ Load() int64 }

// movesWithin is how long a gateway that lives may do nothing.
const movesWithin = 10 * time.Second

// moves waits until a counter has moved.
func (a *attacked) moves(ctx context.Context, c counter, what string) error {
	limit := time.NewTimer(bar(movesWithin))
	defer limit.Stop()
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for old := c.Load(); c.Load() == old; {
		select {
		case <-every.C:
		case <-a.process.Done():
			return fmt.Errorf("the gateway ended while waiting until %s\n%s", what, a.home.LogTail())
		case <-limit.C:
			return fmt.Errorf("%v passed, and not: %s", bar(movesWithin), what)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// mount mounts at dir, which it makes.
func mount(ctx context.Context, dir string, args ...string) (unmount func() error, err error) {
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("%w: mounting needs root", errSkipped)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "mount", append(args, dir)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: mount: %w: %s", errSkipped, err, out)
	}
	return func() error {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("umount %s: %w: %s", dir, err, out)
		}
		return nil
	}, nil
}

// powerDisk is the size of the disk whose power is cut.
const powerDisk = "2G"

// powerCut kills the gateway and goes on with a copy of its disk: what was in
// the file system's cache and not synced is not in the copy.
func powerCut(ctx context.Context, r *run) (err error) {
	a, err := r.open(r.dir, setup{more: smallBallast})
	if err != nil {
		return err
	}
	image := a.home.Path("disk0")
	if out, err := exec.CommandContext(ctx, "sh", "-c",
		fmt.Sprintf("truncate -s %s %s && mkfs.ext4 -q -F %s", powerDisk, image, image)).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: mkfs.ext4: %w: %s", errSkipped, err, out)
	}
	data := a.home.Path("data")
	unmount, err := mount(ctx, data, "-o", "loop", image)
	if err != nil {
		return err
	}
	defer func() { a.close(r); err = errors.Join(err, unmount()) }()
	a.load.onlyKills = true
	random := rand.New(rand.NewPCG(seed, 3))
	rounds := r.doses(30)
	err = r.underLoad(ctx, a, func() error {
		for n := range rounds {
			select {
			case <-time.After(2*time.Second + time.Duration(random.IntN(3000))*time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			a.kill()
			a.orphans.Wait() // what runs there keeps the disk mounted
			next := a.home.Path(fmt.Sprint("disk", n+1))
			if out, err := exec.CommandContext(ctx, "cp", "--sparse=always", image, next).CombinedOutput(); err != nil {
				return fmt.Errorf("copy the disk: %w: %s", err, out)
			}
			if err := errors.Join(unmount(), os.Remove(image)); err != nil {
				return err
			}
			if unmount, err = mount(ctx, data, "-o", "loop", next); err != nil {
				unmount = func() error { return nil }
				return err
			}
			image = next
			if err := a.restart(ctx); err != nil {
				return fmt.Errorf("round %d: %w", n+1, err)
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d power cuts, 2 to 5 s of load each", rounds)
	r.note("%d power cuts; ready again after %s", rounds, longest(a.ready))
	return err
}

// littleMemory gives the gateway and its plugin 256 MB, and lets very many
// messages wait.
func littleMemory(ctx context.Context, r *run) (err error) {
	const limit = 256 << 20
	group := filepath.Join("/sys/fs/cgroup/memory", fmt.Sprintf("gateway-chaos-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		return fmt.Errorf("%w: a memory cgroup (v1): %w", errSkipped, err)
	}
	defer func() { err = errors.Join(err, removeGroup(group)) }()
	if err := os.WriteFile(filepath.Join(group, "memory.limit_in_bytes"), fmt.Append(nil, limit), 0o600); err != nil {
		return err
	}
	messages := int64(r.doses(200_000))
	r.conversations, r.rate = r.doses(50_000), 20_000
	a, err := r.open(r.dir, setup{more: smallBallast + "limits {\n  memory = \"160MiB\"\n}\n"})
	if err != nil {
		return err
	}
	a.wrap = []string{"sh", "-c", "echo $$ > " + filepath.Join(group, "cgroup.procs") + ` && exec "$@"`, "sh"}
	a.far.mood.Store(&mood{throttle: 1})
	a.drain = 5 * time.Minute // so much was held back
	defer func() { a.close(r) }()
	var most rig.Memory
	err = r.underLoad(ctx, a, func() error {
		var full time.Time // since when nothing more is accepted
		for last := int64(-1); a.load.acked.Load() < messages && (full.IsZero() || time.Since(full) < backpressure); {
			if n := a.load.acked.Load(); n != last {
				last, full = n, time.Now()
			}
			if err := a.moves(ctx, &a.load.tries, "a webhook is answered"); err != nil {
				return err
			}
			if m := rig.MemoryOf(a.process.PID); m.Anon > most.Anon {
				most = m
			}
		}
		a.far.mood.Store(calm)
		return nil
	})
	r.dosed = fmt.Sprintf("cgroup of %d MB, %d conversations, %d messages", limit>>20, r.conversations, messages)
	r.note("cgroup of %d MB for the gateway and its plugin, heap limit 160 MiB; %d of %d messages in %d conversations waited, the rest was refused; "+
		"gateway at most %.0f MB (anonymous %.0f)", limit>>20, a.load.acked.Load(), messages, r.conversations, most.RSS, most.Anon)
	return err
}

// backpressure is how long the gateway must refuse everything to be full.
const backpressure = 10 * time.Second

// removeGroup removes a cgroup once its last process is gone.
func removeGroup(group string) (err error) {
	for range 100 {
		if err = os.Remove(group); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
