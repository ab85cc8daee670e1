package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"github.com/openccsp/gateway/core/state"
)

// analysis looks for parts of a condition that have always the same outcome.
type analysis struct {
	r      *resolver
	claims map[ast.Node]claim // of the parts looked at, if they are true
	pair   [2]*claim          // that excluded each other last
}

// claim returns what n having the outcome says.
func (a *analysis) claim(n ast.Node, outcome bool) claim {
	c, ok := a.claims[n]
	if !ok {
		c = claimOf(n)
		a.claims[n] = c
	}
	if !outcome {
		c.op, c.negated = opposite[c.op], true
	}
	return c
}

// possible reports whether n can have the outcome where the claims hold.
func (a *analysis) possible(n ast.Node, outcome bool, given []claim) bool {
	if v, ok := fixed(n); ok {
		return v == outcome
	}
	if inner, ok := negated(n); ok {
		return a.possible(inner, !outcome, given)
	}
	parts, all := partsOf(n, outcome)
	if parts == nil {
		return a.consistent(append(slices.Clip(given), a.claim(n, outcome)), len(given))
	}
	if !all {
		return slices.ContainsFunc(parts, func(p ast.Node) bool { return a.possible(p, outcome, given) })
	}
	known := len(given)
	var compound []ast.Node
	for _, p := range parts {
		if _, ok := fixed(p); ok || isCompound(p) {
			compound = append(compound, p)
			continue
		}
		given = append(slices.Clip(given), a.claim(p, outcome))
	}
	if !a.consistent(given, known) {
		return false
	}
	return !slices.ContainsFunc(compound, func(p ast.Node) bool { return !a.possible(p, outcome, given) })
}

// consistent looks for two claims that exclude each other, of which one is
// behind the known ones.
func (a *analysis) consistent(claims []claim, known int) bool {
	for i := known; i < len(claims); i++ {
		c := &claims[i]
		if c.op == "in" && len(c.values) == 0 {
			a.pair = [2]*claim{c, c}
			return false
		}
		for j := range i {
			if claims[j].subject == c.subject && exclusive(&claims[j], c) {
				a.pair = [2]*claim{&claims[j], c}
				return false
			}
		}
	}
	return true
}

func negated(n ast.Node) (ast.Node, bool) {
	u, ok := n.(*ast.UnaryNode)
	if !ok || u.Operator != "not" && u.Operator != "!" {
		return nil, false
	}
	return u.Node, true
}

func isCompound(n ast.Node) bool {
	if _, ok := negated(n); ok {
		return true
	}
	parts, _ := partsOf(n, true)
	return parts != nil
}

// partsOf splits a chain of and, or of or, nil if n is neither. all says that
// all parts must have the outcome for n to have it.
func partsOf(n ast.Node, outcome bool) (parts []ast.Node, all bool) {
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return nil, false
	}
	and := b.Operator == "and" || b.Operator == "&&"
	if !and && b.Operator != "or" && b.Operator != "||" {
		return nil, false
	}
	for _, side := range []ast.Node{b.Left, b.Right} {
		inner, _ := partsOf(side, outcome)
		if s, ok := side.(*ast.BinaryNode); ok && inner != nil && word(s.Operator) == word(b.Operator) {
			parts = append(parts, inner...)
			continue
		}
		parts = append(parts, side)
	}
	return parts, and == outcome
}

func word(operator string) string {
	switch operator {
	case "&&":
		return "and"
	case "||":
		return "or"
	}
	return operator
}

// condition warns of a condition, or a part of it, that is never or always
// true. limits are what the rule's other keys say.
func (a *analysis) condition(n ast.Node, limits []claim, whole string) bool {
	if !a.possible(n, true, limits) {
		at, hint := start(n), ""
		if first, second := a.pair[0], a.pair[1]; first != nil && second != nil {
			at = start(second.part)
			if first != second {
				hint = first.text() + " and " + second.text() + " exclude each other"
			}
		}
		a.r.warnAt(at, hint, "%s is never true", whole)
		return false
	}
	if !a.possible(n, false, nil) {
		a.r.warnAt(start(n), "leave it out", "%s is always true", whole)
		return false
	}
	parts, _ := partsOf(n, true)
	fine := true
	for _, p := range parts {
		a.pair = [2]*claim{}
		fine = a.condition(p, limits, "this part of the condition") && fine
	}
	return fine
}

// constantly warns of a condition that depends on nothing.
func (p *program) constantly(warn func(at int, hint, format string, args ...any)) {
	e := newEvaluator(&state.View{})
	defer e.release()
	switch v, err := p.run(e); {
	case err != nil:
		warn(int(p.lead), "", "the condition fails always: %s", err)
	case v == true:
		warn(int(p.lead), "leave it out", "the condition is always true")
	case v == false:
		warn(int(p.lead), "active: false leaves the rule out", "the condition is never true")
	}
}
