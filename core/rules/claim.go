package rules

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// claim is what a part of a condition says of one value: that it is, or is
// not, among some constants, or is beyond a bound.
type claim struct {
	subject string // the expression of the value
	op      string // in, not in, <, <=, >, >=
	values  []any  // nil, bool, float64, string
	says    string // for people; "": the part
	part    ast.Node
	negated bool // it is said by the part being false
}

// text is what people read of c.
func (c *claim) text() string {
	switch {
	case c.says != "":
		return c.says
	case c.negated:
		return "not (" + untyped(c.part.String()) + ")"
	}
	return untyped(c.part.String())
}

var opposite = map[string]string{"in": "not in", "not in": "in", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

var mirrored = map[string]string{"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

// claimOf returns what n says if it is true. Anything that is not a comparison
// with a constant is a value of its own, which is true or false.
func claimOf(n ast.Node) claim {
	c := claim{op: "in", values: []any{true}, part: n}
	if x, ok := n.(*ast.BinaryNode); ok {
		left, leftConst := constValue(x.Left)
		right, rightConst := constValue(x.Right)
		list, listConst := constList(x.Right)
		switch op := x.Operator; {
		case mirrored[op] != "" && rightConst:
			c.compare(x.Left, op, right)
		case mirrored[op] != "" && leftConst:
			c.compare(x.Right, mirrored[op], left)
		case op == "in" && listConst:
			c.subject, c.values = x.Left.String(), list
		}
	}
	if c.subject == "" {
		c.subject = n.String()
	}
	return c
}

func (c *claim) compare(subject ast.Node, op string, value any) {
	c.subject, c.op, c.values = subject.String(), op, []any{value}
	switch op {
	case "==":
		c.op = "in"
	case "!=":
		c.op = "not in"
	}
}

// untyped takes the types out of the names of declared values.
func untyped(expression string) string {
	for _, typ := range append([]string{"any"}, valueTypes...) {
		expression = strings.ReplaceAll(expression, ":"+typ, "")
	}
	return expression
}

// start returns where n begins: an operator knows only where it stands itself.
func start(n ast.Node) int {
	switch x := n.(type) {
	case *ast.BinaryNode:
		return start(x.Left)
	case *ast.MemberNode:
		return start(x.Node)
	case *ast.ChainNode:
		return start(x.Node)
	}
	return n.Location().From
}

// fixed returns what n always is, if it is a comparison of constants.
func fixed(n ast.Node) (value, ok bool) {
	switch x := n.(type) {
	case *ast.BoolNode:
		return x.Value, true
	case *ast.BinaryNode:
		left, leftConst := constValue(x.Left)
		right, rightConst := constValue(x.Right)
		if mirrored[x.Operator] != "" && leftConst && rightConst {
			return compares(left, x.Operator, right), true
		}
	}
	return false, false
}

func constValue(n ast.Node) (any, bool) {
	switch x := n.(type) {
	case *ast.NilNode:
		return nil, true
	case *ast.BoolNode:
		return x.Value, true
	case *ast.IntegerNode:
		return float64(x.Value), true
	case *ast.FloatNode:
		return x.Value, true
	case *ast.StringNode:
		return x.Value, true
	case *ast.UnaryNode:
		if v, ok := constValue(x.Node); ok && x.Operator == "-" {
			f, isNumber := v.(float64)
			return -f, isNumber
		}
	}
	return nil, false
}

func constList(n ast.Node) (list []any, ok bool) {
	a, ok := n.(*ast.ArrayNode)
	if !ok {
		return nil, false
	}
	for _, e := range a.Nodes {
		v, ok := constValue(e)
		if !ok {
			return nil, false
		}
		list = append(list, v)
	}
	return list, true
}

// compares evaluates a comparison of constants. One that cannot be made is
// false.
func compares(a any, op string, b any) bool {
	switch op {
	case "==":
		return a == b
	case "!=":
		return a != b
	}
	less, equal := false, a == b
	switch a := a.(type) {
	case float64:
		f, ok := b.(float64)
		if less = a < f; !ok {
			return false
		}
	case string:
		s, ok := b.(string)
		if less = a < s; !ok {
			return false
		}
	default:
		return false
	}
	switch op {
	case "<":
		return less
	case "<=":
		return less || equal
	case ">":
		return !less && !equal
	}
	return !less
}

// holds reports whether c allows the value v.
func (c *claim) holds(v any) bool {
	switch c.op {
	case "in":
		return slices.Contains(c.values, v)
	case "not in":
		return !slices.Contains(c.values, v)
	}
	return compares(v, c.op, c.values[0])
}

// exclusive reports whether no value can satisfy both a and b.
func exclusive(a, b *claim) bool {
	if a.op != "in" {
		a, b = b, a
	}
	if a.op == "in" {
		return !slices.ContainsFunc(a.values, b.holds)
	}
	if a.op == "not in" || b.op == "not in" {
		return false
	}
	lower, upper := a, b
	if lower.op[0] == '<' {
		lower, upper = b, a
	}
	if lower.op[0] == '<' || upper.op[0] == '>' {
		return false // both are upper or lower bounds
	}
	strict := lower.op == ">" || upper.op == "<"
	return compares(lower.values[0], ">", upper.values[0]) || strict && lower.values[0] == upper.values[0]
}

// claims are what the rule's limits say of the values of its events.
func (l *ruleLoader) claims() []claim {
	r := l.rule
	var all []claim
	add := func(subject, says string, names []string) {
		if len(names) == 0 {
			return
		}
		c := claim{subject: subject, op: "in", says: says}
		for _, name := range names {
			c.values = append(c.values, name)
		}
		all = append(all, c)
	}
	add("event.type", "the rule's on", r.on)
	if slices.Equal(r.on, []string{sdk.CustomEvent}) {
		add("event.event_name", "the rule's event_name", r.eventNames)
	}
	add("conversation.service", "the rule's service", r.services)
	add("service.name", "the rule's service", r.services)
	add("conversation.integration", "the rule's integration", r.integrations)
	add("conversation.channel", "the rule's channel", r.channels)
	add("conversation.channel_type", "the rule's channel_type", r.channelTypes)
	owners, states := ownerWords(), chatStates()
	add("conversation.owner", "conversation.owner in "+strings.Join(owners, ", "), owners)
	add("chat.state", "chat.state in "+strings.Join(states, ", "), states)
	return all
}

func ownerWords() (list []string) {
	for i := range len(state.Owner_name) {
		list = append(list, state.Owner(i).Word())
	}
	return list
}

func chatStates() (list []string) {
	for i := range len(state.ChatState_name) {
		list = append(list, state.ChatState(i).Word())
	}
	return list
}
