package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
)

// options are when a rule is looked at and how it is done, beyond its event and
// its condition. Most rules have none.
type options struct {
	from, to moment // its time; zero: no bound
	hours    *hours // nil: always
	canary   uint64 // of a whole that is canaryWhole; 0: all conversations
	after    time.Duration
	waits    string // what a record says of a rule that waits
	waitHash string // of what it waits for
	limits   []core.Limit
	count    *core.Count // of a match, if its limits are per conversation
	bound    *core.Bound // if they are not
	stop     bool
	shadow   bool
	notify   string // the endpoint that is told, "": none
}

// stopsAlways says whether a rule that matches ends the looking at later ones,
// whatever the time and the conversation.
func (o *options) stopsAlways() bool {
	return o != nil && o.stop && !o.shadow && !o.from.set && !o.to.set && o.hours == nil &&
		o.canary == 0 && o.after == 0 && o.count == nil
}

var optionKeys = []string{
	"valid_from",
	"valid_to",
	"hours",
	"mode",
	"canary",
	"after",
	"once",
	"cooldown",
	"throttle",
	"per",
	"stop",
	"notify_url",
}

// options reads them. They are nil for a rule that has none.
func (l *ruleLoader) options(given map[string]pair) {
	if !slices.ContainsFunc(optionKeys, func(key string) bool { _, ok := given[key]; return ok }) {
		return
	}
	o := &options{}
	l.rule.options = o
	l.valid(given, o)
	if p, ok := given["hours"]; ok {
		o.hours = l.hours(p)
	}
	l.mode(given, o)
	if p, ok := given["stop"]; ok {
		o.stop = l.truth(p)
	}
	if p, ok := given["notify_url"]; ok {
		o.notify = l.notifyURL(p)
	}
	l.limitsOf(given, o)
	l.after(given, o)
}

// mustNot reports a key that the rule has and must not have.
func (l *ruleLoader) mustNot(given map[string]pair, key, hint, format string, args ...any) {
	if p, ok := given[key]; ok {
		l.src.problem(p.pos, hint, format, args...)
	}
}

// truth reads true or false.
func (l *ruleLoader) truth(p pair) bool {
	b, ok := p.value.(*ast.BoolNode)
	if !ok {
		l.src.problem(l.src.pos(p.value), "", "%s is true or false", p.key)
		return false
	}
	return b.Value
}

// after reads how long a rule waits.
func (l *ruleLoader) after(given map[string]pair, o *options) {
	p, ok := given["after"]
	if !ok {
		return
	}
	sc, ok := l.src.scalar(p.value, "after")
	if !ok {
		return
	}
	if o.after = l.duration(sc, "after", minWait, maxWait); o.after == 0 {
		return
	}
	o.waits = waitsWord + sc.text
	l.mustNot(given, "stop", "", "stop does not go with after: the rules behind it are looked at when the event comes")
	for _, q := range l.actionKeys(given) {
		if q.key == "forward" {
			l.src.problem(q.pos, "", "forward does not go with after: by then the message has gone where it goes")
		}
	}
}

// mode reads how a rule is done.
func (l *ruleLoader) mode(given map[string]pair, o *options) {
	mode := "live"
	if p, ok := given["mode"]; ok {
		mode = l.name(p, []string{"live", "shadow", "canary"}, "mode")
	}
	o.shadow = mode == "shadow"
	share, ok := given["canary"]
	switch {
	case mode == "canary" && !ok:
		l.src.problem(given["mode"].pos, "write canary: 5%", "mode canary needs the share of conversations")
	case mode != "canary" && ok:
		l.src.problem(share.pos, "write mode: canary", "canary goes with mode: canary only")
	case ok:
		o.canary = l.share(share)
	}
}

// notifyURL reads the endpoint that is told of each match.
func (l *ruleLoader) notifyURL(p pair) string {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return ""
	}
	if strings.Contains(sc.text, "://") {
		l.src.problem(sc.pos, "make it an endpoint of gateway.hcl, which also signs what is posted, and write its name here",
			"notify_url takes the name of an endpoint, not a URL")
		return ""
	}
	l.mustKnow(sc, l.world.Endpoints, "endpoint")
	return sc.text
}

// actionKeys are the actions of a rule as they are written.
func (l *ruleLoader) actionKeys(given map[string]pair) (all []pair) {
	list, ok := given["do"].value.(*ast.SequenceNode)
	if !ok {
		return nil
	}
	for _, n := range list.Values {
		if m, ok := n.(*ast.MappingNode); ok && len(m.Values) == 1 {
			v := m.Values[0]
			all = append(all, pair{v.Key.GetToken().Value, l.src.pos(v.Key), v.Value})
		}
	}
	return all
}

// finish makes what an evaluation needs, once the rule has been read.
func (o *options) finish(r *rule) {
	if o.after != 0 {
		o.waitHash = hashWait(r)
	}
	if o.count != nil {
		o.count.Rule = r.name
	}
	r.matched.Shadow = o.shadow
}

// reasoned is the verdict on a rule that was left out, or waits.
func reasoned(r *rule, reason string) *state.RuleVerdict {
	return &state.RuleVerdict{Rule: r.name, Verdict: state.Verdict_NOT_MATCHED, Reason: reason}
}

// never reports a rule that nothing can make match.
func (l *ruleLoader) never(pos diag.Pos, format string, args ...any) {
	l.src.problem(pos, "", format+": this rule would never match", args...)
}
