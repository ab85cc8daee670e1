package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/messenger-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// TestThreadOfAnother: what becomes of an agent's answer in a thread that another app
// controls.
func TestThreadOfAnother(t *testing.T) {
	const us, them = "9001", "77"
	for _, tt := range []struct {
		name          string
		dflt          string // app of the page
		take, request bool
		age           time.Duration // of the message
		late          bool          // an operator replayed it
		want          string
		actions       string
	}{
		{"waits", us, false, false, 0, false, "retry 1m0s", ""},
		{"waits still", us, false, false, 59 * time.Minute, false, "retry 1m0s", ""},
		{"waited for long", us, false, false, 61 * time.Minute, false, "rejected 10/2018300", ""},
		{"replayed", us, false, false, 61 * time.Minute, true, "retry 1m0s", ""},
		{"taken", us, true, false, 61 * time.Minute, false, "ok", "take_thread_control"},
		{"not to be taken", them, true, false, 0, false, "retry 1m0s", ""},
		{"not to be taken for long", them, true, false, 61 * time.Minute, false, "rejected 10/2018300", ""},
		{"asked for", them, false, true, 0, false, "retry 1m0s", "request_thread_control"},
		{"not to be taken, asked for", them, true, true, 0, false, "retry 1m0s", "request_thread_control"},
		{"taken, not asked for", us, true, true, 0, false, "ok", "take_thread_control"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t, sim.Options{Default: tt.dflt}, func(s *settings) { s.TakeControl, s.RequestControl = tt.take, tt.request })
			s.sim.Say("2002", "hi")
			s.sim.Take("2002", "88", "")
			m := sdk.Message{ID: "1", Text: "a", Author: sdk.AuthorAgent, At: time.Now().Add(-tt.age), Late: tt.late}
			for range 2 { // who was asked is not asked again
				_, err := s.Send(t.Context(), ada, m)
				if got := verdict(err); got != tt.want {
					t.Errorf("%s (%v), want %s", got, err, tt.want)
				}
			}
			want := []string{}
			if tt.actions != "" {
				want = append(want, tt.actions+" 2002")
			}
			if diff := cmp.Diff(want, s.sim.Actions()); diff != "" {
				t.Error(diff)
			}
			s.unbroken(t)
		})
	}
}

// A thread that came back and goes to another app once more is asked for again; so is
// one that nobody gave for an hour.
func TestAskedAgain(t *testing.T) {
	s := begin(t, sim.Options{Default: "77"}, func(s *settings) { s.RequestControl = true })
	s.sim.Say("2002", "hi")
	send := func() {
		if _, err := s.Send(t.Context(), ada, sdk.Message{Text: "a"}); verdict(err) != "retry 1m0s" {
			t.Errorf("%v, want the message to wait", err)
		}
	}
	asked := func(want int) {
		t.Helper()
		if got := len(s.sim.Actions()); got != want {
			t.Errorf("asked %d times, want %d", got, want)
		}
	}
	send()
	s.Advance(59 * time.Minute)
	send()
	asked(1)
	s.Advance(time.Minute)
	send()
	asked(2)
	s.sim.Pass("2002", "9001", "here you are")
	if _, err := s.Send(t.Context(), ada, sdk.Message{Text: "mine"}); err != nil {
		t.Error(err)
	}
	s.sim.Take("2002", "77", "")
	send()
	asked(3)
	s.unbroken(t)
}

// A request that did not come to Meta is made again with the next attempt; one that Meta
// refuses is not.
func TestAskFails(t *testing.T) {
	for fault, want := range map[string]int{"2/0": 1, "613/0": 1, "rst": 1, "100/0": 0} {
		s := begin(t, sim.Options{Default: "77"}, func(s *settings) { s.RequestControl = true })
		s.sim.Say("2002", "hi")
		if err := s.sim.SetFault(sim.Fault{Verb: requestControl, Kind: fault, Count: 1}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := s.Send(t.Context(), ada, sdk.Message{Text: "a"}); verdict(err) != "retry 1m0s" {
				t.Errorf("%s: %v, want the message to wait", fault, err)
			}
		}
		if got := len(s.sim.Actions()); got != want {
			t.Errorf("%s: asked %d times, want %d", fault, got, want)
		}
	}
}

