package rules

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/openccsp/gateway/core/diag"
)

const (
	maxFile     = 512 << 10 // bytes
	maxDepth    = 64        // of nested YAML
	maxScalar   = 64 << 10  // bytes of a text
	maxProblems = 200       // of one file
)

// source is a rule file while it is read. Problems are collected, never
// returned: a file is read to its end whatever is wrong with it.
type source struct {
	name     string
	text     string
	lines    []int32 // where each begins
	problems diag.Problems
	warnings diag.Problems
	tests    []*Test
}

func newSource(name, text string) *source {
	s := &source{name: name, text: text, lines: make([]int32, 1, 1+strings.Count(text, "\n"))}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, int32(i+1))
		}
	}
	return s
}

// hopeless reports that there are so many problems that more would help nobody.
func (s *source) hopeless() bool { return len(s.problems) >= maxProblems }

func (s *source) problem(pos diag.Pos, hint, format string, args ...any) {
	if s.hopeless() {
		return
	}
	s.problems = append(s.problems, &diag.Problem{Pos: pos, Summary: fmt.Sprintf(format, args...), Hint: hint})
}

// warn reports what may be meant.
func (s *source) warn(pos diag.Pos, hint, format string, args ...any) {
	if len(s.warnings) < maxProblems {
		s.warnings = append(s.warnings, &diag.Problem{
			Pos: pos, Summary: fmt.Sprintf(format, args...), Hint: hint, Severity: diag.Warning,
		})
	}
}

// commentAfter reports whether something that YAML takes for a comment follows
// in the line of pos.
func (s *source) commentAfter(pos diag.Pos) bool {
	if pos.Line < 1 || pos.Line > len(s.lines) {
		return false
	}
	line, _, _ := strings.Cut(s.text[s.lines[pos.Line-1]:], "\n")
	runes := []rune(line)
	return strings.Contains(string(runes[min(pos.Column-1, len(runes)):]), " #")
}

func (s *source) at(t *token.Token) diag.Pos {
	if t == nil || t.Position == nil {
		return diag.Pos{File: s.name, Line: 1, Column: 1}
	}
	return diag.Pos{File: s.name, Line: max(t.Position.Line, 1), Column: max(t.Position.Column, 1)}
}

// pos is where n begins.
func (s *source) pos(n ast.Node) diag.Pos {
	if n == nil {
		return s.at(nil)
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return s.pos(m.Values[0].Key)
	}
	return s.at(n.GetToken())
}

// parse returns the root of the file, or nil if it is empty or broken.
func (s *source) parse() (root ast.Node) {
	whole := diag.Pos{File: s.name, Line: 1, Column: 1}
	defer func() {
		if r := recover(); r != nil {
			s.problem(whole, "", "the YAML reader stumbled over this file: %v", r)
			root = nil
		}
	}()
	switch {
	case len(s.text) > maxFile:
		s.problem(whole, "split it", "the file is larger than %d bytes", maxFile)
		return nil
	case !utf8.ValidString(s.text):
		s.problem(whole, "save it as UTF-8", "the file is not UTF-8")
		return nil
	case strings.Contains(strings.ReplaceAll(s.text, "\r\n", ""), "\r"):
		s.problem(whole, "save it with the line ends of Unix or Windows", "the file has carriage returns without line feeds")
		return nil
	case tooDeep(s.text):
		s.problem(whole, "", "the file is nested deeper than %d levels", maxDepth)
		return nil
	}
	// The parser's own search for duplicate keys is quadratic; mapping does it.
	file, err := parser.ParseBytes([]byte(s.text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		s.yamlProblem(err)
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			s.problem(s.pos(doc.Body), "put it into a file of its own", "a rule file holds one YAML document")
			break
		}
		root = doc.Body
	}
	return root
}

// read returns the pairs of the file, none if it is empty or broken.
func (s *source) read() []pair {
	root := s.parse()
	if root == nil {
		return nil
	}
	pairs, _ := s.mapping(root, "a rule file")
	return pairs
}

func (s *source) yamlProblem(err error) {
	yamlErr, ok := errors.AsType[yaml.Error](err)
	if !ok {
		s.problem(s.at(nil), "", "not YAML: %s", err)
		return
	}
	message, hint := yamlErr.GetMessage(), ""
	switch {
	case strings.Contains(message, "invalid key"), strings.Contains(message, "flow map"):
		hint = `put quotes around a value that begins with {{`
	case strings.Contains(message, "mapping value is not allowed"):
		hint = `put quotes around a value that has ": " in it`
	case strings.Contains(message, "value is not allowed in this context"):
		hint = `indent keys alike, and put single quotes around a value that begins with a quote`
	case strings.Contains(message, "cannot start any token"):
		hint = "indent with spaces"
	}
	s.problem(s.at(yamlErr.GetToken()), hint, "%s", strings.ReplaceAll(message, "\t", `\t`))
}

