package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/bot-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// acts are the calls that can fail.
var acts = map[string]func(context.Context, *rig) error{
	"send": func(ctx context.Context, r *rig) error {
		_, err := r.Send(ctx, talk, sdk.Message{ID: "m1", Text: "Hi"})
		return err
	},
	"open": func(ctx context.Context, r *rig) error {
		_, err := r.Open(ctx, talk, sdk.Message{ID: "m1", Text: "Hi"})
		return err
	},
	"event": func(ctx context.Context, r *rig) error { return r.SendEvent(ctx, talk, "control_passed", nil) },
	"close": func(ctx context.Context, r *rig) error { return r.Close(ctx, talk, "closed") },
}

// told has Rasa told of the events of acts.
func told(s *settings) {
	if s.Profile == profileRasa {
		s.EventIntents = map[string]string{"control_passed": "passed", "chat_closed": "closed"}
	}
}

// verdicts of one answer: of both profiles, or of each.
type verdicts struct{ rasa, json string }

func both(what string) verdicts { return verdicts{what, what} }

// TestAnswers holds what each answer of the bot means.
func TestAnswers(t *testing.T) {
	const page = "<!DOCTYPE html><html><body>maintenance</body></html>"
	retryAfter := http.Header{"Retry-After": {"7"}}
	message := `[{"recipient_id":"` + ref + `","text":"Hi"}]`
	for _, tt := range []struct {
		name string
		bot  *plugintest.Far
		want verdicts
	}{
		{"no reply", &plugintest.Far{Body: `[]`}, verdicts{"ok", "ambiguous"}},
		{"a reply of Rasa", &plugintest.Far{Body: message}, verdicts{"ok", "ambiguous"}},
		{"a long reply of Rasa", &plugintest.Far{Body: `[{"text":"` + big(300<<10) + `"}]`}, verdicts{"ok", "ambiguous"}},
		{"too many replies", &plugintest.Far{Body: "[" + strings.Repeat(`{"text":"a"},`, maxSaid) + `{"text":"a"}]`},
			verdicts{"rejected too_many", "ambiguous"}},
		{"no events", &plugintest.Far{Body: `{"version":1,"events":[]}`}, verdicts{"ambiguous", "ok"}},
		{"empty object", &plugintest.Far{Body: `{}`}, verdicts{"ambiguous", "ok"}},
		{"version as text", &plugintest.Far{Body: `{"version":"1","events":[]}`}, verdicts{"ambiguous", "ok"}},
		{"another version", &plugintest.Far{Body: `{"version":2,"events":[]}`}, both("ambiguous")},
		{"events of a wrong type", &plugintest.Far{Body: `{"version":1,"events":{}}`}, both("ambiguous")},
		{"unsigned", &plugintest.Far{Body: `{"version":1,"events":[{"type":"message","text":"Hi"}]}`},
			verdicts{"ambiguous", "credentials refused"}},
		{"empty", &plugintest.Far{}, verdicts{"ambiguous", "ok"}},
		{"204", &plugintest.Far{Status: 204}, verdicts{"ambiguous", "ok"}},
		{"success, of Rasa's channel callback", &plugintest.Far{Body: "success"}, both("ambiguous")},
		{"null", &plugintest.Far{Body: "null"}, both("ambiguous")},
		{"a number", &plugintest.Far{Body: "42"}, both("ambiguous")},
		{"half JSON", &plugintest.Far{Body: message[:20]}, both("ambiguous")},
		{"web page", &plugintest.Far{Body: page}, both("ambiguous")},
		{"web page after blanks", &plugintest.Far{Body: "\r\n " + page}, both("ambiguous")},
		{"too large", &plugintest.Far{Body: `[{"text":"` + big(ccsp.MaxAnswer) + `"}]`}, both("ambiguous")},
		{"400", &plugintest.Far{Status: 400, Body: page}, both("rejected status_400")},
		{"401", &plugintest.Far{Status: 401}, both("credentials refused")},
		{"403", &plugintest.Far{Status: 403, Body: page}, both("credentials refused")},
		{"404", &plugintest.Far{Status: 404}, both("rejected no_endpoint")},
		{"405", &plugintest.Far{Status: 405}, both("rejected status_405")},
		{"408", &plugintest.Far{Status: 408}, both("retry")},
		{"413", &plugintest.Far{Status: 413}, both("rejected status_413")},
		{"429", &plugintest.Far{Status: 429}, both("throttled 0s")},
		{"429 and when", &plugintest.Far{Status: 429, Header: retryAfter}, both("throttled 7s")},
		{"429 and nonsense", &plugintest.Far{Status: 429, Header: http.Header{"Retry-After": {"soon"}}}, both("throttled 0s")},
		{"429 and an age", &plugintest.Far{Status: 429, Header: http.Header{"Retry-After": {"999999999999"}}}, both("throttled 1h0m0s")},
		{"500", &plugintest.Far{Status: 500, Body: page}, both("ambiguous")},
		{"501", &plugintest.Far{Status: 501}, both("retry")},
		{"502", &plugintest.Far{Status: 502}, both("ambiguous")},
		{"503", &plugintest.Far{Status: 503}, both("retry")},
		{"503 and when", &plugintest.Far{Status: 503, Header: retryAfter}, both("throttled 7s")},
		{"504", &plugintest.Far{Status: 504}, both("ambiguous")},
		{"redirect", &plugintest.Far{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}}, both("rejected http_307")},
	} {
		for profile, want := range map[string]string{profileRasa: tt.want.rasa, profileJSON: tt.want.json} {
			for name, act := range acts {
				t.Run(tt.name+"/"+profile+"/"+name, func(t *testing.T) {
					r := dial(t, tt.bot, profile, told)
					err := act(t.Context(), r)
					if got := plugintest.Verdict(err); got != asClose(name, want) {
						t.Errorf("%s, want %s: %v", got, asClose(name, want), err)
					}
					if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok && a.After < ccsp.ResendAfter {
						t.Errorf("again after %v, want %v or more", a.After, ccsp.ResendAfter)
					}
					for _, bad := range []string{"canary", "maintenance"} {
						if err != nil && strings.Contains(err.Error(), bad) {
							t.Errorf("%v shows a secret or a body", err)
						}
					}
				})
			}
		}
	}
}

