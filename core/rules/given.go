package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// given reads the key given of a test.
func (s *source) given(p pair, g *Given) {
	g.At = p.pos
	word := func(to *string) func(pair) { return func(q pair) { s.word(q, to) } }
	attributes := func(q pair) { g.Attributes = s.textMap(q) }
	tags := func(q pair) {
		for _, sc := range s.words(q.value, "tag") {
			g.Tags = append(g.Tags, sc.text)
		}
	}
	s.each(p, map[string]func(pair){
		"service": word(&g.Service), "channel": word(&g.Channel), "channel_type": word(&g.ChannelType),
		"tags": tags, "attributes": attributes, "now": func(q pair) { s.now(q, &g.Now) },
		"matched": func(q pair) { g.Matched = s.matchedBefore(q) },
		"customer": func(q pair) {
			g.Customer = &pluginv1.Customer{}
			if pairs, ok := s.mapping(q.value, "customer"); ok {
				s.fill(g.Customer.ProtoReflect(), pairs, "a customer")
			}
		},
		"chat": func(q pair) { s.givenChat(q, g) },
		"conversation": func(q pair) {
			s.each(q, map[string]func(pair){
				"service": word(&g.Service), "channel": word(&g.Channel), "channel_type": word(&g.ChannelType),
				"tags": tags, "attributes": attributes, "reply_window": func(r pair) { s.givenWindow(r, g) }, "owner": func(r pair) {
					var name string
					s.word(r, &name)
					if o := state.OwnerOf(name); o.Word() == name {
						g.Owner = &o
						return
					}
					s.problem(s.pos(r.value), "known: none, ccsp, bot, bot+ccsp", "unknown owner %q", name)
				},
			})
		},
	})
}

// givenWindow reads whether the customer can be written to when the test begins.
func (s *source) givenWindow(p pair, g *Given) {
	var word string
	s.word(p, &word)
	switch word {
	case "open":
	case "closed":
		g.WindowClosed = true
	default:
		s.problem(s.pos(p.value), "known: open, closed", "unknown reply_window %q", word)
	}
}

// matchedBefore reads when rules matched before the test begins: -10m, or a list of such.
func (s *source) matchedBefore(p pair) map[string][]time.Duration {
	all := map[string][]time.Duration{}
	pairs, _ := s.mapping(p.value, p.key)
	for _, q := range pairs {
		for _, sc := range s.words(q.value, "a match") {
			text, before := strings.CutPrefix(sc.text, "-")
			d, ok := parseDuration(text)
			if !before || !ok || d < 0 || d > maxOffset {
				s.problem(sc.pos, "write it as -90s, -10m or -3d", "%.40q is not a time before the test begins", sc.text)
				continue
			}
			all[q.key] = append(all[q.key], d)
		}
		slices.SortFunc(all[q.key], func(a, b time.Duration) int { return cmp.Compare(b, a) })
	}
	return all
}

// givenChat reads a chat: its fields as rules name them, or none.
func (s *source) givenChat(p pair, g *Given) {
	if _, isMap := p.value.(*ast.MappingNode); !isMap {
		var name string
		if s.word(p, &name); name != "none" {
			s.problem(s.pos(p.value), "", "chat is none, or a mapping of its fields")
		}
		g.NoChat = true
		return
	}
	c := &state.Chat{Number: 1, State: state.ChatState_CHAT_OPEN}
	g.Chat = c
	pairs, _ := s.mapping(p.value, "chat")
	rest := slices.DeleteFunc(pairs, func(q pair) bool {
		switch q.key {
		case "state":
			var name string
			s.word(q, &name)
			for v := range state.ChatState_name {
				if state.ChatState(v).Word() == name {
					c.State = state.ChatState(v)
					return true
				}
			}
			s.problem(s.pos(q.value), "known: none, opening, open, closing, closed", "unknown state %q of a chat", name)
		case "messages":
			s.each(q, map[string]func(pair){
				"agent":    func(r pair) { s.fill(c.ProtoReflect(), []pair{{"agent_messages", r.pos, r.value}}, "a chat") },
				"customer": func(r pair) { s.fill(c.ProtoReflect(), []pair{{"customer_messages", r.pos, r.value}}, "a chat") },
			})
		default:
			return false
		}
		return true
	})
	s.fill(c.ProtoReflect(), rest, "a chat")
}

