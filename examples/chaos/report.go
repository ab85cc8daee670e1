package main

import (
	"errors"
	"fmt"
	"time"
)

// The table of all faults: what happened to acknowledged messages. Repeats are
// flagged or dropped by the far side; wrong ones are neither. Ambiguous ones
// are dead letters, and count apart from lost ones.
const (
	headline = "row     accepted  lost  disordered  repeats  wrong  ambiguous  outcome   time  dose"
	tableRow = "%-7s %8d %5d %11d %8d %6d %10d  %-7s %6v  %s"
	testRow  = "%-7s %-53s  %-7s %6v  %s"
)

// report prints how a scenario went. It returns its line of the table, and
// whether it is good.
func (r *run) report(s scenario, err error, took time.Duration) (line string, ok bool) {
	v := &r.verdict
	outcome := "ok"
	switch {
	case errors.Is(err, errSkipped) && len(v.violations)+len(r.left) == 0:
		outcome = "SKIPPED"
	case err != nil || len(v.violations)+len(r.left) > 0:
		outcome = "FAILED"
	}
	took = took.Round(time.Second)
	fmt.Printf("\n%-7s %s: %s (%v)\n", outcome, s.name, s.what, took)
	for _, n := range r.notes {
		fmt.Println(" ", n)
	}
	for _, text := range v.violations {
		fmt.Println("  VIOLATION", text)
	}
	if v.more > 0 {
		fmt.Printf("  VIOLATION … and %d more\n", v.more)
	}
	for _, p := range r.left {
		fmt.Println("  PROBLEM", p)
	}
	if err != nil {
		fmt.Println(" ", err)
	}
	if s.test {
		return fmt.Sprintf(testRow, s.name, "", outcome, took, r.dosed), outcome != "FAILED"
	}
	line = fmt.Sprintf(tableRow, s.name, v.acked, v.lost, v.disordered, v.repeats, v.wrong, v.ambiguous+v.orphaned, outcome, took, r.dosed)
	return line, outcome != "FAILED"
}
