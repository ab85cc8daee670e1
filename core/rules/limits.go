package rules

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/types"

	"github.com/openccsp/gateway/core/state"
)

// The machine that runs expressions cannot be interrupted, so what an
// expression can cost is bounded at load, from the limits of what it reads.
const (
	maxPredicates = 2       // nested
	maxRange      = 1000    // elements of a..b
	maxSteps      = 2 << 20 // estimated, of one evaluation
	maxValue      = 4 << 20 // estimated bytes of one value
	stepBytes     = 64      // a text of this many bytes costs one step more
)

// size bounds a value: the elements of a list and the bytes in all of it.
type size struct{ items, bytes float64 }

func (a size) plus(b size) size { return size{a.items + b.items, a.bytes + b.bytes} }
func (a size) or(b size) size   { return size{max(a.items, b.items), max(a.bytes, b.bytes)} }

// builtinNames are the functions of the expression language.
var builtinNames = func() []string {
	names := slices.Clone(builtin.Names)
	slices.Sort(names)
	return slices.DeleteFunc(names, func(n string) bool { return banned[n] != "" || n == "now" })
}()

// slow functions must not stand in a predicate, which runs once per element.
var slow = []string{"split", "splitAfter", "repeat", "reduce", "replace", "join", "sort", "sortBy", "fromJSON"}

func (r *resolver) builtin(x *ast.BuiltinNode) {
	if why := banned[x.Name]; why != "" {
		r.fail(x, "", "%s() cannot be used in a rule: %s", x.Name, why)
	}
	if r.depth > 0 && slices.Contains(slow, x.Name) {
		r.fail(x, "", "%s() cannot stand inside { }, where it would run once per element", x.Name)
	}
	r.all(x.Arguments)
}

// meter estimates the worst cost of an expression.
type meter struct {
	r     *resolver
	times float64 // how often the part is evaluated
	steps float64
	depth int
	vars  map[string]size
	elem  []size
}

// withinLimits reports the first limit that n is over.
func withinLimits(n ast.Node, r *resolver) bool {
	m := &meter{r: r, times: 1, vars: map[string]size{}}
	m.measure(n)
	return !r.failed
}

func (m *meter) measure(n ast.Node) size {
	if n == nil || m.r.failed {
		return size{}
	}
	s := m.of(n)
	m.steps += m.times
	switch {
	case m.r.failed:
	case s.bytes > maxValue:
		m.r.fail(n, "", "the value could grow beyond %d bytes", maxValue)
	case m.steps > maxSteps:
		m.r.fail(n, "", "the expression could take too long")
	}
	return s
}

func (m *meter) of(n ast.Node) size {
	switch x := n.(type) {
	case *ast.IdentifierNode:
		return m.named(x.Value)
	case *ast.StringNode:
		return size{0, float64(len(x.Value))}
	case *ast.BinaryNode:
		return m.binary(x)
	case *ast.UnaryNode:
		return m.measure(x.Node)
	case *ast.ChainNode:
		return m.measure(x.Node)
	case *ast.MemberNode:
		base := m.measure(x.Node)
		m.measure(x.Property)
		return size{min(base.items, state.MaxItems), min(base.bytes, state.MaxText)}
	case *ast.SliceNode:
		m.measure(x.From)
		m.measure(x.To)
		return m.measure(x.Node)
	case *ast.CallNode:
		m.measure(x.Callee)
		return m.sum(x.Arguments).or(size{0, 64})
	case *ast.BuiltinNode:
		return m.builtin(x)
	case *ast.PointerNode:
		if len(m.elem) > 0 && x.Name == "" {
			return m.elem[len(m.elem)-1]
		}
	case *ast.VariableDeclaratorNode:
		old, shadowed := m.vars[x.Name]
		m.vars[x.Name] = m.measure(x.Value)
		s := m.measure(x.Expr)
		if delete(m.vars, x.Name); shadowed {
			m.vars[x.Name] = old
		}
		return s
	case *ast.SequenceNode:
		return m.sum(x.Nodes)
	case *ast.ConditionalNode:
		m.measure(x.Cond)
		return m.measure(x.Exp1).or(m.measure(x.Exp2))
	case *ast.ArrayNode:
		s := m.sum(x.Nodes)
		return size{float64(len(x.Nodes)), s.bytes}.or(s)
	case *ast.MapNode:
		return m.sum(x.Pairs)
	case *ast.PairNode:
		return m.measure(x.Key).plus(m.measure(x.Value))
	}
	return size{0, 8}
}

