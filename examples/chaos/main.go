// Command chaos is `make chaos` and `make soak`: it puts the real gateway under
// load, kills it and its plugins at random moments, lets the far side hang,
// refuse and forget to answer, and then compares what was acknowledged with
// what arrived. It exits with 1 if anything was lost, out of order, or
// repeated without saying so.
//
//	chaos [-short] [-soak] [-faults all] [-seed 1] [-kills 20] [-for 30s] …
//
// Everything is on this machine's loopback and in a temporary folder, which
// stays there if something is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// seed makes a run's random moments the same again; what the operating system
// does in between is not.
var seed uint64

type options struct {
	kills, pluginKills, terms, moods int
	conversations                    int
	rate                             float64
	duplicates                       float64
	duration                         time.Duration
	soak, short                      bool
	dose                             float64
	faults                           string
}

// scenario is one kind of fault.
type scenario struct {
	name string
	what string
	run  func(context.Context, *run) error
}

var scenarios = []scenario{
	{"mix", "kills, stops, dead plugins, an unfriendly far side, repeated webhooks", mix},
	{"full", "the disk runs full and is freed again", diskFull},
	{"eio", "the disk reports an error when it is synced", syncError},
	{"slow", "the disk is slow", slowDisk},
	{"power", "the power is cut", powerCut},
	{"memory", "little memory and many conversations", littleMemory},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runAll(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func flags() (o options, err error) {
	names := []string{"all"}
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	flag.Uint64Var(&seed, "seed", uint64(time.Now().UnixNano()), "seed of the random moments")
	flag.IntVar(&o.kills, "kills", 20, "SIGKILLs of the gateway")
	flag.IntVar(&o.pluginKills, "plugin-kills", 20, "SIGKILLs of its plugins")
	flag.IntVar(&o.terms, "terms", 3, "SIGTERMs of the gateway")
	flag.IntVar(&o.moods, "moods", 3, "seconds of each kind of unfriendly far side")
	flag.IntVar(&o.conversations, "conversations", 1000, "conversations")
	flag.Float64Var(&o.rate, "rate", 500, "messages per second")
	flag.Float64Var(&o.duplicates, "duplicates", 0.1, "share of webhooks that come five times")
	flag.DurationVar(&o.duration, "for", 60*time.Second, "length of the mix; of a soak, all of it")
	flag.BoolVar(&o.short, "short", false, "a small dose of the mix")
	flag.BoolVar(&o.soak, "soak", false, "the mix for as long as -for says, an attack every few seconds; looks for leaks")
	flag.Float64Var(&o.dose, "dose", 1, "share of the other faults' full doses")
	flag.StringVar(&o.faults, "faults", "all", "which faults, with commas: "+strings.Join(names, ", "))
	flag.Parse()
	if o.short {
		o.kills, o.pluginKills, o.terms, o.moods, o.duration = 4, 4, 1, 1, 12*time.Second
		o.conversations, o.faults = 200, "mix"
	}
	if o.soak {
		n := max(1, int(o.duration/(15*time.Second)))
		o.kills, o.pluginKills, o.terms, o.moods, o.faults = n, n, max(1, n/4), max(1, n/4), "mix"
	}
	for name := range strings.SplitSeq(o.faults, ",") {
		if !slices.Contains(names, name) {
			return o, fmt.Errorf("-faults: %q is none of %s", name, strings.Join(names, ", "))
		}
	}
	return o, nil
}

// run is one scenario that runs.
type run struct {
	options
	programs rig.Programs
	dir      string
	verdict  *verdict // of the last load, nil: none yet
	notes    []string
	left     []string // what should not have happened
}

func (r *run) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func runAll(ctx context.Context) error {
	o, err := flags()
	if err != nil {
		return err
	}
	programs, err := rig.Find()
	if err != nil {
		return err
	}
	base, err := os.MkdirTemp("", "gateway-chaos-")
	if err != nil {
		return err
	}
	fmt.Printf("seed %d\n", seed)
	var failed []string
	for _, s := range scenarios {
		if o.faults != "all" && !slices.Contains(strings.Split(o.faults, ","), s.name) || ctx.Err() != nil {
			continue
		}
		r := &run{options: o, programs: programs, dir: filepath.Join(base, s.name)}
		began := time.Now()
		err := s.run(ctx, r)
		if !r.report(s, err, time.Since(began)) {
			failed = append(failed, s.name)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s: see above, and the logs in %s; seed %d", strings.Join(failed, ", "), base, seed)
	}
	return os.RemoveAll(base)
}

// errSkipped: this machine cannot do that.
var errSkipped = errors.New("skipped")

// report prints the outcome of a scenario and returns whether it is good.
func (r *run) report(s scenario, err error, took time.Duration) bool {
	good := "ok"
	if v := r.verdict; v != nil && len(v.violations) > 0 || len(r.left) > 0 || err != nil {
		good = "FAILED"
	}
	if errors.Is(err, errSkipped) {
		good = "SKIPPED"
	}
	fmt.Printf("\n%-8s %s (%v): %s\n", good, s.name, took.Round(time.Second), s.what)
	if v := r.verdict; v != nil {
		fmt.Printf("  acknowledged %d, delivered %d, dead letters %d ambiguous, of their chats %d without a customer, repeats %d\n",
			v.acked, v.delivered, v.ambiguous, v.orphaned, v.repeats)
		for _, text := range v.violations {
			fmt.Println("  VIOLATION", text)
		}
		if v.more > 0 {
			fmt.Printf("  VIOLATION … and %d more\n", v.more)
		}
	}
	for _, n := range r.notes {
		fmt.Println(" ", n)
	}
	for _, p := range r.left {
		fmt.Println("  PROBLEM", p)
	}
	if err != nil {
		fmt.Println(" ", err)
	}
	return good != "FAILED"
}
