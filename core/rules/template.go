package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxRendered    = 256 << 10 // bytes
	maxExpressions = 100       // in one template
)

// template is a text with expressions in it. What they yield is put in as it
// is and never read as a template again.
type template struct {
	parts []part
}

type part struct {
	literal string
	expr    *program // nil: the literal
}

// template reads the text of sc, in which {{ and }} enclose expressions.
func (c *compilation) template(sc *scalar, s *scope) *template {
	t := &template{}
	rest, offset := sc.text, 0
	for n := 0; !sc.src.hopeless(); n++ {
		before, after, ok := strings.Cut(rest, "{{")
		if before != "" {
			t.parts = append(t.parts, part{literal: before})
		}
		if !ok {
			return t
		}
		if n == maxExpressions {
			sc.src.problem(sc.pos, "", "the text has more than %d expressions in it", maxExpressions)
			return t
		}
		start := offset + utf8.RuneCountInString(before) + 2
		end := endOfExpression(after)
		if end < 0 {
			sc.src.problem(sc.place(start-2), "", "{{ without }}")
			t.parts = append(t.parts, part{})
			return t
		}
		t.parts = append(t.parts, part{expr: c.compile(sc, after[:end], start, s, want{template: true})})
		offset = start + utf8.RuneCountInString(after[:end]) + 2
		rest = after[end+2:]
	}
	return t
}

// blank reports whether nothing is written in t.
func (t *template) blank() bool {
	return len(t.parts) == 0 || len(t.parts) == 1 && t.parts[0].literal != "" && strings.TrimSpace(t.parts[0].literal) == ""
}

// endOfExpression returns where in text the }} is that ends the expression at
// its beginning, or -1. Braces and quotes inside the expression are minded.
func endOfExpression(text string) int {
	braces := 0
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			braces++
		case c == '}' && braces > 0:
			braces--
		case c == '}' && strings.HasPrefix(text[i:], "}}"):
			return i
		}
	}
	return -1
}

// text fills t in. It fails rather than leave a hole.
func (t *template) text(e *evaluator) (string, error) {
	if len(t.parts) == 1 && t.parts[0].expr == nil {
		return t.parts[0].literal, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.literal)
			continue
		}
		v, err := p.expr.run(e)
		if err != nil {
			return "", err
		}
		s, err := show(v)
		if err != nil {
			return "", p.expr.problem("%s", err)
		}
		if b.WriteString(s); b.Len() > maxRendered {
			return "", p.expr.problem("the text grows beyond %d bytes", maxRendered)
		}
	}
	return b.String(), nil
}

// value is text, but an expression that stands alone keeps its type.
func (t *template) value(e *evaluator) (any, error) {
	if len(t.parts) != 1 || t.parts[0].expr == nil {
		return t.text(e)
	}
	p := t.parts[0].expr
	v, err := p.run(e)
	if err == nil && v == nil {
		err = p.problem("%s", errNoValue)
	}
	return v, err
}

var errNoValue = errors.New("there is no value")

// show writes a value as people do.
func show(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return v.String(), nil
	case time.Time:
		return v.Format(time.RFC3339), nil
	case time.Weekday, time.Month, time.Duration:
		return fmt.Sprint(v), nil
	case nil:
		return "", errNoValue
	case []any, map[string]any:
		return "", errors.New("a list or group cannot be put into a text; pick one of its values, or join() them")
	}
	return "", fmt.Errorf("a %T cannot be put into a text", v)
}
