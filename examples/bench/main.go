// Command bench is `make bench`: it measures the gateway end to end, webhook
// in, HTTP out, everything durable, beside its floor, in interleaved rounds.
//
//	bench [-short] [-rounds 5] [-seconds 2s] [-conversations 1000000] [-chats 5000]
//
// A sender waits for the answer before it sends again, and writes into ten
// conversations in turn, in each only when the far side has the message before.
// A message counts when the far side has it; a run ends when the lanes are
// empty. Latencies are measured at half of the gateway's own throughput, the
// floor's at that same rate, from when a message was due. CPU is that of the
// process and its plugins, not of this program, which is the senders and the
// far side.
//
// It imports the gateway's store to fill it with conversations, which no other
// example may do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

type bench struct {
	programs      rig.Programs
	far           *far
	dir           string // of everything that is written
	rounds        int
	seconds       time.Duration
	conversations int
	chats         int
	clients       int   // of RTM
	levels        []int // of concurrency
	cases         []string
	out           string
	short         bool
	results       results
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	b := &bench{}
	short := flag.Bool("short", false, "one short round")
	levels := flag.String("senders", "1,16,64,256", "numbers of concurrent senders")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds")
	flag.DurationVar(&b.seconds, "seconds", 2*time.Second, "length of each measurement")
	flag.IntVar(&b.conversations, "conversations", 1_000_000, "conversations in the large store, 0: not measured")
	flag.IntVar(&b.chats, "chats", 5000, "open chats that are polled")
	flag.IntVar(&b.clients, "clients", 10_000, "connected RTM clients")
	cases := flag.String("cases", "idle,chats,rtm,rounds,parts,large,smpp", "what to measure")
	flag.StringVar(&b.out, "out", "bin/bench.json", "`file` for the results")
	flag.Parse()
	if b.short = *short; b.short {
		b.rounds, b.seconds, b.conversations, b.chats = 1, time.Second, min(b.conversations, 20_000), min(b.chats, 500)
		b.clients = min(b.clients, 500)
	}
	for s := range strings.SplitSeq(*levels, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("-senders: %q is not a number", s)
		}
		b.levels = append(b.levels, n)
	}
	b.cases = strings.Split(*cases, ",")
	if b.programs, err = rig.Find(); err != nil {
		return err
	}
	if b.far, err = newFar(loads.took); err != nil {
		return err
	}
	go b.far.serve()
	if b.dir, err = os.MkdirTemp("", "gateway-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	return b.all(ctx)
}

func (b *bench) all(ctx context.Context) error {
	steps := map[string]func(context.Context) error{
		"idle": b.idle, "chats": b.openChats, "rtm": b.rtm, "rounds": b.allRounds, "parts": b.parts, "large": b.large, "smpp": b.smpp,
	}
	for _, name := range b.cases {
		step := steps[name]
		if step == nil {
			return fmt.Errorf("-cases: %q is none of idle, chats, rtm, rounds, parts, large, smpp", name)
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Print(b.results.table(b.rounds, b.seconds))
	if err := b.results.write(b.out); err != nil {
		return err
	}
	fmt.Println("\nwritten to", b.out)
	return nil
}

func (b *bench) allRounds(ctx context.Context) error {
	for n := range b.rounds {
		fmt.Printf("round %d of %d\n", n+1, b.rounds)
		if err := b.round(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// round measures every case once, the gateway and the floor in turn.
func (b *bench) round(ctx context.Context, n int) (err error) {
	dir := func(name string) string { return filepath.Join(b.dir, fmt.Sprintf("round%d", n), name) }
	var subjects []*subject
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, s.stop())
		}
		err = errors.Join(err, os.RemoveAll(dir("")))
	}()
	add := func(s *subject, err error) error {
		if err == nil {
			subjects = append(subjects, s)
		}
		return err
	}
	err = add(b.gateway(ctx, dir("one"), 1))
	if err == nil {
		err = add(b.gateway(ctx, dir("thousand"), 1000))
	}
	if err == nil {
		err = add(b.floor(ctx, dir("floor"), 3))
	}
	if err == nil {
		err = add(b.floor(ctx, dir("floor1"), 1))
	}
	if err != nil {
		return err
	}
	for _, level := range b.levels {
		if err := b.level(ctx, subjects, level); err != nil {
			return err
		}
	}
	return nil
}

// level measures all subjects at one number of senders: throughput of all,
// then latencies at half of the first one's.
func (b *bench) level(ctx context.Context, subjects []*subject, senders int) error {
	rows := make([]Row, len(subjects))
	for i, s := range subjects {
		row, err := b.throughput(ctx, s, senders)
		if err != nil {
			return fmt.Errorf("%s, %d senders: %w", s.name, senders, err)
		}
		rows[i] = row
	}
	for i, s := range subjects[:3] {
		if err := b.latency(ctx, s, &rows[i], senders, rows[0].PerSecond/2); err != nil {
			return fmt.Errorf("%s at %.0f messages/s: %w", s.name, rows[0].PerSecond/2, err)
		}
	}
	floor := rows[2]
	for _, row := range rows {
		row.Ratio, row.CPURatio = row.PerSecond/floor.PerSecond, row.CPU/floor.CPU
		b.results.add(row)
		fmt.Printf("  %-18s %3d senders %4d rules %7.0f/s  ratio %.2f  cpu %4.0f us (%.2f)  accept p99 %.2f ms  e2e p99 %.2f ms  rss %.0f MB\n",
			row.Case, row.Concurrency, row.Rules, row.PerSecond, row.Ratio, row.CPU, row.CPURatio, row.AcceptP99/1e3, row.E2EP99/1e3, row.RSS)
	}
	return nil
}

// throughput is one closed-loop run.
func (b *bench) throughput(ctx context.Context, s *subject, senders int) (Row, error) {
	l := newLoad(s, nil)
	defer l.end()
	return b.closed(ctx, s, l, senders)
}

func (b *bench) closed(ctx context.Context, s *subject, l *load, senders int) (Row, error) {
	cpu, began := rig.CPU(s.process.PID), time.Now()
	if err := l.closed(ctx, senders, b.seconds); err != nil {
		return Row{}, err
	}
	if err := l.finish(30 * time.Second); err != nil {
		return Row{}, err
	}
	if err := s.settle(ctx); err != nil {
		return Row{}, err
	}
	n, took := float64(l.arrived.Load()), time.Since(began)
	return Row{
		Case: s.name, Concurrency: senders, Rules: s.rules, PerSecond: n / took.Seconds(),
		CPU: float64((rig.CPU(s.process.PID) - cpu).Microseconds()) / n,
		RSS: rig.MemoryOf(s.process.PID).RSS,
	}, nil
}

// latency is one open-loop run.
func (b *bench) latency(ctx context.Context, s *subject, row *Row, senders int, rate float64) error {
	l := newLoad(s, nil)
	defer l.end()
	if err := l.open(ctx, rate, senders, b.seconds); err != nil {
		return err
	}
	if err := l.finish(30 * time.Second); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	accept, arrival := l.times()
	row.AcceptP50, row.AcceptP99 = accept.p50, accept.p99
	row.E2EP50, row.E2EP99 = arrival.p50, arrival.p99
	return nil
}
