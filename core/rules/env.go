package rules

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr/vm"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// env is what the expressions of one evaluation see. A value is read from the
// view when the first expression needs it.
type env struct {
	view   *state.View
	flow   *core.FlowScope // nil: no flow
	values map[string]any
	read   []*field // those whose values are there; few enough to look through

	evaluator *evaluator // that this is the env of
}

func (e *env) fill(needed []*field) {
	for i, f := range needed {
		if i < len(e.read) && e.read[i] == f || slices.Contains(e.read, f) {
			continue
		}
		if _, ok := e.values[f.path]; !ok {
			e.values[f.path] = f.get(e)
		}
		e.read = append(e.read, f)
	}
}

// evaluator runs programs on one view. It is used by one goroutine.
type evaluator struct {
	env
	vm vm.VM
}

var evaluators = sync.Pool{New: func() any {
	e := &evaluator{env: env{values: map[string]any{}}}
	e.evaluator = e
	return e
}}

func newEvaluator(v *state.View) *evaluator {
	e := evaluators.Get().(*evaluator)
	e.view = v
	return e
}

// release gives e back; nothing of the view stays in it.
func (e *evaluator) release() {
	clear(e.values)
	clear(e.read)
	e.read = e.read[:0]
	clear(e.vm.Stack[:cap(e.vm.Stack)])
	clear(e.vm.Variables)
	e.view, e.flow = nil, nil
	evaluators.Put(e)
}

func (e *evaluator) matches(r *rule) (bool, error) {
	if r.when == nil {
		return true, nil
	}
	v, err := r.when.run(e)
	if err != nil {
		return false, err
	}
	matched, ok := v.(bool)
	if !ok {
		return false, r.when.problem("the condition is neither true nor false")
	}
	return matched, nil
}

func (e *env) payload() any {
	var v any
	if raw := e.event().GetPayload(); len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return v
}

var zones sync.Map // of *time.Location by name

func (e *env) zone() *time.Location {
	name := e.view.GetTimezone()
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location)
	}
	z, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return time.UTC // configuration refuses unknown zones
	}
	zones.Store(name, z)
	return z
}

func (e *env) at(ms int64) time.Time { return time.UnixMilli(ms).In(e.zone()) }

// text returns s, or nil if it is blank.
func text(s string) any {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return s
}

func either(a, b string) any {
	if v := text(a); v != nil {
		return v
	}
	return text(b)
}

func number(e *pluginv1.Event, get func(*pluginv1.Event) *float64) any {
	if e == nil {
		return nil
	}
	if n := get(e); n != nil {
		return *n
	}
	return nil
}

func texts(list []string) any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func attributes(m map[string]string) any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if v := text(v); v != nil {
			out[k] = v
		}
	}
	return out
}

func attachments(list []*pluginv1.Attachment) any {
	out := make([]any, len(list))
	for i, a := range list {
		out[i] = map[string]any{
			"url": addressOf(a), "mime": a.GetMime(), "name": a.GetName(),
			"caption": a.GetCaption(), "media_id": a.GetMediaId(), "bytes": int(a.GetBytes()),
		}
	}
	return out
}
