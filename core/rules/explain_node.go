package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/openccsp/gateway/core/diag"
)

// Node is a part of a condition with its value.
type Node struct {
	Source    string   `json:"source"` // as it is written, without needless brackets
	At        diag.Pos `json:"at"`
	Value     any      `json:"value"` // nil: absent, or it failed
	Error     string   `json:"error,omitempty"`
	NotNeeded bool     `json:"not_needed,omitempty"` // what stands before it decided
	Parts     []*Node  `json:"parts,omitempty"`

	and bool
}

const (
	maxValueShown = 1000 // bytes of a value
	maxBecause    = 8    // values in one line
)

func (n *Node) holds() bool { return n.Value == true && n.Error == "" }

// conjuncts are the parts that must all hold.
func (n *Node) conjuncts() []*Node {
	if n == nil {
		return nil
	}
	if !n.and {
		return []*Node{n}
	}
	var all []*Node
	for _, p := range n.Parts {
		all = append(all, p.conjuncts()...)
	}
	return all
}

// because lists the values that n was made of: ` (a = 1, b = "x")`.
func (n *Node) because() string {
	var list []string
	var walk func(*Node)
	walk = func(p *Node) {
		if p.NotNeeded {
			return
		}
		if len(p.Parts) == 0 && p != n {
			s := p.Source + " = " + p.Text()
			if !slices.Contains(list, s) && len(list) < maxBecause {
				list = append(list, s)
			}
		}
		for _, q := range p.Parts {
			walk(q)
		}
	}
	walk(n)
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// Text is the value of n in a line: JSON, "absent", or why there is none.
func (n *Node) Text() string {
	switch {
	case n.Error != "":
		return "error: " + n.Error
	case n.Value == nil:
		return "absent"
	}
	b, err := json.Marshal(n.Value)
	if err != nil {
		return fmt.Sprint(n.Value)
	}
	return string(b)
}

// explain evaluates the parts of the condition p one by one.
func (p *program) explain(e *evaluator) *Node {
	e.fill(p.needs)
	var root *Node
	p.again(func(tree *parser.Tree, uses map[ast.Node][]use) {
		x := &parts{e: e, p: p, config: p.comp.config, source: tree.Source, uses: uses}
		root = x.node(tree.Node)
		x.place()
	})
	return root
}

// parts evaluates the parts of one condition.
type parts struct {
	e      *evaluator
	p      *program
	config *conf.Config
	source file.Source
	uses   map[ast.Node][]use            // of named expressions, the innermost first
	lets   []*ast.VariableDeclaratorNode // around the part, outermost first
	begins []begin
}

// begin is a part and the number of the rune that it begins with.
type begin struct {
	of   *Node
	rune int
}

// place gives all parts their places, in one go through the text of the condition.
func (x *parts) place() {
	slices.SortFunc(x.begins, func(a, b begin) int { return a.rune - b.rune })
	own, _ := slices.BinarySearchFunc(x.begins, letBase, func(b begin, n int) int { return b.rune - n })
	for _, b := range x.begins[own:] {
		b.of.At = x.p.place(b.rune)
	}
	rest := x.begins[:own]
	x.p.in.each(func(n int, at diag.Pos) bool {
		for len(rest) > 0 && int(x.p.offset)+rest[0].rune <= n {
			rest[0].of.At, rest = at, rest[1:]
		}
		return len(rest) > 0
	})
}

// node is a part, below the names of the lets that it was written by.
func (x *parts) node(n ast.Node) *Node {
	uses := x.uses[n]
	if len(uses) > 0 && constant(n) {
		return x.named(&Node{Value: x.part(n).Value}, uses[len(uses)-1]) // its value says all
	}
	out := x.part(n)
	for _, u := range uses {
		out = x.named(&Node{Value: out.Value, Error: out.Error, Parts: []*Node{out}}, u)
	}
	return out
}

func (x *parts) named(out *Node, u use) *Node {
	out.Source = u.name
	x.begins = append(x.begins, begin{out, u.at})
	return out
}

func (x *parts) part(n ast.Node) *Node {
	out := &Node{Source: x.text(n)}
	x.begins = append(x.begins, begin{out, x.first(n)})
	switch n := n.(type) {
	case *ast.BinaryNode:
		x.binary(out, n)
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			out.Parts = []*Node{x.node(n.Node)}
			x.not(out)
			return out
		}
		out.Parts = x.operands(n.Node)
		x.value(out, n)
	case *ast.ConditionalNode:
		x.conditional(out, n)
	case *ast.VariableDeclaratorNode:
		out.Parts = x.operands(n.Value)
		x.lets = append(x.lets, n)
		inner := x.node(n.Expr)
		x.lets = x.lets[:len(x.lets)-1]
		out.Parts = append(out.Parts, inner)
		out.Value, out.Error = inner.Value, inner.Error
	case *ast.BuiltinNode:
		out.Parts = x.operands(n.Arguments...)
		x.value(out, n)
	case *ast.CallNode:
		out.Parts = x.operands(n.Arguments...)
		x.value(out, n)
	case *ast.SliceNode:
		out.Parts = x.operands(n.Node)
		x.value(out, n)
	default:
		x.value(out, n)
	}
	return out
}

