package rules

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/openccsp/gateway/core/diag"
)

// Format returns a rule file in its normal form: one space where one is enough, at
// most one blank line in a row, comments where they were. A file that this would
// change in its meaning, or that is no YAML, is an error.
func Format(name, text string) (string, error) {
	before, err := readFormat(name, text)
	if err != nil {
		return "", err
	}
	if before.root == nil {
		return text, nil
	}
	out, err := printYAML(name, text)
	if err != nil {
		return "", err
	}
	after, err := readFormat(name, out)
	again, err2 := printYAML(name, out)
	switch {
	case err != nil, err2 != nil, again != out, !reflect.DeepEqual(before.value, after.value), !slices.Equal(before.comments, after.comments):
		p := diag.Errorf(diag.Pos{File: name}, "it cannot be written in the normal form without a change of its meaning")
		p.Hint = "it is left as it is"
		return "", p
	}
	return out, nil
}

// formatted is what must stay as it is.
type formatted struct {
	root     ast.Node
	value    any
	comments []string
}

func readFormat(name, text string) (formatted, error) {
	s := newSource(name, text)
	f := formatted{root: s.parse()}
	if f.root != nil {
		f.value = meaning(f.root)
	}
	if err := s.problems.Err(); err != nil {
		return f, err
	}
	for _, t := range lexer.Tokenize(text) {
		if t.Type == token.CommentType {
			f.comments = append(f.comments, strings.TrimSpace(t.Value))
		}
	}
	return f, nil
}

// meaning is all of n but how it is laid out.
func meaning(n ast.Node) any {
	switch n := n.(type) {
	case *ast.MappingNode:
		var list []any
		for _, v := range n.Values {
			list = append(list, meaning(v.Key), meaning(v.Value))
		}
		return append([]any{"map"}, list...)
	case *ast.SequenceNode:
		list := []any{"list"}
		for _, v := range n.Values {
			list = append(list, meaning(v))
		}
		return list
	case *ast.LiteralNode:
		return "text " + n.Value.Value
	case *ast.StringNode:
		return "text " + n.Value
	case nil:
		return nil
	}
	return fmt.Sprintf("%s %s", n.Type(), n.String())
}

// printYAML writes a file as the YAML library does. It may stumble over odd files.
func printYAML(name, text string) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = diag.Errorf(diag.Pos{File: name}, "the YAML writer stumbled over this file: %v", r)
		}
	}()
	f, err := parser.ParseBytes([]byte(text), parser.ParseComments, parser.AllowDuplicateMapKey())
	if err != nil {
		return "", diag.Errorf(diag.Pos{File: name}, "%s", err)
	}
	lines := strings.Split(f.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r")
	}
	out = strings.Trim(strings.Join(lines, "\n"), "\n") + "\n"
	for strings.Contains(out, "\n\n\n") {
		out = strings.ReplaceAll(out, "\n\n\n", "\n\n")
	}
	return airy(out), nil
}

// airy puts a space behind { and before }.
func airy(text string) string {
	lines := strings.Split(text, "\n")
	tokens := lexer.Tokenize(text)
	for _, t := range slices.Backward(tokens) {
		at := t.Position.Line - 1
		if at < 0 || at >= len(lines) {
			continue
		}
		line, col := []rune(lines[at]), t.Position.Column-1
		switch {
		case col < 0 || col >= len(line):
			continue
		case t.Type == token.MappingStartType && line[col] == '{' && col+1 < len(line) && !strings.ContainsRune(" }", line[col+1]):
			line = slices.Insert(line, col+1, ' ')
		case t.Type == token.MappingEndType && line[col] == '}' && col > 0 && !strings.ContainsRune(" {", line[col-1]):
			line = slices.Insert(line, col, ' ')
		}
		lines[at] = string(line)
	}
	return strings.Join(lines, "\n")
}