// asClose: what does no harm twice is simply repeated.
func asClose(act, verdict string) string {
	if act == "close" && verdict == "ambiguous" {
		return "retry"
	}
	return verdict
}

// TestRedirectIsNotFollowed: it would take along what the customer wrote.
func TestRedirectIsNotFollowed(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/", http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect))
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	for profile := range profiles {
		r := dial(t, mux, profile, told)
		for name, act := range acts {
			if err := act(t.Context(), r); err == nil {
				t.Errorf("%s/%s: no error", profile, name)
			}
		}
	}
}

func TestLostAnswers(t *testing.T) {
	for _, far := range plugintest.Lost {
		base := plugintest.Listen(t, far.Serve)
		for profile, with := range profiles {
			for name, act := range acts {
				t.Run(far.Name+"/"+profile+"/"+name, func(t *testing.T) {
					want := asClose(name, "ambiguous")
					got := plugintest.Patiently(want, func(limit time.Duration) error {
						defer http.DefaultClient.CloseIdleConnections()
						s := with(base)
						s.Timeout = limit.String()
						told(&s)
						return act(t.Context(), connect(t, s))
					})
					if got != want {
						t.Errorf("%s, want %s", got, want)
					}
				})
			}
		}
	}
}

func TestNothingWentOut(t *testing.T) {
	for _, far := range plugintest.Nowhere(t) {
		for profile, with := range profiles {
			for name, act := range acts {
				t.Run(far.Name+"/"+profile+"/"+name, func(t *testing.T) {
					s := with(far.Base)
					told(&s)
					if err := act(far.Ctx, connect(t, s)); plugintest.Verdict(err) != "retry" {
						t.Errorf("%v, want a retry", err)
					}
				})
			}
		}
	}
}

// TestDeadline: the caller's deadline counts where it is the shorter one.
func TestDeadline(t *testing.T) {
	r := connect(t, rasaAt(plugintest.Listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })))
	got := plugintest.Patiently("ambiguous", func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		err := acts["send"](ctx, r)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the deadline", err)
		}
		return err
	})
	if got != "ambiguous" {
		t.Errorf("%s, want ambiguous", got)
	}
}

// TestAnswerLost: the bot has the message and its answer is lost. Sent once
// more, what it says counts once.
func TestAnswerLost(t *testing.T) {
	for _, profile := range []string{profileRasa, profileJSON} {
		for _, kind := range []string{"rst", "500", "502", "html", "half"} {
			t.Run(profile+"/"+kind, func(t *testing.T) {
				s := newSim(t, sim.Options{Secrets: []string{secret}})
				r := dial(t, s, profile, atSim)
				if err := s.SetFault(sim.Fault{Kind: kind, Count: 1, After: true}); err != nil {
					t.Fatal(err)
				}
				if err := acts["send"](t.Context(), r); plugintest.Verdict(err) != "ambiguous" {
					t.Fatalf("%v, want ambiguous", err)
				}
				if got := r.took(); len(got) > 0 {
					t.Errorf("events %+v of a lost answer", got)
				}
				if err := acts["send"](t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if got := s.Messages(0); len(got) != 2 || got[1].Again != (profile == profileJSON) {
					t.Errorf("the bot got %+v, want the message twice, and signed JSON to know that", got)
				}
				once := len(r.took())
				if err := acts["send"](t.Context(), r); err != nil || once == 0 {
					t.Fatal(once, err)
				}
				all := r.took()
				for i, e := range all[once:] {
					if e.ID == "" || e.ID != all[i].ID {
						t.Errorf("the id %q of what is said again differs from %q", e.ID, all[i].ID)
					}
				}
			})
		}
	}
}

func newSim(t testing.TB, o sim.Options) *sim.Sim {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// atSim is where the simulator speaks signed JSON.
func atSim(s *settings) {
	if s.Profile == profileJSON {
		s.URL += "/bot"
	}
}