// operands are those of nodes that have something to say.
func (x *parts) operands(nodes ...ast.Node) (list []*Node) {
	for _, n := range nodes {
		if !constant(n) || len(x.uses[n]) > 0 {
			list = append(list, x.node(n))
		}
	}
	return list
}

// constant reports what has no value that is not seen from its text, and
// predicates, which have one for each element.
func constant(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.NilNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.ConstantNode, *ast.PredicateNode:
		return true
	case *ast.ArrayNode:
		return !slices.ContainsFunc(n.Nodes, func(n ast.Node) bool { return !constant(n) })
	case *ast.UnaryNode:
		return constant(n.Node)
	}
	return false
}

func (x *parts) binary(out *Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "and", "&&":
		out.and = true
		x.logic(out, n, false)
	case "or", "||":
		x.logic(out, n, true)
	case "??":
		out.Parts = x.operands(n.Left, n.Right)
		if len(out.Parts) == 2 && out.Parts[0].Value != nil {
			out.Parts[1].skip()
		}
		x.value(out, n)
	default:
		out.Parts = x.operands(n.Left, n.Right)
		x.value(out, n)
	}
}

// logic is and, which false decides, or or, which true decides.
func (x *parts) logic(out *Node, n *ast.BinaryNode, decides bool) {
	left, right := x.node(n.Left), x.node(n.Right)
	out.Parts = []*Node{left, right}
	switch b, err := left.truth(); {
	case is(n.Right, decides): // the optimizer does not even look at the left one
		out.Value = decides
		left.skip()
	case err != "":
		out.Error = err
		right.skip()
	case b == decides:
		out.Value = b
		right.skip()
	default:
		out.Value, out.Error = right.Value, right.Error
	}
}

// is reports whether n is the literal b.
func is(n ast.Node, b bool) bool {
	lit, ok := n.(*ast.BoolNode)
	return ok && lit.Value == b
}

// truth is the value of what must be true or false.
func (n *Node) truth() (value bool, err string) {
	value, ok := n.Value.(bool)
	if n.Error == "" && !ok {
		return false, n.Source + " is neither true nor false"
	}
	return value, n.Error
}

func (x *parts) not(out *Node) {
	inner := out.Parts[0]
	b, err := inner.truth()
	if out.Error = err; err == "" {
		out.Value = !b
	}
}

func (x *parts) conditional(out *Node, n *ast.ConditionalNode) {
	cond, yes, no := x.node(n.Cond), x.node(n.Exp1), x.node(n.Exp2)
	out.Parts = []*Node{cond, yes, no}
	switch b, err := cond.truth(); {
	case err != "":
		out.Error = err
		yes.skip()
		no.skip()
	case b:
		out.Value, out.Error = yes.Value, yes.Error
		no.skip()
	default:
		out.Value, out.Error = no.Value, no.Error
		yes.skip()
	}
}

