package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/state"
)

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
