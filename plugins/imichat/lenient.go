package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth is how deep the values of a body may be nested.
const maxDepth = 16

var errTooDeep = fmt.Errorf("it is nested more than %d deep", maxDepth)

// parse returns body as strict JSON. repaired says that it was none: the far
// side's own samples have typographic quotes, comments, and commas too many and
// too few. A key that an object has twice, and what is nested too deep, is an
// error in either case.
func parse(body []byte) (clean []byte, repaired bool, err error) {
	strict := json.Valid(body)
	body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	r := repairer{in: body}
	if err := r.document(); err != nil {
		return nil, !strict, fmt.Errorf("byte %d: %w", r.pos, err)
	}
	if strict {
		return body, false, nil
	}
	return r.out.Bytes(), true, nil
}

// repairer copies JSON and what is meant to be JSON, value by value, as strict
// JSON. It never replaces anything inside of strings.
type repairer struct {
	in    []byte
	pos   int
	depth int
	out   bytes.Buffer
}

func (r *repairer) document() error {
	if err := r.blank(); err != nil {
		return err
	}
	if err := r.value(); err != nil {
		return err
	}
	if err := r.blank(); err != nil {
		return err
	}
	if r.pos < len(r.in) {
		return errors.New("something follows the end of the value")
	}
	return nil
}

// peek returns the next byte, 0 at the end.
func (r *repairer) peek() byte {
	if r.pos < len(r.in) {
		return r.in[r.pos]
	}
	return 0
}

// take moves over c if it is next.
func (r *repairer) take(c byte) bool {
	if r.peek() != c || r.pos >= len(r.in) {
		return false
	}
	r.pos++
	return true
}

// blank moves over white space and comments.
func (r *repairer) blank() error {
	for r.pos < len(r.in) {
		rest := r.in[r.pos:]
		switch {
		case bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0:
			r.pos++
		case bytes.HasPrefix(rest, []byte("\u00A0")):
			r.pos += len("\u00A0")
		case bytes.HasPrefix(rest, []byte("\uFEFF")):
			r.pos += len("\uFEFF")
		case bytes.HasPrefix(rest, []byte("//")):
			end := bytes.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			r.pos += end
		case bytes.HasPrefix(rest, []byte("/*")):
			end := bytes.Index(rest[2:], []byte("*/"))
			if end < 0 {
				return errors.New("a comment does not end")
			}
			r.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (r *repairer) value() error {
	switch {
	case r.peek() == '{':
		return r.nested(r.object)
	case r.peek() == '[':
		return r.nested(r.array)
	case r.quote() != 0:
		s, err := r.text()
		r.out.Write(s)
		return err
	}
	return r.literal()
}

func (r *repairer) nested(read func() error) error {
	if r.depth++; r.depth > maxDepth {
		return errTooDeep
	}
	r.out.WriteByte(r.in[r.pos])
	r.pos++
	if err := r.blank(); err != nil {
		return err
	}
	err := read()
	r.depth--
	return err
}

// object reads what follows a brace.
func (r *repairer) object() error {
	seen := make(map[string]bool)
	for !r.take('}') {
		if len(seen) > 0 {
			r.out.WriteByte(',')
		}
		if err := r.member(seen); err != nil {
			return err
		}
		// A comma may be missing before the next key, or be there after the last.
		if !r.take(',') && r.peek() != '}' && r.quote() == 0 {
			return errors.New("neither a comma nor the end of the object follows a value")
		}
		if err := r.blank(); err != nil {
			return err
		}
	}
	r.out.WriteByte('}')
	return nil
}

// member reads one key and its value.
func (r *repairer) member(seen map[string]bool) error {
	if r.quote() == 0 {
		return errors.New("no key in quotes")
	}
	key, err := r.text()
	if err != nil {
		return err
	}
	var name string
	if err := json.Unmarshal(key, &name); err != nil {
		return errors.New("a key cannot be read")
	}
	if seen[name] {
		return errors.New("an object has the same key twice")
	}
	seen[name] = true
	r.out.Write(key)
	if err := r.blank(); err != nil {
		return err
	}
	if !r.take(':') {
		return errors.New("no colon follows a key")
	}
	r.out.WriteByte(':')
	if err := r.blank(); err != nil {
		return err
	}
	if err := r.value(); err != nil {
		return err
	}
	return r.blank()
}

// array reads what follows a bracket.
func (r *repairer) array() error {
	for first := true; !r.take(']'); first = false {
		if !first {
			r.out.WriteByte(',')
		}
		if err := r.value(); err != nil {
			return err
		}
		if err := r.blank(); err != nil {
			return err
		}
		if !r.take(',') && r.peek() != ']' {
			return errors.New("neither a comma nor the end of the list follows a value")
		}
		if err := r.blank(); err != nil {
			return err
		}
	}
	r.out.WriteByte(']')
	return nil
}

// quote returns the quotation mark that is next, 0 if none is.
func (r *repairer) quote() rune {
	c, _ := utf8.DecodeRune(r.in[r.pos:])
	if c == '"' || curly(c) {
		return c
	}
	return 0
}

func curly(c rune) bool { return c >= '\u201C' && c <= '\u201F' }

// text reads a string and returns it as JSON. It ends with the kind of mark that
// it began with; the other kind is part of it.
func (r *repairer) text() ([]byte, error) {
	open := r.quote()
	r.pos += utf8.RuneLen(open)
	out := []byte{'"'}
	for r.pos < len(r.in) {
		c, size := utf8.DecodeRune(r.in[r.pos:])
		raw := r.in[r.pos : r.pos+size]
		r.pos += size
		switch {
		case c == '"' && open == '"', curly(c) && curly(open):
			out = append(out, '"')
			if !json.Valid(out) {
				return nil, errors.New("a string has an escape that there is not")
			}
			return out, nil
		case c == '\\':
			if next, n := utf8.DecodeRune(r.in[r.pos:]); curly(next) {
				out = append(out, r.in[r.pos:r.pos+n]...)
				r.pos += n
			} else if r.pos < len(r.in) {
				out = append(out, '\\', r.in[r.pos])
				r.pos++
			}
		case c == '"':
			out = append(out, '\\', '"')
		case c < ' ':
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = append(out, raw...)
		}
	}
	return nil, errors.New("a string does not end")
}

// literal reads a number, true, false or null.
func (r *repairer) literal() error {
	rest := r.in[r.pos:]
	end := bytes.IndexAny(rest, " \t\r\n,:{}[]/\"\u00A0\uFEFF\u201C\u201D\u201E\u201F")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || !json.Valid(rest[:end]) {
		return errors.New("no value")
	}
	r.pos += end
	r.out.Write(rest[:end])
	return nil
}
