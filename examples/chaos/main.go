// Command chaos is `make chaos` and `make soak`: it puts the real gateway under
// load, breaks what it stands on, and then compares what was acknowledged with
// what arrived. It exits with 1 if anything was lost, out of order, or repeated
// without saying so.
//
//	chaos [-faults all] [-dose 1] [-patience 1] [-seed 1]
//	chaos -soak [-for 10m]
//
// Everything is on this machine's loopback and in a temporary folder, which
// stays there if something is wrong. Rows that a machine cannot do, for want of
// root, strace or a memory cgroup, are skipped and say so.
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

// patience multiplies the bars of time and of memory, for a machine that does
// other things at the same time. What is counted has no patience.
var patience float64

// bar is a bar of time.
func bar(d time.Duration) time.Duration { return time.Duration(float64(d) * patience) }

// The load: each message is 100 bytes.
const (
	customers = 1000
	perSecond = 500
)

type options struct {
	dose     float64
	faults   []string // nil: all
	soak     bool
	duration time.Duration // of a soak
}

// scenario is one kind of fault.
type scenario struct {
	name string
	what string
	run  func(context.Context, *run) error
	test bool // it is a test of a package: `make test` has a small dose of it
}

var scenarios = []scenario{
	{name: "mix", what: "kills, stops, dead plugins, an unfriendly far side, repeated webhooks, all at once", run: mix},
	{name: "kill", what: "the gateway is killed at random moments", run: kills},
	{name: "points", what: "it is killed at the worst moments", run: points},
	{name: "power", what: "the power is cut", run: powerCut},
	{name: "full", what: "the disk runs full and is freed again", run: diskFull},
	{name: "eio", what: "the disk reports an error when it is synced", run: syncError},
	{name: "slow", what: "the disk is slow", run: slowDisk},
	{name: "stop", what: "the gateway is stopped and started", run: stops},
	{name: "memory", what: "little memory and many conversations", run: littleMemory},
	{name: "storm", what: "every webhook comes five times", run: storm},
	{name: "vendors", what: "one of ten contact centers misbehaves, in nine ways, while customers write to all", run: vendors},
	{name: "edits", what: "the rules are edited, also with mistakes", run: edits},
	{name: "replace", what: "plugins are replaced, removed and killed while 64 conversations go on", run: replace},
	{name: "crashes", what: "a plugin is killed, hangs and crashes in a row beside another one", run: crashes},
	{name: "orphans", what: "the gateway is killed while its plugins do this and that", run: orphans},
	{name: "bad", what: "malformed requests, slow clients, strange ids", run: badInput},
	{name: "clock", what: "the clock jumps while timers are armed", test: true,
		run: tests("10,000 timers; an hour, a day, steps of 1 s", "./core/engine", "TestTimersWhileTheClockJumps|TestLateTimersAreNoFlood")},
	{name: "again", what: "an event comes again after seven days", test: true,
		run: tests("7 days and 9", "./core/engine", "TestARepetitionAfterDays|TestAcceptOfDuplicates")},
	{name: "store", what: "kills, sync errors, power cuts, full disks, and strange names below the gateway", test: true,
		run: tests("200 kills, 24 errors, 10 cuts, 20 times full", "./core/store/badger", "TestKill|TestSyncErrors|TestPowerCut|TestDiskFull|TestDisk")},
	{name: "wire", what: "oversized, smuggled, compressed and slow requests", test: true,
		run: tests("200 vectors, limits + 1, a bomb of 1 GB", "./core/httpd", "TestSmuggling|TestLimits|TestBombs|TestTruncated|TestBodies|TestSlowClients")},
	{name: "forge", what: "broken bodies, forged and replayed signatures of a driver", test: true,
		run: tests("10,000 bodies at each route, 1,000 signatures", "./plugins/rtm", "TestBrokenBodies|TestForged|TestSignature|TestRegisterBy")},
	{name: "inject", what: "customers write templates", test: true,
		run: tests("100 texts", "./core/rules", "TestTemplatesNeverReadCustomerText")},
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
	var known []string
	for _, s := range scenarios {
		known = append(known, s.name)
	}
	faults := flag.String("faults", "all", "which faults, with commas: "+strings.Join(known, ", "))
	flag.Uint64Var(&seed, "seed", uint64(time.Now().UnixNano()), "seed of the random moments")
	flag.Float64Var(&patience, "patience", 1, "how many times longer than the bar anything may take")
	flag.Float64Var(&o.dose, "dose", 1, "share of the full doses")
	flag.BoolVar(&o.soak, "soak", false, "the mix for as long as -for says, an attack every few seconds; looks for leaks")
	flag.DurationVar(&o.duration, "for", 10*time.Minute, "length of a soak")
	flag.Parse()
	if *faults != "all" {
		o.faults = strings.Split(*faults, ",")
	}
	if o.soak {
		o.faults = []string{"mix"}
	}
	for _, name := range o.faults {
		if !slices.Contains(known, name) {
			return o, fmt.Errorf("-faults: %q is none of %s", name, strings.Join(known, ", "))
		}
	}
	return o, nil
}

// wants says whether a scenario is to run.
func (o *options) wants(s scenario) bool {
	if o.faults != nil {
		return slices.Contains(o.faults, s.name)
	}
	return !s.test || o.dose >= 1
}

// run is one scenario that runs.
type run struct {
	options
	programs      rig.Programs
	dir           string
	conversations int
	rate          float64 // messages per second
	dosed         string  // the dose, in words
	verdict       verdict // of all loads so far
	notes         []string
	left          []string // what should not have happened
}

// doses returns the number of rounds: the full dose, or a share of it.
func (r *run) doses(full int) int { return max(1, int(float64(full)*r.dose)) }

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
	began := time.Now()
	var lines, failed []string
	for _, s := range scenarios {
		if !o.wants(s) || ctx.Err() != nil {
			continue
		}
		r := &run{options: o, programs: programs, dir: filepath.Join(base, s.name), conversations: customers, rate: perSecond}
		started := time.Now()
		err := s.run(ctx, r)
		line, ok := r.report(s, err, time.Since(started))
		if lines = append(lines, line); !ok {
			failed = append(failed, s.name)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Printf("\n%s\n%s\n", headline, strings.Join(lines, "\n"))
	if len(failed) > 0 {
		return fmt.Errorf("%s: see above, and the logs in %s; seed %d", strings.Join(failed, ", "), base, seed)
	}
	fmt.Printf("%d of %d rows in %v: nothing acknowledged was lost\n", len(lines), len(scenarios), time.Since(began).Round(time.Second))
	return os.RemoveAll(base)
}

// errSkipped: this machine cannot do that.
var errSkipped = errors.New("skipped")
