package conversation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const afterText = `rules:
  - name: r
    on: customer_message
    after: 15m
    when: event.text != nil and event.text contains "help" and chat.open
    do: [{notify: {endpoint: ops, body: {text: "{{ event.text }}", at: "{{ event.at }}", agent: "{{ chat.messages.agent }}"}}}]
`

// waiting is an open chat with a rule that waits for 15 minutes if a text asks
// for help, and then looks whether the chat is still open.
func waiting(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.chat()
	w.loadRules(afterText)
	w.now = start.Add(time.Minute)
	return w
}

func (w *world) body() string {
	w.t.Helper()
	return string(w.one(state.CommandKind_NOTIFY).Body)
}

func TestARuleThatWaits(t *testing.T) {
	w := waiting(t)
	w.customer("thanks")
	w.wantVerdicts("not_matched")
	if w.last.Timer.Set {
		t.Fatalf("timer %v", w.last.Timer)
	}
	w.customer("help")
	w.wantVerdicts("not_matched: waits 15m")
	if w.armed() != 16*time.Minute || w.wrote() != 0 {
		t.Fatalf("armed %v, %d notifications", w.armed(), w.wrote())
	}
	w.now = start.Add(2 * time.Minute)
	w.agent("a moment")
	w.at(16 * time.Minute)
	w.wantVerdicts("matched")
	w.wantTypes(sdk.CustomerMessage)
	want := `{"type":"customer_message","timestamp":"2023-11-14T22:14:20Z","data":{"text":"help","at":"2023-11-14T23:14:20+01:00","agent":1}}`
	if got := w.body(); got != want {
		t.Errorf("posted %s, want %s", got, want)
	}
	if len(w.doc.Timers) != 0 || w.doc.TimerMs != 0 {
		t.Errorf("timers %v, armed %v", w.doc.Timers, w.armed())
	}
	if v := w.records()[0].View; v.Waited != "r" || v.Source != "test" || v.Instance != "web" {
		t.Errorf("the view of the second look: %v", v)
	}
	w.at(time.Hour)
	w.wantVerdicts()
}

// When the time has come only the rule that waited sees the event: it is not
// routed again, not counted again, and no other rule matches it again.
func TestTheSecondLookIsOfOneRuleAlone(t *testing.T) {
	w := waiting(t)
	w.loadRules("rules:\n  - {name: r, on: customer_message, after: 15m, do: [{notify: {endpoint: ops}}]}\n" +
		"  - {name: other, on: customer_message, do: [{tag: other}]}\n")
	w.customer("help")
	w.wantVerdicts("not_matched: waits 15m", "matched")
	messages, pending := w.doc.Chat.CustomerMessages, len(w.pending)
	w.at(16 * time.Minute)
	w.wantVerdicts("matched")
	if w.doc.Chat.CustomerMessages != messages || len(w.pending) != pending+1 {
		t.Errorf("%d messages, then %d; commands %v", messages, w.doc.Chat.CustomerMessages, w.show())
	}
}

func TestAConditionThatNoLongerHolds(t *testing.T) {
	w := waiting(t)
	w.customer("help")
	w.desk(sdk.ChatClosed)
	w.at(16 * time.Minute)
	w.wantVerdicts("not_matched")
	if w.wrote() != 0 || len(w.doc.Timers) != 0 {
		t.Errorf("%d notifications, timers %v", w.wrote(), w.doc.Timers)
	}
}

func TestANewerEventTakesTheOlderOnesPlace(t *testing.T) {
	w := waiting(t)
	w.customer("help")
	w.now = start.Add(10 * time.Minute)
	w.customer("no, wait") // it does not match, and changes nothing
	w.now = start.Add(11 * time.Minute)
	w.customer("help me")
	w.at(16 * time.Minute)
	w.wantVerdicts()
	if w.armed() != 26*time.Minute {
		t.Fatalf("armed %v", w.armed())
	}
	w.at(26 * time.Minute)
	w.wantVerdicts("matched")
	if got := w.body(); !strings.Contains(got, `"text":"help me"`) {
		t.Errorf("posted %s", got)
	}
}

func TestAChangedRuleCancelsItsTimers(t *testing.T) {
	w := waiting(t)
	w.customer("help")
	w.loadRules("rules:\n  - {name: r, on: customer_message, after: 15m, do: [{notify: {endpoint: ops}}]}\n")
	w.at(16 * time.Minute)
	w.wantVerdicts("not_matched: the rule has changed")
	if w.wrote() != 0 || len(w.doc.Timers) != 0 || len(w.records()) != 1 {
		t.Errorf("%d notifications, timers %v, %d records", w.wrote(), w.doc.Timers, len(w.records()))
	}
}

func TestAReloadKeepsTheTimersOfTheSameRule(t *testing.T) {
	w := waiting(t)
	w.customer("help")
	text := strings.Replace(afterText, " contains", "   contains", 1)
	w.loadRules("rules:\n  - {name: new, on: chat_idle, do: [{tag: x}]}\n" + strings.TrimPrefix(text, "rules:\n"))
	w.at(16 * time.Minute)
	w.wantVerdicts("matched")
	w.body()
}

