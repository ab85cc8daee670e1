package rules

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a service's clock, also on a machine without zone files

	"github.com/openccsp/gateway/core/diag"
)

// moment is a time on the clock of whatever service an event belongs to.
type moment struct {
	set          bool
	year         int
	month        time.Month
	day          int
	hour, minute int
}

// in is the moment in a zone.
func (m moment) in(zone *time.Location) time.Time {
	return time.Date(m.year, m.month, m.day, m.hour, m.minute, 0, 0, zone)
}

const (
	dateLayout = "2006-01-02"
	timeLayout = "2006-01-02 15:04"
)

// valid reads from when to when a rule is valid. A day that it is valid to is
// the last one, a time is the first at which it is not.
func (l *ruleLoader) valid(given map[string]pair, o *options) {
	read := func(key string, days int) (m moment, pos diag.Pos) {
		p, ok := given[key]
		if !ok {
			return m, pos
		}
		sc, ok := l.src.scalar(p.value, key)
		if !ok {
			return m, pos
		}
		t, err := time.Parse(timeLayout, sc.text)
		if err != nil {
			if t, err = time.Parse(dateLayout, sc.text); err == nil {
				t = t.AddDate(0, 0, days)
			}
		}
		if err != nil {
			l.src.problem(sc.pos, "write one such as 2026-12-01 or 2026-12-01 08:00, on the service's clock", "%s %q is not a time", key, sc.text)
			return m, sc.pos
		}
		return moment{true, t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute()}, sc.pos
	}
	o.from, _ = read("valid_from", 0)
	var pos diag.Pos
	o.to, pos = read("valid_to", 1)
	if o.from.set && o.to.set && !o.from.in(time.UTC).Before(o.to.in(time.UTC)) {
		l.never(pos, "valid_to is not after valid_from")
	}
}

// Reasons of a rule that is left out for its time.
const (
	notYetValid   = "not valid yet"
	noLongerValid = "no longer valid"
	outsideHours  = "outside its hours"
)

// validity says why the rule is not valid at t, "" if it is.
func (o *options) validity(t time.Time) string {
	switch {
	case o.from.set && t.Before(o.from.in(t.Location())):
		return notYetValid
	case o.to.set && !t.Before(o.to.in(t.Location())):
		return noLongerValid
	}
	return ""
}

// canaryWhole is all conversations; a share of them may be as small as 0.01%.
const canaryWhole = 10_000

// share reads a percentage.
func (l *ruleLoader) share(p pair) uint64 {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return 0
	}
	digits, percent := strings.CutSuffix(sc.text, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if n := uint64(f*canaryWhole/100 + 0.5); percent && err == nil && f > 0 && n > 0 && f <= 100 {
		return n
	}
	l.src.problem(sc.pos, "write one such as 5%", "canary %q is not a share of the conversations: from 0.01%% to 100%%", sc.text)
	return 0
}

// among says whether a conversation is of the share that the rule is for. Each
// rule has a share of its own; a larger one has the smaller one's in it.
func (o *options) among(rule, conversation string) bool {
	h := fnv.New64a()
	_, _ = h.Write([]byte(rule)) // a hash takes everything
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(conversation))
	return mixed(h.Sum64())%canaryWhole < o.canary
}

// mixed spreads the bits of a hash whose low ones are not even.
func mixed(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
