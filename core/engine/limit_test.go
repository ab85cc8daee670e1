package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// ruled makes the rules of a file those of the next start.
func (r *rig) ruled(text string) {
	r.Helper()
	dir := r.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
	set, problems := rules.Load(dir, rules.World{
		Services: []string{"shop"}, Integrations: []string{"desk"}, Endpoints: []string{"ops"},
		Channels: map[string]rules.Channel{"chan": {Type: "rtm", Service: "shop"}},
	})
	if len(problems) > 0 {
		r.Fatalf("%s\n%s", text, problems)
	}
	r.rules = set.Evaluate
}

// reload makes the rules of a file those in force.
func (r *rig) reload(text string) {
	r.Helper()
	r.ruled(text)
	r.change(func(s *conversation.Snap) { s.Rules = r.rules })
}

// limited is a rule that tells ops of customers' messages, so often.
func limited(keys string) func(*rig) {
	return func(r *rig) {
		r.ruled("rules:\n  - {name: r, on: customer_message, " + keys + ", do: [{notify: {endpoint: ops, body: \"{{ event.id }}\"}}]}\n")
	}
}

// told returns the ids of the messages that ops was told of.
func (r *rig) told() (ids []string) {
	for _, post := range r.posted() {
		_, data, _ := strings.Cut(post, `"data":"`)
		ids = append(ids, strings.TrimSuffix(data, `"}`))
	}
	return ids
}

// throttled counts the commands of a conversation that ended so.
func (r *rig) throttled(id core.ConversationID) (n int) {
	r.Helper()
	_, ends := r.history(id)
	for _, e := range ends {
		if e.End == "dropped" && e.Reason == "throttled" {
			n++
		}
	}
	return n
}

func (r *rig) wantTold(ids ...string) {
	r.Helper()
	if got := r.told(); !slices.Equal(got, ids) {
		r.Fatalf("ops was told of %q, want %q", got, ids)
	}
}

func TestALimitPerRuleCountsAllCustomers(t *testing.T) {
	engine(t, limited("throttle: 2 per 1h, per: rule"), func(r *rig) {
		for i, who := range []string{"ada", "bob", "eve", "ada"} {
			r.accept("chan", from(who, fmt.Sprint("m", i), "x"))
			r.after(time.Minute)
		}
		r.wantTold("m0", "m1")
		eve := core.NewConversationID("chan", "eve")
		if r.throttled(ada()) != 1 || r.throttled(eve) != 1 {
			t.Errorf("ada has %d throttled, eve %d, want 1 each", r.throttled(ada()), r.throttled(eve))
		}
		records, _ := r.history(eve)
		if v := records[0].Verdicts[0]; v.Verdict != state.Verdict_MATCHED {
			t.Errorf("the verdict is %v: a limit beyond the conversation is no part of the decision", v)
		}
		r.after(time.Hour)
		r.accept("chan", from("eve", "m4", "x"))
		r.wantTold("m0", "m1", "m4")
		r.idle()
	})
}

func TestALimitPerCustomer(t *testing.T) {
	engine(t, limited("once: true, per: customer"), func(r *rig) {
		for i, who := range []string{"ada", "bob", "ada", "bob"} {
			r.accept("chan", from(who, fmt.Sprint("m", i), "x"))
		}
		r.wantTold("m0", "m1")
		r.idle()
	})
}

// A counter is durable before its command leaves.
func TestALimitSurvivesARestart(t *testing.T) {
	engine(t, limited("cooldown: 1h, per: rule"), func(r *rig) {
		r.accept("chan", from("ada", "m0", "x"))
		r.restart()
		r.accept("chan", from("ada", "m1", "x"))
		r.wantTold("m0")
		r.after(time.Hour)
		r.restart()
		r.accept("chan", from("ada", "m2", "x"))
		r.wantTold("m0", "m2")
		r.idle()
	})
}

// A crash at the counting takes nothing away: whether the count was written or
// not, the command goes, and counts once.
func TestACrashWhileALimitIsCounted(t *testing.T) {
	for _, when := range []string{"before state", "after state"} {
		t.Run(when, func(t *testing.T) {
			engine(t, limited("throttle: 2 per 1h, per: rule"), func(r *rig) {
				r.dieAt(when)
				r.accept("chan", from("ada", "m0", "x"))
				r.wantTold()
				r.halt()
				r.boot()
				r.wantTold("m0")
				for i := range 2 {
					r.accept("chan", from("ada", fmt.Sprint("m", i+1), "x"))
				}
				r.wantTold("m0", "m1")
				r.after(time.Minute) // the chat is opened again: nobody knows whether it was
				r.idle()
			})
		})
	}
}