// tooDeep guards the YAML reader, which is recursive. It counts brackets and
// dashes, also in texts, so it allows for far more than maxDepth of them.
func tooDeep(text string) bool {
	brackets := 0
	for line := range strings.Lines(text) {
		dashes := 0
		for _, c := range []byte(line) {
			switch c {
			case '[', '{':
				brackets++
			case ']', '}':
				brackets = max(0, brackets-1)
			case '-', '?', ':', '!', '&':
				dashes++
			}
			if brackets > 16*maxDepth || dashes > 64*maxDepth {
				return true
			}
		}
	}
	return false
}

type pair struct {
	key   string
	pos   diag.Pos // of the key
	value ast.Node
}

// mapping returns the pairs of n in their order. What is not a mapping is a
// problem; what says what n is.
func (s *source) mapping(n ast.Node, what string) ([]pair, bool) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		s.problem(s.pos(n), "", "%s must be a mapping of keys to values, not %s", what, kindOf(n))
		return nil, false
	}
	pairs := make([]pair, 0, len(m.Values))
	seen := make(map[string]diag.Pos, len(m.Values))
	for _, v := range m.Values {
		key, ok := v.Key.(ast.ScalarNode)
		if !ok || v.Key.Type() == ast.MergeKeyType {
			s.problem(s.pos(v.Key), "", "a key must be a plain word")
			continue
		}
		p := pair{key.GetToken().Value, s.pos(v.Key), v.Value}
		if first, twice := seen[p.key]; twice {
			s.problem(p.pos, "", "the key %q stands in line %d already", p.key, first.Line)
			continue
		}
		seen[p.key] = p.pos
		pairs = append(pairs, p)
	}
	return pairs, true
}

func (s *source) sequence(n ast.Node, what string) ([]ast.Node, bool) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		s.problem(s.pos(n), "", "%s must be a list, not %s", what, kindOf(n))
		return nil, false
	}
	return seq.Values, true
}

// scalar returns the text of n as it was written.
func (s *source) scalar(n ast.Node, what string) (*scalar, bool) {
	sc := &scalar{src: s, pos: s.pos(n)}
	switch n := n.(type) {
	case *ast.LiteralNode:
		sc.text = n.Value.Value
		sc.style = '|'
	case *ast.StringNode:
		sc.text = n.Value
		switch n.Token.Type {
		case token.SingleQuoteType:
			sc.style = '\''
		case token.DoubleQuoteType:
			sc.style = '"'
		}
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		sc.text = n.GetToken().Value
	default:
		s.problem(s.pos(n), "", "%s must be a text, not %s", what, kindOf(n))
		return nil, false
	}
	if len(sc.text) > maxScalar {
		s.problem(sc.pos, "", "%s is longer than %d bytes", what, maxScalar)
		return nil, false
	}
	sc.text = s.part(sc)
	return sc, true
}

// part returns the text of sc as a part of the file's, if it stands there as it
// is: then the reader's copy need not be kept.
func (s *source) part(sc *scalar) string {
	from := s.from(sc.pos, len(sc.text))
	if (sc.style == '\'' || sc.style == '"') && from != "" {
		from = from[1:]
	}
	if strings.HasPrefix(from, sc.text) {
		return from[:len(sc.text)]
	}
	return sc.text
}

// words reads one text or a list of texts.
func (s *source) words(n ast.Node, what string) []*scalar {
	if seq, ok := n.(*ast.SequenceNode); ok {
		var list []*scalar
		for _, v := range seq.Values {
			if sc, ok := s.scalar(v, "each "+what); ok {
				list = append(list, sc)
			}
		}
		if len(seq.Values) == 0 {
			s.problem(s.pos(n), "", "%s is an empty list", what)
		}
		return list
	}
	if sc, ok := s.scalar(n, what); ok {
		return []*scalar{sc}
	}
	return nil
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode, nil:
		return "nothing"
	case *ast.AnchorNode, *ast.AliasNode:
		return "an anchor or alias"
	case *ast.TagNode:
		return "a tagged value"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	}
	return "a text"
}
