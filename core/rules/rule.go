package rules

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// rule is one checked rule. It does not change.
type rule struct {
	when    *program // nil: always
	options *options // nil: it has none
	actions []action
	active  bool
	always  bool // it has no condition of any kind
	sole    bool // it has at most one of the limits below, by which it is found

	matched, notMatched *state.RuleVerdict

	services     []string
	integrations []string
	channels     []string
	channelTypes []string

	name       string
	pos        diag.Pos
	namePos    diag.Pos
	on         []string
	eventNames []string // of custom events; none: any
}

// ruleLoader reads one rule.
type ruleLoader struct {
	src    *source
	world  *World
	comp   *compilation
	scope  *scope
	flows  flowTable
	begins flowTable // those that the file names so far
	rule   *rule
	calls  []flowCall // of the actions so far

	quiet time.Duration // of a flow: since the customer's last message, at this step
	minds bool          // a condition looks at the reply window
	lates []lateSend    // of a flow
}

var ruleKeys = []string{
	"name", "on", "event_name", "service", "integration", "channel", "channel_type", "when", "do", "active",
}

// load reads the rule n, or returns nil if it is not one at all. Whether it
// may be used is told by the problems of the source.
func (l *ruleLoader) load(n ast.Node) *rule {
	pairs, ok := l.src.mapping(n, "a rule")
	if !ok {
		return nil
	}
	l.rule = &rule{pos: l.src.pos(n), active: true}
	given := map[string]pair{}
	for _, p := range pairs {
		switch {
		case slices.Contains(ruleKeys, p.key), slices.Contains(optionKeys, p.key):
			given[p.key] = p
		default:
			known := slices.Concat(ruleKeys, optionKeys)
			l.src.problem(p.pos, diag.DidYouMean(p.key, known), "unknown key %q of a rule", p.key)
		}
	}
	l.rule.always = !slices.ContainsFunc(conditionKeys, func(key string) bool { _, ok := given[key]; return ok })
	l.identity(given, "rule")
	l.events(given)
	l.limits(given)
	l.options(given)
	if p, ok := given["active"]; ok {
		if b, isBool := p.value.(*ast.BoolNode); isBool {
			l.rule.active = b.Value
		} else {
			l.src.problem(l.src.pos(p.value), "", "active is true or false")
		}
	}
	l.scope = l.comp.scope(l.rule.on, l.rule.eventNames)
	if len(l.rule.on) == 0 {
		return l.rule // without its events nothing can be said of its expressions
	}
	if p, ok := given["when"]; ok {
		if sc, ok := l.src.scalar(p.value, "when"); ok {
			l.when(sc)
			l.scope = l.scope.given(l.rule.when)
		}
	}
	l.do(given)
	l.rule.matched = &state.RuleVerdict{Rule: l.rule.name, Verdict: state.Verdict_MATCHED, At: l.rule.pos.String()}
	l.rule.notMatched = &state.RuleVerdict{Rule: l.rule.name, Verdict: state.Verdict_NOT_MATCHED}
	if o := l.rule.options; o != nil {
		o.finish(l.rule)
	}
	return l.rule
}

func (l *ruleLoader) when(sc *scalar) {
	if strings.HasPrefix(strings.TrimSpace(sc.text), "{{") {
		l.src.problem(sc.pos, "write it without {{ }}", "when is an expression, not a template")
		return
	}
	l.minds = mindsWindow(sc.text)
	l.rule.when = l.comp.compile(sc, sc.text, 0, l.scope, want{condition: true, limits: l.claims()})
}

// identity reads the name of a rule, or of what stands in for one.
func (l *ruleLoader) identity(given map[string]pair, what string) {
	p, ok := given["name"]
	if !ok {
		l.src.problem(l.rule.pos, "", "a %s needs a name", what)
		return
	}
	sc, ok := l.src.scalar(p.value, "name")
	if !ok {
		return
	}
	name := strings.TrimSpace(sc.text)
	if name == "" || len(name) > 200 || strings.ContainsAny(name, "\n\r\x00") {
		l.src.problem(sc.pos, "", "the name of a %s is one line of 1 to 200 bytes", what)
	}
	l.rule.name, l.rule.namePos = name, sc.pos
}

