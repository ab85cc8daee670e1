package stage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/openccsp/gateway/core/diag"
)

const (
	maxText     = 16 << 10 // bytes of a plugin.yaml, a sidecar, a signature; the YAML reader is quadratic
	maxBrackets = 64       // open at once: the YAML reader is recursive
	maxList     = 1000     // items
	maxWord     = 4096     // bytes of one item
)

// document is a YAML file of one mapping with known keys, while it is read.
// Problems are collected.
type document struct {
	file     string
	problems diag.Problems
}

// setting is the value of a key, and where the value stands.
type setting struct {
	pos   diag.Pos
	value ast.Node
}

func (d *document) problem(pos diag.Pos, hint, format string, args ...any) {
	if !d.hopeless() {
		d.problems = append(d.problems, &diag.Problem{Pos: pos, Summary: fmt.Sprintf(format, args...), Hint: hint})
	}
}

// hopeless reports that more problems would help nobody.
func (d *document) hopeless() bool { return len(d.problems) >= 50 }

// read returns the settings in text. Keys that are not known, or stand there
// twice, are problems.
func (d *document) read(text []byte, known []string) map[string]setting {
	root := d.parse(text)
	if root == nil {
		return nil
	}
	m, ok := root.(*ast.MappingNode)
	if !ok {
		d.problem(d.at(root), "", "the file must be a mapping of keys to values")
		return nil
	}
	out := make(map[string]setting)
	for _, v := range m.Values {
		if d.hopeless() {
			break
		}
		key := v.Key.GetToken()
		pos := d.place(key)
		_, scalar := v.Key.(ast.ScalarNode)
		switch _, twice := out[key.Value]; {
		case !scalar || v.Key.Type() == ast.MergeKeyType:
			d.problem(pos, "", "a key must be a plain word")
		case twice:
			d.problem(pos, "", "the key %q stands here twice", key.Value)
		case !slices.Contains(known, key.Value):
			d.problem(pos, diag.DidYouMean(key.Value, known), "unknown key %q", clip(key.Value))
		default:
			out[key.Value] = setting{d.at(v.Value), v.Value}
		}
	}
	return out
}

// parse returns the root of text, nil if it is empty or broken.
func (d *document) parse(text []byte) (root ast.Node) {
	whole := diag.Pos{File: d.file, Line: 1, Column: 1}
	defer func() {
		if r := recover(); r != nil {
			d.problem(whole, "", "the YAML reader stumbled over this file")
			root = nil
		}
	}()
	switch {
	case len(text) > maxText:
		d.problem(whole, "", "the file is larger than %d bytes", maxText)
		return nil
	case !utf8.Valid(text):
		d.problem(whole, "save it as UTF-8", "the file is not UTF-8")
		return nil
	case tooDeep(text):
		d.problem(whole, "", "the file is nested too deep")
		return nil
	}
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if e, ok := errors.AsType[yaml.Error](err); ok {
			d.problem(d.place(e.GetToken()), "", "%s", clip(printable(e.GetMessage())))
			return nil
		}
		d.problem(whole, "", "not YAML: %s", clip(printable(err.Error())))
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			d.problem(d.at(doc.Body), "", "the file holds more than one YAML document")
			return nil
		}
		root = doc.Body
	}
	return root
}

// tooDeep looks at what could nest, also in texts.
func tooDeep(text []byte) bool {
	open := 0
	for line := range strings.Lines(string(text)) {
		marks := 0
		for _, c := range []byte(line) {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(0, open-1)
			case '-', '?', ':', '!', '&':
				marks++
			}
		}
		if open > maxBrackets || marks > maxWord {
			return true
		}
	}
	return false
}

func (d *document) place(t *token.Token) diag.Pos {
	if t == nil || t.Position == nil {
		return diag.Pos{File: d.file, Line: 1, Column: 1}
	}
	return diag.Pos{File: d.file, Line: max(t.Position.Line, 1), Column: max(t.Position.Column, 1)}
}

func (d *document) at(n ast.Node) diag.Pos {
	if n == nil {
		return d.place(nil)
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return d.place(m.Values[0].Key.GetToken())
	}
	return d.place(n.GetToken())
}

// word is one text and where it stands.
type word struct {
	text string
	pos  diag.Pos
}

// text returns the scalar s as it was written.
func (d *document) text(key string, s setting) (word, bool) {
	var text string
	switch n := s.value.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		text = n.GetToken().Value
	default:
		d.problem(s.pos, "", "%s must be a text", key)
		return word{}, false
	}
	switch {
	case text == "":
		d.problem(s.pos, "", "%s is empty", key)
	case len(text) > maxWord:
		d.problem(s.pos, "", "%s is longer than %d bytes", key, maxWord)
	case strings.ContainsRune(text, 0):
		d.problem(s.pos, "", "%s has a NUL in it", key)
	default:
		return word{text, s.pos}, true
	}
	return word{}, false
}

// list returns the items of s, which must be texts.
func (d *document) list(key string, s setting) []word {
	seq, ok := s.value.(*ast.SequenceNode)
	if !ok {
		d.problem(s.pos, "write "+key+": [one, two]", "%s must be a list", key)
		return nil
	}
	switch {
	case len(seq.Values) == 0:
		d.problem(s.pos, "", "%s is an empty list", key)
	case len(seq.Values) > maxList:
		d.problem(s.pos, "", "%s has more than %d items", key, maxList)
		return nil
	}
	var words []word
	for _, v := range seq.Values {
		if w, ok := d.text("each item of "+key, setting{d.at(v), v}); ok {
			words = append(words, w)
		}
	}
	return words
}

func (d *document) bool(key string, s setting) (value, ok bool) {
	n, ok := s.value.(*ast.BoolNode)
	if !ok {
		d.problem(s.pos, "write true or false", "%s must be true or false", key)
		return false, false
	}
	return n.Value, true
}
