package rules

import (
	"unicode/utf8"

	"github.com/openccsp/gateway/core/diag"
)

// scalar is a text in a rule file, with what it takes to say where in the file
// each of its runes stands.
type scalar struct {
	src   *source
	pos   diag.Pos
	text  string
	style byte // '\'', '"', '|' for blocks, 0 for plain
}

// place returns where in the file the rune with number i of the text stands.
// If text and file cannot be brought together it is the start of the scalar.
func (s *scalar) place(i int) diag.Pos {
	found := s.pos
	s.each(func(n int, at diag.Pos) bool {
		found = at
		return n < i
	})
	return found
}

// each calls visit with the place of each rune of the text and of its end, in order,
// until it returns false; once with the start of the scalar if they cannot be
// brought together.
func (s *scalar) each(visit func(n int, at diag.Pos) bool) {
	w := walker{pos: s.pos, src: s.src.from(s.pos, len(s.text))}
	indent := -1
	switch s.style {
	case '\'', '"':
		w.step()
	case '|':
		for w.peek() != '\n' && !w.done() {
			w.step()
		}
		w.step()
		indent = w.indent()
		w.skip(indent)
	}
	n := 0
	for _, want := range s.text {
		at, ok := w.match(want, s.style, indent)
		if !ok {
			visit(utf8.RuneCountInString(s.text), s.pos)
			return
		}
		if !visit(n, at) {
			return
		}
		n++
	}
	visit(n, w.pos)
}

// from returns the text of the file from pos on, as much as a scalar with that
// many bytes of text can take up and some more.
func (s *source) from(pos diag.Pos, bytes int) string {
	if pos.Line < 1 || pos.Line > len(s.lines) {
		return ""
	}
	text := s.text[s.lines[pos.Line-1]:]
	text = text[:min(len(text), 4*pos.Column+8*bytes+4096)]
	for n := 1; n < pos.Column && text != ""; n++ {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	return text
}

// walker goes through a file rune by rune.
type walker struct {
	pos diag.Pos
	src string
	j   int
}

func (w *walker) done() bool { return w.j >= len(w.src) }

func (w *walker) peek() rune {
	if w.done() {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(w.src[w.j:])
	return r
}

func (w *walker) step() {
	if w.done() {
		return
	}
	r, size := utf8.DecodeRuneInString(w.src[w.j:])
	if r == '\n' {
		w.pos.Line++
		w.pos.Column = 1
	} else {
		w.pos.Column++
	}
	w.j += size
}

// skip steps over at most n spaces; n < 0 over all.
func (w *walker) skip(n int) {
	for ; n != 0 && (w.peek() == ' ' || n < 0 && w.peek() == '\t'); n-- {
		w.step()
	}
}

// indent returns how far the first line that is not blank is indented.
func (w *walker) indent() int {
	n := 0
	for _, r := range w.src[min(w.j, len(w.src)):] {
		switch r {
		case ' ':
			n++
		case '\n':
			n = 0
		default:
			return n
		}
	}
	return n
}

// match finds the next rune of the text, which is want, and steps past it.
func (w *walker) match(want rune, style byte, indent int) (diag.Pos, bool) {
	for !w.done() {
		at, c := w.pos, w.peek()
		switch {
		case style == '"' && c == '\\':
			w.step()
			if w.peek() == '\n' { // a folded line
				w.step()
				w.skip(-1)
				continue
			}
			width := map[rune]int{'x': 2, 'u': 4, 'U': 8}[w.peek()]
			for range 1 + width {
				w.step()
			}
			return at, true
		case style == '\'' && c == '\'' && want == '\'':
			w.step()
			w.step()
			return at, true
		case c == '\n' && (want == ' ' || want == '\n'):
			w.step()
			w.skip(indent)
			return at, true
		case c == want:
			w.step()
			return at, true
		case c == '\n':
			w.step()
			w.skip(indent)
		case c == ' ' || c == '\t' || c == '\r':
			w.step()
		default:
			return at, false
		}
	}
	return w.pos, false
}
