package rules

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// Shown is an action for people, tests and notify_url: what is done, and with
// what.
type Shown struct {
	Rule  string `json:"rule"`
	Do    string `json:"do"` // the name of the action, as in a rule
	With  any    `json:"with,omitempty"`
	Error string `json:"error,omitempty"` // why it is not done
}

// way is how a kind of action is shown: by the keys that a rule has for it.
type way struct {
	chief string // the key whose value can stand alone
	bare  bool   // it does, where there is no other
	keys  func(*core.Action) map[string]any
}

// ways are those of all kinds of actions.
var ways = map[core.ActionKind]way{
	core.Send: {"text", true, func(a *core.Action) map[string]any {
		return map[string]any{"text": a.Text, "channel": a.Channel, "to": a.To,
			"attachments": filesShown(a.Attachments), "quick_replies": repliesShown(a.QuickReplies)}
	}},
	core.Call: {"say", false, callShown},
	core.Push: {"text", false, func(a *core.Action) map[string]any {
		return map[string]any{"title": a.Title, "text": a.Text, "data": textsShown(a.Params)}
	}},
	core.Notify: {"endpoint", false, func(a *core.Action) map[string]any {
		var posted struct {
			Data any `json:"data"` // as the rule wrote it
		}
		_ = json.Unmarshal(a.Body, &posted) // of a failed action there is none
		return map[string]any{"endpoint": a.Endpoint, "body": posted.Data}
	}},
	core.Forward: {"to", true, func(a *core.Action) map[string]any { return map[string]any{"to": a.Owner.Word()} }},
	core.Close:   {"reason", true, func(a *core.Action) map[string]any { return map[string]any{"reason": a.Reason} }},
	core.Transfer: {"", false, func(a *core.Action) map[string]any {
		if agent, ok := strings.CutPrefix(a.To, toAgent); ok {
			return map[string]any{"agent": agent}
		}
		return map[string]any{"queue": a.To, "service": a.Service}
	}},
	core.Control: {"do", true, controlShown},
	core.Set:     {"", false, func(a *core.Action) map[string]any { return map[string]any{a.Key: a.Value} }},
	core.Tag:     {"name", true, func(a *core.Action) map[string]any { return map[string]any{"name": a.Key} }},
	core.Emit: {"event", false, func(a *core.Action) map[string]any {
		to := ""
		switch {
		case a.Vendor:
			to = toVendor
		case a.Far:
			to = toChannel
		}
		return map[string]any{"event": a.Key, "params": textsShown(a.Params), "to": to}
	}},
	core.Flow: {"name", true, func(a *core.Action) map[string]any {
		return map[string]any{"name": a.Key, "params": textsShown(a.Params)}
	}},
}

// Show returns an action for people and tests.
func Show(a *core.Action) Shown {
	s := Shown{Rule: a.Rule, Do: actionName(a), Error: a.Err}
	if a.Err != "" {
		return s
	}
	w, keys := ways[a.Kind], keysShown(a)
	s.With = keys
	if len(keys) == 0 {
		s.With = nil
	}
	if alone, ok := keys[w.chief]; ok && w.bare && len(keys) == 1 {
		s.With = alone
	}
	return s
}

// Chief is the key of an action whose value can stand for all of it; "" if it has none.
func Chief(action string) string { return ways[kindNamed(action)].chief }

// keysShown are the keys of an action that have a value.
func keysShown(a *core.Action) map[string]any {
	keys := map[string]any{}
	if w, ok := ways[a.Kind]; ok {
		keys = w.keys(a)
	}
	for key, v := range keys {
		if v == nil || v == "" && a.Kind != core.Set {
			delete(keys, key)
		}
	}
	return keys
}

// actionName is how a rule calls an action.
func actionName(a *core.Action) string {
	if a.Kind == core.Send && a.ChannelType != "" {
		return sendTo + a.ChannelType
	}
	return string(a.Kind)
}

// kindNamed is the kind of an action that a rule calls so.
func kindNamed(action string) core.ActionKind {
	if strings.HasPrefix(action, sendTo) {
		return core.Send
	}
	return core.ActionKind(action)
}

// callShown are the keys of a call: play is a single recording of which only the
// address was written.
func callShown(a *core.Action) map[string]any {
	keys := map[string]any{"say": a.Text, "channel": a.Channel, "to": a.To, "quick_replies": repliesShown(a.QuickReplies)}
	if n, err := strconv.ParseFloat(a.Digits, 64); err == nil {
		keys["digits"] = n // as JSON has numbers
	}
	if f := a.Attachments; len(f) == 1 && f[0].GetName() == "" && f[0].GetMime() == media.TypeOf(f[0].GetUrl()) {
		keys["play"] = addressOf(f[0])
		return keys
	}
	keys["attachments"] = filesShown(a.Attachments)
	return keys
}

// InFull is an action as tests may also expect it: a call by the keys of a send.
func (s Shown) InFull() any {
	call, ok := s.With.(map[string]any)
	if !ok || s.Do != string(core.Call) {
		return s.With
	}
	full := maps.Clone(call)
	full["text"] = call["say"]
	if url, ok := call["play"].(string); ok {
		full["attachments"] = []any{textsShown(map[string]string{"url": url, "mime": media.TypeOf(url)})}
	}
	return full
}

func filesShown(files []*pluginv1.Attachment) any {
	if len(files) == 0 {
		return nil
	}
	list := make([]any, len(files))
	for i, f := range files {
		list[i] = textsShown(map[string]string{"url": addressOf(f), "mime": f.GetMime(), "name": f.GetName()})
	}
	return list
}

// repliesShown are quick replies as they are written: a title, or one with what
// comes back in its place.
func repliesShown(replies []*pluginv1.QuickReply) any {
	if len(replies) == 0 {
		return nil
	}
	list := make([]any, len(replies))
	for i, q := range replies {
		if list[i] = q.GetTitle(); q.GetPayload() != "" {
			list[i] = map[string]any{"title": q.GetTitle(), "payload": q.GetPayload()}
		}
	}
	return list
}

// textsShown are the named texts that are not empty.
func textsShown(texts map[string]string) any {
	out := map[string]any{}
	for k, v := range texts {
		if v != "" {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
