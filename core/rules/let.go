package rules

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/openccsp/gateway/core/diag"
)

// let is a named expression. It is put in wherever its name stands; nothing is
// kept of it between evaluations.
type let struct {
	name   string
	in     *scalar
	broken bool            // its problems have been told
	told   map[string]bool // problems of its uses
}

// letTable are the named expressions of a file, the shared ones first.
type letTable []*let

// letBase is added to the places of nodes that come from a let, once for the
// first one, twice for the second, and so on: no expression is that long.
const letBase = 1 << 20

// place returns where in the files the rune at of an expression stands, which
// begins at rune offset of in or comes from a let.
func (t letTable) place(in *scalar, offset, at int) diag.Pos {
	if l := t.of(at); l != nil {
		return l.in.place(at % letBase)
	}
	return in.place(offset + at)
}

// of returns the let that the rune at comes from, nil if from none.
func (t letTable) of(at int) *let {
	if n := at / letBase; n > 0 && n <= len(t) {
		return t[n-1]
	}
	return nil
}

func (t letTable) index(name string) int {
	return slices.IndexFunc(t, func(l *let) bool { return l.name == name })
}

func (t letTable) names() []string {
	names := make([]string, len(t))
	for i, l := range t {
		names[i] = l.name
	}
	return names
}

var letName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// keywords cannot be the name of a let or of an answer.
var keywords = words(`event conversation customer chat service texts payload now num str params reply steps
	true false nil in not and or let if else matches contains startsWith endsWith`)

// reserved says whether a name means something else in expressions.
func reserved(name string) bool {
	return slices.Contains(keywords, name) || slices.Contains(builtinNames, name) || banned[name] != ""
}

func (d *declarer) readLets(p pair) {
	pairs, _ := d.src.mapping(p.value, "let")
	for _, q := range pairs {
		sc, ok := d.src.scalar(q.value, "a named expression")
		switch {
		case !ok:
		case !letName.MatchString(q.key):
			d.src.problem(q.pos, "use letters, digits and _", "%q cannot be a name in expressions", q.key)
		case reserved(q.key):
			d.src.problem(q.pos, "", "%q has a meaning in expressions already", q.key)
		case d.take("let", q.key, q.pos):
			d.lets = append(d.lets, &let{name: q.key, in: sc, told: map[string]bool{}})
		}
	}
}

// checkLet reports what is wrong with l whoever uses it.
func (c *compilation) checkLet(l *let) {
	before := len(l.in.src.problems)
	if strings.HasPrefix(strings.TrimSpace(l.in.text), "{{") {
		l.in.src.problem(l.in.pos, "write it without {{ }}", "a named expression is not a template")
	} else {
		c.compile(l.in, l.in.text, 0, c.lenient(), want{name: l.name})
	}
	l.broken = len(l.in.src.problems) > before
}

// use is where a let has been put in.
type use struct {
	name string
	at   int // where its name stands
}

// substitute replaces *n, the name of a let, by what it stands for.
func (r *resolver) substitute(n *ast.Node, index int, allow tolerance) {
	l, at := r.comp.declared.lets[index], (*n).Location().From
	if r.user == nil {
		r.user = *n
		defer func() { r.user = nil }()
	}
	if slices.Contains(r.within, l.name) {
		chain := append(r.within[slices.Index(r.within, l.name):], l.name)
		r.fail(*n, "", "%s refers to itself: %s", l.name, strings.Join(chain, ", "))
		return
	}
	if l.broken || r.nodes > maxNodes { // that has been told
		r.failed = true
		return
	}
	tree, err := parser.ParseWithConfig(l.in.text, r.comp.config)
	if err != nil {
		r.failed = true // checkLet tells of it
		return
	}
	shift := &shifter{by: (index + 1) * letBase}
	ast.Walk(&tree.Node, shift)
	if r.nodes += shift.nodes; r.nodes > maxNodes {
		r.fail(r.user, "split the rule", "with what its names stand for the expression has more than %d parts", maxNodes)
		return
	}
	vars := r.vars // a let does not see them
	r.vars, r.within = nil, append(r.within, l.name)
	*n = tree.Node
	r.visit(n, allow)
	r.vars, r.within = vars, r.within[:len(r.within)-1]
	if r.uses == nil {
		r.uses = map[ast.Node][]use{}
	}
	r.uses[*n] = append(r.uses[*n], use{l.name, at})
}

// shifter gives nodes the places of a let.
type shifter struct{ by, nodes int }

func (s *shifter) Visit(n *ast.Node) {
	s.nodes++
	at := (*n).Location()
	(*n).SetLocation(file.Location{From: at.From + s.by, To: at.To + s.by})
}

// leading counts the runes of blank space that text begins with.
func leading(text string) int {
	return utf8.RuneCountInString(text) - utf8.RuneCountInString(strings.TrimLeft(text, " \t\r\n"))
}
