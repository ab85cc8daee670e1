package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// sorry tells customers who wait for 15 minutes.
func sorry(r *rig) {
	r.snap.Services["shop"].UnattendedAfter = []time.Duration{15 * time.Minute}
	r.rules = func(v *state.View) (e core.Evaluation) {
		if v.Type == sdk.CustomerUnattended {
			e.Actions = []core.Action{{Kind: core.Send, Rule: "sorry", Text: "Sorry for the wait."}}
		}
		return e
	}
}

// TestTheVendorIsDownForAnHour: customers write all the while, and the gateway
// dies in the middle. Their messages wait in order, a rule tells them, nothing
// is lost, and the vendor is not called more often than a lane's head is tried.
func TestTheVendorIsDownForAnHour(t *testing.T) {
	const customers, messages = 60, 12
	const backoff = 24 // 10 in the first 9 minutes, then one each 5
	down := []struct {
		name      string
		fail      func(*call)
		each, all int // attempts at most
	}{
		{"refuses", func(c *call) { c.outcome(pluginv1.Outcome_RETRY, 0) }, backoff, customers * backoff},
		{"says 429", func(c *call) {
			time.Sleep(200 * time.Millisecond)
			c.outcome(pluginv1.Outcome_THROTTLED, 0)
		}, 1100, 1100}, // about one each 5 s of all
		{"has lost its key", func(c *call) { c.outcome(pluginv1.Outcome_AUTH_CONFIG, 0) }, 100, 100}, // about one a minute of all
	}
	for _, tt := range down {
		t.Run(tt.name, func(t *testing.T) {
			engine(t, sorry, func(r *rig) {
				r.accept("chan", from("c0", "first", "c0 is here")) // the only one with a chat
				r.forget()
				r.answer(func(c *call) {
					if c.instance == "desk" {
						tt.fail(c)
						return
					}
					c.ok()
				})
				for i := range messages {
					for k := range customers {
						r.accept("chan", from(fmt.Sprint("c", k), fmt.Sprint(i), fmt.Sprintf("c%d-%d", k, i)))
					}
					r.after(5 * time.Minute)
					if i == messages/2 {
						r.restart()
					}
				}
				r.wantAttempts("desk", tt.each, tt.all)
				r.forget()
				r.answer(nil)
				r.after(6 * time.Minute)
				r.wantTalks(customers, messages)
				if letters, _ := r.dead(); len(letters) != 0 {
					t.Errorf("dead letters %q", letters)
				}
				r.idle()
			})
		})
	}
}

// wantAttempts fails the test if a conversation's commands were tried more
// often at an instance, or a command that is not the first of its lane was. Those
// who wait were told, once.
func (r *rig) wantAttempts(instance string, each, all int) {
	r.Helper()
	tries, keys, told := map[core.ConversationID]int{}, map[core.ConversationID]string{}, map[core.ConversationID]int{}
	for _, c := range r.all() {
		switch {
		case c.instance == "chan" && c.Message.Text == "Sorry for the wait.":
			told[c.conv]++
		case c.instance == instance:
			tries[c.conv]++
			if first := keys[c.conv]; first != "" && first != c.Key {
				r.Errorf("%s: %s was tried before %s had ended", c.conv, c.Key, first)
			}
			keys[c.conv] = c.Key
		}
	}
	sum := 0
	for id, n := range tries {
		sum += n
		if n > each || told[id] != 1 {
			r.Errorf("%s: %d attempts, want at most %d; the customer was told %d times, want once", id, n, each, told[id])
		}
	}
	if sum == 0 || sum > all {
		r.Errorf("%d attempts in all, want 1 to %d", sum, all)
	}
}

// wantTalks fails the test unless the desk got all that the customers wrote, in
// their order, each once.
func (r *rig) wantTalks(customers, messages int) {
	r.Helper()
	got := map[string][]string{}
	for _, text := range r.texts("desk") {
		text = strings.TrimSuffix(text, "!") // its first try was under way when the gateway died
		who, _, found := strings.Cut(text, "-")
		if found {
			got[who] = append(got[who], text)
		}
	}
	for k := range customers {
		var want []string
		for i := range messages {
			want = append(want, fmt.Sprintf("c%d-%d", k, i))
		}
		if who := fmt.Sprint("c", k); !slices.Equal(got[who], want) {
			r.Errorf("the desk got %q, want %q", got[who], want)
		}
	}
}

// TestAnOpenWithoutAnAnswer is tried once more. If that succeeds the vendor may
// have the chat twice, and everybody is told; if not, it is a dead letter.
func TestAnOpenWithoutAnAnswer(t *testing.T) {
	const ghost = "The first try to open this chat had no answer: it may be there twice. The other one can be closed."
	lost := func(c *call) { c.done(nil, core.Lost) }
	tests := []struct {
		name    string
		lost    int // attempts without an answer
		crash   bool
		desk    []string
		end     string
		letters []string
	}{
		{"answered", 0, false, []string{"hello"}, "sent ", nil},
		{"once", 1, false, []string{"hello", "hello!", ghost}, "sent possible_ghost_chat", nil},
		{"the gateway died", 0, true, []string{"hello", "hello!", ghost}, "sent possible_ghost_chat", nil},
		{"twice", 2, false, []string{"hello", "hello!"}, "dead ambiguous", []string{"hello: ambiguous"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine(t, nil, func(r *rig) {
				n := 0
				r.answer(func(c *call) {
					n++
					switch {
					case n == 1 && tt.crash:
					case n <= tt.lost:
						lost(c)
					default:
						c.ok()
					}
				})
				r.accept("chan", from("ada", "1", "hello"))
				if tt.crash {
					r.restart()
				}
				r.after(time.Minute)
				r.want("desk", tt.desk...)
				if got := r.endsOf(state.CommandKind_CHAT_OPEN_CMD); !slices.Equal(got, []string{tt.end}) {
					t.Errorf("the open ended %q, want %q", got, tt.end)
				}
				if letters, _ := r.dead(); !slices.Equal(letters, tt.letters) {
					t.Errorf("dead letters %q, want %q", letters, tt.letters)
				}
				if said, want := r.logs.has("the vendor may have it twice"), len(tt.desk) == 3; said != want {
					t.Errorf("the log warns: %v, want %v", said, want)
				}
				r.idle()
			})
		})
	}
}

