// Package delivery decides what follows from one attempt at a command: it
// ended, or it is tried again and when. It also holds the rate of an instance.
package delivery

import (
	"cmp"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Limits of deliveries.
const (
	LaneAge   = 24 * time.Hour         // a head of a lane that is older is dead
	First     = 500 * time.Millisecond // the wait after the first failure
	Max       = 5 * time.Minute        // and the longest one
	AuthWait  = time.Minute            // after refused credentials
	MaxPause  = 5 * time.Second        // of an instance whose far side does not say how long
	ShortWait = 50 * time.Millisecond  // after an attempt that never left the gateway; the shortest wait
	LongWait  = time.Hour              // the longest that a driver may ask for
)

// Policy is how an instance's deliveries are treated; the zero value has the defaults.
type Policy struct {
	LaneAge       time.Duration // 0: LaneAge
	AmbiguousDead bool          // an ambiguous message is not resent
	Idempotent    bool          // the far side drops what it has seen: nothing is ambiguous
}

// Verdict is what follows from an attempt.
type Verdict struct {
	Ended  bool
	End    conversation.End
	Reason string

	// If it has not ended:
	After     time.Duration // until the next attempt
	Park      bool          // wait until the instance is there, however long
	Attempted bool          // it counts as an attempt, and a write must say so
	Ambiguous bool          // it is such an attempt, and is resent
	Slow      time.Duration // the whole instance is to pause so long
	Alarm     string        // an operator must act
}

// notifyWaits are the waits before the second and each further attempt at a
// notification: the schedule of Standard Webhooks 1.0.0. With its jitter it takes
// 75 to 83 hours. What somebody waits for, a flow that asks an endpoint, has the
// common waits.
var notifyWaits = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// NotifyAge is how old a notification may get before it is dead: older than its
// last attempt, with time for an endpoint that wants to be left alone.
const NotifyAge = 7 * 24 * time.Hour

// Scheduled says whether a command has the schedule of notifications.
func Scheduled(c *state.Command) bool { return c.Kind == state.CommandKind_NOTIFY && !c.Answer }

// notifyAgain is a notification's next attempt, or its end.
func notifyAgain(c *state.Command, a *state.Attempts, r *pluginv1.Result) Verdict {
	n := int(a.GetCount())
	if n >= len(notifyWaits) {
		return Verdict{Ended: true, End: conversation.Dead, Reason: "expired"}
	}
	asked := time.Duration(min(r.GetAfterMs(), uint64(notifyWaits[len(notifyWaits)-1].Milliseconds()))) * time.Millisecond
	return Verdict{After: max(jittered(notifyWaits[n], c.Epoch+c.Number, a.GetCount()), asked), Attempted: true}
}

// Judge decides what follows from an attempt of c that got as far as fate, with
// the driver's answer r if there is one. a is the state before the attempt.
func Judge(p Policy, c *state.Command, a *state.Attempts, r *pluginv1.Result, fate core.Fate, now time.Time) Verdict {
	v := judge(p, c, a, r, fate)
	age := cmp.Or(p.LaneAge, LaneAge)
	if v.Ended || a.GetFirstMs() == 0 || now.Sub(time.UnixMilli(a.GetFirstMs())) <= age {
		return v
	}
	if v.Ambiguous {
		return Verdict{Ended: true, End: conversation.Dead, Reason: "ambiguous"}
	}
	return Verdict{Ended: true, End: conversation.Dead, Reason: "expired"}
}

func judge(p Policy, c *state.Command, a *state.Attempts, r *pluginv1.Result, fate core.Fate) Verdict {
	switch fate {
	case core.NoPlugin:
		return Verdict{Park: true}
	case core.NotSent:
		return Verdict{After: max(ShortWait, time.Duration(r.GetAfterMs())*time.Millisecond)}
	case core.Lost:
		return lost(p, c, a, "no answer")
	}
	if o := r.GetOutcome(); Scheduled(c) && (o == pluginv1.Outcome_RETRY || o == pluginv1.Outcome_THROTTLED) {
		return notifyAgain(c, a, r)
	}
	wait := Backoff(c.Epoch+c.Number, a.GetCount())
	if ms := r.GetAfterMs(); ms != 0 {
		wait = max(ShortWait, time.Duration(min(ms, uint64(LongWait.Milliseconds())))*time.Millisecond)
	}
	switch r.GetOutcome() {
	case pluginv1.Outcome_OK:
		return Verdict{Ended: true, End: conversation.Sent}
	case pluginv1.Outcome_RETRY:
		return Verdict{After: wait, Attempted: true}
	case pluginv1.Outcome_THROTTLED:
		if r.GetAfterMs() == 0 {
			wait = min(wait, MaxPause) // it stops the whole instance
		}
		return Verdict{After: wait, Attempted: true, Slow: wait}
	case pluginv1.Outcome_AUTH_REFRESH:
		if a.GetCount() > 0 {
			return Verdict{After: wait, Attempted: true}
		}
		return Verdict{Attempted: true}
	case pluginv1.Outcome_AUTH_CONFIG:
		return Verdict{After: max(wait, AuthWait), Attempted: true, Slow: AuthWait, Alarm: "credentials refused"}
	case pluginv1.Outcome_WINDOW_CLOSED:
		return Verdict{Ended: true, End: conversation.Dropped, Reason: "window_closed"}
	case pluginv1.Outcome_RECIPIENT_GONE:
		if c.Kind == state.CommandKind_NOTIFY {
			return Verdict{Ended: true, End: conversation.Dropped, Reason: "endpoint_disabled"}
		}
		return Verdict{Ended: true, End: conversation.Dropped, Reason: "recipient_gone"}
	case pluginv1.Outcome_UNSUPPORTED:
		return Verdict{Ended: true, End: conversation.Dropped, Reason: "unsupported"}
	case pluginv1.Outcome_CHAT_GONE:
		if c.Chat != 0 { // else it is no answer to what was asked
			return Verdict{Ended: true, End: conversation.Gone, Reason: "chat_gone"}
		}
	case pluginv1.Outcome_AMBIGUOUS:
		v := lost(p, c, a, r.GetDetail())
		if r.GetAfterMs() != 0 && !v.Ended {
			v.After = wait
		}
		return v
	}
	return Verdict{Ended: true, End: conversation.Dead, Reason: reason(r)}
}

func reason(r *pluginv1.Result) string {
	if r.GetCode() != "" {
		return "rejected: " + r.GetCode()
	}
	return "rejected"
}

// lost is an attempt without an answer. A message is resent once, flagged; a
// call is not.
func lost(p Policy, c *state.Command, a *state.Attempts, why string) Verdict {
	switch {
	case !Marks(p, c):
		return Verdict{After: Backoff(c.Epoch+c.Number, a.GetCount()), Attempted: true}
	case a.GetResent() || p.AmbiguousDead || c.Kind == state.CommandKind_CALL:
		return Verdict{Ended: true, End: conversation.Dead, Reason: "ambiguous"}
	}
	// Not marked: the second attempt gets a marker of its own when it is made. A
	// gateway that stops before it must not take it for made.
	return Verdict{After: ShortWait, Attempted: true, Ambiguous: true, Reason: why}
}

// Marks says whether a marker must be durable before an attempt of c: whether
// an attempt without an answer may have had an effect that a second one
// would repeat.
func Marks(p Policy, c *state.Command) bool {
	switch c.Kind {
	case state.CommandKind_NOTIFY, state.CommandKind_APPEND: // their receivers know the id
		return false
	case state.CommandKind_CHAT_CLOSE, state.CommandKind_CHAT_RECEIPT, state.CommandKind_CHAT_UPDATE,
		state.CommandKind_CHAT_REOPEN, state.CommandKind_REGISTER: // harmless twice
		return false
	}
	return !p.Idempotent
}

// Backoff is the wait of command id after n failures: doubling from First to
// Max, with a jitter of a fifth that derives from the command, so that a
// decision made again is the same.
func Backoff(id uint64, n uint32) time.Duration {
	return jittered(min(First<<min(n, 20), Max), id, n)
}

// jittered is d with the jitter of command id after n failures.
func jittered(d time.Duration, id uint64, n uint32) time.Duration {
	h := (id + uint64(n)<<32 + 1) * 0x9E3779B97F4A7C15 // spreads neighbouring numbers
	return d - d/10 + time.Duration(h>>48)*(d/5)>>16
}
