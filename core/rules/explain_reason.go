package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

// waitsWord begins the reason of a rule that waits.
const waitsWord = "waits "

// reason is that of a verdict, with the values that decided it.
func (r *rule) reason(e *evaluator, v *state.RuleVerdict) string {
	o, why := r.options, v.GetReason()
	switch {
	case v.GetShadow():
		return "nothing is done: it is in mode shadow"
	case why == "" || o == nil:
		return why
	}
	if values := o.values(e, r, why); values != "" {
		return why + " (" + values + ")"
	}
	return why
}

// values are those that decided a reason, "" if it says all itself.
func (o *options) values(e *evaluator, r *rule, why string) string {
	at := e.at(e.view.GetAtMs())
	it := "it was " + at.Format(timeLayout) + " in " + e.zone().String()
	switch why {
	case "canary":
		return fmt.Sprintf("it is for %g%% of the conversations, and this is none of them", float64(o.canary)*100/canaryWhole)
	case notYetValid:
		return "it is from " + o.from.in(at.Location()).Format(timeLayout) + "; " + it
	case noLongerValid:
		return "it was until " + o.to.in(at.Location()).Format(timeLayout) + "; " + it
	case outsideHours:
		return at.Format("Mon 15:04") + " in " + e.zone().String()
	}
	for _, lim := range o.limits {
		if lim.Reason == why {
			return o.reached(e, r, lim)
		}
	}
	return ""
}

// reached says which matches use a limit up.
func (o *options) reached(e *evaluator, r *rule, lim core.Limit) string {
	for _, c := range e.view.GetCounts() {
		if c.GetRule() != r.name {
			continue
		}
		var times []string
		for _, ms := range c.GetAtMs()[max(len(c.GetAtMs())-lim.Times, 0):] {
			times = append(times, e.at(ms).Format(time.DateTime))
		}
		within := "it matched at " + cutList(times)
		if lim.Within == 0 {
			return within
		}
		now := e.at(e.view.GetDecidedMs()).Format(time.DateTime)
		return fmt.Sprintf("%s, and at most %d in %s; it was %s", within, lim.Times, shortDuration(lim.Within), now)
	}
	return ""
}

// cutList writes the last few of a list.
func cutList(list []string) string {
	const most = 3
	if n := len(list) - most; n > 0 {
		return fmt.Sprintf("%s and %d times before", strings.Join(list[n:], ", "), n)
	}
	return strings.Join(list, ", ")
}
