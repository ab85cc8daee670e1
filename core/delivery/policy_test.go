package delivery_test

import (
	"math"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/delivery"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

var now = time.UnixMilli(1_700_000_000_000)

func TestJudge(t *testing.T) {
	deliver := &state.Command{Kind: state.CommandKind_DELIVER, Epoch: 7, Number: 1}
	inChat := &state.Command{Kind: state.CommandKind_CHAT_SEND, Chat: 1, Epoch: 7, Number: 1}
	call := &state.Command{Kind: state.CommandKind_CALL, Epoch: 7, Number: 1}
	notify := &state.Command{Kind: state.CommandKind_NOTIFY, Epoch: 7, Number: 1}
	fresh, second, resent := &state.Attempts{}, &state.Attempts{Count: 1}, &state.Attempts{Count: 1, Resent: true}
	old := &state.Attempts{Count: 9, FirstMs: now.Add(-25 * time.Hour).UnixMilli()}
	answer := func(o pluginv1.Outcome) *pluginv1.Result { return &pluginv1.Result{Outcome: o} }
	after := func(o pluginv1.Outcome, ms uint64) *pluginv1.Result { return &pluginv1.Result{Outcome: o, AfterMs: ms} }
	backoff := delivery.Backoff(8, 0)
	none := delivery.Policy{}
	dead := func(why string) delivery.Verdict {
		return delivery.Verdict{Ended: true, End: conversation.Dead, Reason: why}
	}
	dropped := func(why string) delivery.Verdict {
		return delivery.Verdict{Ended: true, End: conversation.Dropped, Reason: why}
	}
	again := delivery.Verdict{After: backoff, Attempted: true}
	ambiguous := delivery.Verdict{After: delivery.ShortWait, Attempted: true, Ambiguous: true, Reason: "no answer"}
	tests := []struct {
		name   string
		policy delivery.Policy
		c      *state.Command
		a      *state.Attempts
		r      *pluginv1.Result
		fate   core.Fate
		want   delivery.Verdict
	}{
		{"ok", none, deliver, fresh, answer(pluginv1.Outcome_OK), core.Answered, delivery.Verdict{Ended: true, End: conversation.Sent}},
		{"ok after the lane's age", none, deliver, old, answer(pluginv1.Outcome_OK), core.Answered, delivery.Verdict{Ended: true, End: conversation.Sent}},
		{"retry", none, deliver, fresh, answer(pluginv1.Outcome_RETRY), core.Answered, again},
		{"retry when the driver says", none, deliver, fresh, after(pluginv1.Outcome_RETRY, 3000), core.Answered,
			delivery.Verdict{After: 3 * time.Second, Attempted: true}},
		{"retry at once", none, deliver, fresh, after(pluginv1.Outcome_RETRY, 1), core.Answered,
			delivery.Verdict{After: delivery.ShortWait, Attempted: true}},
		{"retry in an age", none, deliver, fresh, after(pluginv1.Outcome_RETRY, math.MaxUint64), core.Answered,
			delivery.Verdict{After: delivery.LongWait, Attempted: true}},
		{"retry after the lane's age", none, deliver, old, answer(pluginv1.Outcome_RETRY), core.Answered, dead("expired")},
		{"retry after the instance's age", delivery.Policy{LaneAge: time.Minute}, deliver,
			&state.Attempts{FirstMs: now.Add(-2 * time.Minute).UnixMilli()}, answer(pluginv1.Outcome_RETRY), core.Answered, dead("expired")},
		{"throttled", none, deliver, fresh, after(pluginv1.Outcome_THROTTLED, 2000), core.Answered,
			delivery.Verdict{After: 2 * time.Second, Attempted: true, Slow: 2 * time.Second}},
		{"throttled for ever", none, deliver, fresh, after(pluginv1.Outcome_THROTTLED, 1<<62), core.Answered,
			delivery.Verdict{After: delivery.LongWait, Attempted: true, Slow: delivery.LongWait}},
		{"token refreshed", none, deliver, fresh, answer(pluginv1.Outcome_AUTH_REFRESH), core.Answered, delivery.Verdict{Attempted: true}},
		{"token refreshed again", none, deliver, second, answer(pluginv1.Outcome_AUTH_REFRESH), core.Answered,
			delivery.Verdict{After: delivery.Backoff(8, 1), Attempted: true}},
		{"credentials refused", none, deliver, fresh, answer(pluginv1.Outcome_AUTH_CONFIG), core.Answered,
			delivery.Verdict{After: delivery.AuthWait, Attempted: true, Slow: delivery.AuthWait, Alarm: "credentials refused"}},
		{"window closed", none, deliver, fresh, answer(pluginv1.Outcome_WINDOW_CLOSED), core.Answered, dropped("window_closed")},
		{"recipient gone", none, deliver, fresh, answer(pluginv1.Outcome_RECIPIENT_GONE), core.Answered, dropped("recipient_gone")},
		{"unsupported", none, deliver, fresh, answer(pluginv1.Outcome_UNSUPPORTED), core.Answered, dropped("unsupported")},
		{"rejected", none, deliver, fresh, answer(pluginv1.Outcome_REJECTED), core.Answered, dead("rejected")},
		{"rejected with a code", none, deliver, fresh, &pluginv1.Result{Outcome: pluginv1.Outcome_REJECTED, Code: "131047"}, core.Answered,
			dead("rejected: 131047")},
		{"an outcome nobody knows", none, deliver, fresh, answer(99), core.Answered, dead("rejected")},
		{"no result", none, deliver, fresh, nil, core.Answered, dead("rejected")},
		{"chat gone", none, inChat, fresh, answer(pluginv1.Outcome_CHAT_GONE), core.Answered,
			delivery.Verdict{Ended: true, End: conversation.Gone, Reason: "chat_gone"}},
		{"chat gone, says a channel", none, deliver, fresh, answer(pluginv1.Outcome_CHAT_GONE), core.Answered, dead("rejected")},
		{"ambiguous", none, deliver, fresh, &pluginv1.Result{Outcome: pluginv1.Outcome_AMBIGUOUS, Detail: "no answer"}, core.Answered, ambiguous},
		{"ambiguous when the driver says", none, deliver, fresh, after(pluginv1.Outcome_AMBIGUOUS, 5000), core.Answered,
			delivery.Verdict{After: 5 * time.Second, Attempted: true, Ambiguous: true}},
		{"ambiguous again", none, deliver, resent, answer(pluginv1.Outcome_AMBIGUOUS), core.Answered, dead("ambiguous")},
		{"ambiguous and not to be resent", delivery.Policy{AmbiguousDead: true}, deliver, fresh, answer(pluginv1.Outcome_AMBIGUOUS), core.Answered, dead("ambiguous")},
		{"ambiguous after the lane's age", none, deliver, old, answer(pluginv1.Outcome_AMBIGUOUS), core.Answered, dead("ambiguous")},
		{"ambiguous where it does not matter", delivery.Policy{Idempotent: true}, deliver, fresh, answer(pluginv1.Outcome_AMBIGUOUS), core.Answered, again},
		{"lost", none, deliver, fresh, nil, core.Lost, ambiguous},
		{"lost again", none, deliver, resent, nil, core.Lost, dead("ambiguous")},
		{"lost and not to be resent", delivery.Policy{AmbiguousDead: true}, deliver, fresh, nil, core.Lost, dead("ambiguous")},
		{"lost where it does not matter", delivery.Policy{Idempotent: true, AmbiguousDead: true}, deliver, fresh, nil, core.Lost, again},
		{"lost call", none, call, fresh, nil, core.Lost, dead("ambiguous")},
		{"lost notification", none, notify, fresh, nil, core.Lost, again},
		{"no plugin", none, deliver, fresh, nil, core.NoPlugin, delivery.Verdict{Park: true}},
		{"no plugin for a day", none, deliver, old, nil, core.NoPlugin, dead("expired")},
		{"not sent", none, deliver, fresh, nil, core.NotSent, delivery.Verdict{After: delivery.ShortWait}},
		{"not sent, and told when", none, notify, fresh, after(pluginv1.Outcome_RETRY, 7000), core.NotSent, delivery.Verdict{After: 7 * time.Second}},
		{"endpoint gone", none, notify, fresh, answer(pluginv1.Outcome_RECIPIENT_GONE), core.Answered, dropped("endpoint_disabled")},
		{"not sent for a day", none, deliver, old, nil, core.NotSent, dead("expired")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := delivery.Judge(tt.policy, tt.c, tt.a, tt.r, tt.fate, now); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// Whatever comes of an attempt, it has one of few shapes.
func TestJudgeAlwaysLeadsSomewhere(t *testing.T) {
	policies := []delivery.Policy{{}, {AmbiguousDead: true}, {Idempotent: true}, {LaneAge: time.Second}}
	attempts := []*state.Attempts{nil, {}, {Count: 3}, {Count: math.MaxUint32}, {Resent: true}, {Marked: true, FirstMs: 1}}
	for _, p := range policies {
		for kind := range state.CommandKind_name {
			for _, a := range attempts {
				for outcome := range pluginv1.Outcome_name {
					for _, fate := range []core.Fate{core.Answered, core.NoPlugin, core.NotSent, core.Lost} {
						c := &state.Command{Kind: state.CommandKind(kind), Number: 5}
						v := delivery.Judge(p, c, a, &pluginv1.Result{Outcome: pluginv1.Outcome(outcome)}, fate, now)
						checkVerdict(t, v, fate, a, delivery.Scheduled(c))
					}
				}
			}
		}
	}
}

func checkVerdict(t *testing.T, v delivery.Verdict, fate core.Fate, a *state.Attempts, scheduled bool) {
	t.Helper()
	longest := delivery.Max + delivery.Max/10
	if scheduled {
		longest = 27 * time.Hour
	}
	switch {
	case v.Ended && (v.After != 0 || v.Park || v.Attempted || v.End != conversation.Sent && v.Reason == ""):
		t.Fatalf("an end that goes on: %+v", v)
	case !v.Ended && (v.After < 0 || v.After > longest):
		t.Fatalf("waits %v", v.After)
	case !v.Ended && v.After == 0 && !v.Park && a.GetCount() > 0:
		t.Fatalf("tried again at once, for ever: %+v", v)
	case v.Ambiguous && (a.GetResent() || fate == core.NoPlugin || fate == core.NotSent):
		t.Fatalf("resent: %+v after %v", v, a)
	case (fate == core.NoPlugin || fate == core.NotSent) && (v.Attempted || v.End == conversation.Sent && v.Ended):
		t.Fatalf("an attempt that never was: %+v", v)
	}
}

func TestMarks(t *testing.T) {
	harmless := map[state.CommandKind]bool{
		state.CommandKind_NOTIFY: true, state.CommandKind_APPEND: true,
		state.CommandKind_CHAT_CLOSE: true, state.CommandKind_CHAT_RECEIPT: true, state.CommandKind_CHAT_UPDATE: true,
		state.CommandKind_CHAT_REOPEN: true, state.CommandKind_REGISTER: true,
	}
	for n := range state.CommandKind_name {
		c := &state.Command{Kind: state.CommandKind(n)}
		if got := delivery.Marks(delivery.Policy{}, c); got == harmless[c.Kind] {
			t.Errorf("%v is marked: %v", c.Kind, got)
		}
		if delivery.Marks(delivery.Policy{Idempotent: true}, c) {
			t.Errorf("%v is marked where the far side drops repeats", c.Kind)
		}
	}
}

func TestBackoff(t *testing.T) {
	spread := map[time.Duration]bool{}
	for n := range uint32(100) {
		base := min(delivery.First<<min(n, 20), delivery.Max)
		for id := range uint64(100) {
			got := delivery.Backoff(id, n)
			if got < base-base/10 || got > base+base/10 {
				t.Fatalf("failure %d of %d waits %v, not %v and a tenth", n, id, got, base)
			}
			if got != delivery.Backoff(id, n) {
				t.Fatal("the same failure waits another time")
			}
			if n == 3 {
				spread[got] = true
			}
		}
	}
	if len(spread) < 90 {
		t.Errorf("100 commands wait only %d different times", len(spread))
	}
	for _, n := range []uint32{1 << 20, math.MaxUint32} {
		if got := delivery.Backoff(math.MaxUint64, n); got < delivery.Max-delivery.Max/10 || got > delivery.Max+delivery.Max/10 {
			t.Errorf("failure %d waits %v", n, got)
		}
	}
}

// A notification is attempted ten times in about three days, later if the endpoint
// asks for it; one whose answer a flow waits for is not left so long.
func TestNotificationSchedule(t *testing.T) {
	waits := []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
	c := &state.Command{Kind: state.CommandKind_NOTIFY, Number: 7, Epoch: 99}
	retry := &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY}
	var total time.Duration
	for n, want := range waits {
		v := delivery.Judge(delivery.Policy{LaneAge: delivery.NotifyAge}, c, &state.Attempts{Count: uint32(n)}, retry, core.Answered, now)
		if v.Ended || !v.Attempted || v.After < want-want/10 || v.After > want+want/10 {
			t.Errorf("after %d attempts: %+v, want about %v", n+1, v, want)
		}
		total += v.After
	}
	if total < 68*time.Hour || total > delivery.NotifyAge/2 {
		t.Errorf("all of it takes %v", total)
	}
	last := delivery.Judge(delivery.Policy{}, c, &state.Attempts{Count: uint32(len(waits))}, retry, core.Answered, now)
	if !last.Ended || last.End != conversation.Dead || last.Reason != "expired" {
		t.Errorf("after the last attempt: %+v", last)
	}
	asked := &pluginv1.Result{Outcome: pluginv1.Outcome_THROTTLED, AfterMs: uint64((3 * time.Hour).Milliseconds())}
	if v := delivery.Judge(delivery.Policy{}, c, &state.Attempts{}, asked, core.Answered, now); v.After != 3*time.Hour {
		t.Errorf("asked to come in three hours: %+v", v)
	}
	c.Answer = true
	if v := delivery.Judge(delivery.Policy{}, c, &state.Attempts{Count: 4}, retry, core.Answered, now); v.After > time.Minute {
		t.Errorf("with a flow waiting: %+v", v)
	}
}
