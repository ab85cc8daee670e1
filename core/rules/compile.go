package rules

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/checker/nature"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/openccsp/gateway/core/diag"
)

const (
	maxNodes      = 500
	maxExpression = 8 << 10 // bytes
)

// program is one compiled expression, safe for concurrent use.
type program struct {
	code   *vm.Program
	needs  []*field
	typed  []typedNeed // those of needs that may be of another type than declared
	in     *scalar
	offset int32        // in runes, of the text of the expression inside in
	lead   int32        // runes of blank space before the expression
	facts  []string     // paths that are not nil where the condition holds
	kind   reflect.Kind // of its value; Interface or Invalid: not known
	comp   *compilation
	scope  *scope
}

// again compiles the condition p up to its checked tree. Trees are not kept:
// they are larger than what is run, and seldom looked at.
func (p *program) again(look func(*parser.Tree, map[ast.Node][]use)) {
	c := p.comp
	c.mu.Lock() // the config has caches
	defer c.mu.Unlock()
	c.prepare()
	c.compile(p.in, p.in.text, 0, p.scope, want{condition: true, look: look})
}

// typedNeed is a declared value that an expression needs.
type typedNeed struct {
	field    *field
	path     string // as it is written
	at       int    // in the expression, where it is named first
	required bool   // it must be there
}

// place is where in the files the rune at of the expression stands.
func (p *program) place(at int) diag.Pos { return p.comp.declared.lets.place(p.in, int(p.offset), at) }

// run evaluates p. An error is a *diag.Problem with the place in the rule file.
func (p *program) run(e *evaluator) (any, error) {
	e.fill(p.needs)
	if len(p.typed) > 0 {
		if err := p.readable(e); err != nil {
			return nil, err
		}
	}
	v, err := e.vm.Run(p.code, e.values)
	if err == nil {
		return v, nil
	}
	if fe, ok := errors.AsType[*file.Error](err); ok {
		return nil, diag.Errorf(p.place(fe.From), "%s", runtimeMessage(fe.Message))
	}
	return nil, p.problem("%s", err.Error())
}

// readable returns an error if a declared value is not what it is declared to
// be, whether the expression would come to it or not.
func (p *program) readable(e *evaluator) error {
	for _, t := range p.typed {
		switch v := e.values[t.field.path].(type) {
		case *diag.Problem: // of a text, which has its own place
			return v
		case error:
			return diag.Errorf(p.place(t.at), "%s", v)
		case nil:
			if t.required {
				return diag.Errorf(p.place(t.at), "%s is absent, which its declaration does not allow", t.path)
			}
		}
	}
	return nil
}

// problem is at the beginning of the expression.
func (p *program) problem(format string, args ...any) error {
	return diag.Errorf(p.in.place(int(p.offset+p.lead)), format, args...)
}

// runtimeMessage puts what a nil does in Go into the words of a rule.
func runtimeMessage(message string) string {
	if strings.Contains(message, "interface conversion") || strings.Contains(message, "nil") {
		return "a value is absent or of another type here: " + message
	}
	return message
}

// banned functions, and why.
var banned = map[string]string{
	"keys":     "the order of names is not fixed",
	"values":   "the order of names is not fixed",
	"toPairs":  "the order of names is not fixed",
	"repeat":   "it can fill the memory",
	"timezone": "times are in the service's zone",
}

// compiler settings shared by all expressions of a load.
type compilation struct {
	mu       sync.Mutex // held by those that compile once the set is loaded
	config   *conf.Config
	declared *declarations
	own      []*field          // names of a flow
	locales  map[string]string // of the services
	scopes   map[string]*scope // made so far
}

// newCompilation returns what compiles expressions that name fields, what is
// declared, and own names of a flow.
func newCompilation(d *declarations, own ...*field) *compilation {
	c := &compilation{declared: d, own: own, scopes: map[string]*scope{}}
	c.prepare()
	return c
}

// prepare makes the config if there is none.
func (c *compilation) prepare() {
	if c.config != nil {
		return
	}
	env := types.Map{}
	for path, f := range fields {
		env[path] = f.typ
	}
	for _, f := range slices.Concat(c.declared.fields(), c.own) {
		env[f.path] = f.typ
	}
	config := exprConfig // its tables are read only
	config.WithEnv(env)
	c.config = &config
}

// rest lets the config go, which is large, until something is to be compiled
// again.
func (c *compilation) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config = nil
}

