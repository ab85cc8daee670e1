package config

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/openccsp/gateway/core/diag"
)

// A reader collects the problems of one file.
type reader struct {
	dir      string // of the file
	start    diag.Pos
	eval     *hcl.EvalContext
	problems diag.Problems
	warnings diag.Problems
	files    []string // that file("path") named
	inputs   []string // of env and file, with what they gave
}

// problem adds a problem. What follows the last semicolon of format is its hint.
func (r *reader) problem(pos diag.Pos, format string, args ...any) {
	r.problems = append(r.problems, newProblem(pos, format, args...))
}

func (r *reader) warn(pos diag.Pos, format string, args ...any) {
	p := newProblem(pos, format, args...)
	p.Severity = diag.Warning
	r.warnings = append(r.warnings, p)
}

func newProblem(pos diag.Pos, format string, args ...any) *diag.Problem {
	p := diag.Errorf(pos, format, args...)
	if i := strings.LastIndex(p.Summary, "; "); i >= 0 && strings.Contains(format, "; ") {
		p.Summary, p.Hint = p.Summary[:i], p.Summary[i+2:]
	}
	return p
}

// report turns HCL's diagnostics into problems of our own form.
func (r *reader) report(diags hcl.Diagnostics) {
	for _, d := range diags {
		pos := r.start
		if d.Subject != nil {
			pos = at(*d.Subject)
		}
		text := d.Detail
		if e, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && e.FunctionCallError() != nil {
			text = e.FunctionCallError().Error()
		}
		p := &diag.Problem{Pos: pos, Summary: sentence(text)}
		if s, hint, ok := strings.Cut(p.Summary, ". "); ok {
			p.Summary, p.Hint = s, sentence(hint)
		}
		if d.Severity == hcl.DiagError {
			r.problems = append(r.problems, p)
		} else {
			p.Severity = diag.Warning
			r.warnings = append(r.warnings, p)
		}
	}
}

// sentence returns s without its capital and its full stop.
func sentence(s string) string {
	c, n := utf8.DecodeRuneInString(s)
	if next, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsLower(next) || next == ' ' {
		s = string(unicode.ToLower(c)) + s[n:]
	}
	return strings.TrimSuffix(s, ".")
}

// at returns the place where rng begins.
func at(rng hcl.Range) diag.Pos {
	return diag.Pos{File: rng.Filename, Line: max(rng.Start.Line, 1), Column: max(rng.Start.Column, 1)}
}

// path joins a relative p with the folder of gateway.hcl.
func (r *reader) path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.dir, p)
}

// checkNumbers refuses numbers such as 1e999999999, whose text would fill the
// memory.
func (r *reader) checkNumbers(src []byte, file string) bool {
	tokens, _ := hclsyntax.LexConfig(src, file, hcl.InitialPos) // the parser reports the same problems
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenNumberLit {
			continue
		}
		if i := bytes.IndexAny(t.Bytes, "eE"); i >= 0 && len(t.Bytes)-i > len("e+99") {
			r.problem(at(t.Range), "number %s is too long", t.Bytes)
		}
	}
	return len(r.problems) == 0
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (r *reader) checkName(what string, name text) {
	if !nameForm.MatchString(name.value) {
		r.problem(name.pos, "%s %q is not a name; use up to 64 letters, digits, dots, dashes and underscores", what, name.value)
	}
}
