package rules

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// hours are times of the week.
type hours struct {
	spans   []span
	outside bool // the others are meant
}

// span is a time of some days, in minutes after midnight. One whose end is not
// after its beginning ends on the next day.
type span struct {
	days     [7]bool // by time.Weekday
	from, to int
}

const dayMinutes = 24 * 60

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// hours reads one span or a list of them, or outside with such.
func (l *ruleLoader) hours(p pair) *hours {
	h := &hours{}
	value := p.value
	if m, isMap := value.(*ast.MappingNode); isMap {
		h.outside = true
		if len(m.Values) == 0 {
			l.src.problem(l.src.pos(value), "", "hours is empty")
		}
		if l.keys(p, map[string]func(pair){"outside": func(q pair) { value = q.value }}); value == p.value {
			return nil
		}
	}
	for _, sc := range l.spans(value) {
		s, ok := parseSpan(sc.text)
		if !ok {
			l.src.problem(sc.pos, "write days, a time or both, such as mon-fri 08:00-18:00", "%q are no hours", sc.text)
			continue
		}
		h.spans = append(h.spans, s)
	}
	return h
}

// spans are the texts of n. In a list within { } the YAML reader takes the colon
// of 08:00 for one that ends a key.
func (l *ruleLoader) spans(n ast.Node) (all []*scalar) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok || len(seq.Values) == 0 {
		return l.src.words(n, "hours")
	}
	for _, v := range seq.Values {
		if m, ok := v.(*ast.MappingNode); ok && len(m.Values) == 1 {
			key, value := m.Values[0].Key.GetToken(), m.Values[0].Value.GetToken()
			all = append(all, &scalar{src: l.src, pos: l.src.at(key), text: key.Value + ":" + value.Value})
		} else if sc, ok := l.src.scalar(v, "each hours"); ok {
			all = append(all, sc)
		}
	}
	return all
}

// parseSpan reads "mon-fri 08:00-18:00"; days or times may be missing.
func parseSpan(text string) (s span, ok bool) {
	parts := strings.Fields(text)
	s.to = dayMinutes
	for i := range s.days {
		s.days[i] = true
	}
	switch len(parts) {
	case 1:
		if parseTimes(parts[0], &s) {
			return s, true
		}
		return s, parseDays(parts[0], &s)
	case 2:
		return s, parseDays(parts[0], &s) && parseTimes(parts[1], &s)
	}
	return s, false
}

// parseDays reads days and spans of them, such as "mon-thu,sat".
func parseDays(text string, s *span) bool {
	s.days = [7]bool{}
	for part := range strings.SplitSeq(strings.ToLower(text), ",") {
		first, last, more := strings.Cut(part, "-")
		if !more {
			last = first
		}
		from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if from < 0 || to < 0 {
			return false
		}
		for d := from; ; d = (d + 1) % 7 {
			s.days[d] = true
			if d == to {
				break
			}
		}
	}
	return true
}

// parseTimes reads "08:00-18:00".
func parseTimes(text string, s *span) bool {
	first, last, _ := strings.Cut(text, "-")
	from, ok1 := parseClock(first)
	to, ok2 := parseClock(last)
	s.from, s.to = from, to
	return ok1 && ok2 && from != to && from < dayMinutes
}

// parseClock reads "08:00"; a day ends at 24:00.
func parseClock(text string) (minutes int, ok bool) {
	h, m, colon := strings.Cut(text, ":")
	hour, err1 := strconv.Atoi(h)
	minute, err2 := strconv.Atoi(m)
	minutes = 60*hour + minute
	return minutes, colon && len(m) == 2 && err1 == nil && err2 == nil &&
		hour >= 0 && minute >= 0 && minute < 60 && minutes <= dayMinutes
}

// open says whether t, on the clock of its zone, is among the hours.
func (h *hours) open(t time.Time) bool {
	day, minute := t.Weekday(), 60*t.Hour()+t.Minute()
	for i := range h.spans {
		if h.spans[i].has(day, minute) {
			return !h.outside
		}
	}
	return h.outside
}

func (s *span) has(day time.Weekday, minute int) bool {
	if s.from < s.to {
		return s.days[day] && minute >= s.from && minute < s.to
	}
	yesterday := (day + 6) % 7
	return s.days[day] && minute >= s.from || s.days[yesterday] && minute < s.to
}
