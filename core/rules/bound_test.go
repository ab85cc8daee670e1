package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestBoundLeavesWhatIsWithin(t *testing.T) {
	v := view(func(v *state.View) {
		v.Event.Text = strings.Repeat("x", 4096)
		v.Tags = make([]string, 100)
		v.Event.Payload = []byte(`{"a":"` + strings.Repeat("y", 4096) + `"}`)
	})
	if got := rules.Bound(v); got != v || got.Cut {
		t.Error("it was cut")
	}
}

func TestBound(t *testing.T) {
	many := map[string]string{}
	for i := range 300 {
		many[fmt.Sprintf("%03d", i)] = "v"
	}
	list := "[" + strings.Repeat("1,", 150) + "1]"
	tests := []struct {
		name   string
		change func(*state.View)
		check  func(*state.View) bool
	}{
		{"text", func(v *state.View) { v.Event.Text = strings.Repeat("x", 5000) }, func(v *state.View) bool { return len(v.Event.Text) == 4096 }},
		{"text at a rune", func(v *state.View) { v.Event.Text = "x" + strings.Repeat("客", 5000) },
			func(v *state.View) bool { return len(v.Event.Text) == 4096 && utf8.ValidString(v.Event.Text) }},
		{"name", func(v *state.View) { v.Customer.FirstName = strings.Repeat("x", 5000) }, func(v *state.View) bool { return len(v.Customer.FirstName) == 4096 }},
		{"chat", func(v *state.View) { v.Chat.Reason = strings.Repeat("x", 5000) }, func(v *state.View) bool { return len(v.Chat.Reason) == 4096 }},
		{"agent", func(v *state.View) { v.Event.Agent = &pluginv1.Agent{Name: strings.Repeat("x", 5000)} }, func(v *state.View) bool { return len(v.Event.Agent.Name) == 4096 }},
		{"tags", func(v *state.View) { v.Tags = make([]string, 101) }, func(v *state.View) bool { return len(v.Tags) == 100 }},
		{"attributes", func(v *state.View) { v.Attributes = many }, func(v *state.View) bool {
			return len(v.Attributes) == 100 && v.Attributes["099"] == "v" && v.Attributes["100"] == ""
		}},
		{"params", func(v *state.View) { v.Event.Params = map[string]string{"a": strings.Repeat("x", 5000)} }, func(v *state.View) bool { return len(v.Event.Params["a"]) == 4096 }},
		{"attachments", func(v *state.View) {
			for range 100 {
				v.Event.Attachments = append(v.Event.Attachments, &pluginv1.Attachment{})
			}
		}, func(v *state.View) bool { return len(v.Event.Attachments) == 100 }},
		{"payload text", func(v *state.View) {
			v.Event.Payload = []byte(`{"a":"` + strings.Repeat("y", 5000) + `","n":12345678901234567890}`)
		},
			func(v *state.View) bool {
				return string(v.Event.Payload) == `{"a":"`+strings.Repeat("y", 4096)+`","n":12345678901234567890}`
			}},
		{"payload list", func(v *state.View) { v.Event.Payload = []byte(list) }, func(v *state.View) bool {
			return string(v.Event.Payload) == "["+strings.Repeat("1,", 99)+"1]"
		}},
		{"payload depth", func(v *state.View) { v.Event.Payload = []byte(strings.Repeat("[", 40) + strings.Repeat("]", 40)) },
			func(v *state.View) bool {
				return string(v.Event.Payload) == strings.Repeat("[", 32)+"null"+strings.Repeat("]", 32)
			}},
		{"payload that stays too long", func(v *state.View) {
			v.Event.Payload = []byte("[" + strings.Repeat(`"`+strings.Repeat("y", 4000)+`",`, 50) + "1]")
		}, func(v *state.View) bool { return v.Event.Payload == nil }},
		{"payload that is not JSON", func(v *state.View) { v.Event.Payload = []byte(strings.Repeat("x", 5000)) }, func(v *state.View) bool { return v.Event.Payload == nil }},
		{"payload of megabytes", func(v *state.View) { v.Event.Payload = []byte(`"` + strings.Repeat("x", 2<<20) + `"`) }, func(v *state.View) bool { return v.Event.Payload == nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := view(tt.change)
			before := proto.Clone(v)
			got := rules.Bound(v)
			if !got.Cut || !tt.check(got) {
				t.Errorf("not cut as it should be: %.300v", got)
			}
			if !proto.Equal(v, before) {
				t.Error("Bound changed its argument")
			}
			if again := rules.Bound(got); again != got {
				t.Error("what was cut once is cut again")
			}
		})
	}
}

// What customers write is put in as it is, whatever it looks like.
func TestTemplatesNeverReadCustomerText(t *testing.T) {
	set := load(t, oneRule("customer_message", `when: 'event.text != nil and customer.name != nil'`, "do:",
		`  - send: "{{ event.text }}|{{ customer.name }}"`, `  - set: { a: "{{ event.text }}" }`,
		`  - notify: { endpoint: ops, body: { t: "{{ event.text }}" } }`))
	pieces := []string{
		"{{", "}}", "{{ 1+1 }}", "{{ event.text }}", "{{{{ 1 }}}}", "${1+1}", "${{ 1+1 }}", "#{1+1}", "<%= 1 %>", "%s%n%d%!v(x)",
		"' or true or '", `" or true or "`, "` + `", "$env", "{{ $env }}", "now()", "\\u007b\\u007b 1 }}", "{%for%}", "&{{1}}", "{{\n1}}",
	}
	shapes := []string{"%s", "a %s b", "%[1]s%[1]s", "}} %s {{", "{{ %s }}"}
	n := 0
	for _, piece := range pieces {
		for _, shape := range shapes {
			text := fmt.Sprintf(shape, piece)
			n++
			got := set.Evaluate(view(func(v *state.View) { v.Event.Text, v.Customer.Name = text, text })).Actions
			if got[0].Text != text+"|"+text || got[0].Err != "" || got[1].Value != text {
				t.Errorf("%q became %q and %q %s", text, got[0].Text, got[1].Value, got[0].Err)
			}
			if want := fmt.Sprintf(`"data":{"t":%s}`, jsonOf(text)); !strings.Contains(string(got[2].Body), want) {
				t.Errorf("%q became %s", text, got[2].Body)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d vectors", n)
	}
}
