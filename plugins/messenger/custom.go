package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	maxParams  = 50        // of a custom event
	maxKept    = 64 << 10  // bytes of an event that are kept as they came
	maxKeptAll = 512 << 10 // the same, of a whole webhook: its answer goes in one frame
	maxNesting = 4
	maxName    = 256 // bytes of a param's name: it is written anew for each within
)

// acts are what a customer does beside writing: Meta counts the window from them.
var acts = map[string]bool{"reaction": true, "referral": true, "optin": true, "standby": true, "message_edit": true}

// custom adds a custom event with all that the event says, and extra.
func (f *fact) custom(name string, extra map[string]string) {
	params := flat(f.value)
	maps.Copy(params, extra)
	e := sdk.Event{Type: sdk.CustomEvent, EventName: word(name), ID: f.id(""), Params: params, Payload: f.raw}
	if f.psid != "" && acts[name] && !f.fromPage {
		e.Window = f.cfg.window()
	}
	if name == "policy_enforcement" {
		f.host.Log().Error("Meta enforces a policy against the page", "action", params["action"], "reason", params["reason"])
	}
	f.add(f.at, f.psid, e)
}

// invalid adds what cannot be read.
func (b *batch) invalid(raw json.RawMessage, at millis) {
	f := &fact{batch: b, raw: raw, value: raw, kind: "invalid", at: at}
	f.custom("invalid", nil)
}

// change adds a change of the page itself, such as a post: a custom event of the
// field's name.
func (b *batch) change(raw json.RawMessage, at millis) {
	var c struct {
		Field text            `json:"field"`
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(raw, &c) != nil || c.Field == "" {
		b.invalid(raw, at)
		return
	}
	f := &fact{batch: b, raw: raw, value: c.Value, kind: string(c.Field), at: at}
	f.custom(f.kind, nil)
}

// id is Meta's own where an event has one, else one made of what the event says,
// the same however it is written: so a repetition has it, too.
func (f *fact) id(mid string) string {
	if mid != "" {
		return mid
	}
	var v any
	_ = json.Unmarshal(f.raw, &v) // what is not JSON differs in its bytes
	b, err := json.Marshal(v)
	if err != nil || v == nil {
		b = f.raw
	}
	sum := sha256.Sum256(b)
	return word(f.kind) + ":" + hex.EncodeToString(sum[:16])
}

// kept is an event as it came, if it is not large.
func kept(raw json.RawMessage) json.RawMessage {
	if len(raw) > maxKept || !json.Valid(raw) {
		return nil
	}
	return raw
}

// word makes a name of what Meta calls something.
func word(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
	if len(name) > 64 {
		name = name[:64]
	}
	if name == "" {
		return "unknown"
	}
	return name
}

// flat makes parameters of a value: its members by name, those within by names
// such as product.id.
func flat(value json.RawMessage) map[string]string {
	params := map[string]string{}
	var v any
	if json.Unmarshal(value, &v) == nil {
		flatten(params, "", v, 0)
	}
	return params
}

func flatten(params map[string]string, name string, v any, depth int) {
	if len(params) >= maxParams || len(name) > maxName {
		return
	}
	if m, ok := v.(map[string]any); ok && depth < maxNesting {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			flatten(params, strings.TrimPrefix(name+"."+k, "."), m[k], depth+1)
		}
		return
	}
	if name == "" {
		name = "value"
	}
	switch v := v.(type) {
	case nil:
	case string:
		params[name] = v
	default:
		if b, err := ccsp.JSON(v); err == nil {
			params[name] = string(b)
		}
	}
}
