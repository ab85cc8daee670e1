package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/types"

	"github.com/openccsp/gateway/core/diag"
)

// resolver replaces the paths of an expression, such as chat.agent.name, by one
// identifier each, and finds what does not exist, what may be absent where a
// value is needed, and what is not allowed.
type resolver struct {
	scope  *scope
	report func(at int, hint, format string, args ...any)
	warnAt func(at int, hint, format string, args ...any)
	failed bool
	needs  []*field
	typed  []typedNeed
	vars   []string       // of let
	sure   map[string]int // what a condition before it has found to be there
	depth  int            // of predicates

	comp    *compilation
	within  []string // the lets that are being put in, the outermost first
	user    ast.Node // where the outermost of them is used; nil: l is looked at on its own
	nodes   int      // of what lets stand for
	uses    map[ast.Node][]use
	lenient bool // a let on its own may name what is absent at times
}

// tolerance is which absent values a place in an expression can do with.
type tolerance int

const (
	none   tolerance = iota // a value is needed
	blanks                  // parts of the profile, the chat and of attributes may be nil
	any_                    // whatever may be absent may be nil
)

func (r *resolver) root(n *ast.Node, w want) {
	r.sure = map[string]int{}
	for _, path := range r.scope.sure {
		r.sure[path]++
	}
	allow := none
	if w.template {
		allow = blanks
	}
	if w.name != "" {
		r.within, r.lenient, allow = []string{w.name}, true, any_
	}
	r.visit(n, allow)
}

func (r *resolver) fail(n ast.Node, hint, format string, args ...any) {
	r.failed = true
	r.report(n.Location().From, hint, format, args...)
}

func (r *resolver) warn(n ast.Node, hint, format string, args ...any) {
	r.warnAt(n.Location().From, hint, format, args...)
}

func (r *resolver) visit(n *ast.Node, allow tolerance) {
	switch x := (*n).(type) {
	case *ast.IdentifierNode:
		r.identifier(n, x, allow)
	case *ast.MemberNode:
		r.member(n, x, allow)
	case *ast.ChainNode:
		r.visit(&x.Node, allow)
		if _, ok := x.Node.(*ast.MemberNode); !ok {
			*n = x.Node // the path was resolved, there is nothing left to skip
		}
	case *ast.BinaryNode:
		r.binary(x, allow)
	case *ast.ConditionalNode:
		r.visit(&x.Cond, none)
		r.given(facts(x.Cond, true), func() { r.visit(&x.Exp1, allow) })
		r.given(facts(x.Cond, false), func() { r.visit(&x.Exp2, allow) })
	case *ast.VariableDeclaratorNode:
		r.visit(&x.Value, none)
		r.vars = append(r.vars, x.Name)
		r.visit(&x.Expr, allow)
		r.vars = r.vars[:len(r.vars)-1]
	case *ast.BuiltinNode:
		r.builtin(x)
	case *ast.CallNode:
		r.call(n, x)
	case *ast.PredicateNode:
		r.depth++
		r.visit(&x.Node, none)
		r.depth--
	case *ast.UnaryNode:
		r.visit(&x.Node, none)
	case *ast.SliceNode:
		r.visit(&x.Node, none)
		for _, side := range []*ast.Node{&x.From, &x.To} {
			if *side != nil {
				r.visit(side, none)
			}
		}
	case *ast.SequenceNode:
		r.all(x.Nodes)
	case *ast.ArrayNode:
		r.all(x.Nodes)
	case *ast.MapNode:
		r.all(x.Pairs)
	case *ast.PairNode:
		r.visit(&x.Key, none)
		r.visit(&x.Value, none)
	}
}

func (r *resolver) all(nodes []ast.Node) {
	for i := range nodes {
		r.visit(&nodes[i], none)
	}
}

func (r *resolver) binary(x *ast.BinaryNode, allow tolerance) {
	switch x.Operator {
	case "??":
		r.visit(&x.Left, any_)
		r.visit(&x.Right, allow)
	case "==", "!=":
		left, right := blanks, blanks
		if isNil(x.Right) {
			left = any_
		}
		if isNil(x.Left) {
			right = any_
		}
		r.visit(&x.Left, left)
		r.visit(&x.Right, right)
	case "in":
		r.visit(&x.Left, blanks)
		r.visit(&x.Right, none)
	case "and", "&&":
		r.visit(&x.Left, none)
		r.given(facts(x.Left, true), func() { r.visit(&x.Right, none) })
	case "or", "||":
		r.visit(&x.Left, none)
		r.given(facts(x.Left, false), func() { r.visit(&x.Right, none) })
	default:
		r.visit(&x.Left, none)
		r.visit(&x.Right, none)
	}
}

func (r *resolver) given(paths []string, f func()) {
	for _, p := range paths {
		r.sure[p]++
	}
	f()
	for _, p := range paths {
		r.sure[p]--
	}
}

