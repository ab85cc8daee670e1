package config

import (
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/openccsp/gateway/core/diag"
)

// A block is the body of one block, or of the file.
type block struct {
	r       *reader
	content *hcl.BodyContent
	pos     diag.Pos // of the block's header
	labels  []text
}

// text is a string and where it stands.
type text struct {
	value string
	pos   diag.Pos
}

func optional(names ...string) []hcl.AttributeSchema {
	var as []hcl.AttributeSchema
	for _, name := range names {
		as = append(as, hcl.AttributeSchema{Name: name})
	}
	return as
}

func (r *reader) body(body hcl.Body, schema *hcl.BodySchema) *block {
	content, diags := body.Content(schema)
	r.report(diags)
	return &block{r: r, content: content, pos: r.start}
}

func (r *reader) block(b *hcl.Block, schema *hcl.BodySchema) *block {
	opened := r.body(b.Body, schema)
	opened.pos = at(b.DefRange)
	for i, l := range b.Labels {
		opened.labels = append(opened.labels, text{l, at(b.LabelRanges[i])})
	}
	return opened
}

// one returns the only block of a type. Without one it returns an empty block,
// which reads as defaults; a second one is a problem.
func (b *block) one(typ string) *block { return b.only(typ, inner[typ]) }

// only is one for a type that has another schema elsewhere.
func (b *block) only(typ string, schema *hcl.BodySchema) *block {
	var first *block
	for _, hb := range b.content.Blocks.OfType(typ) {
		if first != nil {
			b.r.problem(at(hb.DefRange), "a second %s block; the first is at line %d", typ, first.pos.Line)
			continue
		}
		first = b.r.block(hb, schema)
	}
	if first == nil {
		return &block{r: b.r, content: &hcl.BodyContent{}, pos: b.pos}
	}
	return first
}

// has reports whether the block has the attribute.
func (b *block) has(name string) bool { return b.content.Attributes[name] != nil }

// at returns the place of an attribute's value, or of the block without it.
func (b *block) at(name string) diag.Pos {
	if a := b.content.Attributes[name]; a != nil {
		return at(a.Expr.Range())
	}
	return b.pos
}

// value returns an attribute's value as type want. It is false if the
// attribute is absent, null, or wrong; the last is a problem.
func (b *block) value(name string, want cty.Type) (v cty.Value, secret, ok bool) {
	a := b.content.Attributes[name]
	if a == nil {
		return cty.NilVal, false, false
	}
	return b.r.evaluate(a.Expr, name, want)
}

func (r *reader) evaluate(e hcl.Expression, name string, want cty.Type) (v cty.Value, secret, ok bool) {
	v, diags := e.Value(r.eval)
	r.report(diags)
	if diags.HasErrors() {
		return cty.NilVal, false, false
	}
	v, marks := v.UnmarkDeep()
	if v.IsNull() {
		return cty.NilVal, false, false
	}
	v, err := convert.Convert(v, want)
	if err != nil || !v.IsWhollyKnown() {
		r.problem(at(e.Range()), "%s is not a %s", name, want.FriendlyName())
		return cty.NilVal, false, false
	}
	return v, len(marks) > 0, true
}

// text returns a string that is not empty; fallback if the attribute is absent.
func (b *block) text(name, fallback string) string {
	v, _, ok := b.value(name, cty.String)
	if !ok {
		return fallback
	}
	if v.AsString() == "" {
		b.r.problem(b.at(name), "%s is empty", name)
		return fallback
	}
	return v.AsString()
}

// oneOf is text that must be one of known.
func (b *block) oneOf(name, fallback string, known ...string) string {
	s := b.text(name, fallback)
	if s != fallback && !slices.Contains(known, s) {
		b.r.problem(b.at(name), "%s %q is not known; %s", name, s, hint(s, known))
	}
	return s
}

