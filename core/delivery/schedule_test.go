package delivery_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/delivery"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// TestAttemptsPerMinute has a far side that says the same for ten minutes, and
// counts the attempts at one command in each of them.
func TestAttemptsPerMinute(t *testing.T) {
	message := &state.Command{Kind: state.CommandKind_CHAT_SEND, Chat: 1, Epoch: 7, Number: 1}
	closing := &state.Command{Kind: state.CommandKind_CHAT_CLOSE, Chat: 1, Epoch: 7, Number: 1}
	answer := func(o pluginv1.Outcome, after time.Duration) *pluginv1.Result {
		return &pluginv1.Result{Outcome: o, AfterMs: uint64(after.Milliseconds())}
	}
	doubling := []int{7, 1, 1, 0, 1, 0, 0, 0, 1, 0}
	for _, tt := range []struct {
		name   string
		policy delivery.Policy
		c      *state.Command
		r      *pluginv1.Result // nil: no answer
		want   []int            // attempts in each minute
		reason string           // of the end, "" for none
	}{
		{"500, not done", delivery.Policy{}, message, answer(pluginv1.Outcome_RETRY, 0), doubling, ""},
		{"500, perhaps done", delivery.Policy{}, message, answer(pluginv1.Outcome_AMBIGUOUS, 5*time.Second),
			[]int{2, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "ambiguous"},
		{"500, perhaps done, and the far side knows repeats", delivery.Policy{Idempotent: true}, message,
			answer(pluginv1.Outcome_AMBIGUOUS, 0), doubling, ""},
		{"500 to what does no harm twice", delivery.Policy{}, closing, answer(pluginv1.Outcome_AMBIGUOUS, 0), doubling, ""},
		{"no answer", delivery.Policy{}, message, nil, []int{2, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "ambiguous"},
		{"429, in 30 s", delivery.Policy{}, message, answer(pluginv1.Outcome_THROTTLED, 30*time.Second),
			[]int{2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, ""},
		{"429, and not when", delivery.Policy{}, message, answer(pluginv1.Outcome_THROTTLED, 0),
			[]int{15, 12, 12, 12, 12, 12, 12, 12, 12, 12}, ""},
		{"credentials refused", delivery.Policy{}, message, answer(pluginv1.Outcome_AUTH_CONFIG, 0),
			[]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 0}, ""},
		{"redirected", delivery.Policy{}, message, answer(pluginv1.Outcome_REJECTED, 0),
			[]int{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "rejected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, reason := attempts(tt.policy, tt.c, tt.r, 10)
			if diff := cmp.Diff(tt.want, got); diff != "" || reason != tt.reason {
				t.Errorf("ended %q, want %q; attempts per minute (-want +got):\n%s", reason, tt.reason, diff)
			}
		})
	}
}

// attempts returns how often c is attempted in each minute, and why it ended if
// it did.
func attempts(p delivery.Policy, c *state.Command, r *pluginv1.Result, minutes int) (counts []int, reason string) {
	counts = make([]int, minutes)
	fate := core.Answered
	if r == nil {
		fate = core.Lost
	}
	a := &state.Attempts{FirstMs: now.UnixMilli()}
	for at := time.Duration(0); at < time.Duration(minutes)*time.Minute; {
		counts[at/time.Minute]++
		v := delivery.Judge(p, c, a, r, fate, now.Add(at))
		if v.Ended {
			return counts, v.Reason
		}
		a = &state.Attempts{FirstMs: a.FirstMs, Count: a.Count + 1, Resent: a.Resent || v.Ambiguous}
		at += max(v.After, v.Slow)
	}
	return counts, ""
}
