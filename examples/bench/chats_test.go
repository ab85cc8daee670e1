package main

import (
	"strings"
	"testing"
	"time"
)

func TestDelays(t *testing.T) {
	ms := make([]float64, 200)
	for i := range ms {
		ms[199-i] = float64(i)
	}
	if got, want := delaysOf(ms), (Delays{100, 190, 198}); got != want {
		t.Errorf("delaysOf = %v, want %v", got, want)
	}
	if got := delaysOf(nil); got != (Delays{}) {
		t.Errorf("delaysOf of nothing = %v", got)
	}
	if got, want := waits(5*time.Second), (Delays{2500, 4750, 4950}); got != want {
		t.Errorf("waits = %v, want %v", got, want)
	}
}

// TestCrowdTook counts an answer once, and what comes again as a repeat.
func TestCrowdTook(t *testing.T) {
	c := &crowd{missing: 1, arrived: make(chan struct{}, 1)}
	sent := time.Now()
	c.answers = map[string]*answer{"7": {number: 7, sent: sent}}
	c.took(8, sent)
	if c.missing != 1 || c.repeats != 1 {
		t.Errorf("after an answer nobody gave: %d missing, %d repeats, want 1 and 1", c.missing, c.repeats)
	}
	c.took(7, sent.Add(30*time.Millisecond))
	c.took(7, sent.Add(40*time.Millisecond))
	if c.missing != 0 || c.repeats != 2 || c.delays().P50 != 30 {
		t.Errorf("%d missing, %d repeats, %v; want 0, 2 and 30 ms", c.missing, c.repeats, c.delays())
	}
	if err := c.await(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestChatsTable(t *testing.T) {
	table := chatsTable([]ChatsRow{{Case: "all quiet", Chats: 5000, Polls: 1000.4, PollErrors: 3,
		CPU:    map[string]float64{"gateway": 30, plugin: 40.25, "simulator": 20},
		Answer: Delays{2600, 4800, 5000}, Floor: waits(pollIdle)}})
	for _, want := range []string{"| 5000, all quiet | 1000 | 30.0, 40.2, 20.0 |", "| +100 / +50 / +50 |", "(3 polls failed)"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}
