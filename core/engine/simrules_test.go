package engine

import (
	"context"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// simRules tell endpoints of customers' messages: "once" of the first one of
// each conversation, "twice" of two in all, "later" of those after which it was
// quiet for two minutes. They begin a flow with every fourth message of a
// customer, and panic where a text says boom.
type simRules struct{ s *sim }

const simWait = 200 * time.Millisecond

var simTwice = &core.Bound{Limits: []core.Limit{{Times: 2}}}

func (r simRules) Evaluate(v *state.View) (e core.Evaluation) {
	tell := func(rule string, bound *core.Bound) {
		e.Actions = append(e.Actions, core.Action{
			Rule: rule, Kind: core.Notify, Endpoint: rule, Body: []byte(v.Conversation), Bound: bound,
		})
	}
	switch {
	case v.Waited != "":
		r.s.count.Waited++
		tell(v.Waited, nil)
		return e
	case strings.Contains(v.Event.Text, "boom"):
		panic("stage 2")
	case v.Type == sdk.CustomerUnattended:
		r.s.count.Timers++
	case v.Type == sdk.CustomerMessage:
		tell("twice", simTwice)
		if len(v.Counts) == 0 {
			tell("once", nil)
			e.Counts = []core.Count{{Rule: "once", Keep: 1}}
		}
		e.Waits = []core.Wait{{Rule: "later", After: simWait, Hash: "h"}}
		if strings.Contains(v.Event.Text, "-m3") {
			e.Actions = append(e.Actions, core.Action{Rule: "ask", Kind: core.Flow, Key: "survey"})
		}
	}
	e.Verdicts = []*state.RuleVerdict{{Rule: "r", Verdict: state.Verdict_NOT_MATCHED}}
	return e
}

// simPost is what an endpoint was told, once or more.
type simPost struct{ endpoint, conv, id string }

// Do implements Notifier.
func (s *sim) Do(_ context.Context, endpoint, id string, body []byte) (*pluginv1.Result, core.Fate) {
	switch {
	case s.chance(10):
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY, AfterMs: 2000}, core.NotSent
	case s.chance(30):
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY}, core.Answered
	}
	s.posted[simPost{endpoint, string(body), id}] = true
	return &pluginv1.Result{Outcome: pluginv1.Outcome_OK}, core.Answered
}

// Ask implements Notifier.
func (s *sim) Ask(ctx context.Context, endpoint, id string, body []byte, _ int) (*pluginv1.Result, []byte, core.Fate) {
	r, fate := s.Do(ctx, endpoint, id, body)
	return r, []byte(`{"ok":true}`), fate
}

// checkRules says whether limits held and nothing that waited was lost.
func (s *sim) checkRules() {
	s.t.Helper()
	count := func(endpoint, conv string) (n int) {
		for p := range s.posted {
			if p.endpoint == endpoint && (conv == "" || p.conv == conv) {
				n++
			}
		}
		return n
	}
	if n := count("twice", ""); n != 2 {
		s.t.Errorf("seed %d: a rule that is done twice was done %d times", s.seed, n)
	}
	for _, c := range s.customers {
		id := core.NewConversationID("chan", c.name)
		if n := count("once", id.String()); n != 1 {
			s.t.Errorf("seed %d: %s: a rule that is done once was done %d times", s.seed, c.name, n)
		}
		if n, waits := count("later", id.String()), len(s.document(id).GetTimers()); n+waits == 0 || waits > 1 {
			s.t.Errorf("seed %d: %s: a rule that waits was done %d times and %d timers wait", s.seed, c.name, n, waits)
		}
	}
}
