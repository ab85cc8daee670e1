package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ChatsRow is one line of the report on open chats.
type ChatsRow struct {
	Case       string             `json:"case"`
	Chats      int                `json:"chats"`
	Polls      float64            `json:"polls_per_second,omitempty"`
	PollErrors float64            `json:"poll_errors,omitempty"`
	CPU        map[string]float64 `json:"cpu_us_per_second_and_chat,omitempty"`
	Memory     map[string]float64 `json:"kb_per_chat,omitempty"`
	Goroutines float64            `json:"gateway_goroutines,omitempty"`
	Answer     Delays             `json:"answer_ms"` // from the agent's act to the customer's side
	Floor      Delays             `json:"floor_ms"`  // of an answer at any moment of the interval between two polls
}

// Delays are percentiles in milliseconds.
type Delays struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

func delaysOf(ms []float64) Delays {
	if len(ms) == 0 {
		return Delays{}
	}
	slices.Sort(ms)
	at := func(p int) float64 { return ms[min(len(ms)*p/100, len(ms)-1)] }
	return Delays{at(50), at(95), at(99)}
}

// waits are the delays of polling alone: something that happens at any moment
// waits for the rest of the interval.
func waits(interval time.Duration) Delays {
	ms := float64(interval.Milliseconds())
	return Delays{ms * 0.50, ms * 0.95, ms * 0.99}
}

func (d Delays) String() string { return fmt.Sprintf("%.0f / %.0f / %.0f", d.P50, d.P95, d.P99) }

// over says what comes on top of a floor.
func (d Delays) over(floor Delays) string {
	return fmt.Sprintf("%+.0f / %+.0f / %+.0f", d.P50-floor.P50, d.P95-floor.P95, d.P99-floor.P99)
}

// chatsTable returns the rows as Markdown.
func chatsTable(rows []ChatsRow) string {
	var w strings.Builder
	w.WriteString("\n| open chats | polls/s | CPU µs per second and chat: gateway, plugin, simulator | kB per chat: gateway, plugin | " +
		"agent's answer p50 / p95 / p99 ms | polling alone | on top |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range rows {
		fmt.Fprintf(&w, "| %d, %s | %s | %s | %s | %v | %v | %s |\n", r.Chats, r.Case, zero("%.0f", r.Polls),
			parts(r.CPU, "gateway", plugin, "simulator"), parts(r.Memory, "gateway", plugin), r.Answer, r.Floor, r.Answer.over(r.Floor))
		if r.PollErrors > 0 {
			fmt.Fprintf(&w, "(%d polls failed)\n", int(r.PollErrors))
		}
	}
	return w.String()
}

func parts(of map[string]float64, names ...string) string {
	if of == nil {
		return ""
	}
	var all []string
	for _, name := range names {
		all = append(all, fmt.Sprintf("%.1f", of[name]))
	}
	return strings.Join(all, ", ")
}
