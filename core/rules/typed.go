package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/types"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk"
)

// exprTypes are the types of declared values in expressions.
var exprTypes = map[string]types.Type{"string": types.String, "number": types.Float64, "bool": types.Bool, "any": types.Any}

// typed returns s as a value of one of valueTypes, nil if it is blank, or the
// error that it cannot be read so: the caller puts it where the value would be.
func typed(path, s, typ string) any {
	if text(s) == nil {
		return nil
	}
	switch typ {
	case "number":
		n, err := toNumber(s)
		if err != nil {
			return fmt.Errorf("%s is declared to be a number, but is %.40q", path, s)
		}
		return n
	case "bool":
		switch strings.ToLower(strings.TrimSpace(s)) {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
		return fmt.Errorf("%s is declared to be true or false, but is %.40q", path, s)
	}
	return s
}

// attributeField is the declared attribute at a path such as
// customer.attributes.age.
func attributeField(path, typ string) *field {
	owner, name, _ := strings.Cut(path, ".attributes.")
	return &field{path, exprTypes[typ], true, func(e *env) any {
		if owner == "customer" {
			return typed(path, e.view.GetCustomer().GetAttributes()[name], typ)
		}
		return typed(path, e.view.GetAttributes()[name], typ)
	}}
}

const paramPath = "event.params."

// param is a declared value of a custom event. Two events may have values of
// one name and of different types: then the type is part of what expressions
// call it inside.
func (d *declarations) param(name, typ string) *field {
	path := paramPath + name
	if len(d.paramTypes(name)) > 1 {
		path += ":" + typ
	}
	return &field{path, exprTypes[typ], false, func(e *env) any {
		return typed(paramPath+name, e.event().GetParams()[name], typ)
	}}
}

// paramTypes are the types that values of a name are declared with, and "any"
// if there is more than one.
func (d *declarations) paramTypes(name string) (types []string) {
	for _, params := range d.events {
		for _, p := range params {
			if p.name == name && !slices.Contains(types, p.typ) {
				types = append(types, p.typ)
			}
		}
	}
	if len(types) > 1 {
		types = append(types, "any")
	}
	return types
}

// fields are all that is declared, for the environment of expressions.
func (d *declarations) fields() []*field {
	all := slices.Concat(d.attributes, d.texts)
	for _, params := range d.events {
		for _, p := range params {
			for _, typ := range d.paramTypes(p.name) {
				all = append(all, d.param(p.name, typ))
			}
		}
	}
	return all
}

// scope is what the expressions of a rule on these events see.
func (c *compilation) scope(on, eventNames []string) *scope {
	key := strings.Join(on, ",") + "\x00" + strings.Join(eventNames, "\x00")
	if c.scopes[key] == nil {
		c.scopes[key] = c.newScope(on, eventNames)
	}
	return c.scopes[key]
}

func (c *compilation) newScope(on, eventNames []string) *scope {
	s := newScope(on)
	s.declared = map[string]*field{}
	for _, f := range slices.Concat(c.declared.attributes, c.declared.texts) {
		s.declared[f.path] = f
	}
	if slices.Contains(on, sdk.CustomEvent) && len(eventNames) > 0 {
		s.params(c.declared, on, eventNames)
	}
	return s
}

// params declares the values of the named events, if all of them are declared.
// A value that not all of them have may be absent.
func (s *scope) params(d *declarations, on, eventNames []string) {
	byName := map[string][]param{}
	for _, event := range eventNames {
		params, ok := d.events[event]
		if !ok {
			return
		}
		for _, p := range params {
			byName[p.name] = append(byName[p.name], p)
		}
	}
	s.closed = true
	for name, all := range byName {
		typ := all[0].typ
		may := len(all) < len(eventNames) || len(on) > 1
		for _, p := range all {
			if p.typ != typ {
				s.mixed = append(s.mixed, paramPath+name)
			}
			may = may || p.optional
		}
		s.declared[paramPath+name] = d.param(name, typ)
		s.absent[paramPath+name] = may
	}
}

// lenient is the scope in which a let is checked on its own: it may be meant
// for any event.
func (c *compilation) lenient() *scope {
	const key = "of a let" // no list of events
	if s := c.scopes[key]; s != nil {
		return s
	}
	s := c.newScope(eventNames, nil)
	c.scopes[key] = s
	for _, params := range c.declared.events {
		for _, p := range params {
			types := c.declared.paramTypes(p.name)
			path := paramPath + p.name
			s.declared[path], s.absent[path] = c.declared.param(p.name, types[len(types)-1]), false
		}
	}
	return s
}

// undeclared reports a param that the event's declaration does not have.
func (r *resolver) undeclared(n ast.Node, path string) {
	var near []string
	for p := range r.scope.declared {
		if strings.HasPrefix(p, paramPath) {
			near = append(near, p)
		}
	}
	slices.Sort(near)
	hint := "declare it under events"
	if s := diag.Suggest(path, near); s != "" {
		hint = `did you mean "` + s + `"?`
	}
	r.fail(n, hint, "%s is not declared", path)
}

// nearlyDeclared warns of an attribute that is probably a declared one.
func (r *resolver) nearlyDeclared(x *ast.MemberNode, path string) {
	name, ok := x.Property.(*ast.StringNode)
	if !ok {
		return
	}
	var names []string
	for p := range r.scope.declared {
		if rest, ok := strings.CutPrefix(p, path+"."); ok {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	if s := diag.Suggest(name.Value, names); s != "" {
		r.warn(x, `did you mean "`+path+"."+s+`"?`, "%s.%s is not declared and is a text", path, name.Value)
	}
}

// suits reports a text, without templates in it, that cannot be read as what the
// value at the path is declared to be.
func (l *ruleLoader) suits(p pair, path string, t *template) {
	f := l.scope.declared[path]
	if f == nil {
		return
	}
	for typ, is := range exprTypes {
		if is == f.typ {
			l.readable(t, l.src.pos(p.value), path, typ)
		}
	}
}

// readable reports a text, without templates in it, that cannot be read as a type.
func (l *ruleLoader) readable(t *template, pos diag.Pos, path, typ string) {
	text, ok := t.literal()
	if !ok {
		return
	}
	if err, ok := typed(path, text, typ).(error); ok {
		l.src.problem(pos, "", "%s", err)
	}
}
