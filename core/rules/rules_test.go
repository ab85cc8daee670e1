package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

var world = rules.World{
	Services:     []string{"demo", "retail"},
	Channels:     map[string]rules.Channel{"webshop": {Type: "rtm", Service: "demo"}, "short": {Type: "sms", Service: "retail"}},
	Integrations: []string{"ChatEngineEnghouse"},
	Endpoints:    []string{"ops"},
}

// dir makes a directory with files and makes it the working directory, so that
// the rules are at rules.d.
func dir(t testing.TB, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.Mkdir("rules.d", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		write(t, name, text)
	}
}

func write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join("rules.d", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".tmp", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil { // nobody sees half of it
		t.Fatal(err)
	}
}

func load(t testing.TB, text string) *rules.Set {
	t.Helper()
	dir(t, map[string]string{"a.yaml": text})
	set, problems := rules.Load("rules.d", world)
	if len(problems) > 0 {
		t.Fatalf("%s\n%s", text, problems)
	}
	return set
}

// oneRule is a file with one rule on the event, with the further lines.
func oneRule(on string, lines ...string) string {
	return "rules:\n  - name: r\n    on: " + on + "\n    " + strings.Join(lines, "\n    ") + "\n"
}

// asYAML puts quotes around what a plain scalar cannot hold.
func asYAML(s string) string {
	if strings.HasPrefix(s, `"`) || strings.Contains(s, ": ") || strings.Contains(s, " #") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}

func ptr[T any](v T) *T { return &v }

func view(change func(*state.View)) *state.View {
	v := &state.View{
		Type: "customer_message", Id: "e1", AtMs: 1700000000000, Source: "channel", Instance: "webshop",
		Channel: "webshop", ChannelType: "rtm", Service: "demo", Integration: "ChatEngineEnghouse", Timezone: "Europe/Zurich",
		Owner: state.Owner_OWNER_CCSP, Conversation: "00ff", Tags: []string{"vip"},
		Attributes: map[string]string{"topic": "billing", "blank": " "},
		Event: &pluginv1.Event{
			Text: "Hello", MessageId: "m1", Payload: []byte(`{"wait_time":"15","n":3,"a":{"b":"c"},"list":["x","y"]}`),
			Attachments: []*pluginv1.Attachment{{Mime: "image/png", Url: "https://x/1.png", Bytes: 9}},
		},
		Customer: &pluginv1.Customer{
			Address: "ada", FirstName: "Ada", LastName: " ", Locale: "de",
			Addresses: map[string]string{"sms": "+41790000000"}, Attributes: map[string]string{"tier": "gold"},
		},
		Chat: &state.Chat{Number: 2, Ref: "CSR1", State: state.ChatState_CHAT_OPEN, AgentMessages: 3, CustomerMessages: 1},
	}
	if change != nil {
		change(v)
	}
	return v
}

func event(typ string, e *pluginv1.Event) *state.View {
	return view(func(v *state.View) { v.Type, v.Event = typ, e })
}

