package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/memstore"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const benchRules = `rules:
  - {name: yes, on: customer_message, when: 'event.text != nil and chat.number >= 0', do: [{send: "{{ event.text ?? 'x' }}"}, {set: {a: b}}]}
  - {name: no, on: customer_message, when: '(event.text ?? "") == "x" or payload?.a == 1', do: [{tag: a}]}
  - {name: off, on: customer_message, active: false, do: [{tag: a}]}
`

func newBench(t *testing.T) *workbench {
	t.Helper()
	c, ps := config.Parse([]byte("channel \"sms\" \"sms\" {}\nservice \"demo\" {\n  channels = [\"sms\"]\n}\n"), "gateway.hcl")
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	w := &workbench{setup: &setup{Config: c}}
	set, ps := rules.Compile("rules.d", []rules.Source{{Path: "a.yaml", Text: benchRules}}, w.world(true))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	w.set = set
	return w
}

// answers checks values against the schemas of openapi.json.
func answers(t *testing.T) func(schema string, v any) {
	t.Helper()
	b, err := os.ReadFile("../httpd/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return func(schema string, v any) {
		t.Helper()
		s, err := c.Compile("openapi.json#/components/schemas/" + schema)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(got); err != nil {
			t.Errorf("%s: %v", b, err)
		}
	}
}

// keep puts a record into a store, as one decided with snap.
func keep(t *testing.T, s *memstore.Store, w *workbench, change func(*state.Record)) core.ConversationID {
	t.Helper()
	ctx := t.Context()
	id := core.NewConversationID("sms", "ada")
	snap := snapOf(w.setup, offered{}, w.set, nil)
	b, err := encodeSnap(snap, w.set)
	if err != nil {
		t.Fatal(err)
	}
	blobs := [][]byte{b}
	for _, f := range w.set.Sources() {
		blobs = append(blobs, []byte(f.Text))
	}
	for _, blob := range blobs {
		if err := s.PutBlob(ctx, hashOf(blob), blob); err != nil {
			t.Fatal(err)
		}
	}
	v := &state.View{
		Type: "customer_message", Event: &pluginv1.Event{Type: "customer_message", Text: "hi"}, Channel: "sms", ChannelType: "sms", Service: "demo",
		Conversation: id.String(), Customer: &pluginv1.Customer{Address: "ada"},
	}
	r := &state.Record{Number: 1, NowMs: time.Now().UnixMilli(), View: v, Snap: hashOf(b), Engine: core.Version, Verdicts: w.set.Evaluate(v).Verdicts, Commands: []uint64{1, 2}}
	if change != nil {
		change(r)
	}
	entry := func(e *state.Entry) []byte {
		b, err := e.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	doc, err := (&state.Document{Id: id[:], Records: 3}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	ended := &state.Ended{Command: &state.Command{Number: 1, Record: 1, Rule: "yes", Kind: state.CommandKind_DELIVER}, End: "dropped", Reason: "loop_guard", AtMs: r.NowMs}
	serveOne(t, s, &store.Commit{ID: [16]byte{1}, Conversation: id, Doc: doc, Index: &store.Index{UpdatedMS: 1}, History: []store.Entry{
		{N: 1, Body: entry(&state.Entry{Body: &state.Entry_Record{Record: r}})},
		{N: 2, Body: entry(&state.Entry{Body: &state.Entry_Ended{Ended: ended}})},
	}})
	return id
}

// serveOne commits c in the shard that it belongs to.
func serveOne(t *testing.T, s *memstore.Store, c *store.Commit) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	err := s.Serve(ctx, func(ctx context.Context, sh store.Shard) error {
		if sh.ID() != store.ShardOf(c.Conversation) {
			<-ctx.Done()
			return nil
		}
		defer stop()
		_, err := sh.Commit(ctx, c)
		return err
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func question(t *testing.T, event any) httpd.RuleQuestion {
	t.Helper()
	b, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return httpd.RuleQuestion{Event: b, Test: true}
}

func TestExplainMadeUp(t *testing.T) {
	w := newBench(t)
	a, err := w.explain(t.Context(), question(t, map[string]any{"type": "customer_message", "text": strings.Repeat("x", 10)}), false)
	if err != nil {
		t.Fatal(err)
	}
	answers(t)("RuleAnswer", a)
	if len(a.Rules) != 2 || len(a.LeftOut) != 1 || len(a.Actions) != 2 || len(a.Commands) == 0 || !strings.Contains(a.Test, "expect:\n") {
		t.Errorf("got %+v", a)
	}
	if kind := showRuleCommand(&state.Command{Kind: state.CommandKind_CHAT_OPEN_CMD}, "", "").Kind; kind != "chat_open" {
		t.Errorf("the opening of a chat is a %q, want chat_open, as history calls it", kind)
	}
	for event, want := range map[string]string{
		`{"type":"customer_mesage"}`: `did you mean "customer_message"?`, `{}`: "needs a type", `7`: "event must be an object", `"x"`: "is not an event's id",
		`"x/1"`: "is not a conversation id", `{"type":"chat_closed","given":{"service":"x"}}`: `unknown service "x"`,
	} {
		_, err := w.withStore(t).explain(t.Context(), httpd.RuleQuestion{Event: json.RawMessage(event)}, false)
		if core.CodeOf(err) != core.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", event, err, want)
		}
	}
}

func (w *workbench) withStore(t *testing.T) *workbench {
	t.Helper()
	s := memstore.New(time.Now)
	t.Cleanup(func() { _ = s.Close() })
	w.store = s
	return w
}

func TestExplainRecorded(t *testing.T) {
	check := answers(t)
	tests := []struct {
		name   string
		change func(*state.Record)
		notes  string
		rules  int
	}{
		{"as it was", nil, "", 2},
		{"another version", func(r *state.Record) { r.Engine = "0.9" }, "it was decided by gateway 0.9, this is dev", 2},
		{"another verdict", func(r *state.Record) {
			r.Verdicts = []*state.RuleVerdict{{Rule: "yes", Verdict: state.Verdict_NOT_MATCHED}}
		}, `the record says not_matched of "yes", and an evaluation now says matched`, 2},
		{"a flow took it", func(r *state.Record) { r.Route, r.View.Flow = "flow", &state.Flow{Name: "survey"} }, `the event went to the flow "survey"`, 0},
		{"only recorded", func(r *state.Record) { r.DuplicateOf = "chat already closed" }, "the event was only recorded: chat already closed", 0},
		{"stage 2 failed", func(r *state.Record) {
			r.Verdicts = []*state.RuleVerdict{{Verdict: state.Verdict_ERROR, Error: "stage 2: boom"}}
		}, "no rule was asked: stage 2: boom", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newBench(t).withStore(t)
			id := keep(t, w.store.(*memstore.Store), w, tt.change)
			w.set = nil // the rules have gone since
			a, err := w.explain(t.Context(), question(t, id.String()+"/1"), false)
			if err != nil {
				t.Fatal(err)
			}
			check("RuleAnswer", a)
			if notes := strings.Join(a.Notes, "; "); !strings.HasPrefix(notes, tt.notes) || tt.notes == "" && notes != "" || len(a.Rules) != tt.rules || len(a.LeftOut) != 3-tt.rules {
				t.Errorf("notes %q, %d rules, %d left out", notes, len(a.Rules), len(a.LeftOut))
			}
			if c := a.Commands; len(c) != 2 || c[0].End != "dropped" || c[0].Reason != "loop_guard" || c[1].End != "waiting" {
				t.Errorf("commands %+v", c)
			}
			if a.Test == "" && tt.name == "as it was" {
				t.Error("no test was made of it")
			}
		})
	}
}

// Why a flow did not begin stands beside the rule that matched, and the event
// that the loop guard kept away has its name.
func TestExplainShowsFlowsAndTheLoopGuard(t *testing.T) {
	w := newBench(t).withStore(t)
	id := keep(t, w.store.(*memstore.Store), w, func(r *state.Record) {
		r.Flows = []*state.FlowDone{{Flow: "survey", Version: "1", Place: "rules.d/a.yaml:9:5", What: `ends as an error: the parameter "n" is missing`}}
	})
	a, err := w.explain(t.Context(), question(t, id.String()+"/1"), false)
	if err != nil {
		t.Fatal(err)
	}
	answers(t)("RuleAnswer", a)
	guarded := showRuleCommand(&state.Command{Number: 3, Rule: "yes", EventName: "again"}, "dropped", "loop_guard")
	a.Commands = append(a.Commands, guarded)
	var out strings.Builder
	if err := a.printWhy(&out, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"flows:\n  survey: ends as an error: the parameter \"n\" is missing  (rules.d/a.yaml:9:5)\n", "3 yes: emit again: dropped, loop_guard\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nwant %q", out.String(), want)
		}
	}
	out.Reset()
	a.Commands = append(a.Commands, showRuleCommand(&state.Command{Number: 4, Rule: "other", EventName: "else"}, "sent", ""))
	if err := a.printWhy(&out, "yes"); err != nil || strings.Contains(out.String(), "left out:") ||
		!strings.Contains(out.String(), "3 yes: emit again: dropped, loop_guard\n") || strings.Contains(out.String(), "other:") {
		t.Errorf("one rule that was asked: %v\n%s\nwant what became of its own commands", err, out.String())
	}
	if err := a.printWhy(&out, "new"); err == nil || !strings.Contains(err.Error(), a.ID) {
		t.Errorf("a rule that there was not then: %v, want which event it was", err)
	}
}

func TestExplainWhatIsGone(t *testing.T) {
	w := newBench(t).withStore(t)
	id := keep(t, w.store.(*memstore.Store), w, func(r *state.Record) { r.Snap = "gone" }).String()
	for event, want := range map[string]string{
		id + "/1": "the rules of that time (snap gone) are not kept", id + "/2": "is no event, or is past retention (720h0m0s)", id + "/9": "has 3 records",
		core.OrphanID("a", "b").String() + "/1": "there is no conversation",
	} {
		if _, err := w.explain(t.Context(), question(t, event), false); core.CodeOf(err) != core.NotFound || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", event, err, want)
		}
	}
	if a, err := w.explain(t.Context(), question(t, id+"/1"), true); err != nil || len(a.Actions) != 2 {
		t.Errorf("with the rules in force: %+v, %v", a, err)
	}
}

// What has changed since in gateway.hcl and among the plugins changes nothing about
// what was decided.
func TestExplainWithoutTheWorldOfThen(t *testing.T) {
	const then = `
