package rules

import (
	"encoding/json"
	"maps"

	"github.com/openccsp/gateway/core"
)

// ways are how actions are shown: their kinds' one value, or named ones. A kind
// that is not here is shown by all of its fields.
var ways = map[core.ActionKind]func(*core.Action) any{
	core.Send: func(a *core.Action) any {
		if m := named(a); len(m) > 1 {
			return m
		}
		return a.Text
	},
	core.Notify:  notified,
	core.Forward: func(a *core.Action) any { return a.Owner.Word() },
	core.Set:     func(a *core.Action) any { return map[string]any{a.Key: a.Value} },
	core.Tag:     func(a *core.Action) any { return a.Key },
	core.Emit:    called,
	core.Flow:    called,
}

// fieldNames are those of an action's fields that differ from the key of a rule.
var fieldNames = map[string]string{"key": "name"}

func with(a *core.Action) any {
	if way := ways[a.Kind]; way != nil {
		return way(a)
	}
	return named(a)
}

// named are all fields of an action that are set, beside its rule and kind.
func named(a *core.Action) map[string]any {
	b, err := json.Marshal(a)
	var all, out map[string]any
	if err != nil || json.Unmarshal(b, &all) != nil {
		return map[string]any{"error": "cannot be shown"} // it cannot fail: texts, numbers and bytes
	}
	out = map[string]any{}
	for name, v := range all {
		key := snake(name)
		if k := fieldNames[key]; k != "" {
			key = k
		}
		switch v {
		case nil, "", false, 0.0:
			continue
		}
		out[key] = v
	}
	for _, key := range []string{"rule", "kind", "err", "owner"} {
		delete(out, key)
	}
	if a.Kind == core.Send && a.ChannelType != "" {
		delete(out, "channel_type") // the action's name says it
	}
	return out
}

func snake(name string) string {
	var b []byte
	for i, c := range []byte(name) {
		if c >= 'A' && c <= 'Z' {
			if i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' {
				b = append(b, '_')
			}
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

// notified shows what is posted as the rule wrote it: the body's data.
func notified(a *core.Action) any {
	out := map[string]any{"endpoint": a.Endpoint}
	var posted struct {
		Data any `json:"data"`
	}
	if json.Unmarshal(a.Body, &posted) == nil && posted.Data != nil {
		out["body"] = posted.Data
	}
	return out
}

// called shows something with a name and parameters.
func called(a *core.Action) any {
	if len(a.Params) == 0 {
		return a.Key
	}
	params := map[string]any{}
	for k, v := range maps.All(a.Params) {
		params[k] = v
	}
	return map[string]any{"name": a.Key, "params": params}
}
