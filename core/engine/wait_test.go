package engine

import (
	"testing"
	"time"

	"github.com/openccsp/gateway/core/state"
)

const waits = `rules:
  - name: r
    on: customer_message
    after: 15m
    when: chat.messages.agent == 0
    do: [{notify: {endpoint: ops, body: "{{ event.id }}"}}]
`

func helpLater(r *rig) { r.ruled(waits) }

// lastVerdict is the reason of the last verdict in ada's history.
func (r *rig) lastVerdict() string {
	r.Helper()
	records, _ := r.history(ada())
	for i := len(records) - 1; i >= 0; i-- {
		if v := records[i].Verdicts; len(v) > 0 {
			return v[0].Verdict.String() + " " + v[0].Reason
		}
	}
	return ""
}

func TestARuleThatWaitsSurvivesARestartAndAReload(t *testing.T) {
	engine(t, helpLater, func(r *rig) {
		r.accept("chan", from("ada", "m0", "help"))
		if got := r.lastVerdict(); got != "NOT_MATCHED waits 15m" {
			t.Fatalf("verdict %q", got)
		}
		r.after(5 * time.Minute)
		r.restart()
		r.after(5 * time.Minute)
		r.reload("# another file\nrules:\n  - {name: other, on: customer_message, do: [{tag: x}]}\n" + waits[len("rules:\n"):])
		r.after(5*time.Minute - 10*time.Second)
		r.wantTold()
		r.after(20 * time.Second)
		r.wantTold("m0")
		if got := r.lastVerdict(); got != state.Verdict_MATCHED.String()+" " {
			t.Errorf("verdict %q", got)
		}
		r.after(time.Hour)
		r.wantTold("m0")
		r.idle()
	})
}

func TestARuleWhoseTimeCameWhileTheGatewayWasAway(t *testing.T) {
	engine(t, helpLater, func(r *rig) {
		r.accept("chan", from("ada", "m0", "help"))
		r.crash()
		time.Sleep(time.Hour)
		r.boot()
		r.after(time.Second)
		r.wantTold("m0")
		records, _ := r.history(ada())
		if late := records[len(records)-1].View.LateBy; late < 44*60 || late > 46*60 {
			t.Errorf("late by %v s, want 45 minutes", late)
		}
		r.idle()
	})
}

func TestAReloadThatChangesARuleCancelsWhatWaits(t *testing.T) {
	engine(t, helpLater, func(r *rig) {
		r.accept("chan", from("ada", "m0", "help"))
		r.reload("rules:\n  - {name: r, on: customer_message, after: 10m, do: [{notify: {endpoint: ops}}]}\n")
		r.after(time.Hour)
		r.wantTold()
		if got := r.lastVerdict(); got != "NOT_MATCHED the rule has changed" {
			t.Errorf("verdict %q", got)
		}
		r.idle()
	})
}

func TestWhatWaitsIsDecidedBehindTheMailBefore(t *testing.T) {
	engine(t, helpLater, func(r *rig) {
		r.accept("chan", from("ada", "m0", "help"))
		r.after(14 * time.Minute)
		r.agentSays("a1")
		r.after(time.Hour)
		r.wantTold()
		if got := r.lastVerdict(); got != "NOT_MATCHED " {
			t.Errorf("verdict %q", got)
		}
		r.idle()
	})
}
