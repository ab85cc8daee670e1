package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// backtestAnswer is the outcome of a back-test.
type backtestAnswer struct {
	Since         time.Time `json:"since"`
	Conversations int       `json:"conversations"`
	Partial       bool      `json:"partial"` // time was up before all was looked at
	Note          string    `json:"note"`
	rules.BacktestReport
}

const openLoop = "open-loop: each event is looked at as it was recorded; what the draft would have changed in a conversation does not show in its later events"

// reserve is the time that is left for the answer when a scan ends.
const reserve = time.Second

// backtest compares a draft with what was decided since a time.
func (w *workbench) backtest(ctx context.Context, q httpd.BacktestQuestion) (*backtestAnswer, error) {
	since, err := parseSince(q.Since, "24h")
	if err != nil {
		return nil, err
	}
	set, err := w.draft(q.Dir, q.Files)
	if err != nil {
		return nil, err
	}
	if set == nil {
		return nil, core.Errorf(core.Invalid, "files are the rules to be tested; there are none")
	}
	test := rules.NewBacktest(set)
	a := &backtestAnswer{Since: since.UTC(), Note: openLoop}
	a.Conversations, a.Partial, err = w.scan(ctx, since, func(c core.ConversationID, r *state.Record) {
		if r.GetDuplicateOf() == "" && r.GetDead() == "" && asked(r) {
			test.Add(r, func() string { return eventID(c, r) })
		}
	})
	if err != nil {
		return nil, err
	}
	a.BacktestReport = test.Report()
	return a, nil
}

// asked reports whether rules saw the event: not those that only the gateway
// or a flow knows, no message that a flow took, and no agent's message of an
// integration without message_routing.
func asked(r *state.Record) bool {
	if r.GetRoute() == conversation.FlowRoute || conversation.OfFlow(r.GetView().GetType()) {
		return false
	}
	switch r.GetView().GetType() {
	case "", "outbound_requested", "replay_requested":
		return false
	case "incoming_message":
		return len(r.GetVerdicts()) > 0
	}
	return true
}

func eventID(c core.ConversationID, r *state.Record) string {
	return c.String() + "/" + strconv.FormatUint(r.GetNumber(), 10)
}

// parseSince reads how long ago a scan begins, such as 24h or 7d.
func parseSince(s, fallback string) (time.Time, error) {
	if s == "" {
		s = fallback
	}
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || d <= 0 {
		return time.Time{}, core.Errorf(core.Invalid, "since %.40q is not a length of time, such as 24h or 7d", s)
	}
	return time.Now().Add(-d), nil
}

// scan calls visit for each event that was decided since a time. It ends early,
// and says so, when ctx is about to.
func (w *workbench) scan(ctx context.Context, since time.Time, visit func(core.ConversationID, *state.Record)) (n int, partial bool, err error) {
	if w.store == nil {
		return 0, false, core.Errorf(core.Unavailable, "there are no records here")
	}
	end, limited := ctx.Deadline()
	end = end.Add(-reserve)
	after := ""
	for {
		page, err := w.store.Reader().List(ctx, store.Filter{}, after, 200)
		if err != nil {
			return n, false, err
		}
		for _, l := range page.Items {
			if limited && time.Now().After(end) {
				return n, true, nil
			}
			n++
			err := w.history(ctx, l.ID, func(_ uint64, e *state.Entry) bool {
				r := e.GetRecord()
				if r == nil {
					return e.GetEnded() == nil || e.GetEnded().GetAtMs() >= since.UnixMilli()
				}
				if r.GetNowMs() < since.UnixMilli() {
					return false
				}
				visit(l.ID, r)
				return true
			})
			if err != nil {
				return n, false, err
			}
		}
		if after = page.Next; after == "" {
			return n, false, nil
		}
	}
}

// ruleHistory is the last events about which a rule had a verdict.
type ruleHistory struct {
	Rule    string      `json:"rule"`
	Since   time.Time   `json:"since"`
	Partial bool        `json:"partial"`
	More    int         `json:"more"` // older ones that are not shown
	Items   []ruleEvent `json:"items"`
}

type ruleEvent struct {
	ID      string    `json:"id"` // of the event, to explain it
	At      time.Time `json:"at"`
	Type    string    `json:"type"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason,omitempty"` // why it was not asked, waits, or did nothing
	Error   string    `json:"error,omitempty"`
}

