package rules

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/types"
	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
)

// A step has one of the keys of an action, or of these, and perhaps some of
// its own beside it.
var (
	stepNames = []string{"ask", "wait", "when", "end"}
	stepKeys  = map[string][]string{
		"ask":    {"accept", "within", "retries", "retry", "as", "else"},
		"notify": {"as", "within", "else"},
		"when":   {"then", "else"},
	}
	besideKeys = []string{"accept", "within", "retries", "retry", "as", "then", "else"}
)

// passage is what is known where a list of steps ends.
type passage struct {
	names answers
	goes  bool          // the steps behind it are reached
	life  time.Duration // the longest it can take to get there
}

// block reads a list of steps.
func (l *flowLoader) block(p pair, names answers, sure []string) passage {
	at := passage{names: names, goes: true}
	list, ok := l.src.sequence(p.value, p.key)
	if ok && len(list) == 0 {
		l.src.problem(l.src.pos(p.value), "", "%s is an empty list", p.key)
	}
	for _, n := range list {
		if l.src.hopeless() || len(l.def.Ops) > maxOps {
			break
		}
		if !at.goes {
			l.src.problem(l.src.pos(n), "", "this step is never reached")
			break
		}
		life := at.life
		at = l.step(n, at.names, sure)
		at.life = min(at.life+life, 2*maxLife)
	}
	return at
}

// step reads one step.
func (l *flowLoader) step(n ast.Node, names answers, sure []string) passage {
	on := passage{names: names, goes: true}
	main, beside, ok := l.split(n)
	if !ok {
		return on
	}
	l.see(names, sure, false)
	op := core.FlowOp{Name: main.key, Place: main.pos.String(), Else: -1}
	switch main.key {
	case "ask":
		return l.ask(op, main, beside, on, sure)
	case "when":
		return l.branch(op, main, beside, on, sure)
	case "wait":
		op.Kind, op.Within = core.OpWait, l.span(main)
		l.quiet += op.Within
		l.add(op)
		on.life = op.Within
	case "flow":
		op.Kind, op.Do = core.OpStart, l.acts(l.flow(main))
		l.add(op)
		on.goes = false
	case "end":
		if main.value != nil && main.value.Type() != ast.NullType {
			l.src.problem(main.pos, "write - end", "end takes nothing")
		}
		op.Kind = core.OpEnd
		l.add(op)
		on.goes = false
	case "notify":
		if len(beside) > 0 {
			return l.tell(op, main, beside, on, sure)
		}
		fallthrough
	default:
		op.Kind, op.Do = core.OpDo, l.acts(l.action(n))
		l.add(op)
	}
	return on
}

// split finds the key that says what the step is, and those beside it.
func (l *flowLoader) split(n ast.Node) (main pair, beside map[string]pair, ok bool) {
	if sc, isText := n.(*ast.StringNode); isText && sc.Value == "end" {
		return pair{key: "end", pos: l.src.pos(n)}, nil, true
	}
	pairs, ok := l.src.mapping(n, "a step")
	if !ok {
		return main, nil, false
	}
	beside = map[string]pair{}
	for _, p := range pairs {
		switch {
		case slices.Contains(besideKeys, p.key):
			beside[p.key] = p
		case main.key != "":
			l.src.problem(p.pos, "begin each step with a dash", "a step is one of its kind, this is %s and %s", main.key, p.key)
			return main, nil, false
		default:
			main = p
		}
	}
	if main.key == "" {
		l.src.problem(l.src.pos(n), "", "a step needs something to do")
		return main, nil, false
	}
	for _, key := range besideKeys {
		if p, ok := beside[key]; ok && !slices.Contains(stepKeys[main.key], key) {
			l.src.problem(p.pos, "", "%s does not go with %s", key, main.key)
			return main, nil, false
		}
	}
	return main, beside, l.isStep(main)
}

// isStep reports whether there is such a step or action.
func (l *flowLoader) isStep(p pair) bool {
	if slices.Contains(stepNames, p.key) || slices.Contains(actionNames, p.key) {
		return true
	}
	l.src.problem(p.pos, diag.DidYouMean(p.key, slices.Concat(stepNames, actionNames)), "unknown step %q", p.key)
	return false
}

// add adds a step and returns its number.
func (l *flowLoader) add(op core.FlowOp) int {
	i := len(l.def.Ops)
	op.Next = i + 1
	l.def.Ops = append(l.def.Ops, op)
	return i
}

// ask sends something and waits for the customer's reply.
func (l *flowLoader) ask(op core.FlowOp, main pair, beside map[string]pair, on passage, sure []string) passage {
	op.Kind, op.Do, op.Within = core.OpAsk, l.acts(l.question(main)), askFor
	if p, ok := beside["within"]; ok {
		op.Within = l.span(p)
	}
	if p, ok := beside["retries"]; ok {
		op.Retries = l.retries(p)
	}
	l.see(on.names, sure, true)
	if p, ok := beside["accept"]; ok {
		op.Test = l.tests(l.condition(p))
	}
	asked := l.quiet
	l.quiet = 0 // the customer has replied
	if p, ok := beside["retry"]; ok {
		op.Ask = l.acts(l.question(p))
		if op.Retries == 0 {
			l.src.problem(p.pos, "add retries: 1", "nothing is asked again")
		}
	}
	if p, ok := beside["as"]; ok {
		op.As = l.as(p, types.String)
	}
	return l.awaited(op, op.Within*time.Duration(op.Retries+1), asked+op.Within, beside, on, sure)
}