// skip marks n as not needed. What it would have failed with does not count.
func (n *Node) skip() {
	n.NotNeeded, n.Error = true, ""
	for _, p := range n.Parts {
		p.skip()
	}
}

// value evaluates n by itself.
func (x *parts) value(out *Node, n ast.Node) {
	if id, ok := n.(*ast.IdentifierNode); ok {
		if v, known := x.e.values[id.Value]; known {
			x.known(out, id.Value, v)
			return
		}
	}
	for _, p := range out.Parts {
		if p.Error != "" && !p.NotNeeded {
			out.Error = p.Error
			return
		}
	}
	for _, let := range slices.Backward(x.lets) {
		n = &ast.VariableDeclaratorNode{Name: let.Name, Value: let.Value, Expr: n}
	}
	code, err := compiler.Compile(&parser.Tree{Node: n, Source: x.source}, x.config)
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		out.Error = message
		return
	}
	v, err := x.e.vm.Run(code, x.e.values)
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		if at := strings.LastIndex(message, " ("); at > 0 && strings.HasSuffix(message, ")") {
			message = message[:at] // the place in the expression
		}
		out.Error = runtimeMessage(message)
		return
	}
	out.Value = forJSON(v)
}

// known shows a value that was read before the expression: it may be an error
// that it could not be.
func (x *parts) known(out *Node, path string, v any) {
	if err, failed := v.(error); failed {
		out.Error = err.Error()
		return
	}
	for _, t := range x.p.typed {
		if v == nil && t.required && t.field.path == path {
			out.Error = "it is absent, which its declaration does not allow"
		}
	}
	out.Value = forJSON(v)
}

// text is n as it is written: with the names of the lets in it, and without
// the type that a declared value has in its name inside.
func (x *parts) text(n ast.Node) string {
	if len(x.uses) == 0 && len(x.p.typed) == 0 {
		return n.String()
	}
	var undo []func()
	root := n
	ast.Walk(&n, visitor(func(at *ast.Node) {
		id, _ := (*at).(*ast.IdentifierNode)
		name := ""
		if uses := x.uses[*at]; len(uses) > 0 && *at != root {
			name = uses[len(uses)-1].name
		} else if id != nil && strings.HasPrefix(id.Value, paramPath) {
			name, _, _ = strings.Cut(id.Value, ":")
		}
		if name != "" && (id == nil || name != id.Value) {
			was := *at
			*at = &ast.IdentifierNode{Value: name}
			undo = append(undo, func() { *at = was })
		}
	}))
	text := n.String()
	for _, u := range slices.Backward(undo) {
		u()
	}
	return text
}

// first is the number of the rune at which n begins, in the text that n itself
// stands in: its parts may come from lets.
func (x *parts) first(n ast.Node) int {
	least := -1
	in := n.Location().From / letBase
	lower := func(from int) {
		if from/letBase == in && (least < 0 || from < least) {
			least = from
		}
	}
	ast.Walk(&n, visitor(func(at *ast.Node) {
		lower((*at).Location().From)
		for _, u := range x.uses[*at] {
			lower(u.at)
		}
	}))
	return max(least, 0)
}

type visitor func(*ast.Node)

// Visit implements ast.Visitor.
func (v visitor) Visit(n *ast.Node) { v(n) }

// forJSON returns v as JSON can show it, cut if it is long.
func forJSON(v any) any {
	switch v := v.(type) {
	case nil, bool, int:
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration, time.Weekday, time.Month:
		return fmt.Sprint(v)
	case string:
		return cutShown(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return cutShown(fmt.Sprint(v)) // such as an infinite number
	}
	if len(b) > maxValueShown {
		return cutShown(string(b))
	}
	return v
}

func cutShown(s string) string {
	if len(s) <= maxValueShown {
		return s
	}
	n := maxValueShown
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
