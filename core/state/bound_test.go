package state_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func view(change func(*state.View)) *state.View {
	v := &state.View{
		Event: &pluginv1.Event{Type: "customer_message", Text: "hi"}, Chat: &state.Chat{Number: 1},
		Customer: &pluginv1.Customer{Address: "ada"},
	}
	change(v)
	return v
}

func TestBoundLeavesWhatIsWithin(t *testing.T) {
	v := view(func(v *state.View) {
		v.Event.Text = strings.Repeat("x", 4096)
		v.Tags = make([]string, 100)
		v.Event.Payload = []byte(`{"a":"` + strings.Repeat("y", 4096) + `"}`)
	})
	if got := state.Bound(v); got != v || got.Cut {
		t.Error("it was cut")
	}
	if got := state.Bound(&state.View{}); got.Cut {
		t.Error("nothing was cut")
	}
}

func TestBound(t *testing.T) {
	long, many := strings.Repeat("x", 5000), map[string]string{}
	for i := range 300 {
		many[fmt.Sprintf("%03d", i)] = "v"
	}
	payload := func(s string) func(*state.View) {
		return func(v *state.View) { v.Event.Payload = []byte(s) }
	}
	payloadIs := func(s string) func(*state.View) bool {
		return func(v *state.View) bool { return string(v.Event.Payload) == s }
	}
	nested := func(n int, s string) string { return strings.Repeat("[", n) + s + strings.Repeat("]", n) }
	tests := []struct {
		name   string
		change func(*state.View)
		check  func(*state.View) bool
	}{
		{"text", func(v *state.View) { v.Event.Text = long }, func(v *state.View) bool { return v.Event.Text == long[:4096] }},
		{"text at a rune", func(v *state.View) { v.Event.Text = "xy" + strings.Repeat("客", 5000) },
			func(v *state.View) bool { return len(v.Event.Text) == 4094 && utf8.ValidString(v.Event.Text) }},
		{"text that is no UTF-8", func(v *state.View) { v.Event.Text = strings.Repeat("\x80", 5000) },
			func(v *state.View) bool { return len(v.Event.Text) <= 4096 && len(v.Event.Text) > 4090 }},
		{"name", func(v *state.View) { v.Customer.FirstName = long }, func(v *state.View) bool { return len(v.Customer.FirstName) == 4096 }},
		{"chat", func(v *state.View) { v.Chat.Reason = long }, func(v *state.View) bool { return len(v.Chat.Reason) == 4096 }},
		{"agent", func(v *state.View) { v.Event.Agent = &pluginv1.Agent{Name: long} }, func(v *state.View) bool { return len(v.Event.Agent.Name) == 4096 }},
		{"tags", func(v *state.View) { v.Tags = make([]string, 101) }, func(v *state.View) bool { return len(v.Tags) == 100 }},
		{"attributes", func(v *state.View) { v.Attributes = many }, func(v *state.View) bool {
			return len(v.Attributes) == 100 && v.Attributes["099"] == "v" && v.Attributes["100"] == ""
		}},
		{"params", func(v *state.View) { v.Event.Params = map[string]string{"a": long, long: "b"} },
			func(v *state.View) bool { return len(v.Event.Params) == 1 && len(v.Event.Params["a"]) == 4096 }},
		{"attachments", func(v *state.View) {
			for range 101 {
				v.Event.Attachments = append(v.Event.Attachments, &pluginv1.Attachment{Name: long})
			}
		}, func(v *state.View) bool {
			return len(v.Event.Attachments) == 100 && len(v.Event.Attachments[99].Name) == 4096
		}},
		{"quick reply", func(v *state.View) { v.Event.QuickReply = &pluginv1.QuickReply{Payload: long} },
			func(v *state.View) bool { return len(v.Event.QuickReply.Payload) == 4096 }},
		{"payload's text", payload(`{"a":"` + long + `","n":12345678901234567890}`), payloadIs(`{"a":"` + long[:4096] + `","n":12345678901234567890}`)},
		{"payload's list", payload("[" + strings.Repeat("1,", 150) + "1]"), payloadIs("[" + strings.Repeat("1,", 99) + "1]")},
		{"payload's depth", payload(nested(40, "")), payloadIs(nested(32, "null"))},
		{"payload that stays too long", payload("[" + strings.Repeat(`"`+long[:4000]+`",`, 50) + "1]"), payloadIs("")},
		{"payload that is no JSON", payload(long), payloadIs("")},
		{"payload of two values", payload(`"` + long + `" 1`), payloadIs("")},
		{"payload of megabytes", payload(`"` + strings.Repeat("x", 2<<20) + `"`), payloadIs("")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := view(tt.change)
			before := proto.Clone(v)
			got := state.Bound(v)
			if !got.Cut || !tt.check(got) {
				t.Errorf("not cut as it should be: %.300v", got)
			}
			if !proto.Equal(v, before) {
				t.Error("Bound changed its argument")
			}
			if again := state.Bound(got); again != got {
				t.Error("what was cut is cut again")
			}
		})
	}
}

func TestCutText(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", 4096)} {
		if got := state.CutText(s); got != s {
			t.Errorf("%.20q became %.20q", s, got)
		}
	}
	if got := state.CutText(strings.Repeat("😀", 2000)); len(got) != 4096 || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
}

func FuzzBound(f *testing.F) {
	f.Add("text", "key", []byte(`{"a":[1,2,{"b":"c"}]}`), 3)
	f.Add(strings.Repeat("\xe5", 5000), strings.Repeat("k", 5000), []byte(nestedSeed), 300)
	f.Fuzz(func(t *testing.T, text, key string, payload []byte, n int) {
		v := view(func(v *state.View) {
			v.Event.Text, v.Event.Payload, v.Attributes = text, payload, map[string]string{}
			for i := range min(max(n, 0), 300) {
				v.Attributes[fmt.Sprint(key, i)] = text
				v.Tags = append(v.Tags, key)
			}
		})
		got := state.Bound(v)
		if got.Cut != (got != v) {
			t.Fatal("cut and not a copy, or a copy and not cut")
		}
		if len(got.Event.Text) > 4096 || len(got.Tags) > 100 || len(got.Attributes) > 100 || len(got.Event.Payload) > 64<<10 {
			t.Fatalf("over a limit: %.300v", got)
		}
		if again := state.Bound(got); again != got {
			t.Fatal("what was cut is cut again")
		}
	})
}

var nestedSeed = strings.Repeat("[", 40) + strings.Repeat("]", 40)
