package rules

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
)

// TestOf writes an entry of tests, in YAML, that plays the event of v again; if v is
// of a rule whose time had come, with the time that it waited. expect are the actions
// that it is to expect; the caller knows them once it has played the event.
func (s *Set) TestOf(name string, v *state.View, expect []Shown) string {
	var b strings.Builder
	line := func(indent int, key string, value any) {
		b.WriteString(strings.Repeat(" ", indent) + key + ": " + inJSON(value) + "\n")
	}
	b.WriteString("  - name: " + inJSON(name) + "\n    given:\n")
	line(6, "service", v.GetService())
	line(6, "conversation", conversationGiven(v))
	if v.Customer != nil {
		line(6, "customer", fieldsSet(v.Customer.ProtoReflect()))
	}
	line(6, "chat", chatGiven(v))
	zone, err := time.LoadLocation(v.GetTimezone())
	if err != nil {
		zone = time.UTC
	}
	begin := v.GetAtMs()
	line(6, "now", time.UnixMilli(begin).In(zone).Format(time.RFC3339Nano))
	if v.GetWaited() == "" && v.GetDecidedMs() != 0 {
		begin = v.GetDecidedMs()
	}
	if matched := s.matchedGiven(v, begin); len(matched) > 0 {
		line(6, "matched", matched)
	}
	event := fieldsSet(v.GetEvent().ProtoReflect())
	for _, key := range []string{"id", "at_ms", "customer"} {
		delete(event, key)
	}
	event["type"] = v.GetType()
	b.WriteString("    events:\n      - " + inJSON(event) + "\n")
	if r := s.waits[v.GetWaited()]; r != nil {
		b.WriteString("      - " + inJSON(map[string]any{"at": "+" + r.options.after.String()}) + "\n")
	}
	if len(expect) == 0 {
		b.WriteString("    expect: []\n")
		return b.String()
	}
	b.WriteString("    expect:\n")
	for _, a := range expect {
		who := "rule"
		if flow, ok := strings.CutPrefix(a.Rule, flowRule); ok {
			who, a.Rule = "flow", flow
		}
		b.WriteString("      - { " + who + ": " + inJSON(a.Rule) + ", " + a.Do + ": " + inJSON(a.With) + " }\n")
	}
	return b.String()
}

// inJSON is v in a form that YAML reads too.
func inJSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "null" // it cannot fail: texts, numbers, and maps of them
	}
	return strings.TrimSpace(b.String())
}

// matchedGiven are the matches that limits count, before begin.
func (s *Set) matchedGiven(v *state.View, begin int64) map[string][]string {
	out := map[string][]string{}
	for _, c := range v.GetCounts() {
		for _, ms := range c.GetAtMs() {
			if ms <= begin && s.has(c.GetRule()) {
				ago := time.Duration(begin-ms) * time.Millisecond
				out[c.Rule] = append(out[c.Rule], "-"+ago.String())
			}
		}
	}
	return out
}

func conversationGiven(v *state.View) map[string]any {
	out := map[string]any{"channel": v.GetChannel(), "owner": v.GetOwner().Word()}
	if len(v.Tags) > 0 {
		out["tags"] = v.Tags
	}
	if len(v.Attributes) > 0 {
		out["attributes"] = v.Attributes
	}
	return out
}

// chatGiven is the chat as it was before the event: what the event itself did to
// it is done again when the event is played.
func chatGiven(v *state.View) any {
	if v.Chat == nil {
		return "none"
	}
	c := v.Chat.CloneVT()
	open := c.State == state.ChatState_CHAT_OPEN || c.State == state.ChatState_CHAT_OPENING
	switch {
	case v.Type == sdk.CustomerMessage && open && c.CustomerMessages > 0:
		c.CustomerMessages--
	case v.Type == sdk.IncomingMessage && v.Instance == c.Integration && c.AgentMessages > 0:
		c.AgentMessages--
	case v.Type == sdk.ChatClosed, v.Type == sdk.ChatRejected:
		c.State, c.Status, c.Reason, c.ClosedMs = state.ChatState_CHAT_OPEN, "", "", 0
	case v.Type == sdk.ChatReopened:
		c.State = state.ChatState_CHAT_CLOSED
	}
	out := fieldsSet(c.ProtoReflect())
	messages := map[string]any{"agent": c.AgentMessages, "customer": c.CustomerMessages}
	for _, key := range []string{"agent_messages", "customer_messages", "pending", "cursor", "poll_errors"} {
		delete(out, key)
	}
	out["state"], out["messages"] = c.State.Word(), messages
	return out
}

// fieldsSet are the fields of m that are set, by name, as fill reads them.
func fieldsSet(m protoreflect.Message) map[string]any {
	out := map[string]any{}
	for f, v := range m.Range {
		switch {
		case f.IsMap():
			texts := map[string]any{}
			for k, t := range v.Map().Range {
				texts[k.String()] = t.String()
			}
			out[string(f.Name())] = texts
		case f.IsList() && f.Message() != nil:
			list := []any{}
			for i := range v.List().Len() {
				list = append(list, fieldsSet(v.List().Get(i).Message()))
			}
			out[string(f.Name())] = list
		case f.Message() != nil:
			out[string(f.Name())] = fieldsSet(v.Message())
		case f.Kind() == protoreflect.BytesKind:
			var payload any
			if json.Unmarshal(v.Bytes(), &payload) == nil {
				out[string(f.Name())] = payload
			}
		case f.Kind() == protoreflect.EnumKind: // their words are the caller's
		default:
			out[string(f.Name())] = v.Interface()
		}
	}
	return out
}

// AddTest adds an entry that [Set.TestOf] wrote to the text of a file, which may be
// empty. It reports false if the file does not end with its tests, in a list that
// can be added to.
func AddTest(file, entry string) (string, bool) {
	if strings.TrimSpace(file) == "" {
		return "tests:\n" + entry, true
	}
	n, ok := testsAtEnd(file)
	if !ok {
		return "", false
	}
	for _, e := range []string{entry, outdented(entry)} {
		text := strings.TrimRight(file, "\n") + "\n" + e
		if now, ok := testsAtEnd(text); ok && now == n+1 {
			return text, true
		}
	}
	return "", false
}

// testsAtEnd counts the tests of a file of which they are the last key.
func testsAtEnd(file string) (n int, ok bool) {
	s := newSource("", file)
	pairs := s.read()
	if len(s.problems) > 0 || len(pairs) == 0 || pairs[len(pairs)-1].key != "tests" {
		return 0, false
	}
	switch list := pairs[len(pairs)-1].value.(type) {
	case *ast.SequenceNode:
		return len(list.Values), true
	case *ast.NullNode:
		return 0, true
	}
	return 0, false
}

// outdented is an entry for a list that is not indented.
func outdented(entry string) string {
	return strings.ReplaceAll("\n"+entry, "\n  ", "\n")[1:]
}
