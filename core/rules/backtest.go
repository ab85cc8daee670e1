package rules

import (
	"cmp"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
)

// Backtest compares a set with what was decided about recorded events. It is
// open-loop: what the set would have changed in the conversations themselves does
// not show in the events after it. It is used by one goroutine.
type Backtest struct {
	set     *Set
	events  int
	changes map[string]*Change
	order   map[string]int // of the set's rules
	did     map[string]int
	fresh   map[string]int
	samples []Sample

	messages, freshMessages int
}

// Change is how often a rule matched and did not.
type Change struct {
	Rule     string   `json:"rule"`
	At       diag.Pos `json:"at,omitzero"` // in the draft; none: it is not in it
	Newly    int      `json:"newly"`       // it matches where it did not
	NoLonger int      `json:"no_longer"`   // it does not match where it did
	Same     int      `json:"same"`        // it matches, as it did
	Errors   int      `json:"errors"`      // it fails where it did not
}

// Sample is an event about which the draft decides otherwise.
type Sample struct {
	Event   string  `json:"event"` // its id
	Type    string  `json:"type"`
	Rule    string  `json:"rule"`
	Change  string  `json:"change"` // newly, no_longer, error
	Error   string  `json:"error,omitempty"`
	Actions []Shown `json:"actions,omitempty"` // of a rule that newly matches
}

// BacktestReport is the outcome of a [Backtest].
type BacktestReport struct {
	Set         string         `json:"set"` // hash of the draft
	Events      int            `json:"events"`
	Differences int            `json:"differences"`
	Rules       []Change       `json:"rules"`       // that matched or failed, in the order of the draft
	Actions     map[string]int `json:"actions"`     // that the draft would have done, by name; nothing was
	NewActions  map[string]int `json:"new_actions"` // of these, those of rules that newly match
	Messages    int            `json:"messages"`    // of these, those that write to a customer
	NewMessages int            `json:"new_messages"`
	Samples     []Sample       `json:"samples"` // the first ones
}

const maxSamples = 100

// NewBacktest returns a comparison of set that has seen no event.
func NewBacktest(set *Set) *Backtest {
	b := &Backtest{set: set, changes: map[string]*Change{}, order: map[string]int{}, did: map[string]int{}, fresh: map[string]int{}}
	for i, r := range set.rules {
		b.order[r.name] = i
	}
	return b
}

// Add compares one event. id is asked for if the event is to be shown.
func (b *Backtest) Add(r *state.Record, id func() string) {
	b.events++
	out := b.set.Evaluate(r.View)
	for _, v := range out.Verdicts {
		if v.Verdict == state.Verdict_NOT_MATCHED {
			continue
		}
		was := verdictIn(r.Verdicts, v.Rule)
		c := b.change(v.Rule)
		switch {
		case v.Verdict == state.Verdict_ERROR && was != state.Verdict_ERROR:
			c.Errors++
			b.sample(r, v.Rule, "error", v.Error, nil, id)
		case v.Verdict == state.Verdict_MATCHED && was == state.Verdict_MATCHED:
			c.Same++
			b.count(out.Actions, v.Rule, false)
		case v.Verdict == state.Verdict_MATCHED:
			c.Newly++
			b.count(out.Actions, v.Rule, true)
			b.sample(r, v.Rule, "newly", "", out.Actions, id)
		}
	}
	for _, v := range r.Verdicts {
		if v.Verdict != state.Verdict_MATCHED {
			continue
		}
		if now := verdictIn(out.Verdicts, v.Rule); now != state.Verdict_MATCHED {
			b.change(v.Rule).NoLonger++
			b.sample(r, v.Rule, "no_longer", "", nil, id)
		}
	}
}

func verdictIn(list []*state.RuleVerdict, rule string) state.Verdict {
	for _, v := range list {
		if v.Rule == rule {
			return v.Verdict
		}
	}
	return state.Verdict_VERDICT_UNSPECIFIED
}

func (b *Backtest) change(rule string) *Change {
	c := b.changes[rule]
	if c == nil {
		c = &Change{Rule: rule}
		if i, ok := b.order[rule]; ok {
			c.At = b.set.rules[i].pos
		}
		b.changes[rule] = c
	}
	return c
}

func (b *Backtest) count(actions []core.Action, rule string, fresh bool) {
	for i := range actions {
		a := &actions[i]
		if a.Rule != rule || a.Err != "" {
			continue
		}
		writes := 0
		if a.Kind == core.Send {
			writes = 1
		}
		b.did[actionName(a)]++
		b.messages += writes
		if fresh {
			b.fresh[actionName(a)]++
			b.freshMessages += writes
		}
	}
}

func (b *Backtest) sample(r *state.Record, rule, change, err string, actions []core.Action, id func() string) {
	if len(b.samples) == maxSamples {
		return
	}
	s := Sample{Event: id(), Type: r.View.GetType(), Rule: rule, Change: change, Error: err}
	for i := range actions {
		if actions[i].Rule == rule {
			s.Actions = append(s.Actions, Show(&actions[i]))
		}
	}
	b.samples = append(b.samples, s)
}

// Report returns what has been found so far.
func (b *Backtest) Report() BacktestReport {
	out := BacktestReport{
		Set: b.set.hash, Events: b.events, Rules: []Change{}, Actions: b.did, NewActions: b.fresh, Samples: b.samples,
		Messages: b.messages, NewMessages: b.freshMessages,
	}
	if out.Samples == nil {
		out.Samples = []Sample{}
	}
	for _, c := range b.changes {
		out.Rules = append(out.Rules, *c)
		out.Differences += c.Newly + c.NoLonger + c.Errors
	}
	at := func(c Change) int {
		if i, ok := b.order[c.Rule]; ok {
			return i
		}
		return len(b.order)
	}
	slices.SortFunc(out.Rules, func(x, y Change) int { return cmp.Or(at(x)-at(y), cmp.Compare(x.Rule, y.Rule)) })
	return out
}