// exprConfig is what expressions have beside the names of values.
var exprConfig = func() conf.Config {
	c := conf.CreateNew()
	c.MaxNodes = maxNodes
	for name := range banned {
		delete(c.Builtins, name)
		c.Disabled[name] = true
	}
	delete(c.Builtins, "now")
	for _, f := range functions {
		c.Functions[f.Name] = f
	}
	return *c
}()

var functions = []*builtin.Function{
	{Name: "num", Func: toNumber, Types: []reflect.Type{reflect.TypeFor[func(any) float64]()}},
	{Name: "str", Func: toText, Types: []reflect.Type{reflect.TypeFor[func(any) string]()}},
}

func toNumber(params ...any) (any, error) {
	switch v := params[0].(type) {
	case float64:
		return v, nil
	case int:
		return float64(v), nil
	case string:
		n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return nil, fmt.Errorf("num: %.40q is not a number", v)
		}
		return n, nil
	case nil:
		return nil, errors.New("num: there is no value")
	}
	return nil, fmt.Errorf("num: cannot make a number of a %s", typeWord(reflect.TypeOf(params[0]).String()))
}

func toText(params ...any) (any, error) {
	s, err := show(params[0])
	if err != nil {
		return nil, fmt.Errorf("str: %w", err)
	}
	return s, nil
}

// want says what an expression is for.
type want struct {
	condition bool    // it must be true or false
	limits    []claim // what is known where it is evaluated
	template  bool    // a blank value is told when it is evaluated, not at load

	name string                                 // of the let that it is looked at for; "": it is to be used
	look func(*parser.Tree, map[ast.Node][]use) // gets the checked tree, and nothing is compiled
}

// compile checks the expression src, which begins at rune offset of in. It
// adds its problems to the source and returns nil if there are any.
func (c *compilation) compile(in *scalar, src string, offset int, s *scope, w want) *program {
	r := &resolver{scope: s, comp: c}
	report := func(at int, hint, format string, args ...any) *program {
		user := r.user
		if r.lenient {
			user = nil
		}
		c.problem(in, offset, at, user, hint, format, args...)
		return nil
	}
	r.report = func(at int, hint, format string, args ...any) { report(at, hint, format, args...) }
	r.warnAt = func(at int, hint, format string, args ...any) {
		if w.look != nil {
			return // it was told when the rule was loaded
		}
		in.src.warn(c.declared.lets.place(in, offset, at), hint, format, args...)
	}
	lead := leading(src)
	switch {
	case strings.TrimSpace(src) == "":
		return report(0, "", "an expression is missing here")
	case len(src) > maxExpression:
		return report(lead, "split the rule", "the expression is longer than %d bytes", maxExpression)
	}
	tree, err := parser.ParseWithConfig(src, c.config)
	if err != nil {
		return c.report(err, lead, report)
	}
	r.root(&tree.Node, w)
	sure := facts(tree.Node, true)
	if r.failed || !withinLimits(tree.Node, r) {
		return nil
	}
	t, err := new(checker.Checker).PatchAndCheck(tree, c.config)
	if err != nil {
		return c.report(err, lead, report)
	}
	if w.condition && t.Kind() != reflect.Bool && t.Kind() != reflect.Interface {
		return report(lead, `compare it with something, such as x == "y"`,
			"a condition must be true or false, but this is a %s", typeWord(t.String()))
	}
	if w.look != nil {
		ast.Walk(&tree.Node, forgetTypes{})
		w.look(tree, r.uses)
		return nil
	}
	fine := w.condition && (&analysis{r: r, claims: map[ast.Node]claim{}}).condition(tree.Node, w.limits, "the condition")
	// Compared values may be nil, so no comparison may count on their types.
	ast.Walk(&tree.Node, forgetTypes{})
	if err := optimizer.Optimize(&tree.Node, c.config); err != nil {
		return c.report(err, lead, report)
	}
	code, err := compiler.Compile(tree, c.config)
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		return report(lead, "", "%s", message)
	}
	forgetTree(tree.Node)
	p := &program{
		in: in, offset: int32(offset), lead: int32(lead), code: code, needs: r.needs, typed: r.typed, facts: sure, kind: t.Kind(),
		comp: c, scope: s,
	}
	if fine && len(r.needs) == 0 {
		p.constantly(r.warnAt)
	}
	return p
}

