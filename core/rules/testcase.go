package rules

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Test is an entry of tests: what is given, events on a time axis, and what the
// rules are to do. Package rehearse runs it.
type Test struct {
	Name     string
	At       diag.Pos
	Given    Given
	Events   []TestEvent
	Expect   []Expect
	ExpectAt diag.Pos
}

// Given is what there is when a test begins. What is not set is as
// ordinary as can be.
type Given struct {
	At                            diag.Pos
	Service, Channel, ChannelType string
	Owner                         *state.Owner
	Customer                      *pluginv1.Customer
	Chat                          *state.Chat
	NoChat                        bool
	WindowClosed                  bool // the customer cannot be written to before writing again
	Tags                          []string
	Attributes                    map[string]string
	Now                           string // see [ParseNow]

	// Matched is how long before the test begins rules matched that have a limit
	// per conversation, the longest first.
	Matched map[string][]time.Duration
}

// TestEvent is an event of a test.
type TestEvent struct {
	After time.Duration   // since the test began
	Event *pluginv1.Event // nil: only time passes
	At    diag.Pos
}

// Expect is one thing that a test expects, or expects not.
type Expect struct {
	At         diag.Pos
	Rule, Flow string // one of them
	Do         string // an action's name; ""; see Not
	With       any    // as of JSON; of a map only what it has is compared
	Not        string // "matched": the rule must not
	Because    string // then: the part of its condition that must be why, "": any
}

// Tests are the tests of the set's files, in order.
func (s *Set) Tests() []*Test { return s.tests }

// unknownExpected reports rules and flows that tests name and that do not exist.
func (s *Set) unknownExpected() (ps diag.Problems) {
	if len(s.tests) == 0 {
		return nil
	}
	named := make(map[string]bool, len(s.rules))
	for _, r := range s.rules {
		named[r.name] = true
	}
	flows := make(map[string]bool, len(s.flows))
	for _, f := range s.flows {
		flows[f.Name] = true
	}
	check := func(at diag.Pos, what, name string, known map[string]bool) {
		if name != "" && !known[name] {
			ps = append(ps, &diag.Problem{
				Pos: at, Summary: "there is no " + what + " " + strconv.Quote(name), Hint: diag.DidYouMean(name, slices.Sorted(maps.Keys(known))),
			})
		}
	}
	for _, t := range s.tests {
		for _, rule := range names(t.Given.Matched) {
			check(t.Given.At, "rule", rule, named)
		}
		for _, e := range t.Expect {
			check(e.At, "rule", e.Rule, named)
			check(e.At, "flow", e.Flow, flows)
		}
	}
	return ps
}

// nowLayouts are how given.now may be written.
var nowLayouts = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04"}