func TestALateTimerOfARuleSaysSo(t *testing.T) {
	w := waiting(t)
	w.customer("help")
	w.at(time.Hour)
	w.wantVerdicts("matched")
	if got := w.records()[0].View.LateBy; got != (44 * time.Minute).Seconds() {
		t.Errorf("late by %v", got)
	}
}

// Limits count what is done: the second look, not the first.
func TestLimitsOfARuleThatWaits(t *testing.T) {
	w := ruled(t, "customer_message", "after: 1m", "cooldown: 10m", ops)
	w.customer("1")
	w.wantVerdicts("not_matched: waits 1m")
	w.now = start.Add(30 * time.Second)
	w.customer("2")
	w.wantVerdicts("not_matched: waits 1m") // nothing was done yet
	w.at(90 * time.Second)
	w.wantVerdicts("matched")
	w.now = start.Add(2 * time.Minute)
	w.customer("3")
	w.wantVerdicts("not_matched: cooldown")
	w.now = start.Add(12 * time.Minute)
	w.customer("4")
	w.wantVerdicts("not_matched: waits 1m")
}

func TestAShadowWaitsToo(t *testing.T) {
	w := ruled(t, "customer_message", "after: 1m", "mode: shadow", ops)
	w.customer("1")
	w.wantVerdicts("not_matched: waits 1m")
	w.at(time.Minute)
	w.wantVerdicts("matched, shadow")
	if w.wrote() != 0 {
		t.Errorf("%d notifications", w.wrote())
	}
}

func TestRulesWaitWithoutAChat(t *testing.T) {
	w := newWorld(t)
	w.snap.Services["retail"].Forward = bot
	w.loadRules("rules:\n  - {name: r, on: customer_message, after: 1m, do: [{send: still there?}]}\n")
	w.customer("hi")
	w.at(time.Minute)
	w.wantVerdicts("matched")
	if got := w.one(state.CommandKind_DELIVER).Message.Text; got != "still there?" {
		t.Errorf("sent %q", got)
	}
}

// What waits is bounded, and what is not let wait is an error that says so.
func TestWhatWaitsIsBounded(t *testing.T) {
	const refused = "error: too much waits in this conversation for a rule's time"
	var many strings.Builder
	many.WriteString("rules:\n")
	for i := range 25 {
		fmt.Fprintf(&many, "  - {name: r%d, on: custom_event, after: 1h, do: [{tag: t%d}]}\n", i, i)
	}
	tests := []struct {
		name    string
		event   *pluginv1.Event
		refused int
	}{
		{"rules", &pluginv1.Event{Type: sdk.CustomEvent}, 5},
		{"bytes", &pluginv1.Event{Type: sdk.CustomEvent, Payload: []byte(`"` + strings.Repeat("x", 4000) + `"`)}, 25 - 16},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.chat()
			w.loadRules(many.String())
			for range 2 { // the second event takes the places of the first one's
				w.event("web", tt.event.CloneVT())
				n := 0
				for _, v := range w.verdicts() {
					if v == refused {
						n++
					}
				}
				if n != tt.refused || len(w.doc.Timers) != 25-tt.refused || w.doc.SizeVT() > 80<<10 {
					t.Fatalf("%d refused, %d wait, %d bytes", n, len(w.doc.Timers), w.doc.SizeVT())
				}
			}
			w.at(time.Hour)
			if n := len(w.doc.Tags); n != 25-tt.refused || len(w.doc.Timers) != 0 {
				t.Errorf("%d rules were done, %d wait", n, len(w.doc.Timers))
			}
		})
	}
}

// A timer whose second look fails is not tried for ever, and does no harm to a
// chat that has been opened since.
func TestASecondLookThatFails(t *testing.T) {
	w := ruled(t, "chat_closed", "after: 1m", ops)
	w.close("ops")
	w.wantVerdicts("not_matched: waits 1m")
	w.sent(w.one(state.CommandKind_CHAT_CLOSE))
	w.chat()
	w.snap.Probe = func(stage int, typ string) {
		if stage == 1 && typ == sdk.ChatClosed {
			panic("broken")
		}
	}
	w.at(time.Minute)
	if len(w.last.Poison) != 1 || len(w.doc.Timers) != 0 || w.doc.Chat.State != state.ChatState_CHAT_OPEN {
		t.Errorf("poison %v, timers %v, chat %v", w.last.Poison, w.doc.Timers, w.doc.Chat.State)
	}
}

// A flow is not asked at a second look, and so does not end with one that fails.
func TestASecondLookThatFailsLeavesTheFlow(t *testing.T) {
	w := waiting(t)
	w.customer("help")
	w.snap.Flows = flows{}
	w.doc.Flow = &state.Flow{Name: "survey"}
	w.snap.Probe = broken(sdk.CustomerMessage, 2)
	w.at(16 * time.Minute)
	w.wantVerdicts("error: stage 2: boom")
	if w.doc.Flow == nil {
		t.Error("the flow under way is gone")
	}
}
