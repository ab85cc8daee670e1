// Package flow runs flows: steps that wait for the customer, for a time, for an
// endpoint. A [Set] is what Decide asks; it is pure. Where a flow is stands in
// the conversation's document, as the version that it began with and the
// number of the step at which it waits.
package flow

import (
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
)

// Set has the flows that can be started, and earlier versions of them that may
// be under way. It does not change.
type Set struct {
	current map[string]*core.FlowDef
	all     map[key]*core.FlowDef
}

type key struct{ name, version string }

// New returns the set of the current flows and the kept versions.
func New(current, kept []*core.FlowDef) *Set {
	s := &Set{current: map[string]*core.FlowDef{}, all: map[key]*core.FlowDef{}}
	for _, d := range kept {
		s.all[key{d.Name, d.Version}] = d
	}
	for _, d := range current {
		s.current[d.Name] = d
		s.all[key{d.Name, d.Version}] = d
	}
	return s
}

var _ conversation.FlowSet = (*Set)(nil)

// Start implements conversation.FlowSet.
func (s *Set) Start(name string, params map[string]string, v *state.View, now time.Time) (out *conversation.FlowStep) {
	def := s.current[name]
	if def == nil {
		return nil
	}
	r := &run{set: s, view: v, now: now, def: def, left: maxSteps, out: &conversation.FlowStep{}}
	defer func() { out = r.rescue(out, recover()) }()
	r.begin(def, params, 0)
	return r.out
}

// Offer implements conversation.FlowSet.
func (s *Set) Offer(f *state.Flow, v *state.View, now time.Time) (out *conversation.FlowStep) {
	def := s.all[key{f.Name, f.Version}]
	r := &run{set: s, view: v, now: now, def: def, f: f, left: maxSteps, out: &conversation.FlowStep{}}
	defer func() { out = r.rescue(out, recover()) }()
	if def == nil {
		r.def = &core.FlowDef{Name: f.Name, Version: f.Version}
		r.fail(nil, "the version "+f.Version+" that it began with is gone")
		return r.out
	}
	op := waiting(def, f)
	if op == nil {
		r.fail(nil, "it waits at a step that there is not")
	} else if !r.offer(op) {
		return nil
	}
	return r.out
}