func (m *meter) sum(nodes []ast.Node) (s size) {
	for _, n := range nodes {
		s = s.plus(m.measure(n))
	}
	return s
}

func (m *meter) named(name string) size {
	if s, ok := m.vars[name]; ok {
		return s
	}
	f := fields[name]
	if i := slices.IndexFunc(m.r.needs, func(f *field) bool { return f.path == name }); i >= 0 {
		f = m.r.needs[i]
	}
	switch {
	case strings.HasPrefix(name, textPath):
		return size{0, maxRendered}
	case strings.HasPrefix(name, paramPath):
		return size{0, state.MaxText}
	case f == nil:
		return size{0, 64}
	case name == "payload", f.typ == types.Any:
		return size{state.MaxItems, state.MaxPayload}
	case name == "event.text":
		return size{0, state.MaxText}
	case name == "event.attachments", name == "conversation.tags", isAttrs(f):
		return size{state.MaxItems, state.MaxItems * 512}
	}
	return size{0, state.MaxText}
}

func (m *meter) binary(x *ast.BinaryNode) size {
	left, right := m.measure(x.Left), m.measure(x.Right)
	switch x.Operator {
	case "??":
		return left.or(right)
	case "+":
		return m.work(left.plus(right))
	case "..":
		from, ok1 := x.Left.(*ast.IntegerNode)
		to, ok2 := x.Right.(*ast.IntegerNode)
		if !ok1 || !ok2 {
			m.r.fail(x, "", "the ends of a range must be plain numbers")
			return size{}
		}
		n := float64(to.Value) - float64(from.Value) + 1
		if n > maxRange {
			m.r.fail(x, "", "a range must not have more than %d elements", maxRange)
		}
		return size{max(n, 0), 8 * max(n, 0)}
	case "matches":
		m.steps += m.times * left.bytes // a regular expression is slow
		if m.depth > 0 {
			m.r.fail(x, "", "matches cannot stand inside { }, where it would run once per element")
		} else if _, ok := x.Right.(*ast.StringNode); !ok {
			m.r.fail(x.Right, "", "the pattern of matches must be a text in quotes")
		}
	case "contains", "startsWith", "endsWith", "in":
		m.work(left.plus(right))
	}
	return size{0, 8}
}

// work counts the reading or writing of a value.
func (m *meter) work(s size) size {
	m.steps += m.times * s.bytes / stepBytes
	return s
}

func (m *meter) builtin(x *ast.BuiltinNode) size {
	var coll, body, args size
	var arg [3]size
	for i, n := range x.Arguments {
		if p, ok := n.(*ast.PredicateNode); ok {
			body = m.predicate(p, coll)
			continue
		}
		s := m.measure(n)
		args = args.plus(s)
		if i == 0 {
			coll = s
		}
		if i < len(arg) {
			arg[i] = s
		}
	}
	m.work(args)
	switch x.Name {
	case "len", "first", "last", "count", "any", "all", "none", "one", "findIndex", "findLastIndex":
		return size{min(args.items, state.MaxItems), min(args.bytes, state.MaxText)}
	case "map":
		return size{coll.items, coll.items * body.bytes}
	case "replace":
		return m.work(size{0, coll.bytes + (coll.bytes+1)*arg[2].bytes})
	case "join":
		return m.work(size{0, coll.bytes + coll.items*arg[1].bytes})
	case "split", "splitAfter":
		return m.work(size{coll.bytes + 1, 17 * (coll.bytes + 1)})
	case "flatten":
		return size{coll.items * state.MaxItems, coll.bytes}
	case "fromJSON":
		return size{coll.bytes, 32 * coll.bytes}
	case "toJSON", "upper", "lower", "toBase64", "fromBase64", "string":
		return size{0, 6*coll.bytes + 64}
	case "groupBy", "filter", "find", "findLast", "sortBy", "reduce", "sort", "uniq", "reverse":
		return coll.or(body)
	}
	return args
}

func (m *meter) predicate(p *ast.PredicateNode, coll size) size {
	if m.r.failed {
		return size{}
	}
	if m.depth == maxPredicates {
		m.r.fail(p, "", "{ } must not be nested more than %d deep", maxPredicates)
		return size{}
	}
	items := max(coll.items, 1)
	times := m.times
	m.times *= items
	m.depth++
	m.elem = append(m.elem, size{min(coll.items, state.MaxItems), min(coll.bytes, state.MaxText)})
	s := m.measure(p.Node)
	m.elem = m.elem[:len(m.elem)-1]
	m.depth--
	m.times = times
	return s
}
