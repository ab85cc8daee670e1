package rules

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core/diag"
)

// sharedFiles are the names, in the top folder, of the file whose declarations
// are for all files.
var sharedFiles = []string{"_shared.yaml", "_shared.yml"}

// declarationKeys are the keys of a file that declare something for its rules.
var declarationKeys = []string{"let", "events", "attributes", "texts"}

// declarations are what a file and the shared file declare. They do not change
// once they have been read.
type declarations struct {
	lets       letTable
	events     map[string][]param // of custom events, by name
	attributes []*field
	texts      []*field

	places map[string]diag.Pos // of what is declared, by kind and name
}

// with returns a copy that can be added to.
func (d *declarations) with() *declarations {
	next := &declarations{
		lets: slices.Clone(d.lets), events: map[string][]param{},
		attributes: slices.Clone(d.attributes), texts: slices.Clone(d.texts), places: map[string]diag.Pos{},
	}
	for name, params := range d.events {
		next.events[name] = params
	}
	for name, pos := range d.places {
		next.places[name] = pos
	}
	return next
}

// declare returns c with what the pairs of a file declare, or c itself if they
// declare nothing.
func (c *compilation) declare(src *source, pairs []pair) *compilation {
	if !slices.ContainsFunc(pairs, func(p pair) bool { return slices.Contains(declarationKeys, p.key) }) {
		return c
	}
	d := &declarer{src: src, declarations: c.declared.with()}
	own := len(d.lets)
	var texts []pair
	for _, p := range pairs {
		switch p.key {
		case "let":
			d.readLets(p)
		case "events":
			d.readEvents(p)
		case "attributes":
			d.readAttributes(p)
		case "texts":
			texts = append(texts, p)
		}
	}
	next := newCompilation(d.with()) // without the texts: no text is made of others
	next.locales = c.locales
	for _, l := range d.lets[own:] {
		next.checkLet(l)
	}
	for _, p := range texts { // they may use all of the others
		d.readTexts(p, next)
	}
	next = newCompilation(d.declarations)
	next.locales = c.locales
	return next
}

// declarer reads the declarations of one file.
type declarer struct {
	src *source
	*declarations
}

// take reserves a name. One that is taken, in this file or in the shared one,
// is a problem: nobody should have to know which of two wins.
func (d *declarer) take(kind, name string, pos diag.Pos) bool {
	first, taken := d.places[kind+" "+name]
	if taken {
		d.src.problem(pos, "", "%q is declared at %s already", name, first)
		return false
	}
	d.places[kind+" "+name] = pos
	return true
}

// The types of declared values.
var valueTypes = []string{"string", "number", "bool"}

// param is a declared value of a custom event.
type param struct {
	name     string
	typ      string // one of valueTypes
	optional bool   // it may be absent
}

func (d *declarer) readEvents(p pair) {
	pairs, _ := d.src.mapping(p.value, "events")
	for _, q := range pairs {
		if events[q.key] != nil {
			d.src.problem(q.pos, "", "%q is an event of the gateway; events declares custom ones", q.key)
			continue
		}
		params := []param{} // not nil: an event without params is declared, too
		values, _ := d.src.mapping(q.value, "the params of an event")
		for _, v := range values {
			name, optional := strings.CutSuffix(v.key, "?")
			if slices.ContainsFunc(params, func(p param) bool { return p.name == name }) {
				d.src.problem(v.pos, "", "the param %q stands there already", name)
				continue
			}
			if typ, ok := d.valueType(v.value); ok {
				params = append(params, param{name, typ, optional})
			}
		}
		if d.take("event", q.key, q.pos) {
			d.events[q.key] = params
		}
	}
}

func (d *declarer) readAttributes(p pair) {
	pairs, _ := d.src.mapping(p.value, "attributes")
	owners := []string{"conversation", "customer"}
	for _, q := range pairs {
		if !slices.Contains(owners, q.key) {
			d.src.problem(q.pos, diag.DidYouMean(q.key, owners), "%q has no attributes", q.key)
			continue
		}
		values, _ := d.src.mapping(q.value, "attributes")
		for _, v := range values {
			name, marked := strings.CutSuffix(v.key, "?")
			if marked {
				d.src.problem(v.pos, "write "+name, "an attribute may always be absent; it takes no ?")
			}
			path := q.key + ".attributes." + name
			if typ, ok := d.valueType(v.value); ok && d.take("attribute", path, v.pos) {
				d.attributes = append(d.attributes, attributeField(path, typ))
			}
		}
	}
}

// valueType reads the name of a type.
func (d *declarer) valueType(n ast.Node) (string, bool) {
	sc, ok := d.src.scalar(n, "a type")
	if !ok {
		return "", false
	}
	if !slices.Contains(valueTypes, sc.text) {
		d.src.problem(sc.pos, diag.DidYouMean(sc.text, valueTypes), "unknown type %q", sc.text)
		return "", false
	}
	return sc.text, true
}
