package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/flow"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/store"
)

const surveyFile = `
rules:
  - {name: begin, on: customer_message, when: (event.text ?? "") == "begin", do: [{flow: survey}, {forward: none}]}
flows:
  - name: survey
    steps:
      - wait: 10m
      - ask: 1 to 5?
        accept: reply.text matches "^[1-5]$"
        within: 2h
        retries: 1
        as: score
        else: [send: Pity., end]
      - notify: { endpoint: crm, body: { score: "{{ num(score) }}" } }
        as: said
        within: 5m
        else: [send: Hm., end]
      - send: "Thanks, {{ said.name }}."
`

// setOf compiles a rule file.
func setOf(t testing.TB, text string) *rules.Set {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, problems := rules.Load(dir, rules.World{Endpoints: []string{"crm"}})
	if problems != nil {
		t.Fatal(problems)
	}
	return set
}

// survey has the rig decide by the survey's rules and flows.
func survey(set *rules.Set, kept ...*core.FlowDef) func(r *rig) {
	return func(r *rig) {
		r.rules, r.snap.Flows, r.says = set.Evaluate, flow.New(set.Flows(), kept), `{"name":"Ada"}`
	}
}

// did returns what flows did, without their places.
func (r *rig) did() (all []string) {
	r.Helper()
	records, _ := r.history(ada())
	for _, rec := range records {
		for _, d := range rec.Flows {
			all = append(all, strings.TrimSpace(d.Step+" "+d.What))
		}
	}
	return all
}

func (r *rig) wantDid(lines ...string) {
	r.Helper()
	if got := r.did(); !slices.Equal(got, lines) {
		r.Errorf("the flow did\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

var wholeSurvey = []string{
	"begins", "wait waits 10m", "wait goes on", "ask waits up to 2h for the answer",
	"ask does not accept the reply, asks again: 1 of 1", "ask accepts the reply",
	"notify waits up to 5m for the answer", "notify answered", "send done", "ends",
}

// A flow goes on where it was, however often the gateway is killed.
func TestAFlowSurvivesKills(t *testing.T) {
	engine(t, survey(setOf(t, surveyFile)), func(r *rig) {
		r.accept("chan", from("ada", "1", "begin"))
		r.restart()
		r.after(11 * time.Minute)
		r.want("chan", "1 to 5?")
		r.restart()
		r.accept("chan", from("ada", "2", "nine"))
		r.restart()
		r.accept("chan", from("ada", "3", "4"))
		r.after(time.Second)
		r.want("chan", "1 to 5?", "1 to 5?", "Thanks, Ada.")
		r.want("desk") // the replies were the flow's
		if got := r.posted(); len(got) != 1 || !strings.Contains(got[0], `"data":{"score":4}`) {
			t.Errorf("posted %q", got)
		}
		r.wantDid(wholeSurvey...)
		if f := r.doc(ada()).Flow; f != nil {
			t.Errorf("it is not over: %v", f)
		}
		r.idle()
	})
}

// A time limit that passes while the gateway is down is noticed afterwards.
func TestAFlowsTimeLimitPassesWhileDown(t *testing.T) {
	engine(t, survey(setOf(t, surveyFile)), func(r *rig) {
		r.accept("chan", from("ada", "1", "begin"))
		r.crash()
		time.Sleep(time.Hour)
		r.boot()
		r.after(2 * time.Second)
		r.want("chan", "1 to 5?")
		r.crash()
		time.Sleep(3 * time.Hour)
		r.boot()
		r.after(2 * time.Second)
		r.want("chan", "1 to 5?", "Pity.")
		r.idle()
	})
}

// The answer of an endpoint is durable together with what the flow does with
// it: a gateway that is killed in between asks again.
func TestAnAnswerThatIsNotDurableIsAskedForAgain(t *testing.T) {
	engine(t, survey(setOf(t, surveyFile)), func(r *rig) {
		r.accept("chan", from("ada", "1", "begin"))
		r.after(11 * time.Minute)
		d := r.disk
		asked := false
		d.hook(func(string, *store.Commit) error {
			if asked = asked || len(r.posted()) > 0; asked {
				d.die() // the answer is there, and is not written any more
			}
			return nil
		}, nil)
		r.accept("chan", from("ada", "2", "4"))
		r.restart()
		r.after(time.Second)
		if got := r.posted(); len(got) != 2 || got[0] != got[1] {
			t.Errorf("posted %q, want the same twice", got)
		}
		r.want("chan", "1 to 5?", "Thanks, Ada.")
		r.idle()
	})
}

// A flow goes on with the version that it began with, and the next one begins
// with the version in force.
func TestAFlowGoesOnAcrossAReload(t *testing.T) {
	old, now := setOf(t, surveyFile), setOf(t, strings.ReplaceAll(surveyFile, "Thanks", "Many thanks"))
	engine(t, survey(old), func(r *rig) {
		r.accept("chan", from("ada", "1", "begin"))
		r.after(11 * time.Minute)
		r.rules = now.Evaluate
		r.change(func(s *conversation.Snap) { s.Rules, s.Flows = now, flow.New(now.Flows(), old.Flows()) })
		r.accept("chan", from("ada", "2", "4"))
		r.after(time.Second)
		r.want("chan", "1 to 5?", "Thanks, Ada.")
		r.accept("chan", from("ada", "3", "begin"))
		r.after(11 * time.Minute)
		r.accept("chan", from("ada", "4", "5"))
		r.after(time.Second)
		r.want("chan", "1 to 5?", "Thanks, Ada.", "1 to 5?", "Many thanks, Ada.")
		r.idle()
	})
}

// What is left of a version that cannot be compiled any more ends as an error,
// and the message goes on.
func TestAFlowWhoseVersionIsGone(t *testing.T) {
	set := setOf(t, surveyFile)
	engine(t, survey(set), func(r *rig) {
		r.accept("chan", from("ada", "1", "begin"))
		r.after(11 * time.Minute)
		r.change(func(s *conversation.Snap) { s.Rules, s.Flows = set, flow.New(nil, nil) })
		r.accept("chan", from("ada", "2", "4"))
		r.want("desk", "4")
		records, _ := r.history(ada())
		last := records[len(records)-1]
		for _, rec := range records {
			if rec.Route == "ccsp" {
				last = rec
			}
		}
		want := "the version " + set.Flows()[0].Version + " that it began with is gone"
		if len(last.Verdicts) == 0 || last.Verdicts[0].Error != want {
			t.Errorf("verdicts %v, want %q", last.Verdicts, want)
		}
		r.idle()
	})
}

// An endpoint that is slower than the flow waits is not heard any more.
func TestAnEndpointThatAnswersTooLate(t *testing.T) {
	engine(t, survey(setOf(t, surveyFile)), func(r *rig) {
		r.slow = 6 * time.Minute
		r.accept("chan", from("ada", "1", "begin"))
		r.after(11 * time.Minute)
		r.accept("chan", from("ada", "2", "4"))
		r.after(5*time.Minute + time.Second)
		r.want("chan", "1 to 5?", "Hm.")
		r.after(2 * time.Minute)
		r.want("chan", "1 to 5?", "Hm.")
		r.idle()
	})
}