func TestALimitThatCannotBeCountedIsAskedAgain(t *testing.T) {
	for _, err := range []error{store.ErrUnavailable, store.ErrConflict} {
		t.Run(err.Error(), func(t *testing.T) {
			engine(t, limited("once: true, per: rule"), func(r *rig) {
				r.disk.refuse("state", 2*limitTries-1, err)
				r.accept("chan", from("ada", "m0", "x"))
				r.wantTold()
				r.after(2 * limitTries * storeRetry)
				r.wantTold("m0")
				r.idle()
			})
		})
	}
}

// All commands of one match count once, and share its fate; those of others
// are as they were.
func TestAMatchIsCountedOnce(t *testing.T) {
	text := "rules:\n  - {name: r, on: chat_held, throttle: 2 per 1h, per: rule, notify_url: ops, " +
		"do: [{send: '" + strings.Repeat("word ", 20) + "'}, {notify: {endpoint: ops}}]}\n"
	engine(t, func(r *rig) {
		r.ruled(text)
		r.snap.Instances["chan"].Caps.ToOutside = &pluginv1.TextLimit{Limit: 30}
	}, func(r *rig) {
		r.open()
		for i := range 3 {
			r.accept("desk", &pluginv1.Event{Type: sdk.ChatHeld, Id: fmt.Sprint(i), Ref: "chat-1"})
			parts, copies, posts := len(r.texts("chan")), len(r.texts("desk")), len(r.posted())
			want := min(i+1, 2)
			if parts != 4*want || copies != want || posts != 2*want {
				t.Fatalf("after match %d: %d parts, %d copies for the agent, %d notifications", i+1, parts, copies, posts)
			}
		}
		if n := r.throttled(ada()); n != 4+1+2 {
			t.Errorf("%d commands are throttled, want all 7 of the third match", n)
		}
		r.agentSays("hello")
		if got := r.texts("chan"); got[len(got)-1] != "hello" {
			t.Errorf("the agent's message did not go: %q", got)
		}
		r.idle()
	})
}

// What an operator replays goes: it was let go before.
func TestAReplayIsNotLimited(t *testing.T) {
	engine(t, limited("once: true, per: rule"), func(r *rig) {
		cmd := &state.Command{
			Kind: state.CommandKind_NOTIFY, Endpoint: "ops", Rule: "r", Body: []byte(`{"data":"again"}`),
			Limit: &state.CommandLimit{Counter: make([]byte, 16), Match: 1, Limits: []*state.Limit{{}}},
		}
		r.accept("chan", from("ada", "m0", "x"))
		cmd.Limit.Limits[0].Times = 1
		mail := &state.Mail{Source: "api", Body: &state.Mail_Replay{Replay: &state.Replay{Commands: []*state.Command{cmd, cmd.CloneVT()}}}}
		if err := r.e.mail(t.Context(), ada(), "replay", mail); err != nil {
			t.Fatal(err)
		}
		r.after(time.Second)
		r.wantTold("m0", "again", "again")
		r.idle()
	})
}

// A command that had to wait is asked late. Its match, an old one, must not put
// a newer one out of the counter.
func TestALateCommandLeavesNewerMatchesCounted(t *testing.T) {
	minute := time.Minute.Milliseconds()
	counter := &state.Counter{}
	for match, at := range []int64{120, 10, 125, 130} { // minutes; at most two an hour
		cmd := &state.Command{CreatedMs: at * minute, Limit: &state.CommandLimit{
			Match: uint64(match), Limits: []*state.Limit{{Times: 2, WithinMs: 60 * minute}},
		}}
		if got, want := usedUp(counter, cmd), at == 130; got != want {
			t.Errorf("the match at %d: used up is %v, want %v", at, got, want)
		}
		counter = counted(counter, cmd)
	}
}

// A counter is in the store as long as it can decide anything; once counts for
// ever.
func TestCountersEnd(t *testing.T) {
	for keys, stays := range map[string]bool{
		"throttle: 1 per 1h, per: customer":           false,
		"cooldown: 1h, throttle: 3 per 2d, per: rule": false,
		"once: true, per: customer":                   true,
		"once: true, cooldown: 1h, per: customer":     true,
	} {
		engine(t, limited(keys), func(r *rig) {
			r.accept("chan", from("ada", "1", "hi"))
			r.wantTold("1")
			counter := core.CounterID("r", "rtm", "ada")
			if strings.Contains(keys, "per: rule") {
				counter = core.CounterID("r", "", "")
			}
			there := func() bool {
				b, err := r.mem.State(r.Context(), limitState, fmt.Sprintf("%x", counter[:]))
				if err != nil {
					r.Fatal(err)
				}
				return b != nil
			}
			if r.after(47 * time.Hour); !there() {
				t.Errorf("%s: the counter is gone too early", keys)
			}
			if r.after(60 * time.Hour); there() != stays {
				t.Errorf("%s: the counter is there: %v", keys, !stays)
			}
			r.accept("chan", from("ada", "2", "hi"))
			if stays {
				r.wantTold("1")
			} else {
				r.wantTold("1", "2")
			}
		})
	}
}
