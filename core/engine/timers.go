package engine

import (
	"container/heap"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

const (
	alarmEvery = time.Second          // the longest sleep: the wall clock may jump
	lateEvery  = 5 * time.Millisecond // between overdue timers: at most 200 a second
	lateGrace  = 60 * time.Second     // after a start: how long one waits for its chat's first poll
	overdue    = 2 * time.Second      // late by more than that: it came due while we were away
)

// timers are the armed timers of a shard, one per conversation.
type timers struct {
	mu    sync.Mutex
	heap  dueHeap
	due   map[core.ConversationID]int64 // what is armed; other heap entries are stale
	alarm func()                        // stops the alarm
	off   bool
}

// dueAt is a timer that may be armed.
type dueAt struct {
	ms int64
	id core.ConversationID
}

// dueHeap is a heap of timers, the earliest first.
type dueHeap []dueAt

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].ms < h[j].ms }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueAt)) }
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// add arms a conversation's timer, in place of the one it has.
func (t *timers) add(id core.ConversationID, ms int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due[id] = ms
	heap.Push(&t.heap, dueAt{ms, id})
}

// arm sets or clears (zero) a conversation's timer.
func (s *shard) arm(id core.ConversationID, due time.Time) {
	if due.IsZero() {
		s.timers.mu.Lock()
		delete(s.timers.due, id)
		s.timers.mu.Unlock()
		return
	}
	s.timers.add(id, due.UnixMilli())
	s.setAlarm()
}

// setAlarm wakes the shard at its earliest timer.
func (s *shard) setAlarm() {
	t := &s.timers
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.off || t.alarm != nil || len(t.heap) == 0 {
		return
	}
	wait := time.UnixMilli(t.heap[0].ms).Sub(s.e.Clock.Now())
	t.alarm = s.e.Clock.AfterFunc(min(max(wait, time.Millisecond), alarmEvery), func() { s.e.Exec.Go(s.ring) })
}

// stopAlarm ends the alarm; none is set any more.
func (t *timers) stopAlarm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.off = true
	if t.alarm != nil {
		t.alarm()
	}
}

// ring fires what is due: one that is long overdue at a time, so that a start
// after a long stop is no flood.
func (s *shard) ring() {
	t := &s.timers
	now := s.e.Clock.Now().UnixMilli()
	var fire []dueAt
	late := false
	t.mu.Lock()
	t.alarm = nil
	for len(t.heap) > 0 && t.heap[0].ms <= now && !late {
		d := heap.Pop(&t.heap).(dueAt)
		if t.due[d.id] != d.ms {
			continue // set anew or cleared meanwhile
		}
		delete(t.due, d.id)
		fire = append(fire, d)
		late = now-d.ms > overdue.Milliseconds()
	}
	t.mu.Unlock()
	for _, d := range fire {
		s.fire(d)
	}
	if late {
		t.mu.Lock()
		if !t.off {
			t.alarm = s.e.Clock.AfterFunc(lateEvery*store.Shards, func() { s.e.Exec.Go(s.ring) }) // they share the rate
		}
		t.mu.Unlock()
		return
	}
	s.setAlarm()
}

// fire hands a timer to its conversation, behind all mail that was accepted
// before it. One that came due while the gateway was away, or soon after, waits
// for the chat's first poll: what the vendor has to say may make it void.
func (s *shard) fire(d dueAt) {
	in := &input{mail: &state.Mail{
		AcceptedMs: s.e.Clock.Now().UnixMilli(), Source: "timer", Body: &state.Mail_Fired{Fired: &state.Fired{DueMs: d.ms}},
	}}
	if s.e.Clock.Now().Sub(s.e.started) < lateGrace {
		for !s.cell(d.id).afterPoll(in) {
		}
		return
	}
	s.push(d.id, in)
}