// ruleHistory finds the last events about which a rule had a verdict.
func (w *workbench) ruleHistory(ctx context.Context, q httpd.RuleHistoryQuestion) (*ruleHistory, error) {
	if q.Limit < 1 {
		return nil, core.Errorf(core.Invalid, "limit %d is not a number of events", q.Limit)
	}
	since, err := parseSince(q.Since, "24h")
	if err != nil {
		return nil, err
	}
	out := &ruleHistory{Rule: q.Rule, Since: since.UTC(), Items: []ruleEvent{}}
	_, out.Partial, err = w.scan(ctx, since, func(c core.ConversationID, r *state.Record) {
		for _, v := range r.GetVerdicts() {
			if v.GetRule() != q.Rule {
				continue
			}
			out.Items = append(out.Items, ruleEvent{
				ID: eventID(c, r), At: time.UnixMilli(r.GetNowMs()).UTC(), Type: r.GetView().GetType(),
				Verdict: v.GetVerdict().Word(), Reason: verdictReason(v), Error: v.GetError(),
			})
		}
		if len(out.Items) > 4*q.Limit+1000 { // keep what may still be shown
			out.cut(q.Limit)
		}
	})
	if err != nil {
		return nil, err
	}
	out.cut(q.Limit)
	if len(out.Items) == 0 && !w.knows(q.Rule) {
		return nil, core.Errorf(core.NotFound, "no rule %q is in force, and none had a verdict since %s%s", q.Rule, since.UTC().Format(time.RFC3339), meant(q.Rule, w.names()))
	}
	return out, nil
}

func verdictReason(v *state.RuleVerdict) string {
	if v.GetShadow() {
		return "shadow"
	}
	return v.GetReason()
}

func (w *workbench) knows(rule string) bool {
	return w.set != nil && slices.ContainsFunc(w.set.Rules(nil), func(r rules.Info) bool { return r.Name == rule })
}

// cut keeps the last events.
func (h *ruleHistory) cut(limit int) {
	slices.SortFunc(h.Items, func(a, b ruleEvent) int { return b.At.Compare(a.At) })
	if n := len(h.Items) - limit; n > 0 {
		h.Items = h.Items[:limit]
		h.More += n
	}
}

// lastEvent is the id of the last event of a day.
const lastEvent = "last"

// names are those of the rules in force.
func (w *workbench) names() (list []string) {
	if w.set == nil {
		return nil
	}
	for _, r := range w.set.Rules(nil) {
		list = append(list, r.Name)
	}
	return list
}

// lastOf returns the id of the last event, of a type that rule is on if it is given.
func (w *workbench) lastOf(ctx context.Context, rule string) (string, error) {
	var on []string
	if rule != "" && w.set != nil {
		for _, r := range w.set.Rules(nil) {
			if r.Name == rule {
				on = r.On
			}
		}
	}
	if rule != "" && on == nil {
		return "", core.Errorf(core.NotFound, "no rule %q is in force%s", rule, meant(rule, w.names()))
	}
	id, newest := "", int64(0)
	_, _, err := w.scan(ctx, time.Now().Add(-24*time.Hour), func(c core.ConversationID, r *state.Record) {
		concerns := on == nil || slices.Contains(on, r.GetView().GetType())
		if waited := r.GetView().GetWaited(); rule != "" && waited != "" && waited != rule {
			concerns = false // another rule's time had come, and no other was looked at
		}
		if at := r.GetNowMs(); at > newest && r.GetDead() == "" && concerns {
			id, newest = eventID(c, r), at
		}
	})
	if err != nil {
		return "", err
	}
	if id == "" {
		what := "event"
		if on != nil {
			what = strings.Join(on, " or ")
		}
		return "", core.Errorf(core.NotFound, "there was no %s in the last 24 hours", what)
	}
	return id, nil
}

// Explain implements httpd.Gateway.
func (g *gateway) Explain(ctx context.Context, q httpd.RuleQuestion, try bool) (any, error) {
	return g.workbench().explain(ctx, q, try)
}

// Backtest implements httpd.Gateway.
func (g *gateway) Backtest(ctx context.Context, q httpd.BacktestQuestion) (any, error) {
	return g.workbench().backtest(ctx, q)
}

// RuleHistory implements httpd.Gateway.
func (g *gateway) RuleHistory(ctx context.Context, q httpd.RuleHistoryQuestion) (any, error) {
	return g.workbench().ruleHistory(ctx, q)
}

// ReloadRules implements httpd.Gateway.
func (g *gateway) ReloadRules(_ context.Context, allowEmpty bool) error {
	return g.rules.Reload(allowEmpty)
}

func (g *gateway) workbench() *workbench {
	w := &workbench{store: g.store, setup: g.now(), offered: g.offered()}
	if live := g.live.Load(); live != nil {
		w.set = live.set
	}
	return w
}

// text writes a command in a line.
func (c *ruleCommand) text() string {
	s := c.Kind
	for _, part := range []string{c.Instance, c.Endpoint, c.Part} {
		if part != "" {
			s += " " + part
		}
	}
	if c.Text != "" {
		s += fmt.Sprintf(" %q", c.Text)
	}
	s += ": " + c.End
	if c.Reason != "" {
		s += ", " + c.Reason
	}
	return s
}