// facts are the paths that are not nil if the condition n has the outcome.
func facts(n ast.Node, outcome bool) []string {
	switch x := n.(type) {
	case *ast.UnaryNode:
		if x.Operator == "not" || x.Operator == "!" {
			return facts(x.Node, !outcome)
		}
	case *ast.BinaryNode:
		switch {
		case x.Operator == "!=" && outcome, x.Operator == "==" && !outcome:
			if isNil(x.Right) {
				return []string{x.Left.String()}
			}
			if isNil(x.Left) {
				return []string{x.Right.String()}
			}
		case (x.Operator == "and" || x.Operator == "&&") && outcome,
			(x.Operator == "or" || x.Operator == "||") && !outcome:
			return append(facts(x.Left, outcome), facts(x.Right, outcome)...)
		}
	}
	return nil
}

func isNil(n ast.Node) bool {
	_, ok := n.(*ast.NilNode)
	return ok
}

func (r *resolver) identifier(n *ast.Node, x *ast.IdentifierNode, allow tolerance) {
	switch {
	case slices.Contains(r.vars, x.Value):
	case r.scope.declared[x.Value] != nil: // an answer of a flow
		r.use(n, x, x.Value, allow)
	case x.Value == "payload" && r.scope.known("payload"):
		r.use(n, x, "payload", any_) // its parts are untyped anyway
	case x.Value == "now":
		r.fail(x, "write now()", "now is a function")
	case r.scope.isGroup(x.Value):
		r.group(x, x.Value)
	default:
		if i := r.comp.declared.lets.index(x.Value); i >= 0 {
			r.substitute(n, i, allow)
			return
		}
		r.unknownName(x, x.Value)
	}
}

func (r *resolver) unknownName(n ast.Node, name string) {
	if why := banned[name]; why != "" {
		r.fail(n, "", "%s() cannot be used in a rule: %s", name, why)
		return
	}
	known := append(r.scope.words(), "now", "num", "str")
	known = append(known, r.vars...)
	known = append(known, r.comp.declared.lets.names()...)
	hint := diag.DidYouMean(name, known)
	if name == "payload" {
		hint = outlives
	}
	for _, path := range r.scope.paths() {
		if _, last, _ := strings.Cut(path, "."); last == name {
			hint = "did you mean " + strconv.Quote(path) + "?"
			break
		}
	}
	r.fail(n, hint, "unknown name %q", name)
}

