package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// small is the store that the large one is compared with.
const small = 1000

// largeSenders is at how many senders the large store is measured.
const largeSenders = 64

// large measures uniform access to very many stored conversations, of which
// one in ten has an open chat: nine of ten messages open one. The small store
// gets the same mix: one message in ten goes into its open chats, and nine come
// from customers nobody knows.
func (b *bench) large(ctx context.Context) (err error) {
	began := time.Now()
	all := &subject{name: fmt.Sprintf("gateway, %d stored", b.conversations), rules: 1}
	few := &subject{name: fmt.Sprintf("gateway, %d stored", small), rules: 1}
	for s, n := range map[*subject]int{all: b.conversations, few: small} {
		dir := filepath.Join(b.dir, fmt.Sprint("stored", n))
		home, err := rig.NewHome(dir, b.programs, map[string]string{"bench.yaml": ruleFile(1)}, gatewayHCL(b.far.url))
		if err == nil {
			err = os.MkdirAll(home.Path("data"), 0o700)
		}
		if err == nil {
			err = seed(ctx, home.Path("data"), n)
		}
		if err == nil {
			err = s.start(ctx, home)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
	}
	if err := all.quiet(ctx); err != nil {
		return err
	}
	fmt.Printf("%d conversations stored in %v; started in %v, RssAnon %.0f MB\n", b.conversations,
		time.Since(began).Round(time.Second), all.process.Took.Round(time.Millisecond), rig.MemoryOf(all.process.PID).Anon)
	var newcomers atomic.Int64
	customers := map[*subject]func(*rand.Rand) string{
		all: func(r *rand.Rand) string { return seededCustomer(r.IntN(b.conversations)) },
		few: func(r *rand.Rand) string {
			if r.IntN(openShare) == 0 {
				return seededCustomer(r.IntN(small/openShare) * openShare)
			}
			return fmt.Sprintf("n%07d", newcomers.Add(1))
		},
	}
	for n := range b.rounds {
		var rows [2]Row
		for i, s := range []*subject{few, all} {
			l := newLoad(s, customers[s])
			rows[i], err = b.closed(ctx, s, l, largeSenders)
			l.end()
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		for _, row := range rows {
			row.Ratio, row.CPURatio = row.PerSecond/rows[0].PerSecond, row.CPU/rows[0].CPU
			b.results.add(row)
		}
		fmt.Printf("  round %d: %d stored %.0f/s, %d stored %.0f/s, ratio %.2f, cpu %.2f, RssAnon %.0f MB\n", n+1,
			small, rows[0].PerSecond, b.conversations, rows[1].PerSecond, rows[1].PerSecond/rows[0].PerSecond,
			rows[1].CPU/rows[0].CPU, rig.MemoryOf(all.process.PID).Anon)
	}
	return nil
}

// parts measures what the floor is made of, each alone.
func (b *bench) parts(ctx context.Context) error {
	const senders = 64
	for _, part := range []string{"writes", "frames"} {
		rate, err := b.part(ctx, filepath.Join(b.dir, part), part, senders)
		if err != nil {
			return err
		}
		b.results.add(Row{Case: "floor's part: " + part, Concurrency: senders, PerSecond: rate})
	}
	s, err := b.startFloor(ctx, filepath.Join(b.dir, "http"), "floor's part: http", "-part=http")
	if err != nil {
		return err
	}
	row, err := b.throughput(ctx, s, senders)
	b.results.add(row)
	return errors.Join(err, s.stop())
}

// idle measures the gateway and the first-party plugins with nothing to do.
func (b *bench) idle(ctx context.Context) (err error) {
	home, err := rig.NewHome(filepath.Join(b.dir, "idle"), b.programs, nil, fmt.Sprintf(`
store "badger" {
  ballast = "1MiB"
}
integration "enghouse" "desk" {
  settings {
    base_url = %q
    queue    = "retail"
  }
}
channel "rtm" "webshop" {
  settings { app_id = "webshop" }
}
service "retail" {
  integration = "desk"
  channels    = ["webshop"]
}
`, b.far.url))
	if err != nil {
		return err
	}
	err = os.Remove(home.Path("plugins", "bench"))
	for _, name := range []string{"rtm", "enghouse"} {
		err = errors.Join(err, rig.CopyFile(home.Path("plugins", name), filepath.Join(filepath.Dir(b.programs.Gateway), "plugins", name)))
	}
	if err != nil {
		return err
	}
	p, err := home.Start(ctx, nil, nil)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, home.LogTail())
	}
	select { // what the start needed is given back after a while
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
	}
	b.results.add(Row{Case: "idle gateway", RSS: rig.MemoryOf(p.PID).RSS})
	fmt.Printf("idle: gateway %.0f MB", rig.MemoryOf(p.PID).RSS)
	for _, c := range rig.Children(p.PID) {
		name := rig.Name(c.PID)
		b.results.add(Row{Case: "idle plugin " + name, RSS: rig.MemoryOf(c.PID).RSS})
		fmt.Printf(", %s %.0f MB", name, rig.MemoryOf(c.PID).RSS)
	}
	fmt.Println()
	_, err = p.Terminate(15 * time.Second)
	return err
}