// What Meta has against the take does not become of the message, unless it may pass.
func TestTakeFails(t *testing.T) {
	for _, tt := range []struct{ fault, want string }{
		{"10/0", "retry 1m0s"}, {"200/0", "retry 1m0s"}, {"3/0", "retry 1m0s"}, {"100/0", "retry 1m0s"}, {"190/0", "auth config"},
		{"2/0", "retry"}, {"613/0", "throttled 1m0s"}, {"rst", "retry 5s"}, {"half", "retry 5s"}, {"html", "retry 5s"}, {"502", "retry 5s"},
	} {
		s := begin(t, sim.Options{Default: "9001"}, func(s *settings) { s.TakeControl = true })
		s.sim.Say("2002", "hi")
		s.sim.Take("2002", "77", "")
		if err := s.sim.SetFault(sim.Fault{Verb: takeControl, Kind: tt.fault}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Send(t.Context(), ada, sdk.Message{ID: "1", Text: "a", Author: sdk.AuthorAgent})
		if got := verdict(err); got != tt.want {
			t.Errorf("take fails with %s: %s (%v), want %s", tt.fault, got, err, tt.want)
		}
	}
}

// TestControl: what rules want done with a thread.
func TestControl(t *testing.T) {
	const us, them = "9001", "77"
	long := strings.Repeat("x", 1001)
	for _, tt := range []struct {
		name, owner, event string
		params             map[string]string
		want, then         string // verdict, and the owner behind it
	}{
		{"pass", us, passControl, map[string]string{"target_app_id": "88", "metadata": "m"}, "ok", "88"},
		{"pass to the inbox", us, passControl, map[string]string{"target_app_id": "inbox"}, "ok", "263902037430900"},
		{"pass to nobody", us, passControl, nil, "rejected target_app_id", us},
		{"pass to a word", us, passControl, map[string]string{"target_app_id": "bot"}, "rejected target_app_id", us},
		{"pass of another's", them, passControl, map[string]string{"target_app_id": "88"}, "rejected 10/2018300", them},
		{"release", us, releaseControl, nil, "ok", ""},
		{"release of another's", them, releaseControl, nil, "rejected 10/2018300", them},
		{"take", them, takeControl, nil, "ok", us},
		{"request", them, requestControl, map[string]string{"metadata": "please"}, "ok", them},
		{"much metadata", us, releaseControl, map[string]string{"metadata": long}, "rejected metadata", us},
		{"an agent comes", us, sdk.AgentJoined, map[string]string{"name": "Bob"}, "ok", us},
		{"an agent goes", us, sdk.AgentLeft, nil, "ok", us},
		{"anything else", us, "vip", nil, "unsupported", us},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t, sim.Options{Default: us})
			s.sim.Say("2002", "hi")
			s.sim.Take("2002", tt.owner, "")
			if got := verdict(s.EventToCustomer(t.Context(), ada, tt.event, tt.params)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if got := s.sim.Owner("2002"); got != tt.then {
				t.Errorf("the owner is %q, want %q", got, tt.then)
			}
			s.unbroken(t)
		})
	}
	s := begin(t, sim.Options{Default: "77"})
	s.sim.Say("2002", "hi")
	if got := verdict(s.EventToCustomer(t.Context(), ada, takeControl, nil)); got != "rejected 10" {
		t.Errorf("take of what is not ours to take: %s", got)
	}
	if got := verdict(s.EventToCustomer(t.Context(), sdk.Customer{Address: "../me"}, takeControl, nil)); got != "rejected address" {
		t.Errorf("take of nobody's: %s", got)
	}
}

// Meta has answered a take with the thread's owner in place of a success.
func TestControlAnswers(t *testing.T) {
	for body, want := range map[string]string{
		`{"success":true}`: "ok", `{"data":[{"thread_owner":{"app_id":9001,"expiration":1700000000}}]}`: "ok", `{}`: "ok",
		`{"success":false}`: "retry 1m0s", `[]`: "retry 5s", ``: "retry 5s",
	} {
		far := httptest.NewServer(&plugintest.Far{Body: body})
		c, _ := connect(t, far.URL)
		got := verdict(c.EventToCustomer(t.Context(), ada, takeControl, nil))
		far.Close()
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// TestRouted: what Meta tells of a conversation that apps hand to each other.
func TestRouted(t *testing.T) {
	s := begin(t, sim.Options{Default: "77"})
	s.sim.Say("2002", "to the bot")
	s.sim.AppSays("2002", "77", "the bot answers")
	s.sim.SendFile("2002", "image", "image/png", []byte("png"))
	s.clock.advance(time.Second)
	s.sim.Pass("2002", "9001", "wants a person")
	s.sim.Say("2002", "to us")
	s.clock.advance(time.Second)
	s.sim.Ask("2002", "77", "")
	s.sim.InboxSays("2002", "I take over")
	s.sim.Pass("2002", "9001", "")
	var got []string
	for _, e := range s.heard() {
		text, _, _ := strings.Cut(e.Params["text"], "http")
		got = append(got, strings.TrimSpace(e.Type+" "+e.EventName+" "+e.Params["owner"]+e.Params["by"]+" "+e.Params["metadata"]+e.Text+text))
	}
	want := []string{
		"custom_event standby  to the bot", "custom_event page_message app the bot answers", "custom_event standby  [image]",
		"custom_event pass_thread_control us wants a person", "customer_message   to us", "custom_event request_thread_control app",
		"custom_event take_thread_control inbox", "custom_event page_message inbox I take over", "custom_event pass_thread_control us",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.unbroken(t)
}