// group reports a path that is only the beginning of others.
func (r *resolver) group(n ast.Node, path string) {
	var parts []string
	for _, p := range r.scope.paths() {
		if strings.HasPrefix(p, path+".") {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		r.unknownField(n, path)
		return
	}
	r.fail(n, "name one of "+strings.Join(parts, ", "), "%s is not a value but a group of them", path)
}

func (r *resolver) member(n *ast.Node, x *ast.MemberNode, allow tolerance) {
	path, ok := r.path(x)
	if !ok {
		r.visit(&x.Node, r.baseTolerance(x, allow))
		if _, static := x.Property.(*ast.StringNode); !static {
			r.visit(&x.Property, none)
		}
		if id, ok := x.Node.(*ast.IdentifierNode); ok && isAttrs(r.scope.field(id.Value)) {
			r.absent(x, x.String(), false, allow)
			r.nearlyDeclared(x, id.Value)
		}
		return
	}
	if !r.scope.known(path) {
		r.unknown(x, path)
		return
	}
	id := &ast.IdentifierNode{Value: path}
	id.SetLocation(rootOf(x).Location())
	r.use(n, id, path, allow)
}

// baseTolerance lets payload.a.b begin with something absent only if it is
// written payload?.a?.b; that fails when it is evaluated, not at load.
func (r *resolver) baseTolerance(x *ast.MemberNode, allow tolerance) tolerance {
	if x.Optional {
		return any_
	}
	return none
}

func isAttrs(f *field) bool {
	if f == nil {
		return false
	}
	_, ok := f.typ.(types.Map)
	return ok
}

// path returns the path that x spells, if x names a field of a group and not a
// part of one: of customer.attributes.vip the path is customer.attributes.
func (r *resolver) path(x *ast.MemberNode) (string, bool) {
	name, ok := x.Property.(*ast.StringNode)
	if !ok {
		return "", false
	}
	switch base := x.Node.(type) {
	case *ast.IdentifierNode:
		if r.scope.isGroup(base.Value) && !slices.Contains(r.vars, base.Value) {
			return base.Value + "." + name.Value, true
		}
	case *ast.MemberNode:
		path, ok := r.path(base)
		whole := path + "." + name.Value
		if ok && (r.scope.field(path) == nil || r.scope.declared[whole] != nil || r.scope.closed && path+"." == paramPath) {
			return whole, true
		}
	}
	return "", false
}

func rootOf(x *ast.MemberNode) ast.Node {
	if base, ok := x.Node.(*ast.MemberNode); ok {
		return rootOf(base)
	}
	return x.Node
}

func (r *resolver) unknown(x *ast.MemberNode, path string) {
	for _, p := range r.scope.paths() {
		if strings.HasPrefix(p, path+".") {
			r.group(rootOf(x), path)
			return
		}
	}
	r.unknownField(rootOf(x), path)
}

func (r *resolver) unknownField(n ast.Node, path string) {
	switch {
	case r.scope.flow && (path == "event" || strings.HasPrefix(path, "event.")):
		r.fail(n, outlives, "a flow has no %s", path)
		return
	case r.scope.flow && path == replyText.path:
		r.fail(n, "name the reply with as", "%s is there in accept and retry only", path)
		return
	case strings.HasPrefix(path, paramPath):
		r.undeclared(n, path)
		return
	case fields[path] != nil && len(r.scope.on) == 0:
		r.fail(n, "it is for any event", "there is no %s in a text of texts", path)
		return
	case fields[path] != nil: // of another event
		r.fail(n, "it comes with "+strings.Join(eventsWith(path), ", "), "%s has no %s", strings.Join(r.scope.on, ", "), path)
		return
	}
	first, _, _ := strings.Cut(path, ".")
	var near []string
	for _, p := range r.scope.paths() {
		if strings.HasPrefix(p, first+".") {
			near = append(near, p)
		}
	}
	r.fail(n, diag.DidYouMean(path, near), "unknown field %q", path)
}

// eventsWith are the events that have a path.
func eventsWith(path string) (on []string) {
	for _, event := range eventNames {
		if newScope([]string{event}).known(path) {
			on = append(on, event)
		}
	}
	return on
}

// use makes *n the field at path.
func (r *resolver) use(n *ast.Node, id *ast.IdentifierNode, path string, allow tolerance) {
	*n = id
	f := r.scope.field(path)
	id.Value = f.path
	if !slices.ContainsFunc(r.needs, func(g *field) bool { return g.path == f.path }) {
		r.needs = append(r.needs, f)
		if r.scope.declared[path] != nil {
			required := strings.HasPrefix(path, paramPath) && !r.scope.absent[path]
			r.typed = append(r.typed, typedNeed{f, path, id.Location().From, required})
		}
	}
	if slices.Contains(r.scope.mixed, path) {
		r.fail(id, "limit the rule to one of the events", "%s has different types in the rule's events", path)
	}
	if may, isEvent := r.scope.absent[path]; isEvent && may {
		r.absent(id, path, true, allow)
	} else if f.blank {
		r.absent(id, path, false, allow)
	}
}

// absent reports a value that may be absent where that cannot be borne.
func (r *resolver) absent(n ast.Node, path string, strict bool, allow tolerance) {
	if r.lenient || allow == any_ || allow == blanks && !strict || r.sure[n.String()] > 0 {
		return
	}
	instead := `""`
	switch f := r.scope.field(path); {
	case f == nil:
	case f.typ == types.Float64 || f.typ == types.Int:
		instead = "0"
	case f.typ == types.Bool:
		instead = "false"
	}
	r.fail(n, "write ("+path+" ?? "+instead+") or another value for that case", "%s may be absent", path)
}

func (r *resolver) call(n *ast.Node, x *ast.CallNode) {
	switch callee := x.Callee.(type) {
	case *ast.IdentifierNode:
		switch {
		case callee.Value == "now":
			if len(x.Arguments) > 0 {
				r.fail(x, "", "now() takes nothing")
			}
			id := &ast.IdentifierNode{Value: "now"}
			id.SetLocation(callee.Location())
			r.use(n, id, "now", none)
			return
		case callee.Value != "num" && callee.Value != "str":
			r.unknownFunction(callee)
		}
	case *ast.MemberNode:
		r.method(callee)
	default:
		r.fail(x, "", "this cannot be called")
	}
	r.all(x.Arguments)
}

func (r *resolver) unknownFunction(callee *ast.IdentifierNode) {
	if banned[callee.Value] != "" {
		r.unknownName(callee, callee.Value)
		return
	}
	known := append(slices.Clone(builtinNames), "now", "num", "str")
	hint := ""
	if s := diag.Suggest(callee.Value, known); s != "" {
		hint = "did you mean " + strconv.Quote(s) + "?"
	}
	r.fail(callee, hint, "unknown function %q", callee.Value)
}

// timeMethods are what may be called on a time or a duration.
var timeMethods = words(`Year Month Day Hour Minute Second Weekday YearDay Unix UnixMilli Format Add AddDate
	Sub Before After Equal Truncate Round Hours Minutes Seconds Milliseconds Abs String IsZero UTC`)

func (r *resolver) method(callee *ast.MemberNode) {
	name, ok := callee.Property.(*ast.StringNode)
	if !ok || !slices.Contains(timeMethods, name.Value) {
		called := "this"
		if ok {
			called = strconv.Quote(name.Value)
		}
		r.fail(callee, "", "%s cannot be called; only times have such functions", called)
		return
	}
	r.visit(&callee.Node, none)
}