// hint says what was probably meant, or else what there is.
func hint(s string, known []string) string {
	if near := diag.Suggest(s, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 0 {
		return "there is none"
	}
	return "want one of " + strings.Join(known, ", ")
}

// elements returns what stands between the brackets of a list; nil if the
// attribute is absent, or is none.
func (b *block) elements(name string) []hcl.Expression {
	a := b.content.Attributes[name]
	if a == nil {
		return nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() { // not written as [ … ]
		b.r.problem(b.at(name), "%s is not a list; write it as [ … ]", name)
		return nil
	}
	return exprs
}

// texts returns a list of strings, each with its place.
func (b *block) texts(name string) (list []text) {
	for _, e := range b.elements(name) {
		v, _, ok := b.r.evaluate(e, name, cty.String)
		if !ok {
			continue
		}
		if v.AsString() == "" {
			b.r.problem(at(e.Range()), "%s has an empty element", name)
			continue
		}
		list = append(list, text{v.AsString(), at(e.Range())})
	}
	return list
}

// ports returns a list of TCP ports from lowest on; nil if the attribute is
// absent.
func (b *block) ports(name string, lowest int64) []uint16 {
	if !b.has(name) {
		return nil
	}
	list := []uint16{}
	for _, e := range b.elements(name) {
		v, _, ok := b.r.evaluate(e, name, cty.Number)
		if !ok {
			continue
		}
		n, accuracy := v.AsBigFloat().Int64()
		switch port := uint16(n); {
		case accuracy != big.Exact || n < lowest || n > math.MaxUint16:
			b.r.problem(at(e.Range()), "%s has %s, which is not a port from %d to %d", name, v.AsBigFloat().Text('g', 10), lowest, math.MaxUint16)
		case slices.Contains(list, port):
			b.r.problem(at(e.Range()), "%s has port %d twice", name, port)
		default:
			list = append(list, port)
		}
	}
	return list
}

// flag returns a boolean, false if the attribute is absent.
func (b *block) flag(name string) bool {
	v, _, ok := b.value(name, cty.Bool)
	return ok && v.True()
}

// secret returns a secret string. A literal one is a warning.
func (b *block) secret(name string) Secret {
	v, marked, ok := b.value(name, cty.String)
	if !ok {
		return Secret{}
	}
	if v.AsString() == "" {
		b.r.problem(b.at(name), "%s is empty", name)
		return Secret{}
	}
	if !marked {
		b.r.warn(b.at(name), literalSecret, name)
	}
	return NewSecret(v.AsString())
}

// count returns a whole number of at least 1.
func (b *block) count(name string, fallback int) int { return b.number(name, fallback, 1, 1<<31-1) }

// number returns a whole number within limits.
func (b *block) number(name string, fallback int, least, most int64) int {
	v, _, ok := b.value(name, cty.Number)
	if !ok {
		return fallback
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != big.Exact || n < least || n > most {
		b.r.problem(b.at(name), "%s is not a whole number from %d to %d", name, least, most)
		return fallback
	}
	return int(n)
}

// positive returns a number above 0, which need not be whole; 0 if there is none.
func (b *block) positive(name string, most float64) float64 {
	v, _, ok := b.value(name, cty.Number)
	if !ok {
		return 0
	}
	n, _ := v.AsBigFloat().Float64()
	if n <= 0 || n > most {
		b.r.problem(b.at(name), "%s is not a number above 0, at most %.0f", name, most)
		return 0
	}
	return n
}

// duration returns a positive duration.
func (b *block) duration(name string, fallback time.Duration) time.Duration {
	v, _, ok := b.value(name, cty.String)
	if !ok {
		return fallback
	}
	d, ok := parseDuration(v.AsString())
	if !ok {
		b.r.problem(b.at(name), notDuration, name, v.AsString())
		return fallback
	}
	return d
}

// durationOrZero returns a positive duration, or 0 where "0" or nothing stands.
func (b *block) durationOrZero(name string) time.Duration {
	v, _, ok := b.value(name, cty.String)
	if !ok || v.AsString() == "0" {
		return 0
	}
	return b.duration(name, 0)
}

const notDuration = `%s %q is not a duration; write a positive one, such as "90s", "10m", "36h" or "30d"`

// size returns a positive number of bytes.
func (b *block) size(name string, fallback int64) int64 {
	v, _, ok := b.value(name, cty.String)
	if !ok {
		return fallback
	}
	n, ok := parseSize(v.AsString())
	if !ok {
		b.r.problem(b.at(name), `%s %q is not a size; write a positive one, such as "16KiB", "1MiB" or "2GiB"`, name, v.AsString())
		return fallback
	}
	return n
}

// address returns host:port to listen at, and its place: the file as a whole
// if it is not written there.
func (b *block) address(name, fallback string) (string, diag.Pos) {
	s := b.text(name, fallback)
	_, port, err := net.SplitHostPort(s)
	if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
		b.r.problem(b.at(name), `%s %q is not an address; write host:port, such as "127.0.0.1:8080" or ":8080"`, name, s)
	}
	if !b.has(name) {
		return s, diag.Pos{File: b.r.start.File}
	}
	return s, b.at(name)
}

// prefixes returns a list of networks, such as "10.0.0.0/8" or "::1".
func (b *block) prefixes(name string) (list []netip.Prefix) {
	for _, t := range b.texts(name) {
		if a, err := netip.ParseAddr(t.value); err == nil && a.Zone() == "" {
			list = append(list, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(t.value)
		if err != nil {
			b.r.problem(t.pos, `%s %q is not a network; write one such as "10.0.0.0/8" or "127.0.0.1"`, name, t.value)
			continue
		}
		list = append(list, p.Masked())
	}
	return list
}

// url returns an http or https URL.
func (b *block) url(name string) string {
	s := b.text(name, "")
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil: // not quoted, because it is a secret
		b.r.problem(b.at(name), "%s has a user name in it; credentials do not belong into a URL", name)
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.Fragment != "":
		b.r.problem(b.at(name), `%s %q is not an http or https URL; write one such as "https://ops.example.com/hook"`, name, s)
	}
	return s
}
