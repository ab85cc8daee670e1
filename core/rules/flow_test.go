package rules_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// oneFlow is a file with one flow, with the further lines.
func oneFlow(lines ...string) string {
	return "flows:\n  - name: f\n    " + strings.Join(lines, "\n    ") + "\n"
}

func TestFlowProblems(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"keys", oneFlow("parms: {}", "steps: [tag: x]"), `3:5: unknown key "parms" of a flow; did you mean "params"?`},
		{"no name", "flows:\n  - steps: [tag: x]\n", `2:5: a flow needs a name`},
		{"no steps", oneFlow("params: { a: string }"), `2:5: a flow needs steps`},
		{"empty", oneFlow("steps: []"), `3:12: steps is an empty list`},
		{"twice", oneFlow("steps: [tag: x]") + "  - { name: f, steps: [tag: y] }\n", `4:13: the name "f" is taken by the flow at rules.d/a.yaml:2:11`},
		{"unknown step", oneFlow("steps:", "- aks: x"), `4:7: unknown step "aks"; known: ask, wait, when, end, send, notify, forward, close, set, tag, flow, send_sms, send_rtm, send_twitter, send_wechat, send_facebook, call, push, transfer, control, emit`},
		{"two at once", oneFlow("steps:", "- send: x", "  tag: y"), `5:7: a step is one of its kind, this is send and tag; begin each step with a dash`},
		{"nothing to do", oneFlow("steps:", "- within: 1h"), `4:7: a step needs something to do`},
		{"beside what it does not go with", oneFlow("steps:", "- wait: 1h", "  as: x"), `5:7: as does not go with wait`},
		{"a text", oneFlow("steps: [stop]"), `3:13: a step must be a mapping of keys to values, not a text`},
		{"wait", oneFlow("steps:", "- wait: soon"), `4:13: wait "soon" is not a time; write one such as 30s, 15m, 2h or 1d`},
		{"wait too long", oneFlow("steps:", "- wait: 31d"), `4:13: wait 31d is not from 1s to 30d`},
		{"within", oneFlow("steps:", "- ask: x", "  within: 10"), `5:15: within "10" is not a time; write one such as 30s, 15m, 2h or 1d`},
		{"retries", oneFlow("steps:", "- ask: x", "  retries: 11"), `5:16: retries is a number from 0 to 10`},
		{"retry without", oneFlow("steps:", "- ask: x", "  retry: y"), `5:7: nothing is asked again; add retries: 1`},
		{"asking others", oneFlow("steps:", "- ask: { text: x, channel: webshop }"), `4:23: ask cannot ask somebody else; send can`},
		{"blank question", oneFlow("steps:", `- ask: " "`), `4:12: the text to send is empty`},
		{"accept", oneFlow("steps:", "- ask: x", "  accept: reply.txt == \"1\""), `5:15: unknown field "reply.txt"; did you mean "reply.text"?`},
		{"accept is no condition", oneFlow("steps:", "- ask: x", "  accept: reply.text"), `5:15: a condition must be true or false, but this is a text; compare it with something, such as x == "y"`},
		{"accept is a template", oneFlow("steps:", "- ask: x", `  accept: "{{ true }}"`), `5:15: accept is an expression, not a template; write it without {{ }}`},
		{"reply elsewhere", oneFlow("steps:", "- ask: x", "- when: reply.text == \"1\"", "  then: [end]"), `5:13: reply.text is there in accept and retry only; name the reply with as`},
		{"event", oneFlow("steps:", `- send: "{{ event.text }}"`), `4:17: a flow has no event.text; a flow outlives its event; hand over what it needs as params`},
		{"payload", oneFlow("steps:", `- send: "{{ payload.x }}"`), `4:17: unknown name "payload"; a flow outlives its event; hand over what it needs as params`},
		{"unknown parameter", oneFlow("params: { agent: string }", "steps:", `- send: "{{ params.agnt }}"`), `5:17: unknown field "params.agnt"; did you mean "params.agent"?`},
		{"optional parameter", oneFlow("params: { agent?: string }", "steps:", `- send: "{{ params.agent }}"`),
			`5:17: params.agent may be absent; write (params.agent ?? "") or another value for that case`},
		{"type of a parameter", oneFlow("params: { n: number }", "steps:", "- when: params.n == \"1\"", "  then: [end]"),
			`5:22: == cannot be used between a number and a text; a text has quotes, a number has none; num(x) reads a number from a text`},
		{"types", oneFlow("params: { n: int, Big: string }", "steps: [tag: x]"),
			"3:18: unknown type \"int\" of a parameter; known: string, number, bool\n3:23: the name of a parameter is a plain word in lower case, such as agent"},
		{"name of an answer", oneFlow("steps:", "- ask: x", "  as: customer"), `5:11: "customer" has a meaning in expressions already; take another one`},
		{"name of an answer, too", oneFlow("steps:", "- ask: x", "  as: My Score"), `5:11: a name is a plain word in lower case, such as score`},
		{"one name, two types", oneFlow("steps:", "- ask: x", "  as: a", "- notify: { endpoint: ops }", "  as: a"), `7:11: the name "a" has another type elsewhere in the flow; take another one`},
		{"a name too early", oneFlow("steps:", `- send: "{{ score }}"`, "- ask: x", "  as: score"), `4:17: unknown name "score"; known: conversation, customer, chat, service, texts, params, now, num, str`},
		{"a name of one way only", oneFlow("steps:", "- when: true", "  then: [{ ask: x, as: score }]", `- send: "{{ score }}"`),
			`6:17: score may be absent; write (score ?? "") or another value for that case`},
		{"a name of the other way", oneFlow("steps:", "- ask: x", "  as: score", "  else:", `  - send: "{{ score }}"`), `7:19: unknown name "score"; known: conversation, customer, chat, service, texts, params, now, num, str`},
		{"when without then", oneFlow("steps:", "- when: true"), `4:7: when needs then, a list of steps`},
		{"then is no list", oneFlow("steps:", "- when: true", "  then: end"), `5:13: then must be a list, not a text`},
		{"never reached", oneFlow("steps:", "- end", "- tag: x"), `5:7: this step is never reached`},
		{"never reached after both ways", oneFlow("steps:", "- when: true", "  then: [end]", "  else: [flow: f2]", "- tag: x") + "  - { name: f2, steps: [tag: x] }\n",
			`7:7: this step is never reached`},
		{"longer than a year", oneFlow("steps:", "- ask: x", "  within: 30d", "  retries: 10", "- ask: x", "  within: 30d", "  retries: 2"),
			`2:5: the flow could be under way for more than a year; wait for less, or let a rule begin the next flow`},
		{"ends_on", oneFlow("ends_on: [agent_joind]", "steps: [tag: x]"), `3:15: unknown event "agent_joind"; did you mean "agent_joined"?`},
		{"ends_on a word", oneFlow("ends_on: STOP", "steps: [tag: x]"), `3:14: unknown event "STOP"; a word of the customer is written { keyword: STOP }`},
		{"ends_on every message", oneFlow("ends_on: customer_message", "steps: [tag: x]"), `3:14: every message of the customer would end the flow; write { keyword: STOP }`},
		{"ends_on keys", oneFlow("ends_on: { keywrd: STOP }", "steps: [tag: x]"), `3:16: unknown key "keywrd" of ends_on; did you mean "keyword"?`},
		{"action", oneFlow("steps:", "- notify: { endpoint: opps }"), `4:27: unknown endpoint "opps"; did you mean "ops"?`},
		{"itself", oneFlow("steps: [flow: f]"), `3:19: the flow leads back to itself: f → f; let a rule begin it anew`},
		{"in a circle", oneFlow("steps: [flow: g]") + "  - { name: g, steps: [{ when: true, then: [flow: h] }] }\n  - { name: h, steps: [flow: g] }\n",
			`5:30: the flow leads back to itself: g → h → g; let a rule begin it anew`},

		{"unknown flow", oneRule("chat_idle", "do: [flow: g]") + oneFlow("steps: [tag: x]"), `4:16: unknown flow "g"; known: f`},
		{"no flow", oneRule("chat_idle", "do: [flow: { params: {} }]"), `4:10: flow needs the name of a flow`},
		{"missing parameter", oneRule("chat_idle", "do: [flow: f]") + oneFlow("params: { a: string, b?: bool }", "steps: [tag: x]"),
			`4:16: the flow "f" needs the parameter "a", a string`},
		{"missing among others", oneRule("chat_idle", "do: [flow: { name: f, params: { b: true } }]") + oneFlow("params: { a: number, b?: bool }", "steps: [tag: x]"),
			`4:24: the flow "f" needs the parameter "a", a number`},
		{"too many parameters", oneRule("chat_idle", "do: [flow: { name: f, params: { aa: x } }]") + oneFlow("params: { a?: string }", "steps: [tag: x]"),
			`4:37: the flow "f" has no parameter "aa"; known: a`},
		{"wrong text", oneRule("chat_idle", "do: [flow: { name: f, params: { a: x } }]") + oneFlow("params: { a: number }", "steps: [tag: x]"),
			`4:40: the parameter "a" of the flow "f" is a number, this is not; num(x) reads a number from a text`},
		{"wrong expression", oneRule("chat_idle", `do: [flow: { name: f, params: { a: "{{ conversation.channel }}" } }]`) + oneFlow("params: { a: bool }", "steps: [tag: x]"),
			`4:40: the parameter "a" of the flow "f" is a bool, this is not`},
		{"wrong mixture", oneRule("chat_idle", `do: [flow: { name: f, params: { a: "{{ event.idle_time }} min" } }]`) + oneFlow("params: { a: number }", "steps: [tag: x]"),
			`4:40: the parameter "a" of the flow "f" is a number, this is not; num(x) reads a number from a text`},
		{"wrong in a flow", oneFlow("steps: [flow: { name: g, params: { a: x } }]") + "  - { name: g, params: { a: number }, steps: [tag: x] }\n",
			`3:43: the parameter "a" of the flow "g" is a number, this is not; num(x) reads a number from a text`},
		{"a group that is none", oneRule("flow_triggered", "do: [flow: { name: f, params: event.id }]") + oneFlow("steps: [tag: x]"),
			`4:35: params are named values, and this is none; such as event.flowparams`},
		{"a group that is not there", oneRule("chat_idle", "do: [flow: { name: f, params: event.flowparams }]") + oneFlow("steps: [tag: x]"),
			`4:35: chat_idle has no event.flowparams; it comes with flow_triggered`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir(t, map[string]string{"a.yaml": tt.text})
			_, problems := rules.Load("rules.d", world)
			got := ""
			if err := problems.Err(); err != nil {
				got = strings.ReplaceAll(err.Error(), "\nrules.d/a.yaml:", "\n")
			}
			if want := "rules.d/a.yaml:" + tt.want; got != want {
				t.Errorf("%s\n got %s\nwant %s", tt.text, got, want)
			}
		})
	}
}

