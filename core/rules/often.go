package rules

import (
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
)

// The bounds of what a rule may wait for and count.
const (
	minWait  = time.Second
	maxWait  = 90 * 24 * time.Hour
	maxLimit = 400 * 24 * time.Hour // of a cooldown or a throttle
	maxTimes = 100                  // of a throttle per conversation: all are in its document
	maxAll   = 1000                 // of one per customer or rule
)

// atOnce are actions that are done with the decision: no command of theirs
// could be held back when it is dispatched.
var atOnce = map[string]bool{
	"forward":  true,
	"close":    true,
	"set":      true,
	"tag":      true,
	"emit":     true,
	"flow":     true,
	"transfer": true,
	"control":  true,
}

// limitsOf reads how often a rule may match, and what that is counted for.
func (l *ruleLoader) limitsOf(given map[string]pair, o *options) {
	if p, ok := given["once"]; ok && l.truth(p) {
		o.limits = append(o.limits, core.Limit{Times: 1, Reason: "once"})
	}
	if p, ok := given["cooldown"]; ok {
		if sc, ok := l.src.scalar(p.value, p.key); ok {
			if d := l.duration(sc, p.key, minWait, maxLimit); d > 0 {
				o.limits = append(o.limits, core.Limit{Times: 1, Within: d, Reason: "cooldown"})
			}
		}
	}
	per := l.per(given)
	if p, ok := given["throttle"]; ok {
		most := maxTimes
		if per != "conversation" {
			most = maxAll
		}
		if lim, ok := l.throttle(p, most); ok {
			o.limits = append(o.limits, lim)
		}
	}
	switch {
	case len(o.limits) == 0 || o.shadow: // what is not done is not counted
	case per == "conversation":
		o.count = countOf(o.limits)
	default:
		o.bound = &core.Bound{PerCustomer: per == "customer", Limits: o.limits}
		l.dispatched(given, per)
	}
}

// per reads whom the limits of a rule are for.
func (l *ruleLoader) per(given map[string]pair) string {
	p, ok := given["per"]
	if !ok {
		return "conversation"
	}
	for _, key := range []string{"once", "cooldown", "throttle"} {
		if _, ok := given[key]; ok {
			per := l.name(p, []string{"conversation", "customer", "rule"}, "per")
			if per != "customer" && per != "rule" {
				per = "conversation" // a mistake has been reported
			}
			return per
		}
	}
	l.src.problem(p.pos, "", "per goes with once, cooldown or throttle only")
	return "conversation"
}

// dispatched reports actions whose doing cannot be counted beyond the
// conversation.
func (l *ruleLoader) dispatched(given map[string]pair, per string) {
	for _, q := range l.actionKeys(given) {
		if atOnce[q.key] {
			l.src.problem(q.pos, "put it into a rule without per, or count per: conversation",
				"%s is done at once and cannot be counted per %s", q.key, per)
		}
	}
}

// throttle reads "3 per 1h".
func (l *ruleLoader) throttle(p pair, most int) (lim core.Limit, ok bool) {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return lim, false
	}
	f := strings.Fields(sc.text)
	if len(f) != 3 || f[1] != "per" {
		l.src.problem(sc.pos, "write a number of times per a time, such as 3 per 1h", "throttle %q is not a limit", sc.text)
		return lim, false
	}
	n, err := strconv.Atoi(f[0])
	if err != nil || n < 1 || n > most {
		l.src.problem(sc.pos, "", "throttle takes a number from 1 to %d, not %q", most, f[0])
		return lim, false
	}
	within := *sc
	within.text = f[2]
	d := l.duration(&within, p.key, minWait, maxLimit)
	return core.Limit{Times: n, Within: d, Reason: "throttled"}, d > 0
}

// countOf is what of a match the limits need later.
func countOf(limits []core.Limit) *core.Count {
	c := &core.Count{}
	for i, lim := range limits {
		c.Keep = max(c.Keep, lim.Times)
		switch {
		case lim.Within == 0:
			c.For = 0
		case i == 0 || c.For != 0:
			c.For = max(c.For, lim.Within)
		}
	}
	return c
}

// duration reads a time such as 15m, 2h or 1d; 0 if it is none.
func (l *ruleLoader) duration(sc *scalar, key string, least, most time.Duration) time.Duration {
	d, ok := parseDuration(sc.text)
	switch {
	case !ok:
		l.src.problem(sc.pos, "write one such as 30s, 15m, 2h or 1d", "%s %q is not a time", key, sc.text)
		return 0
	case d < least || d > most:
		l.src.problem(sc.pos, "", "%s %s is not from %s to %s", key, sc.text, shortDuration(least), shortDuration(most))
		return 0
	}
	return d
}

// parseDuration also knows days.
func parseDuration(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n <= 10_000
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

func shortDuration(d time.Duration) string {
	if day := 24 * time.Hour; d >= day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} { // 15m, not 15m0s
		if short, ok := strings.CutSuffix(text, zero[1:]); ok && strings.HasSuffix(text, zero) {
			text = short
		}
	}
	return text
}
