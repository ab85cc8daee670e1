package rules

import (
	"slices"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// toAgent begins the receiver of a transfer that is no queue.
const toAgent = "agent:"

// transfer hands the chat to others.
type transfer struct {
	queue, agent *template // one of them, or
	service      string
}

func (t *transfer) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Transfer, Service: t.service}
	queue, err := t.queue.filled(e, r, "the queue to transfer to")
	if err != nil {
		return failed(a, err)
	}
	agent, err := t.agent.filled(e, r, "the agent to transfer to")
	if err != nil {
		return failed(a, err)
	}
	if a.To = queue; t.agent != nil {
		a.To = toAgent + agent
	}
	return []core.Action{a}
}

func (l *ruleLoader) transfer(p pair) action {
	a := &transfer{}
	n := 0
	ok := l.keys(p, map[string]func(pair){
		"queue":   func(q pair) { a.queue = l.templateOf(q); n++ },
		"agent":   func(q pair) { a.agent = l.templateOf(q); n++ },
		"service": func(q pair) { a.service = l.service(q); n++ },
	})
	switch {
	case !ok:
		return nil
	case n != 1:
		l.src.problem(p.pos, "", "transfer needs one of queue, agent, service")
		return nil
	case a.queue == nil && a.agent == nil:
		return a
	}
	l.vendorsCan(pluginv1.AbilityTransfer, p.pos, "the integration %q cannot transfer chats")
	return a
}

// service reads the name of a service that has an integration.
func (l *ruleLoader) service(p pair) string {
	n := len(l.src.problems)
	name := l.name(p, l.world.Services, "service")
	if len(l.src.problems) == n && l.world.ServedBy != nil && l.world.ServedBy[name] == "" {
		l.cannot(l.src.pos(p.value), "", "the service %q has no integration to transfer to", name)
	}
	return name
}

// Who an event can be for, if not for this conversation.
const (
	toVendor  = "vendor"
	toChannel = "channel"
)

// emit makes a custom event, here, at the vendor or at the channel.
type emit struct {
	event  string
	params params
	to     string // "": here
}

func (m *emit) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Emit, Key: m.event, Vendor: m.to == toVendor, Far: m.to == toChannel}
	var err error
	if a.Params, err = m.params.texts(e); err != nil {
		return failed(a, err)
	}
	return []core.Action{a}
}

// emits implements emitter.
func (m *emit) emits() string {
	if m.to != "" {
		return ""
	}
	return m.event
}

func (l *ruleLoader) emit(p pair) action {
	a := &emit{}
	var name *scalar
	ok := l.keys(p, map[string]func(pair){
		"event":  func(q pair) { name, _ = l.src.scalar(q.value, "event") },
		"params": func(q pair) { a.params = l.params(q) },
		"to":     func(q pair) { a.to = l.name(q, []string{toVendor, toChannel}, "receiver") },
	})
	switch {
	case !ok:
		return nil
	case name == nil || strings.TrimSpace(name.text) == "":
		l.src.problem(p.pos, "", "emit needs the name of an event")
		return nil
	}
	a.event = name.text
	switch {
	case strings.Contains(a.event, "{{"):
		l.src.problem(name.pos, "params takes templates", "the name of an event cannot have {{ }} in it")
	case a.to == toVendor:
		l.vendorsCan(pluginv1.AbilitySendEvent, p.pos, "the integration %q takes no events")
	case a.to == toChannel:
		l.channelsCan(pluginv1.AbilitySendEvent, p, "the channel %q takes no events")
	case events[a.event] != nil:
		l.src.problem(name.pos, "choose a name of your own", "%q is an event that the gateway makes itself; emit makes a %s of a name",
			a.event, sdk.CustomEvent)
	default:
		l.declaredParams(a, name.pos)
	}
	return a
}

// declaredParams reports params that are not as the event is declared.
func (l *ruleLoader) declaredParams(a *emit, pos diag.Pos) {
	declared, ok := l.comp.declared.events[a.event]
	if !ok {
		return
	}
	names := make([]string, len(declared))
	for i, p := range declared {
		names[i] = p.name
		at := slices.Index(a.params.keys, p.name)
		switch {
		case at >= 0:
			l.readable(a.params.values[at], a.params.at[at], paramPath+p.name, p.typ)
		case !p.optional:
			l.src.problem(pos, "write it, or declare it as "+p.name+"?", "the event %q is declared with the param %q, which is missing here", a.event, p.name)
		}
	}
	for i, key := range a.params.keys {
		if !slices.Contains(names, key) {
			l.src.problem(a.params.at[i], diag.DidYouMean(key, names), "the event %q is declared without a param %q", a.event, key)
		}
	}
}