integration "desk" "desk" {}
channel "sms" "sms" {}
service "demo" {
  integration = "desk"
  channels    = ["sms"]
  locale      = "de-CH"
}
`
	const text = `texts: { bye: { en: Bye, de: Tschüss } }
rules:
  - name: bye
    on: customer_message
    channel: sms
    do:
      - send_sms: "{{ texts.bye }}"
      - send: { text: "{{ texts.bye }}", channel: sms, quick_replies: [Yes] }
      - transfer: { queue: q }
      - notify: { endpoint: gone }
  - { name: slow, on: customer_message, do: [{ tag: slow }] }
`
	w := newBench(t).withStore(t)
	c, ps := config.Parse([]byte(then), "gateway.hcl")
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	w.setup = &setup{Config: c}
	world := w.world(false)
	world.Past = true // the endpoint is not in gateway.hcl
	set, ps := rules.Compile("rules.d", []rules.Source{{Path: "a.yaml", Text: text}}, world)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	w.set = set.Without("slow")
	id := keep(t, w.store.(*memstore.Store), w, nil)

	now := newBench(t)
	now.store = w.store
	a, err := now.explain(t.Context(), question(t, id.String()+"/1"), false)
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, s := range a.Actions {
		did = append(did, shownText(s))
	}
	want := []string{`bye: send_sms "Tschüss"`, `bye: send {"channel":"sms","quick_replies":["Yes"],"text":"Tschüss"}`, `bye: transfer {"queue":"q"}`}
	if len(did) != 4 || !cmp.Equal(did[:3], want) || !strings.HasPrefix(did[3], `bye: notify {"body":`) {
		t.Errorf("\n got %q\nwant %q", did, want)
	}
	if len(a.LeftOut) != 1 || !strings.HasPrefix(a.LeftOut[0].Why, "it was over its time budget") {
		t.Errorf("left out %+v, want slow", a.LeftOut)
	}
}

func TestBacktestAndHistory(t *testing.T) {
	w, check := newBench(t).withStore(t), answers(t)
	keep(t, w.store.(*memstore.Store), w, nil)
	draft := []httpd.RuleFile{{Path: "a.yaml", Text: "rules:\n  - {name: new, on: customer_message, do: [{tag: a}]}\n"}}
	a, err := w.backtest(t.Context(), httpd.BacktestQuestion{Since: "1d", Files: draft})
	if err != nil {
		t.Fatal(err)
	}
	check("BacktestAnswer", a)
	if a.Events != 1 || a.Conversations != 1 || a.Differences != 2 || a.Partial {
		t.Errorf("got %+v", a)
	}
	for since, want := range map[string]string{"-1h": "is not a length of time", "x": "is not a length of time"} {
		if _, err := w.backtest(t.Context(), httpd.BacktestQuestion{Since: since, Files: draft}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("since %s: %v", since, err)
		}
	}
	soon, cancel := context.WithTimeout(t.Context(), reserve)
	defer cancel()
	if a, err := w.backtest(soon, httpd.BacktestQuestion{Files: draft}); err != nil || !a.Partial || a.Events != 0 {
		t.Errorf("without time: %+v, %v", a, err)
	}
	taken := newBench(t).withStore(t)
	keep(t, taken.store.(*memstore.Store), taken, func(r *state.Record) { r.Route = "flow" })
	if a, err := taken.backtest(t.Context(), httpd.BacktestQuestion{Since: "1d", Files: draft}); err != nil || a.Events != 0 {
		t.Errorf("of a message that a flow took: %+v, %v", a, err)
	}
	h, err := w.ruleHistory(t.Context(), httpd.RuleHistoryQuestion{Rule: "yes", Limit: 1})
	if err != nil || len(h.Items) != 1 || h.Items[0].Verdict != "matched" {
		t.Errorf("history %+v, %v", h, err)
	}
	check("RuleHistory", h)
	if _, err := w.ruleHistory(t.Context(), httpd.RuleHistoryQuestion{Rule: "yes", Limit: -1}); core.CodeOf(err) != core.Invalid {
		t.Errorf("of -1 events: %v", err)
	}
}

// The history says what the verdict alone does not, and the last event of a rule is
// one about which it was asked.
func TestHistoryOfWaitingRules(t *testing.T) {
	w, check := newBench(t).withStore(t), answers(t)
	keep(t, w.store.(*memstore.Store), w, func(r *state.Record) {
		r.View.Waited = "patience"
		r.Verdicts = []*state.RuleVerdict{
			{Rule: "patience", Verdict: state.Verdict_NOT_MATCHED, Reason: "the rule has changed"},
			{Rule: "yes", Verdict: state.Verdict_MATCHED, Shadow: true},
		}
	})
	for rule, want := range map[string]string{"patience": "the rule has changed", "yes": "shadow"} {
		h, err := w.ruleHistory(t.Context(), httpd.RuleHistoryQuestion{Rule: rule, Limit: 1})
		if err != nil || len(h.Items) != 1 || h.Items[0].Reason != want {
			t.Errorf("%s: %+v, %v, want %s", rule, h, err, want)
		}
		check("RuleHistory", h)
	}
	if id, err := w.lastOf(t.Context(), "yes"); err == nil {
		t.Errorf("the last event of yes is %s, about which it was not asked", id)
	}
	if _, err := w.lastOf(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// TestShippedTests: the rules that the gateway comes with pass their own tests.
func TestShippedTests(t *testing.T) {
	c, err := config.Load("../../gateway.hcl")
	if err != nil {
		t.Fatal(err)
	}
	set, ps := rules.Load(c.RulesDir, rulesWorld(c, offered{}))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	if len(set.Tests()) < 4 {
		t.Errorf("%d tests", len(set.Tests()))
	}
	// The README has people change a text of the demo: its tests must bear that.
	files := set.Sources()
	for i, f := range files {
		if f.Path == "demo.yaml" {
			files[i].Text = strings.NewReplacer("Thank you for", "Thanks for", "Sorry for", "Excuse").Replace(f.Text)
			if files[i].Text == f.Text {
				t.Error("the demo has no such texts any more")
			}
		}
	}
	if _, ps := rules.Compile(c.RulesDir, files, rulesWorld(c, offered{})); len(ps) > 0 {
		t.Errorf("with other texts: %v", ps)
	}
}