// TestATranscriptGoesWithEveryTry: it is there again on a retry, and after the
// gateway has died.
func TestATranscriptGoesWithEveryTry(t *testing.T) {
	conf := func(r *rig) {
		svc := r.snap.Services["shop"]
		svc.Bot, svc.Forward, svc.Transcript = "bot", state.Owner_OWNER_BOT, 20
		r.snap.Instances["bot"] = &conversation.Instance{Name: "bot", Caps: &pluginv1.Capabilities{}}
		r.snap.Instances["desk"].Caps.Transcript = true
		r.rules = func(v *state.View) (e core.Evaluation) {
			if v.Event.GetText() == "an agent please" {
				e.Actions = []core.Action{{Kind: core.Forward, Owner: state.Owner_OWNER_CCSP, Rule: "r"}}
			}
			return e
		}
	}
	engine(t, conf, func(r *rig) {
		r.accept("chan", from("ada", "1", "hi"))
		r.accept("bot", said(ada().String(), "2", "How can I help?"))
		r.answer(func(c *call) { c.outcome(pluginv1.Outcome_RETRY, time.Minute) })
		r.accept("chan", from("ada", "3", "an agent please"), from("ada", "4", "quick"))
		r.restart()
		r.answer(nil)
		r.after(2 * time.Minute)
		r.want("desk", "an agent please", "an agent please", "quick")
		for i, c := range r.to("desk", pluginv1.Op_OPEN) {
			var got []string
			for _, l := range c.Chat.Transcript {
				got = append(got, l.Author.String()+" "+l.Text)
			}
			if want := []string{"AUTHOR_CUSTOMER hi", "AUTHOR_BOT How can I help?"}; !slices.Equal(got, want) {
				t.Errorf("try %d shows %q, want %q", i+1, got, want)
			}
		}
		for _, c := range r.to("desk", pluginv1.Op_SEND) {
			if c.Chat.Transcript != nil {
				t.Errorf("%q carries %v", c.Message.Text, c.Chat.Transcript)
			}
		}
		if doc := r.doc(ada()); len(doc.Chat.Transcript) != 0 {
			t.Errorf("it stays: %v", doc.Chat.Transcript)
		}
	})
}

// TestAChatIsOpenedAgain: the vendor is asked, polls go on where they were, and
// what the customer wrote follows.
func TestAChatIsOpenedAgain(t *testing.T) {
	conf := func(r *rig) {
		polling(r)
		desk := r.snap.Instances["desk"]
		desk.Abilities = append(desk.Abilities, pluginv1.AbilityReopen)
		r.snap.Services["shop"].ReopenWithin = time.Hour
	}
	tests := []struct {
		name   string
		refuse bool
		ops    []pluginv1.Op
		said   []string
	}{
		{"yes", false, []pluginv1.Op{pluginv1.Op_REOPEN, pluginv1.Op_SEND}, []string{"bye", "welcome back"}},
		{"no", true, []pluginv1.Op{pluginv1.Op_REOPEN, pluginv1.Op_OPEN}, []string{"bye"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := (&vendor{}).says(said("", "1", "bye"), &pluginv1.Event{Type: sdk.ChatClosed, Id: "2", Status: "closed"})
			engine(t, conf, func(r *rig) {
				r.onPoll = func(p *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
					if p.Chat.Ref != "chat-1" {
						return &pluginv1.PollAnswer{Result: good}, core.Answered, 0
					}
					return v.poll(p)
				}
				r.open()
				r.after(10 * time.Second)
				r.forget()
				r.answer(func(c *call) {
					if c.Op == pluginv1.Op_REOPEN && tt.refuse {
						c.outcome(pluginv1.Outcome_REJECTED, 0)
						return
					}
					c.ok()
				})
				v.says(said("", "3", "welcome back"))
				r.accept("chan", from("ada", "5", "one more thing"))
				r.after(10 * time.Second)
				var ops []pluginv1.Op
				for _, c := range r.all() {
					if c.instance == "desk" {
						ops = append(ops, c.Op)
					}
				}
				if !slices.Equal(ops, tt.ops) {
					t.Errorf("the desk was asked %v, want %v", ops, tt.ops)
				}
				r.want("desk", "one more thing")
				if got := r.decided(ada(), sdk.IncomingMessage); !slices.Equal(got, tt.said) {
					t.Errorf("the agent said %q, want %q", got, tt.said)
				}
				if doc := r.doc(ada()); doc.Chat.State != state.ChatState_CHAT_OPEN {
					t.Errorf("the chat is %v", doc.Chat)
				}
			})
		})
	}
}
