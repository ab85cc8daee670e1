package host_test

import (
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// keyed calls i-echo with an idempotency key.
func (b *bench) keyed(key, text string) (*pluginv1.Result, core.Fate) {
	b.t.Helper()
	type answer struct {
		r *pluginv1.Result
		f core.Fate
	}
	c := message(text)
	c.Key = key
	for {
		got := make(chan answer, 2)
		b.h.Call("i-echo", core.NewConversationID("i-echo", key), c, time.Hour,
			func(r *pluginv1.Result, f core.Fate) { got <- answer{r, f} })
		a := <-got
		if a.f != core.NoPlugin && a.f != core.NotSent {
			return a.r, a.f
		}
		time.Sleep(time.Millisecond) // as a caller with a retry would
	}
}

// TestPoison: what the plugin had in hand in two crashes is not given to it
// again, and the plugin is not blamed.
func TestPoison(t *testing.T) {
	b := start(t, host.Timing{Trial: time.Hour}, []string{"echo"}, "echo")
	for n := range 4 { // far more crashes than a plugin may have
		key := string(rune('a' + n))
		if _, fate := b.keyed(key, "crash"); fate != core.Lost {
			t.Fatalf("call that crashes = %v, want Lost", fate)
		}
		for _, turn := range []string{"second", "third"} {
			r, fate := b.keyed(key, "crash")
			if fate != core.Answered || r.GetOutcome() != pluginv1.Outcome_REJECTED || r.GetCode() != "poison" {
				t.Fatalf("%s time = %v, %v, want rejected as poison", turn, r, fate)
			}
		}
	}
	if r, fate := b.keyed("x", "hello"); fate != core.Answered || r.GetOutcome() != pluginv1.Outcome_OK {
		t.Errorf("another call = %v, %v", r, fate)
	}
	if p := b.plugin("echo"); p.Crashes != 0 || p.State != host.Running {
		t.Errorf("plugin = %+v, want it not to be blamed", p)
	}
	if n := b.metric("gateway_plugin_poison_total", "test.echo"); n != 4 {
		t.Errorf("poison counted %v, want 4", n)
	}
}

// TestSuspectsGoAlone: what was in hand in one crash is tried again, one at a
// time, and cleared when it is answered.
func TestSuspectsGoAlone(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	type answer struct {
		key  string
		fate core.Fate
	}
	got := make(chan answer, 8)
	send := func(key, text string) {
		c := message(text)
		c.Key = key
		b.h.Call("i-echo", core.NewConversationID("i-echo", key), c, time.Hour,
			func(_ *pluginv1.Result, f core.Fate) { got <- answer{key, f} })
	}
	send("a", "silent")
	send("b", "silent")
	send("c", "crash")
	for range 3 {
		if a := <-got; a.fate != core.Lost {
			t.Fatalf("call %s = %v, want Lost", a.key, a.fate)
		}
	}
	b.eventually("it is back", func() bool { _, f := b.keyed("x", "hello"); return f == core.Answered })
	send("a", "park")
	b.eventually("the first suspect is under way", func() bool { return b.log.line("msg=parking") != "" })
	send("b", "hello")
	if a := <-got; a.key != "b" || a.fate != core.NotSent {
		t.Errorf("second suspect = %v, want it not to be sent", a)
	}
	if _, f := b.keyed("x", "hello"); f != core.Answered {
		t.Errorf("a call that is no suspect = %v, want Answered", f)
	}
	b.allow()
	if a := <-got; a.key != "a" || a.fate != core.Answered {
		t.Errorf("first suspect = %v, want Answered", a)
	}
	if r, f := b.keyed("b", "hello"); f != core.Answered || r.GetOutcome() != pluginv1.Outcome_OK {
		t.Errorf("second suspect = %v, %v, want its turn", r, f)
	}
}

// TestPoisonousWebhook: a request that ended the plugin twice is kept, and its
// sender is told that it arrived.
func TestPoisonousWebhook(t *testing.T) {
	b := start(t, host.Timing{}, []string{"echo"}, "echo")
	hook := func(body string) (*pluginv1.WebhookAnswer, error) {
		return b.h.Webhook(t.Context(), "i-echo", &pluginv1.WebhookRequest{Method: "POST", Body: []byte(body)})
	}
	if _, err := hook("crash"); core.CodeOf(err) != core.Unavailable {
		t.Errorf("first time = %v, want unavailable", err)
	}
	for range 2 { // the second crash, and without one
		a, err := hook("crash")
		if err != nil || a.Status != 200 || !a.Quarantine || a.Detail == "" {
			t.Errorf("then = %v, %v, want 200 and that it is kept", a, err)
		}
	}
	if a, err := hook("hello"); err != nil || a.Quarantine {
		t.Errorf("another request = %v, %v", a, err)
	}
	if p := b.plugin("echo"); p.Restarts != 2 || p.Crashes != 0 {
		t.Errorf("plugin = %+v, want two restarts and no blame", p)
	}
}

// TestWedgedInstance: a late call ends nothing while its instance answers
// others; one that answers nothing more does.
func TestWedgedInstance(t *testing.T) {
	b := start(t, host.Timing{Stuck: 50 * time.Millisecond}, []string{"echo"}, "echo")
	pid := b.plugin("echo").PID
	if _, fate := b.callFor("i-echo", "silent", 20*time.Millisecond); fate != core.Lost {
		t.Fatalf("silent call = %v, want Lost", fate)
	}
	b.eventually("restart", func() bool { p := b.plugin("echo"); return p.PID != 0 && p.PID != pid && p.State == host.Running })
	if p := b.plugin("echo"); !strings.Contains(p.LastError, "wedged: 1 of 1 instances") {
		t.Errorf("last error = %q", p.LastError)
	}
}
