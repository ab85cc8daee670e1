package rules_test

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
)

// BenchmarkSpeed is the part of `make bench` that is about rules alone. What is
// compared is measured in turns, and of each the quickest turn counts: whatever
// else the machine does only adds.
func BenchmarkSpeed(b *testing.B) {
	for b.Loop() {
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
		line := func(what, value, aim string) { _, _ = fmt.Fprintf(table, "| %s\t| %s\t| %s\t|\n", what, value, aim) }
		line(fmt.Sprintf("rules, %s, Go %s", time.Now().Format(time.DateOnly), strings.TrimPrefix(runtime.Version(), "go")), "measured", "aim")
		line("---", "---:", "---:")
		for _, f := range speed(b) {
			b.ReportMetric(f.value, f.unit)
			line(f.what, f.text(), f.aim)
		}
		_ = table.Flush() // to the terminal
	}
}

// figure is one line of the table.
type figure struct {
	what  string
	value float64
	unit  string
	aim   string
}

func (f figure) text() string {
	decimals := 2
	if f.value >= 10 {
		decimals = 0
	}
	return strconv.FormatFloat(f.value, 'f', decimals, 64) + " " + f.unit
}

func speed(b *testing.B) []figure {
	return append([]figure{tenOfMany(b), condition(b), backtest(b), explanation(b)}, scale(b)...)
}

// tenOfMany decides an event against 10,000 rules of which 10 can match, and
// against those 10.
func tenOfMany(b *testing.B) figure {
	files := map[string]string{"a.yaml": ruleset(10, 0)}
	ten := loadAll(b, files)
	for i := range 10 {
		files[fmt.Sprintf("o%d.yaml", i)] = strings.ReplaceAll(ruleset(0, 999), "name: o", fmt.Sprintf("name: o%d_", i))
	}
	many, v := loadAll(b, files), view(nil)
	times := quickest(400, evaluating(b, many, v, 500), evaluating(b, ten, v, 500))
	return figure{fmt.Sprintf("an event against %d rules, of which 10 can match", many.Len()), over(times), "x_of_10_rules", "1.2"}
}

// condition evaluates conditions, all that belongs to it included, and runs their
// programs on the bare machine.
func condition(b *testing.B) figure {
	set, v := load(b, ruleset(100, 0)), view(nil)
	bare := rules.Bare(set, v)
	times := quickest(400, evaluating(b, set, v, 50), func() {
		for range 50 {
			do(b, bare())
		}
	})
	return figure{"a condition", over(times), "x_of_bare_vm", "1.5"}
}

func evaluating(b *testing.B, set *rules.Set, v *state.View, n int) func() {
	want := len(set.Evaluate(v).Verdicts)
	return func() {
		for range n {
			if out := set.Evaluate(v); len(out.Verdicts) != want {
				b.Fatal(out)
			}
		}
	}
}

func backtest(b *testing.B) figure {
	const events = 2000
	set := load(b, ruleset(100, 0))
	record := &state.Record{View: view(nil), Verdicts: set.Evaluate(view(nil)).Verdicts}
	test := rules.NewBacktest(set)
	times := quickest(50, func() {
		for range events {
			test.Add(record, func() string { return "" })
		}
	})
	return figure{"back-test of 100 rules, all of them on the event", events / times[0].Seconds(), "events/s", "100000"}
}

func explanation(b *testing.B) figure {
	set, v := load(b, ruleset(1000, 0)), view(nil)
	times := quickest(20, func() {
		if x := set.Explain(v); len(x.Rules) != 1000 {
			b.Fatal(len(x.Rules))
		}
	})
	return figure{"explain of an event over 1,000 rules", 1e3 * times[0].Seconds(), "ms/explain", "50"}
}

// scale loads 1,000 files of 10 rules and changes one of them.
func scale(b *testing.B) []figure {
	dir(b, withDeclarations(thousandFiles()))
	var w *rules.Watcher
	var perRule float64
	loads := quickest(2, func() {
		w = nil
		before := heap()
		w = rules.NewWatcher(rules.WatchConfig{Dir: "rules.d", World: world, Log: slog.New(slog.DiscardHandler)})
		do(b, w.Load())
		perRule = float64(heap()-before) / float64(w.Set().Len())
	})
	n := 0
	reloads := quickest(5, func() {
		n++
		write(b, "team7/f007.yaml", tenRules(fmt.Sprintf("changed %d", n)))
		do(b, w.Load())
	})
	return []figure{
		{"memory of a rule, of 1,000 files of 10", perRule, "B/rule", "8192"},
		{"loading them", loads[0].Seconds(), "s/load", "2"},
		{"one file changed", 1e3 * reloads[0].Seconds(), "ms/reload", "300"},
	}
}

// quickest runs fs in turns and returns the shortest time that each took.
func quickest(rounds int, fs ...func()) []time.Duration {
	best := make([]time.Duration, len(fs))
	runtime.GC() // what was measured before is not collected meanwhile
	for round := range rounds {
		for i, f := range fs {
			start := time.Now()
			f()
			if took := time.Since(start); round == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	return best
}

func over(times []time.Duration) float64 { return float64(times[0]) / float64(times[1]) }

func loadAll(b *testing.B, files map[string]string) *rules.Set {
	b.Helper()
	set, problems := loadFiles(b, files)
	if set == nil {
		b.Fatal(problems)
	}
	return set
}
