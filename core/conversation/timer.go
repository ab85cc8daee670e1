package conversation

import (
	"time"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// lateAfter is how late a timer must be to say so in event.late_by.
const lateAfter = time.Second

// due is one of a conversation's timers.
type due struct {
	ms   int64
	fire func(late time.Duration)
}

// dues returns the timers that run, in no order. They run only where the
// vendor does not send the event itself.
func (t *turn) dues() []due {
	doc, svc := t.doc, t.service()
	var all []due
	add := func(ms int64, fire func(time.Duration)) { all = append(all, due{ms, fire}) }
	if doc.Flow != nil && doc.Flow.DueMs != 0 {
		add(doc.Flow.DueMs, t.flowDue)
	}
	for _, tm := range doc.Timers {
		add(tm.DueMs, func(late time.Duration) { t.waited(tm, late) })
	}
	if !t.chatOpen() {
		return all
	}
	inst := t.snap.Instances[doc.Chat.Integration]
	last := max(doc.CustomerMs, doc.AgentMs, doc.Chat.OpenedMs)
	if svc.IdleAfter > 0 && !doc.IdleDone && !inst.sends(sdk.ChatIdle) {
		add(last+svc.IdleAfter.Milliseconds(), t.idle)
	}
	if n := int(doc.UnattendedDone); doc.UnansweredMs != 0 && n < len(svc.UnattendedAfter) && !inst.sends(sdk.CustomerUnattended) {
		add(doc.UnansweredMs+svc.UnattendedAfter[n].Milliseconds(), t.unattended)
	}
	if svc.CloseAfter > 0 {
		add(last+svc.CloseAfter.Milliseconds(), func(late time.Duration) {
			t.closeChat(&pluginv1.Event{By: "system", Reason: "timed_out", TimedOut: true}, "timer", late)
		})
	}
	return all
}

// fired turns the timers that are due into facts. A timer whose condition no
// longer holds is not among the dues: then nothing happens.
func (t *turn) fired() {
	t.doc.TimerMs, t.rang = 0, true
	for range 3 + len(t.doc.Timers) + len(t.service().UnattendedAfter) { // each fires at most once a turn
		var first *due
		for _, d := range t.dues() {
			if d.ms <= t.ms && (first == nil || d.ms < first.ms) {
				first = &d
			}
		}
		if first == nil {
			return
		}
		late := time.Duration(t.ms-first.ms) * time.Millisecond
		if late < lateAfter {
			late = 0
		}
		n := len(t.facts)
		first.fire(late)
		if len(t.facts) > n && t.facts[n].tell {
			return // the chat ends: its other timers end with it
		}
	}
}

// idle reports that neither side has written for a while.
func (t *turn) idle(late time.Duration) {
	doc := t.doc
	doc.IdleDone = true
	minutes := float64(t.ms-max(doc.CustomerMs, doc.AgentMs, doc.Chat.OpenedMs)) / 60e3
	t.emit(&pluginv1.Event{Type: sdk.ChatIdle, IdleTime: &minutes}, "timer", late)
}

// unattended reports that the customer waits for an answer.
func (t *turn) unattended(late time.Duration) {
	// The time of the value that was passed, not of the tick that noticed it,
	// so that `wait_time == 15` holds.
	minutes := t.service().UnattendedAfter[t.doc.UnattendedDone].Minutes()
	if waited := float64(t.ms-t.doc.UnansweredMs) / 60e3; late > 0 && waited > minutes {
		minutes = waited
	}
	t.doc.UnattendedDone++
	t.emit(&pluginv1.Event{Type: sdk.CustomerUnattended, WaitTime: &minutes}, "timer", late)
}

// arm sets the conversation's timer if it must ring earlier than it is set to.
// A timer that is set too early is left alone: when it rings nothing is due,
// and it is set again. So a busy conversation does not write its timer at
// every message.
func (t *turn) arm() {
	var first int64
	for _, d := range t.dues() {
		if first == 0 || d.ms < first {
			first = d.ms
		}
	}
	switch old := t.doc.TimerMs; {
	case first != 0 && (old == 0 || first < old):
		t.doc.TimerMs = first
		t.d.Timer = Timer{Set: true, Due: time.UnixMilli(first)}
	case first == 0 && old == 0 && t.rang:
		t.d.Timer = Timer{Set: true}
	}
}