func TestConditions(t *testing.T) {
	unattended := event("customer_unattended", &pluginv1.Event{WaitTime: ptr(15.5)})
	tests := []struct {
		when string
		view *state.View
		want string // true, false, or the error
	}{
		{`event.text == "Hello" or true`, nil, `rules.d/a.yaml:4:11: event.text may be absent; write (event.text ?? "") or another value for that case`},
		{`event.text ?? "" == "Hello"`, nil, `rules.d/a.yaml:4:28: ?? needs brackets around it here; write (x ?? "") == "y"`},
		{`(event.text ?? "") contains "ell"`, nil, "true"},
		{`(event.text ?? "") contains "ell"`, event("customer_message", &pluginv1.Event{}), "false"},
		{`event.text != nil and event.text startsWith "H"`, nil, "true"},
		{`event.text != nil and event.text startsWith "H"`, event("customer_message", &pluginv1.Event{Text: " "}), "false"},
		{`not (event.text == nil) && event.text startsWith "H"`, nil, "true"},
		{`event.text == nil || event.text startsWith "x"`, nil, "false"},
		{`event.text != nil ? event.text startsWith "H" : false`, nil, "true"},
		{`len(event.attachments) > 0 and any(event.attachments, .mime startsWith "image/")`, nil, "true"},
		{`event.attachments[0].bytes == 9`, nil, "true"},
		{`event.attachments[7].bytes == 9`, nil, "rules.d/a.yaml:4:28: index out of range: 7 (array length is 1)"},
		{`customer.locale == "de"`, nil, "true"},
		{`customer.last_name == nil`, nil, "true"},
		{`customer.last_name == "x"`, nil, "false"},
		{`(customer.last_name ?? customer.first_name ?? "you") == "Ada"`, nil, "true"},
		{`customer.locale in ["de", "fr"]`, nil, "true"},
		{`customer.timezone in ["de", "fr"]`, nil, "false"},
		{`customer.attributes.tier == "gold"`, nil, "true"},
		{`customer.attributes["tier"] == "gold"`, nil, "true"},
		{`customer.attributes.none == "gold"`, nil, "false"},
		{`(customer.attributes.none ?? "x") == "x"`, nil, "true"},
		{`(conversation.attributes.blank ?? "x") == "x"`, nil, "true"},
		{`"tier" in customer.attributes`, nil, "true"},
		{`conversation.channel_type == "rtm" and conversation.owner == "ccsp"`, nil, "true"},
		{`"vip" in conversation.tags`, nil, "true"},
		{`chat.open and chat.messages.agent > 2 and chat.messages.customer == 1`, nil, "true"},
		{`chat.agent.name == nil`, nil, "true"},
		{`chat.open`, event("customer_message", nil), "true"},
		{`chat.open`, view(func(v *state.View) { v.Chat = nil }), "false"},
		{`(customer.first_name ?? "") == ""`, view(func(v *state.View) { v.Customer = nil }), "true"},
		{`payload.wait_time == "15"`, nil, "true"},
		{`num(payload.wait_time) >= 15`, nil, "true"},
		{`num(payload["wait_time"]) + payload.n == 18`, nil, "true"},
		{`payload.a.b == "c"`, nil, "true"},
		{`payload.z.b == "c"`, nil, "rules.d/a.yaml:4:21: a value is absent or of another type here: cannot fetch b from <nil>"},
		{`payload?.z?.b == nil`, nil, "true"},
		{`num(payload.none) > 1`, nil, "rules.d/a.yaml:4:11: num: there is no value"},
		{`num(payload.a) > 1`, nil, "rules.d/a.yaml:4:11: num: cannot make a number of a group of named values"},
		{`num(payload.a.b) > 1`, nil, `rules.d/a.yaml:4:11: num: "c" is not a number`},
		{`str(payload.n) == "3"`, nil, "true"},
		{`now().Hour() == 23 and now().Format("2006-01-02") == "2023-11-14"`, nil, "true"},
		{`event.at == now()`, nil, "true"},
		{`let t = event.text ?? ""; len(t) == 5`, nil, "true"},
		{`count(1..1000, # > 500) == 500`, nil, "true"},
		{`upper(event.text ?? "") matches "^H"`, nil, "true"},
		{`event.wait_time >= 15`, unattended, "true"},
		{`event.wait_time == 15.5`, unattended, "true"},
		{`event.wait_time >= 15`, event("customer_unattended", &pluginv1.Event{}),
			"rules.d/a.yaml:4:27: a value is absent or of another type here: invalid operation: <nil> >= int"},
		{`payload`, nil, "rules.d/a.yaml:4:11: the condition is neither true nor false"},
	}
	for _, tt := range tests {
		t.Run(tt.when, func(t *testing.T) {
			v := tt.view
			if v == nil {
				v = view(nil)
			}
			dir(t, map[string]string{"a.yaml": oneRule(v.Type, "when: "+asYAML(tt.when), "do: [{tag: x}]")})
			set, problems := rules.Load("rules.d", world)
			if len(problems) > 0 {
				if got := problems.Error(); got != tt.want {
					t.Errorf("\n got %s\nwant %s", got, tt.want)
				}
				return
			}
			verdict := set.Evaluate(v).Verdicts[0]
			got := map[state.Verdict]string{
				state.Verdict_MATCHED: "true", state.Verdict_NOT_MATCHED: "false", state.Verdict_ERROR: verdict.GetError(),
			}[verdict.GetVerdict()]
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestActions(t *testing.T) {
	tests := []struct {
		do   string
		want []core.Action
	}{
		{`- send: Hi {{ customer.first_name ?? "there" }}!`, []core.Action{{Kind: core.Send, Text: "Hi Ada!"}}},
		{`- send: "{{ chat.messages.agent }} {{ chat.open }} {{ 1.50 }} {{ event.at }}"`,
			[]core.Action{{Kind: core.Send, Text: "3 true 1.5 2023-11-14T23:13:20+01:00"}}},
		{`- send: "{{ customer.last_name }}"`, []core.Action{{Kind: core.Send, Err: "rules.d/a.yaml:5:19: there is no value"}}},
		{`- send: "a {{ payload.list }}"`, []core.Action{{Kind: core.Send,
			Err: "rules.d/a.yaml:5:21: a list or group cannot be put into a text; pick one of its values, or join() them"}}},
		{`- send: "{{ join(payload.list, \", \") }} {{ \"}}\" }} {{ {\"a\": \"b\"}.a }}"`, []core.Action{{Kind: core.Send, Text: "x, y }} b"}}},
		{`- send: "{{ \" \" }}"`, []core.Action{{Kind: core.Send, Err: "rules.d/a.yaml:2:5: the text to send is blank"}}},
		{`- send: { text: x, channel: short, to: "{{ customer.addresses.sms }}" }`,
			[]core.Action{{Kind: core.Send, Text: "x", Channel: "short", To: "+41790000000"}}},
		{`- forward: bot+ccsp`, []core.Action{{Kind: core.Forward, Owner: state.Owner_OWNER_BOTH}}},
		{`- forward: none`, []core.Action{{Kind: core.Forward}}},
		{`- close: { reason: solved }`, []core.Action{{Kind: core.Close, Reason: "solved"}}},
		{`- close:`, []core.Action{{Kind: core.Close}}},
		{`- set: { b: "{{ chat.chatid }}", a: 5, c: "{{ customer.last_name }}" }`, []core.Action{
			{Kind: core.Set, Key: "b", Value: "CSR1"}, {Kind: core.Set, Key: "a", Value: "5"},
			{Kind: core.Set, Key: "c", Err: "rules.d/a.yaml:5:53: there is no value"},
		}},
		{`- tag: vip`, []core.Action{{Kind: core.Tag, Key: "vip"}}},
		{`- tag: [a, b]`, []core.Action{{Kind: core.Tag, Key: "a"}, {Kind: core.Tag, Key: "b"}}},
		{`- notify: { endpoint: ops, body: { z: "{{ payload.n }}", a: ["{{ payload.a }}", 1, 2.5, true, null, "x{{ payload.n }}"] } }`,
			[]core.Action{{Kind: core.Notify, Endpoint: "ops", Body: []byte(
				`{"type":"customer_message","timestamp":"2023-11-14T22:13:20Z","data":{"z":3,"a":[{"b":"c"},1,2.5,true,null,"x3"]}}`)}}},
		{`- notify: { endpoint: ops, body: { z: "{{ payload.none }}" } }`,
			[]core.Action{{Kind: core.Notify, Endpoint: "ops", Err: "rules.d/a.yaml:5:49: there is no value"}}},
		{`- notify: { endpoint: ops }`, []core.Action{{Kind: core.Notify, Endpoint: "ops", Body: []byte(
			`{"type":"customer_message","timestamp":"2023-11-14T22:13:20Z","data":{"chat":{"agent":{},"assigned":false}}}`)}}},
	}
	for _, tt := range tests {
		t.Run(tt.do, func(t *testing.T) {
			set := load(t, oneRule("customer_message", "do:", "  "+tt.do))
			got := set.Evaluate(view(nil)).Actions
			for i := range tt.want {
				tt.want[i].Rule = "r"
			}
			if len(got) == 1 && tt.do == "- notify: { endpoint: ops }" {
				checkWhatIsKnown(t, string(got[0].Body))
				return
			}
			if diff := cmp.Diff(tt.want, got, cmp.Transformer("body", func(b []byte) string { return string(b) })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func checkWhatIsKnown(t *testing.T, body string) {
	want := `{"type":"customer_message","timestamp":"2023-11-14T22:13:20Z","data":{"chat":{"assigned":false,"chatid":"CSR1",` +
		`"held":false,"messages":{"agent":3,"customer":1},"number":2,"open":true,"state":"open"},` +
		`"conversation":{"attributes":{"topic":"billing"},"can_reply":true,"channel":"webshop","channel_type":"rtm","id":"00ff",` +
		`"integration":"ChatEngineEnghouse","owner":"ccsp","service":"demo","tags":["vip"]},` +
		`"customer":{"address":"ada","addresses":{"sms":"+41790000000"},"attributes":{"tier":"gold"},"first_name":"Ada","locale":"de"},` +
		`"event":{"at":"2023-11-14T23:13:20+01:00","attachments":[{"bytes":9,"caption":"","media_id":"","mime":"image/png","name":"","url":"https://x/1.png"}],` +
		`"id":"e1","instance":"webshop","message_id":"m1","source":"channel","text":"Hello","type":"customer_message"},` +
		`"rule":"r","service":{"name":"demo","timezone":"Europe/Zurich"}}}`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVerdictsAndOrder(t *testing.T) {
	dir(t, map[string]string{
		"b.yaml":       "rules:\n  - {name: b1, on: customer_message, do: [{tag: b1}]}\n",
		"a/x.yml":      "rules:\n  - {name: a1, on: [customer_message, chat_idle], channel: webshop, do: [{tag: a1}]}\n  - {name: a2, on: customer_message, service: [retail, demo], when: false, do: [{tag: a2}]}\n",
		"c.yaml":       "rules:\n  - {name: c1, on: customer_message, integration: ChatEngineEnghouse, when: num(payload.q) > 1, do: [{tag: c1}]}\n  - {name: c2, on: customer_message, channel_type: rtm, do: [{tag: c2}]}\n",
		"d.yaml":       "rules:\n  - {name: d1, on: customer_message, service: retail, do: [{tag: x}]}\n  - {name: d2, on: chat_idle, do: [{tag: x}]}\n  - {name: d3, on: customer_message, active: false, do: [{tag: x}]}\n  - {name: d4, on: customer_message, service: demo, channel_type: sms, do: [{tag: x}]}\n",
		".hidden.yaml": "not: [yaml", "x.yaml~": "not: [yaml", "#x.yaml#": "[", "x.yaml.swp": "[", "x.tmp": "[", "readme.md": "[", ".git/x.yaml": "[", "empty.yaml": "",
	})
	set, problems := rules.Load("rules.d", world)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	got := set.Evaluate(view(nil))
	want := core.Evaluation{
		Verdicts: []*state.RuleVerdict{
			{Rule: "a1", Verdict: state.Verdict_MATCHED, At: "rules.d/a/x.yml:2:5"}, {Rule: "a2", Verdict: state.Verdict_NOT_MATCHED},
			{Rule: "b1", Verdict: state.Verdict_MATCHED, At: "rules.d/b.yaml:2:5"},
			{Rule: "c1", Verdict: state.Verdict_ERROR, Error: "rules.d/c.yaml:2:77: num: there is no value"},
			{Rule: "c2", Verdict: state.Verdict_MATCHED, At: "rules.d/c.yaml:3:5"},
		},
		Actions: []core.Action{
			{Rule: "a1", Kind: core.Tag, Key: "a1"}, {Rule: "b1", Kind: core.Tag, Key: "b1"}, {Rule: "c2", Kind: core.Tag, Key: "c2"},
		},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if out := set.Evaluate(event("chat_held", nil)); out.Verdicts != nil || out.Actions != nil {
		t.Errorf("an event without rules: got %v", out)
	}
}

func TestCustomEvents(t *testing.T) {
	set := load(t, `rules:
  - {name: any, on: custom_event, do: [{tag: any}]}
  - {name: two, on: custom_event, event_name: [order, paid, paid], when: event.params.id == "7" and event.event_name == "paid", do: [{tag: two}]}
  - {name: other, on: custom_event, event_name: x, do: [{tag: other}]}
`)
	got := set.Evaluate(event("custom_event", &pluginv1.Event{EventName: "paid", Params: map[string]string{"id": "7"}}))
	var names []string
	for _, a := range got.Actions {
		names = append(names, a.Key)
	}
	if diff := cmp.Diff([]string{"any", "two"}, names); diff != "" || len(got.Verdicts) != 2 {
		t.Errorf("-want +got:\n%s%v", diff, got.Verdicts)
	}
}

func TestHash(t *testing.T) {
	hash := func(files map[string]string) string {
		dir(t, files)
		set, problems := rules.Load("rules.d", world)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return set.Hash()
	}
	one := oneRule("chat_idle", "do: [{tag: x}]")
	base := hash(map[string]string{"a.yaml": one})
	if got := hash(map[string]string{"a.yaml": one, "x.tmp": "x"}); got != base {
		t.Error("the same rules in another directory have another hash")
	}
	for name, files := range map[string]map[string]string{
		"content": {"a.yaml": one + "# \n"}, "name": {"b.yaml": one}, "file": {"a.yaml": one, "b.yaml": ""},
	} {
		if hash(files) == base {
			t.Errorf("another %s has the same hash", name)
		}
	}
}