// question is what ask sends: what send can, to this customer.
func (l *flowLoader) question(p pair) action {
	if m, ok := p.value.(*ast.MappingNode); ok {
		for _, v := range m.Values {
			if key := v.Key.GetToken().Value; key == "to" || key == "channel" {
				l.src.problem(l.src.pos(v.Key), "send can", "%s cannot ask somebody else", p.key)
				return nil
			}
		}
	}
	return l.send(p)
}

// tell posts to an endpoint and waits for what it says.
func (l *flowLoader) tell(op core.FlowOp, main pair, beside map[string]pair, on passage, sure []string) passage {
	op.Kind, op.Do, op.Within = core.OpTell, l.acts(l.notify(main)), tellFor
	if p, ok := beside["within"]; ok {
		op.Within = l.span(p)
	}
	if p, ok := beside["as"]; ok {
		op.As = l.as(p, types.Any)
	}
	l.quiet += op.Within
	return l.awaited(op, op.Within, l.quiet, beside, on, sure)
}

// awaited adds a step that waits for an answer, and the steps for the case that
// there is none, when the customer has been quiet for so long.
func (l *flowLoader) awaited(op core.FlowOp, life, quiet time.Duration, beside map[string]pair, on passage, sure []string) passage {
	i := l.add(op)
	after := passage{names: on.names.with(op.As), goes: true, life: life}
	p, ok := beside["else"]
	if !ok {
		return after
	}
	l.def.Ops[i].Else = len(l.def.Ops)
	answered := l.quiet
	l.quiet = quiet
	other := l.block(p, on.names, sure)
	if l.quiet = max(l.quiet, answered); !other.goes {
		l.quiet = answered
	}
	l.def.Ops[i].Next = len(l.def.Ops)
	return meet(after, passage{other.names, other.goes, life + other.life})
}

// branch goes one way or the other.
func (l *flowLoader) branch(op core.FlowOp, main pair, beside map[string]pair, on passage, sure []string) passage {
	cond := l.condition(main)
	op.Kind, op.Test = core.OpWhen, l.tests(cond)
	i := l.add(op)
	p, ok := beside["then"]
	if !ok {
		l.src.problem(main.pos, "", "when needs then, a list of steps")
		return on
	}
	then := sure
	if cond != nil {
		then = slices.Concat(sure, cond.facts)
	}
	quiet, minds := l.quiet, l.minds
	if sc, ok := main.value.(ast.ScalarNode); ok {
		l.minds = minds || mindsWindow(sc.String())
	}
	yes, no := l.block(p, on.names, then), on
	after := l.quiet
	if !yes.goes {
		after = 0
	}
	l.quiet = quiet
	if p, ok := beside["else"]; ok {
		jump := l.add(core.FlowOp{Kind: core.OpJump})
		l.def.Ops[i].Else = len(l.def.Ops)
		no = l.block(p, on.names, sure)
		l.def.Ops[jump].Next = len(l.def.Ops)
	} else {
		l.def.Ops[i].Else = len(l.def.Ops)
	}
	if !no.goes {
		l.quiet = 0
	}
	l.quiet, l.minds = max(l.quiet, after), minds
	return meet(yes, no)
}

// meet is where two ways come together again.
func meet(a, b passage) passage {
	at := passage{names: a.names.both(b.names), goes: a.goes || b.goes, life: max(a.life, b.life)}
	switch {
	case !a.goes:
		at.names = b.names
	case !b.goes:
		at.names = a.names
	}
	return at
}

// condition reads an expression that is true or false.
func (l *flowLoader) condition(p pair) *program {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return nil
	}
	if strings.HasPrefix(strings.TrimSpace(sc.text), "{{") {
		l.src.problem(sc.pos, "write it without {{ }}", "%s is an expression, not a template", p.key)
		return nil
	}
	return l.comp.compile(sc, sc.text, 0, l.scope, want{condition: true, limits: l.claims()})
}

// span reads how long to wait, such as 90s, 10m, 2h or 3d.
func (l *flowLoader) span(p pair) time.Duration {
	if sc, ok := l.src.scalar(p.value, p.key); ok {
		return l.duration(sc, p.key, minWait, maxSpan)
	}
	return 0
}

func (l *flowLoader) retries(p pair) uint32 {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(sc.text)
	if err != nil || n < 0 || n > maxRetries {
		l.src.problem(sc.pos, "", "retries is a number from 0 to %d", maxRetries)
		return 0
	}
	return uint32(n)
}
