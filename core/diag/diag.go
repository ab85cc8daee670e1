// Package diag says what is wrong in the files that users write, and where.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Pos is a place in a file. Line and Column count from 1, and Column counts
// runes. Line 0 means the file as a whole.
type Pos struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String returns "file:line:column", or "file" for the file as a whole.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Compare orders places by file, line and column.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// Severity says what a problem keeps from working.
type Severity string

// Warning is the severity of what may be meant and keeps nothing from working.
// Any other problem keeps the file from being used.
const Warning Severity = "warning"

// Problem is one mistake in one place.
type Problem struct {
	Pos
	Severity Severity `json:"severity,omitempty"`
	Summary  string   `json:"summary"`        // what is wrong: lower case, no full stop
	Hint     string   `json:"hint,omitempty"` // what to do about it, or ""
}

// Errorf returns a problem at pos without a hint.
func Errorf(pos Pos, format string, args ...any) *Problem {
	return &Problem{Pos: pos, Summary: fmt.Sprintf(format, args...)}
}

// Error returns the one-line form, "file:line:column: summary; hint".
func (p *Problem) Error() string {
	s := p.String() + ": " + p.Summary
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// shown is how many problems the text of Problems lists.
const shown = 20

// Problems are all mistakes found in one go.
type Problems []*Problem

// Error returns one line per problem in the order of their places. Past 20 it
// says how many more there are.
func (ps Problems) Error() string {
	ps = ps.sorted()
	var b strings.Builder
	for i, p := range ps {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more", len(ps)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.Error())
	}
	return b.String()
}

// Err returns ps in the order of their places, or nil if there are none.
// Return ps.Err(), never ps: empty Problems stored in an error are not nil.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps.sorted()
}

func (ps Problems) sorted() Problems {
	byPlace := func(a, b *Problem) int { return a.Compare(b.Pos) }
	if slices.IsSortedFunc(ps, byPlace) {
		return ps
	}
	ps = slices.Clone(ps)
	slices.SortStableFunc(ps, byPlace)
	return ps
}
