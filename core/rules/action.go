package rules

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
)

// action is one compiled entry of do.
type action interface {
	run(e *evaluator, r *rule) []core.Action
}

// failed is an action that is not done, because of err.
func failed(a core.Action, err error) []core.Action {
	return []core.Action{{Rule: a.Rule, Kind: a.Kind, Key: a.Key, Vendor: a.Vendor, Far: a.Far, Endpoint: a.Endpoint, Err: err.Error()}}
}

type notify struct {
	endpoint string
	body     body // nil: what is known of the event
}

func (n *notify) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Notify, Endpoint: n.endpoint}
	data, err := n.data(e, r)
	if err != nil {
		return failed(a, err)
	}
	if a.Body, err = envelope(e, r, data); err != nil {
		return failed(a, err)
	}
	return []core.Action{a}
}

// envelope is what is posted: data, and what event it is about.
func envelope(e *evaluator, r *rule, data []byte) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"type":`)
	b.Write(quoted(e.view.GetType()))
	b.WriteString(`,"timestamp":`)
	b.Write(quoted(time.UnixMilli(e.view.GetAtMs()).UTC().Format(time.RFC3339Nano)))
	b.WriteString(`,"data":`)
	b.Write(data)
	b.WriteByte('}')
	if b.Len() > maxRendered {
		return nil, diag.Errorf(r.pos, "the body grows beyond %d bytes", maxRendered)
	}
	return b.Bytes(), nil
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a string cannot fail
	return b
}

func (n *notify) data(e *evaluator, r *rule) ([]byte, error) {
	if n.body != nil {
		return n.body.json(e)
	}
	return json.Marshal(known(e, r))
}

// known is all that is known of the event, nested by path, for a notification
// that has no body of its own.
func known(e *evaluator, r *rule) map[string]any {
	out := map[string]any{"rule": r.name}
	s := newScope([]string{e.view.GetType()})
	for _, path := range s.paths() {
		if path == "payload" {
			continue
		}
		e.fill([]*field{fields[path]})
		v := e.values[path]
		if m, isMap := v.(map[string]any); v == nil || isMap && len(m) == 0 {
			continue
		}
		in, parts := out, strings.Split(path, ".")
		for _, p := range parts[:len(parts)-1] {
			next, ok := in[p].(map[string]any)
			if !ok {
				next = map[string]any{}
				in[p] = next
			}
			in = next
		}
		in[parts[len(parts)-1]] = v
	}
	if e.flow != nil {
		out["params"], out["answers"] = fromJSONs(e.flow.Params), fromJSONs(e.flow.Vars)
	}
	return out
}

// body is a part of a notification's body.
type body interface {
	json(e *evaluator) ([]byte, error)
}

type bodyMap struct {
	keys   []string
	values []body
}

func (m *bodyMap) json(e *evaluator) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, v := range m.values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quoted(m.keys[i]))
		b.WriteByte(':')
		j, err := v.json(e)
		if err != nil {
			return nil, err
		}
		b.Write(j)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

type bodyList []body

func (l bodyList) json(e *evaluator) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, v := range l {
		if i > 0 {
			b.WriteByte(',')
		}
		j, err := v.json(e)
		if err != nil {
			return nil, err
		}
		b.Write(j)
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}

type bodyConst []byte

func (c bodyConst) json(*evaluator) ([]byte, error) { return c, nil }

type bodyText struct{ *template }

func (t bodyText) json(e *evaluator) ([]byte, error) {
	v, err := t.value(e)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

type forward state.Owner

func (f forward) run(_ *evaluator, r *rule) []core.Action {
	return []core.Action{{Rule: r.name, Kind: core.Forward, Owner: state.Owner(f)}}
}

type closeChat struct{ reason string }

func (c closeChat) run(_ *evaluator, r *rule) []core.Action {
	return []core.Action{{Rule: r.name, Kind: core.Close, Reason: c.reason}}
}

type set struct {
	keys   []string
	values []*template
}

func (s *set) run(e *evaluator, r *rule) []core.Action {
	var out []core.Action
	for i, key := range s.keys {
		a := core.Action{Rule: r.name, Kind: core.Set, Key: key}
		var err error
		if a.Value, err = s.values[i].text(e); err != nil {
			out = append(out, failed(a, err)...)
			continue
		}
		out = append(out, a)
	}
	return out
}

type tag []string

func (t tag) run(_ *evaluator, r *rule) []core.Action {
	out := make([]core.Action, len(t))
	for i, name := range t {
		out[i] = core.Action{Rule: r.name, Kind: core.Tag, Key: name}
	}
	return out
}

var actionNames = []string{
	"send", "notify", "forward", "close", "set", "tag", "flow",
	"send_sms", "send_rtm", "send_twitter", "send_wechat", "send_facebook",
	"call", "push", "transfer", "control", "emit",
}

// action compiles one entry of do; it returns nil if there is a problem.
func (l *ruleLoader) action(n ast.Node) action {
	pairs, ok := l.src.mapping(n, "an action")
	if !ok {
		return nil
	}
	if len(pairs) != 1 {
		l.src.problem(l.src.pos(n), "begin each action with a dash", "an action has one key, this has %d", len(pairs))
		return nil
	}
	p := pairs[0]
	switch p.key {
	case "send", "send_sms", "send_rtm", "send_twitter", "send_wechat", "send_facebook":
		return l.send(p)
	case "call":
		return l.call(p)
	case "push":
		return l.push(p)
	case "transfer":
		return l.transfer(p)
	case "control":
		return l.control(p)
	case "emit":
		return l.emit(p)
	case "notify":
		return l.notify(p)
	case "forward":
		return l.forward(p)
	case "close":
		return l.close(p)
	case "set":
		return l.set(p)
	case "tag":
		return l.tag(p)
	case "flow":
		return l.flow(p)
	}
	l.src.problem(p.pos, diag.DidYouMean(p.key, actionNames), "unknown action %q", p.key)
	return nil
}

// keys reads the mapping of p and hands each known key to its function.
func (l *ruleLoader) keys(p pair, known map[string]func(pair)) bool {
	pairs, ok := l.src.mapping(p.value, p.key)
	for _, q := range pairs {
		if f := known[q.key]; f != nil {
			f(q)
			continue
		}
		l.src.problem(q.pos, diag.DidYouMean(q.key, slices.Sorted(maps.Keys(known))), "unknown key %q of %s", q.key, p.key)
	}
	return ok
}

func (l *ruleLoader) notify(p pair) action {
	a := &notify{}
	ok := l.keys(p, map[string]func(pair){
		"endpoint": func(q pair) { a.endpoint = l.name(q, l.world.Endpoints, "endpoint") },
		"body":     func(q pair) { a.body = l.body(q.value, 0) },
	})
	if ok && a.endpoint == "" {
		l.src.problem(p.pos, "endpoints are configured in gateway.hcl", "notify needs an endpoint")
		return nil
	}
	return a
}

func (l *ruleLoader) body(n ast.Node, depth int) body {
	if depth == 20 {
		l.src.problem(l.src.pos(n), "", "the body is nested deeper than 20 levels")
		return nil
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		m := &bodyMap{}
		pairs, _ := l.src.mapping(n, "body")
		for _, p := range pairs {
			m.keys = append(m.keys, p.key)
			m.values = append(m.values, l.body(p.value, depth+1))
		}
		return m
	case *ast.SequenceNode:
		list := bodyList{}
		for _, v := range n.Values {
			list = append(list, l.body(v, depth+1))
		}
		return list
	case *ast.NullNode:
		return bodyConst("null")
	case *ast.BoolNode:
		return bodyConst(strconv.FormatBool(n.Value))
	case *ast.IntegerNode:
		b, _ := json.Marshal(n.Value) // int64 or uint64
		return bodyConst(b)
	case *ast.FloatNode:
		b, err := json.Marshal(n.Value)
		if err != nil {
			l.src.problem(l.src.pos(n), "", "%s is not a number that JSON knows", n.GetToken().Value)
		}
		return bodyConst(b)
	}
	sc, ok := l.src.scalar(n, "a value of body")
	if !ok {
		return nil
	}
	return bodyText{l.comp.template(sc, l.scope)}
}

func (l *ruleLoader) forward(p pair) action {
	to := l.name(p, []string{"ccsp", "bot", "bot+ccsp", "none"}, "receiver")
	return forward(state.OwnerOf(to))
}

func (l *ruleLoader) close(p pair) action {
	a := closeChat{}
	if p.value == nil || p.value.Type() == ast.NullType {
		return a
	}
	l.keys(p, map[string]func(pair){"reason": func(q pair) {
		if sc, ok := l.src.scalar(q.value, "reason"); ok {
			l.plain(sc, "a reason")
			a.reason = sc.text
		}
	}})
	return a
}

func (l *ruleLoader) set(p pair) action {
	a := &set{}
	pairs, ok := l.src.mapping(p.value, "set")
	for _, q := range pairs {
		a.keys = append(a.keys, q.key)
		a.values = append(a.values, l.templateOf(q))
		t := a.values[len(a.values)-1]
		if strings.HasPrefix(q.key, customerPrefix) {
			l.profileField(q, t)
			l.suits(q, q.key, t) // a declared attribute
			continue
		}
		l.suits(q, "conversation.attributes."+q.key, t)
	}
	if ok && len(pairs) == 0 {
		l.src.problem(l.src.pos(p.value), "", "set is empty")
	}
	return a
}

func (l *ruleLoader) tag(p pair) action {
	var t tag
	for _, sc := range l.src.words(p.value, "tag") {
		l.plain(sc, "a tag")
		if strings.TrimSpace(sc.text) == "" {
			l.src.problem(sc.pos, "", "a tag is blank")
		}
		t = append(t, sc.text)
	}
	return t
}

// plain reports a template where none is allowed.
func (l *ruleLoader) plain(sc *scalar, what string) {
	if strings.Contains(sc.text, "{{") {
		l.src.problem(sc.pos, "set takes templates", "%s cannot have {{ }} in it", what)
	}
}

func (l *ruleLoader) templateOf(p pair) *template {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return nil
	}
	return l.comp.template(sc, l.scope)
}

// name reads one of the known names.
func (l *ruleLoader) name(p pair, known []string, what string) string {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return ""
	}
	l.mustKnow(sc, known, what)
	return sc.text
}

func (l *ruleLoader) mustKnow(sc *scalar, known []string, what string) {
	if !slices.Contains(known, sc.text) && !l.world.Past {
		l.src.problem(sc.pos, diag.DidYouMean(sc.text, known), "unknown %s %q", what, sc.text)
	}
}