func (l *ruleLoader) events(given map[string]pair) {
	p, ok := given["on"]
	if !ok {
		l.src.problem(l.rule.pos, "write on: with the name of an event", "a rule needs an event")
		return
	}
	for _, sc := range l.src.words(p.value, "event") {
		if events[sc.text] == nil {
			hint := "an event of a vendor's own is on: custom_event with event_name: " + sc.text
			if near := diag.Suggest(sc.text, eventNames); near != "" {
				hint = `did you mean "` + near + `"?`
			}
			l.src.problem(sc.pos, hint, "unknown event %q", sc.text)
			continue
		}
		if slices.Contains(l.rule.on, sc.text) {
			l.src.problem(sc.pos, "", "the event %q is named twice", sc.text)
			continue
		}
		l.rule.on = append(l.rule.on, sc.text)
	}
	if p, ok := given["event_name"]; ok {
		for _, sc := range l.src.words(p.value, "event_name") {
			if strings.TrimSpace(sc.text) == "" {
				l.cannot(sc.pos, "leave event_name out, if any custom event is meant", "an event_name is blank")
			}
			if !slices.Contains(l.rule.eventNames, sc.text) { // else the rule would be looked at twice
				l.rule.eventNames = append(l.rule.eventNames, sc.text)
			}
		}
		if len(l.rule.on) > 0 && !slices.Contains(l.rule.on, sdk.CustomEvent) {
			l.src.problem(p.pos, "", "event_name goes with on: custom_event only")
		}
	}
}

// limits reads what the rule is limited to.
func (l *ruleLoader) limits(given map[string]pair) {
	names := func(key string, known []string) (list []string) {
		p, ok := given[key]
		if !ok {
			return nil
		}
		for _, sc := range l.src.words(p.value, key) {
			l.mustKnow(sc, known, strings.ReplaceAll(key, "_", " "))
			if !slices.Contains(list, sc.text) {
				list = append(list, sc.text)
			}
		}
		return list
	}
	r := l.rule
	r.services = names("service", l.world.Services)
	r.integrations = names("integration", l.world.Integrations)
	r.channels = names("channel", slices.Sorted(maps.Keys(l.world.Channels)))
	r.channelTypes = names("channel_type", l.world.channelTypes())
	if slices.Contains(r.on, sdk.IncomingMessage) {
		for _, key := range []string{"channel", "channel_type"} {
			if p, ok := given[key]; ok {
				l.src.problem(p.pos, "the customer's message is customer_message",
					"%s does not go with incoming_message, which is the agent's message and comes from an integration", key)
			}
		}
	}
	l.contradictions(given["channel"])
	limits := 0
	for _, list := range [][]string{r.services, r.integrations, r.channels, r.channelTypes} {
		limits += min(len(list), 1)
	}
	r.sole = limits <= 1
}

// contradictions reports channels that the rule's other limits rule out.
func (l *ruleLoader) contradictions(p pair) {
	r := l.rule
	for _, name := range r.channels {
		c, ok := l.world.Channels[name]
		if !ok {
			continue
		}
		if len(r.services) > 0 && !slices.Contains(r.services, c.Service) {
			l.cannot(p.pos, "", "the channel %q belongs to the service %q: this rule would never match", name, c.Service)
		}
		if len(r.channelTypes) > 0 && !slices.Contains(r.channelTypes, c.Type) {
			l.cannot(p.pos, "", "the channel %q has the type %q: this rule would never match", name, c.Type)
		}
	}
}

func (l *ruleLoader) do(given map[string]pair) {
	p, ok := given["do"]
	if !ok {
		l.src.problem(l.rule.pos, "", "a rule needs something to do")
		return
	}
	list, ok := l.src.sequence(p.value, "do")
	if ok && len(list) == 0 {
		l.src.problem(l.src.pos(p.value), "", "do is an empty list")
	}
	for _, n := range list {
		if a := l.action(n); a != nil {
			l.rule.actions = append(l.rule.actions, a)
		}
	}
}
