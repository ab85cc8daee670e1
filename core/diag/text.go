package diag

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// textWidth is how many runes of a source line are shown.
const textWidth = 100

// Text returns the form for a terminal: the problem, the line of src it is in,
// a caret under the place, and what to do. src is the whole text of the file;
// nothing in it reaches the terminal as a control character.
//
//	rules.d/a.yaml:3:5: unknown key "wen"
//	  3 |   - wen: true
//	    |     ^ did you mean "when"?
func (p *Problem) Text(src string) string {
	lines := strings.Split(src, "\n")
	if p.Line < 1 || p.Line > len(lines) || p.Column < 1 {
		return p.Error()
	}
	line := []rune(strings.TrimRight(lines[p.Line-1], "\r"))
	caret := min(p.Column-1, len(line))
	from := 0
	if caret > textWidth-10 {
		from = caret - textWidth/2
	}
	to := min(len(line), from+textWidth)
	n := strconv.Itoa(p.Line)
	var b strings.Builder
	b.WriteString(p.String() + ": " + p.Summary)
	b.WriteString("\n  " + n + " | " + printable(line[from:to]))
	b.WriteString("\n  " + strings.Repeat(" ", len(n)) + " | ")
	b.WriteString(strings.Repeat(" ", uniseg.StringWidth(printable(line[from:caret]))))
	b.WriteByte('^')
	if p.Hint != "" {
		b.WriteString(" " + p.Hint)
	}
	return b.String()
}

func printable(line []rune) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return unicode.ReplacementChar
		}
		return r
	}, string(line))
}