// forgetTree cuts the parts off a tree that has been compiled: its root stays in
// the program, and they would stay with it.
func forgetTree(root ast.Node) {
	switch n := root.(type) {
	case *ast.BinaryNode:
		n.Left, n.Right = nil, nil
	case *ast.UnaryNode:
		n.Node = nil
	case *ast.BuiltinNode:
		n.Arguments, n.Map = nil, nil
	case *ast.CallNode:
		n.Callee, n.Arguments = nil, nil
	case *ast.ConditionalNode:
		n.Cond, n.Exp1, n.Exp2 = nil, nil, nil
	case *ast.VariableDeclaratorNode:
		n.Value, n.Expr = nil, nil
	}
}

// problem reports a mistake at the rune at of an expression. One in a let is
// told once for each file, with the place that uses it.
func (c *compilation) problem(in *scalar, offset, at int, user ast.Node, hint, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if l := c.declared.lets.of(at); l != nil {
		key := in.src.name + "\x00" + message
		if l.told[key] {
			return
		}
		l.told[key] = true
		if user != nil {
			message += fmt.Sprintf(" (used at %s)", in.place(offset+user.Location().From))
		}
	}
	pos := c.declared.lets.place(in, offset, at)
	if strings.HasPrefix(message, tooEarly) && in.src.commentAfter(pos) {
		hint = "a # after a space begins a comment in YAML; put quotes around the expression"
	}
	in.src.problem(pos, hint, "%s", message)
}

const tooEarly = "the expression ends too early"

func (c *compilation) report(err error, lead int, report func(int, string, string, ...any) *program) *program {
	fe, ok := errors.AsType[*file.Error](err)
	if !ok {
		return report(lead, "", "%s", err.Error())
	}
	message, hint := plainMessage(fe.Message)
	return report(max(fe.From, 0), hint, "%s", message)
}

type forgetTypes struct{}

func (forgetTypes) Visit(n *ast.Node) {
	if b, ok := (*n).(*ast.BinaryNode); ok && (b.Operator == "==" || b.Operator == "!=") {
		for _, side := range []ast.Node{b.Left, b.Right} {
			side.SetNature(nature.Nature{})
		}
	}
}

var mismatched = regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types? (.+?)(?: and (.+))?\)$`)

// plainMessage puts a message of the expression library into plain words.
func plainMessage(message string) (plain, hint string) {
	if m := mismatched.FindStringSubmatch(message); m != nil {
		left, right := typeWord(m[2]), typeWord(m[3])
		if m[3] == "" {
			return fmt.Sprintf("%s cannot be used with a %s", m[1], left), ""
		}
		switch {
		case left == "number" && right == "text", left == "text" && right == "number":
			hint = "a text has quotes, a number has none; num(x) reads a number from a text"
		case left == "bool" || right == "bool":
			hint = "use brackets if the parts belong together otherwise"
		}
		return fmt.Sprintf("%s cannot be used between a %s and a %s", m[1], left, right), hint
	}
	if rest, ok := strings.CutPrefix(message, "unexpected token EOF"); ok {
		return tooEarly + rest, ""
	}
	if rest, ok := strings.CutPrefix(message, `unexpected token Operator("=")`); ok {
		return `unexpected "="` + rest, `compare with ==`
	}
	if strings.Contains(message, "cannot be mixed") {
		return "?? needs brackets around it here", `write (x ?? "") == "y"`
	}
	if strings.Contains(message, "exceeds maximum allowed nodes") {
		return fmt.Sprintf("the expression has more than %d parts", maxNodes), "split the rule"
	}
	if before, after, ok := strings.Cut(message, " has no field "); ok && strings.HasPrefix(before, "type ") {
		return fmt.Sprintf("there is no field %q in a %s", after, typeWord(strings.TrimPrefix(before, "type "))), ""
	}
	return message, ""
}

func typeWord(t string) string {
	switch {
	case t == "string":
		return "text"
	case t == "float64" || strings.HasPrefix(t, "int") && t != "interface {}":
		return "number"
	case strings.HasPrefix(t, "[]"):
		return "list"
	case strings.HasPrefix(t, "map["):
		return "group of named values"
	case t == "time.Time":
		return "time"
	case t == "time.Duration":
		return "duration"
	case t == "interface {}" || t == "unknown" || t == "<nil>" || t == "nil":
		return "value of unknown type"
	}
	return t
}