// ParseNow reads given.now in a time zone. Empty is a Monday at ten.
func ParseNow(s string, zone *time.Location) (t time.Time, err error) {
	if s == "" {
		s = "2026-01-05 10:00"
	}
	for _, layout := range nowLayouts {
		if t, err = time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return t, err
}

// isTestFile reports whether a file may hold tests only.
func isTestFile(name string) bool {
	return strings.HasSuffix(name, "_test.yaml") || strings.HasSuffix(name, "_test.yml")
}

// readTests reads the key tests.
func (s *source) readTests(n ast.Node) {
	nodes, _ := s.sequence(n, "tests")
	for _, n := range nodes {
		if s.hopeless() {
			return
		}
		if t := s.readTest(n); t != nil {
			s.tests = append(s.tests, t)
		}
	}
}

var testKeys = []string{"name", "given", "events", "expect"}

func (s *source) readTest(n ast.Node) *Test {
	pairs, ok := s.mapping(n, "a test")
	if !ok {
		return nil
	}
	t := &Test{At: s.pos(n)}
	for _, p := range pairs {
		switch p.key {
		case "name":
			if sc, ok := s.scalar(p.value, "name"); ok {
				t.Name = strings.TrimSpace(sc.text)
			}
		case "given":
			s.given(p, &t.Given)
		case "events":
			t.Events = s.testEvents(p)
		case "expect":
			t.ExpectAt = p.pos
			t.Expect = s.expects(p)
		default:
			s.problem(p.pos, diag.DidYouMean(p.key, testKeys), "unknown key %q of a test", p.key)
		}
	}
	switch {
	case t.Name == "":
		s.problem(t.At, "", "a test needs a name")
	case t.Events == nil:
		s.problem(t.At, "", "a test needs events")
	case t.ExpectAt == (diag.Pos{}):
		s.problem(t.At, "write expect: [] if nothing is to be done", "a test needs what it expects")
	}
	return t
}

func (s *source) testEvents(p pair) (list []TestEvent) {
	nodes, _ := s.sequence(p.value, "events")
	for _, n := range nodes {
		e := TestEvent{At: s.pos(n)}
		pairs, _ := s.mapping(n, "an event")
		rest := slices.DeleteFunc(pairs, func(q pair) bool {
			if q.key == "at" {
				e.After = s.offset(q)
			}
			return q.key == "at"
		})
		if len(rest) > 0 {
			e.Event = s.event(n, rest)
		}
		if len(list) > 0 && e.After < list[len(list)-1].After {
			s.problem(e.At, "", "the event comes before the one above it")
		}
		list = append(list, e)
	}
	return list
}

const maxOffset = 10 * 365 * 24 * time.Hour

// offset reads +0s, 15m, +2d.
func (s *source) offset(p pair) time.Duration {
	sc, ok := s.scalar(p.value, p.key)
	if !ok {
		return 0
	}
	d, ok := parseDuration(strings.TrimPrefix(sc.text, "+"))
	if !ok || d < 0 || d > maxOffset {
		s.problem(sc.pos, "write it as +0s, +15m, +2h or +3d", "%.40q is not a time since the test began", sc.text)
		return 0
	}
	return d
}

// event reads the fields of an event.
func (s *source) event(n ast.Node, pairs []pair) *pluginv1.Event {
	ev := &pluginv1.Event{}
	s.fill(ev.ProtoReflect(), pairs, "an event")
	if events[ev.Type] == nil && !s.hopeless() {
		at, what := s.pos(n), "an event needs a type"
		for _, p := range pairs {
			if p.key == "type" {
				at, what = s.pos(p.value), "unknown event "+strconv.Quote(ev.Type)
			}
		}
		s.problem(at, diag.DidYouMean(ev.Type, eventNames), "%s", what)
	}
	return ev
}

// ParseEvent reads an event that somebody made up, in JSON or YAML: its type and
// fields as rules name them and, in given, what there is beside it.
//
//	{"type": "chat_closed", "status": "open", "given": {"service": "retail", "customer": {"first_name": "Ada"}}}
func ParseEvent(name, text string) (*Test, diag.Problems) {
	s := newSource(name, text)
	t := &Test{Name: name, At: diag.Pos{File: name, Line: 1, Column: 1}}
	root := s.parse()
	if root == nil {
		if len(s.problems) == 0 {
			s.problem(t.At, "", "there is no event in it")
		}
		return nil, s.problems
	}
	pairs, _ := s.mapping(root, "an event")
	rest := slices.DeleteFunc(pairs, func(p pair) bool {
		if p.key == "given" {
			s.given(p, &t.Given)
		}
		return p.key == "given"
	})
	t.Events = []TestEvent{{Event: s.event(root, rest), At: t.At}}
	if len(s.problems) > 0 {
		return nil, s.problems
	}
	return t, nil
}

// ParseTest reads the one entry of tests that [Set.TestOf] wrote.
func ParseTest(name, entry string) (*Test, diag.Problems) {
	s := newSource(name, "tests:\n"+entry)
	root := s.parse()
	if root == nil {
		return nil, s.problems
	}
	pairs, _ := s.mapping(root, "a file")
	for _, p := range pairs {
		s.readTests(p.value)
	}
	if len(s.problems) > 0 || len(s.tests) != 1 {
		return nil, s.problems
	}
	return s.tests[0], nil
}