// Flows of other files can be named, whatever the order.
func TestFlowOfAnotherFile(t *testing.T) {
	dir(t, map[string]string{
		"a.yaml": oneRule("chat_idle", `do: [flow: { name: f, params: { n: "{{ event.idle_time }}", who: "{{ customer.last_name }}" } }]`),
		"z.yaml": oneFlow("params: { n: number, who?: string }", "steps: [tag: x]"),
	})
	set, problems := rules.Load("rules.d", world)
	if problems != nil {
		t.Fatal(problems)
	}
	got := set.Evaluate(event("chat_idle", &pluginv1.Event{IdleTime: ptr(2.5)})).Actions
	want := []core.Action{{Rule: "r", Kind: core.Flow, Key: "f", Params: map[string]string{"n": "2.5"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFlowActions(t *testing.T) {
	flows := oneFlow("params: { a?: string, n?: number }", "steps: [tag: x]")
	tests := []struct {
		do   string
		view *state.View
		want core.Action
	}{
		{"flow: f", nil, core.Action{Params: map[string]string{}}},
		{`flow: { name: f, params: { a: "Hello {{ event.text ?? \"\" }}", n: 3 } }`, nil, core.Action{Params: map[string]string{"a": "Hello Hello", "n": "3"}}},
		{`flow: { name: f, params: { a: "{{ customer.last_name }}", n: "{{ payload.n }}" } }`, nil, core.Action{Params: map[string]string{"n": "3"}}},
		{`flow: { name: f, params: payload.a }`, nil, core.Action{Params: map[string]string{"b": "c"}}},
		{`flow: { name: f, params: "{{ customer.attributes }}" }`, nil, core.Action{Params: map[string]string{"tier": "gold"}}},
		{`flow: { name: f, params: payload.nothing }`, nil, core.Action{Params: map[string]string{}}},
		{`flow: { name: f, params: payload.n }`, nil, core.Action{Err: "rules.d/a.yaml:5:34: the parameters are not a group of named values"}},
		{`flow: { name: f, params: payload }`, nil, core.Action{Err: `rules.d/a.yaml:5:34: the parameter "a": a list or group cannot be put into a text; pick one of its values, or join() them`}},
	}
	for _, tt := range tests {
		t.Run(tt.do, func(t *testing.T) {
			set := load(t, oneRule("customer_message", "do:", "  - "+tt.do)+flows)
			got := set.Evaluate(view(nil)).Actions
			tt.want.Rule, tt.want.Kind, tt.want.Key = "r", core.Flow, "f"
			if diff := cmp.Diff([]core.Action{tt.want}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The version of a flow changes with its file and what is shared, and with
// nothing else; from its files it is compiled again.
func TestFlowVersions(t *testing.T) {
	flows := oneFlow("steps: [wait: 2h, { ask: x, within: 1h, retries: 2 }, tag: x]")
	base := map[string]string{"a.yaml": flows, "b.yaml": oneRule("chat_idle", "do: [flow: f]"), "_shared.yaml": "rules: []\n"}
	version := func(name, text string) (string, *rules.Set) {
		files := map[string]string{name: text}
		for n, t := range base {
			if n != name {
				files[n] = t
			}
		}
		dir(t, files)
		set, problems := rules.Load("rules.d", world)
		if problems != nil {
			t.Fatal(problems)
		}
		return set.Flows()[0].Version, set
	}
	first, set := version("c.yaml", "rules: []\n")
	for _, tt := range []struct {
		name, text string
		same       bool
	}{
		{"b.yaml", oneRule("chat_held", "do: [flow: f]"), true}, {"c.yaml", "rules: [] # more\n", true},
		{"a.yaml", flows + "# \n", false}, {"_shared.yaml", "rules: [] # \n", false},
	} {
		if got, _ := version(tt.name, tt.text); (got == first) != tt.same {
			t.Errorf("%s: version %s after %s", tt.name, got, first)
		}
	}
	if got := set.Flows()[0].Life; got != 5*time.Hour {
		t.Errorf("it can take %v, want 5h", got)
	}
	files := set.FlowFiles(first)
	if len(files) != 2 || files[0].Path != "a.yaml" || files[1].Path != "_shared.yaml" {
		t.Fatalf("made of %v", files)
	}
	again, problems := rules.CompileFlows("rules.d", files, rules.World{})
	if problems != nil || len(again) != 1 || again[0].Version != first || len(again[0].Ops) != 3 || again[0].Place != "rules.d/a.yaml:2:5" {
		t.Errorf("compiled again: %+v, %v", again, problems)
	}
}

// A notification without a body has what the flow knows, too.
func TestWhatAFlowKnows(t *testing.T) {
	set := load(t, oneFlow("params: { n: number }", "steps:", "- ask: x", "  as: score", "- notify: { endpoint: ops }"))
	got := set.Flows()[0].Ops[1].Do(view(nil), &core.FlowScope{Params: map[string]string{"n": "3"}, Vars: map[string]string{"score": `"5"`}})
	for _, want := range []string{`"rule":"flow f"`, `"params":{"n":3}`, `"answers":{"score":"5"}`, `"first_name":"Ada"`} {
		if len(got) != 1 || !strings.Contains(string(got[0].Body), want) {
			t.Errorf("%s is not in %v", want, got)
		}
	}
}

// What an earlier version names need not exist any more: endpoints, channels,
// services. A flow that is under way goes on, and only what cannot be done fails.
func TestEarlierVersionNamesWhatIsGone(t *testing.T) {
	flows, problems := rules.CompileFlows("rules.d", []rules.Source{
		{Path: "a.yaml", Text: oneRule("chat_idle", "service: gone", "do: [{ notify: { endpoint: gone } }]") +
			oneFlow("steps:", "- ask: Still there?", "  within: 1h", "- notify: { endpoint: gone }", "- transfer: { service: gone }",
				"- send: { text: Bye, channel: gone, to: \"+1\" }")},
	}, world)
	if problems != nil || len(flows) != 1 {
		t.Fatalf("%d flows, %v", len(flows), problems)
	}
	if got := flows[0].Ops[1].Do(view(nil), &core.FlowScope{}); len(got) != 1 || got[0].Endpoint != "gone" {
		t.Errorf("it does %v", got)
	}
}

// What an earlier version calls need not exist any more; that is found out when
// it is called.
func TestEarlierVersionCallsWhatIsGone(t *testing.T) {
	flows, problems := rules.CompileFlows("rules.d", []rules.Source{
		{Path: "a.yaml", Text: oneRule("chat_idle", "do: [flow: other]") + oneFlow("steps: [flow: { name: gone, params: { a: x } }]")},
	}, world)
	if problems != nil || len(flows) != 1 {
		t.Fatalf("%d flows, %v", len(flows), problems)
	}
	got := flows[0].Ops[0].Do(view(nil), &core.FlowScope{})
	want := []core.Action{{Rule: "flow f", Kind: core.Flow, Key: "gone", Params: map[string]string{"a": "x"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
