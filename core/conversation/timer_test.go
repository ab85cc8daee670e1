package conversation_test

import (
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// timed is an open chat of a service with timers, asked a question at start.
func timed(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	svc := w.snap.Services["retail"]
	svc.IdleAfter, svc.CloseAfter = 10*time.Minute, 2*time.Hour
	svc.UnattendedAfter = []time.Duration{15 * time.Minute, 30 * time.Minute}
	w.chat()
	return w
}

// at fires the timer at a time after the start.
func (w *world) at(d time.Duration) {
	w.t.Helper()
	w.now = start.Add(d)
	w.fire()
}

func (w *world) armed() time.Duration { return time.UnixMilli(w.doc.TimerMs).Sub(start) }

func TestTimersOfASilence(t *testing.T) {
	w := timed(t)
	steps := []struct {
		at    time.Duration
		types []string
		next  time.Duration
	}{
		{10 * time.Minute, []string{sdk.ChatIdle}, 15 * time.Minute},
		{12 * time.Minute, nil, 15 * time.Minute}, // nothing is due: it is set again
		{15 * time.Minute, []string{sdk.CustomerUnattended}, 30 * time.Minute},
		{30 * time.Minute, []string{sdk.CustomerUnattended}, 2 * time.Hour},
		{2 * time.Hour, []string{sdk.ChatClosed}, 0},
	}
	if w.armed() != 10*time.Minute {
		t.Fatalf("armed %v", w.armed())
	}
	for _, s := range steps {
		w.at(s.at)
		w.wantTypes(s.types...)
		for _, r := range w.records() {
			ev := r.View.Event
			if got := ev.GetIdleTime() + ev.GetWaitTime(); r.View.Type != sdk.ChatClosed && got != s.at.Minutes() || r.View.LateBy != 0 {
				t.Errorf("%v: %v minutes, late by %v", s.at, got, r.View.LateBy)
			}
		}
		if s.next == 0 {
			if w.doc.TimerMs != 0 || !w.last.Timer.Set || !w.last.Timer.Due.IsZero() {
				t.Errorf("timer %v after the last", w.last.Timer)
			}
		} else if w.armed() != s.next || !w.last.Timer.Due.Equal(start.Add(s.next)) {
			t.Errorf("%v: armed %v, want %v", s.at, w.armed(), s.next)
		}
	}
	if w.doc.Chat.Reason != "timed_out" {
		t.Errorf("chat %v", w.doc.Chat)
	}
	w.want("chat:1 CHAT_CLOSE")
}

func TestIdleOncePerSilence(t *testing.T) {
	w := timed(t)
	w.at(10 * time.Minute)
	w.wantTypes(sdk.ChatIdle)
	w.at(11 * time.Minute)
	w.wantTypes()
	w.agent("are you there?")
	w.at(21 * time.Minute)
	w.wantTypes(sdk.ChatIdle) // a new silence; the answer ended the waiting
	w.customer("yes")
	w.at(31 * time.Minute)
	w.wantTypes(sdk.ChatIdle)
}

func TestUnattendedCountsFromTheOldestMessage(t *testing.T) {
	w := timed(t)
	w.now = start.Add(9 * time.Minute)
	w.customer("hello?")
	w.at(15 * time.Minute)
	w.wantTypes(sdk.CustomerUnattended)
	w.now = start.Add(16 * time.Minute)
	w.agent("here")
	w.now = start.Add(20 * time.Minute)
	w.customer("at last")
	w.at(35 * time.Minute)
	w.wantTypes(sdk.ChatIdle, sdk.CustomerUnattended)
}

func TestLateTimersInDueOrder(t *testing.T) {
	w := timed(t)
	w.at(time.Hour)
	w.wantTypes(sdk.ChatIdle, sdk.CustomerUnattended, sdk.CustomerUnattended)
	var late, minutes []float64
	for _, r := range w.records() {
		late = append(late, r.View.LateBy)
		minutes = append(minutes, r.View.Event.GetIdleTime()+r.View.Event.GetWaitTime())
	}
	if !slices.Equal(late, []float64{3000, 2700, 1800}) || !slices.Equal(minutes, []float64{60, 60, 60}) {
		t.Errorf("late by %v, minutes %v", late, minutes)
	}
	w = timed(t)
	w.at(3 * time.Hour)
	w.wantTypes(sdk.ChatIdle, sdk.CustomerUnattended, sdk.CustomerUnattended, sdk.ChatClosed)
}

func TestTimersThatTheVendorSends(t *testing.T) {
	w := timed(t)
	w.snap.Instances["desk"].Caps.Events = []string{sdk.ChatIdle, sdk.CustomerUnattended}
	w.at(time.Hour)
	w.wantTypes()
	if w.armed() != 2*time.Hour {
		t.Errorf("armed %v", w.armed())
	}
	w.snap.Rules = on(sdk.ChatIdle, core.Action{Kind: core.Tag, Key: "idle"})
	w.desk(sdk.ChatIdle)
	if !slices.Contains(w.doc.Tags, "idle") {
		t.Error("rules do not see the vendor's own event")
	}
}

func TestTimersAreArmedLazily(t *testing.T) {
	w := timed(t)
	for i := range 5 {
		w.now = start.Add(time.Duration(i+1) * time.Minute)
		w.agent("x")
		if w.last.Timer.Set {
			t.Fatalf("message %d writes the timer %v", i, w.last.Timer)
		}
	}
	if w.armed() != 10*time.Minute {
		t.Errorf("armed %v", w.armed())
	}
	w.at(10 * time.Minute)
	w.wantTypes()
	if w.armed() != 15*time.Minute || !w.last.Timer.Set {
		t.Errorf("armed %v", w.armed())
	}
	w.snap.Services["retail"].IdleAfter = time.Minute // an earlier one is written at once
	w.agent("y")
	if w.armed() != 11*time.Minute || !w.last.Timer.Set {
		t.Errorf("armed %v", w.armed())
	}
}

func TestFiredWithNothingDue(t *testing.T) {
	w := timed(t)
	w.desk(sdk.ChatClosed)
	if w.last.Timer.Set || w.doc.TimerMs == 0 {
		t.Fatalf("timer %v", w.last.Timer)
	}
	w.at(10 * time.Minute)
	w.wantTypes()
	if !w.last.Timer.Set || !w.last.Timer.Due.IsZero() || w.doc.TimerMs != 0 || len(w.last.Entries) != 0 {
		t.Errorf("timer %v, %d entries", w.last.Timer, len(w.last.Entries))
	}
}

func TestNoTimersWithoutAChat(t *testing.T) {
	w := newWorld(t)
	svc := w.snap.Services["retail"]
	svc.Forward, svc.IdleAfter, svc.UnattendedAfter = bot, time.Minute, []time.Duration{time.Minute}
	w.customer("hi")
	if w.last.Timer.Set || w.doc.TimerMs != 0 {
		t.Errorf("timer %v", w.last.Timer)
	}
}

func TestTimerOfABrokenFireIsSetAgain(t *testing.T) {
	w := timed(t)
	w.snap.Probe = func(stage int, typ string) {
		if typ == sdk.ChatIdle {
			panic("broken")
		}
	}
	w.at(10 * time.Minute)
	if len(w.last.Poison) != 1 || w.armed() != 15*time.Minute || !w.last.Timer.Set {
		t.Errorf("poison %v, armed %v", w.last.Poison, w.armed())
	}
}

func TestEventTimeIsTheProviders(t *testing.T) {
	w := timed(t)
	w.event("web", &pluginv1.Event{Type: sdk.CustomEvent, AtMs: 42, Customer: &pluginv1.Customer{Address: "ada"}})
	if got := w.records()[0]; got.View.AtMs != 42 || got.NowMs != start.UnixMilli() {
		t.Errorf("record %v", got)
	}
	if w.doc.Chat.State != state.ChatState_CHAT_OPEN {
		t.Errorf("chat %v", w.doc.Chat)
	}
}