// each reads the mapping of p and hands each known key to its function.
func (s *source) each(p pair, known map[string]func(pair)) {
	pairs, _ := s.mapping(p.value, p.key)
	for _, q := range pairs {
		if f := known[q.key]; f != nil {
			f(q)
			continue
		}
		s.problem(q.pos, diag.DidYouMean(q.key, names(known)), "unknown key %q of %s", q.key, p.key)
	}
}

func names[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func (s *source) word(p pair, to *string) {
	if sc, ok := s.scalar(p.value, p.key); ok {
		*to = sc.text
	}
}

func (s *source) now(p pair, to *string) {
	sc, ok := s.scalar(p.value, "now")
	if !ok {
		return
	}
	if _, err := ParseNow(sc.text, time.UTC); err != nil {
		s.problem(sc.pos, "write it as 2026-01-05 10:00", "%.40q is not a time", sc.text)
		return
	}
	*to = sc.text
}

func (s *source) textMap(p pair) map[string]string {
	pairs, ok := s.mapping(p.value, p.key)
	if !ok {
		return nil
	}
	m := make(map[string]string, len(pairs))
	for _, q := range pairs {
		if sc, ok := s.scalar(q.value, q.key); ok {
			m[q.key] = sc.text
		}
	}
	return m
}

var (
	expectKeys = []string{"rule", "flow", "not", "because"}
	eachAlone  = []string{"tag", "set"} // actions of which each value is one
)

// expects reads what a test expects.
func (s *source) expects(p pair) (list []Expect) {
	nodes, _ := s.sequence(p.value, "expect")
	for _, n := range nodes {
		pairs, ok := s.mapping(n, "what is expected")
		if !ok {
			continue
		}
		e := Expect{At: s.pos(n)}
		ofRule := slices.ContainsFunc(pairs, func(q pair) bool { return q.key == "rule" })
		var with ast.Node
		for _, q := range pairs {
			switch key := q.key; {
			case key == "rule":
				s.word(q, &e.Rule)
			case key == "flow" && !ofRule: // else it is the action of the rule that begins it
				s.word(q, &e.Flow)
			case key == "not":
				if s.word(q, &e.Not); e.Not != "matched" {
					s.problem(s.pos(q.value), "", "not takes matched only")
				}
			case key == "because":
				s.word(q, &e.Because)
			default:
				s.expectAction(q, &e)
				with = q.value
			}
		}
		switch {
		case (e.Rule == "") == (e.Flow == ""):
			s.problem(e.At, "", "what is expected names one rule or one flow")
		case (e.Do == "") == (e.Not == ""):
			s.problem(e.At, `write send: text, or not: matched`, "what is expected is one action, or that the rule has not matched")
		}
		list = append(list, expand(e, s.value(with, 0))...)
	}
	return list
}

func (s *source) expectAction(p pair, e *Expect) {
	if known := slices.Clone(actionNames); !slices.Contains(known, p.key) {
		s.problem(p.pos, diag.DidYouMean(p.key, append(known, expectKeys...)), "unknown action %q", p.key)
	} else if e.Do != "" {
		s.problem(p.pos, "begin each with a dash", "what is expected is one action, this has %s too", e.Do)
	}
	e.Do = p.key
}

// expand makes one expectation for each value of tag and set.
func expand(e Expect, with any) (list []Expect) {
	one := func(v any) { e.With = v; list = append(list, e) }
	switch v := with.(type) {
	case []any:
		if slices.Contains(eachAlone, e.Do) {
			for _, x := range v {
				one(x)
			}
			return list
		}
	case map[string]any:
		if slices.Contains(eachAlone, e.Do) {
			for _, k := range names(v) {
				one(map[string]any{k: v[k]})
			}
			return list
		}
	}
	one(with)
	return list
}
