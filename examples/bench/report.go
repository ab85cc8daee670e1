package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Row is one line of bench.json: medians over the rounds.
type Row struct {
	Case        string  `json:"case"`
	Concurrency int     `json:"concurrency"`
	Rules       int     `json:"rules"`
	PerSecond   float64 `json:"per_second"`
	AcceptP50   float64 `json:"accept_p50_us"`
	AcceptP99   float64 `json:"accept_p99_us"`
	E2EP50      float64 `json:"e2e_p50_us"`
	E2EP99      float64 `json:"e2e_p99_us"`
	CPU         float64 `json:"cpu_us"`    // per message, of the process and its plugins
	CPURatio    float64 `json:"cpu_ratio"` // to the floor's
	RSS         float64 `json:"rss_mb"`
	Ratio       float64 `json:"ratio"` // of messages per second, to the floor's
}

// key names a row.
type key struct {
	name               string
	concurrency, rules int
}

// results are the rows of all rounds, in the order in which they first came.
type results struct {
	order []key
	rows  map[key][]Row
	chats []ChatsRow
	rtm   *RTMRow
	smpp  []SMPPRow
}

func (r *results) add(row Row) {
	k := key{row.Case, row.Concurrency, row.Rules}
	if r.rows == nil {
		r.rows = map[key][]Row{}
	}
	if r.rows[k] == nil {
		r.order = append(r.order, k)
	}
	r.rows[k] = append(r.rows[k], row)
}

// medians returns one row for each key, field by field.
func (r *results) medians() []Row {
	var all []Row
	for _, k := range r.order {
		rounds := r.rows[k]
		of := func(get func(Row) float64) float64 { return median(rounds, get) }
		all = append(all, Row{
			Case: k.name, Concurrency: k.concurrency, Rules: k.rules,
			PerSecond: of(func(r Row) float64 { return r.PerSecond }),
			AcceptP50: of(func(r Row) float64 { return r.AcceptP50 }),
			AcceptP99: of(func(r Row) float64 { return r.AcceptP99 }),
			E2EP50:    of(func(r Row) float64 { return r.E2EP50 }),
			E2EP99:    of(func(r Row) float64 { return r.E2EP99 }),
			CPU:       of(func(r Row) float64 { return r.CPU }),
			CPURatio:  of(func(r Row) float64 { return r.CPURatio }),
			RSS:       of(func(r Row) float64 { return r.RSS }),
			Ratio:     of(func(r Row) float64 { return r.Ratio }),
		})
	}
	return all
}

func median(rows []Row, get func(Row) float64) float64 {
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = get(r)
	}
	slices.Sort(values)
	m := values[len(values)/2]
	if len(values)%2 == 0 {
		m = (m + values[len(values)/2-1]) / 2
	}
	return float64(int64(m*1000+0.5)) / 1000
}

// spread returns the lowest and the highest messages per second of a key.
func (r *results) spread(k key) (lowest, highest float64) {
	for i, row := range r.rows[k] {
		if i == 0 {
			lowest = row.PerSecond
		}
		lowest, highest = min(lowest, row.PerSecond), max(highest, row.PerSecond)
	}
	return lowest, highest
}

// write writes the file, whole or not at all.
func (r *results) write(file string) error {
	b, err := json.MarshalIndent(struct {
		Rows  []Row      `json:"rows"`
		Chats []ChatsRow `json:"chats,omitempty"`
		RTM   *RTMRow    `json:"rtm,omitempty"`
		SMPP  []SMPPRow  `json:"smpp,omitempty"`
	}{r.medians(), r.chats, r.rtm, r.smpp}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// table returns the rows as Markdown.
func (r *results) table(rounds int, seconds time.Duration) string {
	var w strings.Builder
	fmt.Fprintf(&w, "\n%s, %d CPUs, Go %s, %d rounds of %v, medians (lowest to highest)\n\n",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), strings.TrimPrefix(runtime.Version(), "go"), rounds, seconds)
	w.WriteString("| case | senders | rules | messages/s | of floor | accept p50 / p99 ms | end to end p50 / p99 ms | CPU µs | of floor | RSS MB |\n")
	w.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, row := range r.medians() {
		lowest, highest := r.spread(key{row.Case, row.Concurrency, row.Rules})
		fmt.Fprintf(&w, "| %s | %d | %s | %.0f (%.0f to %.0f) | %s | %s | %s | %s | %s | %s |\n",
			row.Case, row.Concurrency, zero("%.0f", float64(row.Rules)), row.PerSecond, lowest, highest, zero("%.2f", row.Ratio),
			pair(row.AcceptP50, row.AcceptP99), pair(row.E2EP50, row.E2EP99),
			zero("%.0f", row.CPU), zero("%.2f", row.CPURatio), zero("%.0f", row.RSS))
	}
	return w.String()
}

// zero formats v, and what was not measured as nothing.
func zero(format string, v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

func pair(a, b float64) string {
	if a == 0 && b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f / %.2f", a/1e3, b/1e3)
}
