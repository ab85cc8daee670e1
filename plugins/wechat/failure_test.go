package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// TestCodes holds what each code of WeChat's means.
func TestCodes(t *testing.T) {
	night := time.Date(2026, 3, 1, 15, 59, 0, 0, time.UTC) // 23:59 in Beijing
	for code, want := range map[int]string{
		0: "ok", -1: "retry",
		40001: "stale", 40014: "stale", 41001: "stale", 42001: "stale",
		40013: "credentials refused", 40125: "credentials refused", 40164: "credentials refused", 40243: "credentials refused",
		41002: "credentials refused", 41004: "credentials refused", 48001: "credentials refused", 48004: "credentials refused",
		61004: "credentials refused", 89503: "credentials refused",
		45009: "throttled 1m0s", 45011: "throttled 1m0s",
		45015: "reply window closed", 45047: "reply window closed",
		40003: "recipient gone", 43004: "recipient gone", 50002: "recipient gone",
		45002: "rejected 45002", 40004: "rejected 40004", 40007: "rejected 40007", 47001: "rejected 47001", 44002: "rejected 44002",
		45064: "rejected 45064", 45157: "rejected 45157", 99999: "rejected 99999",
	} {
		err := refused(code, "words", night)
		got := plugintest.Verdict(err)
		for _, known := range []error{sdk.ErrWindowClosed, sdk.ErrRecipientGone, sdk.ErrAuthConfig} {
			if errors.Is(err, known) {
				got = known.Error()
			}
		}
		if errors.Is(err, errStale) {
			got = "stale"
		}
		if got != want {
			t.Errorf("%d: %s, want %s", code, got, want)
		}
		if code != 0 && !strings.Contains(err.Error(), fmt.Sprint(code)) {
			t.Errorf("%d: %v does not name the code", code, err)
		}
	}
}

// TestAnswers: what else can come in place of an answer to a message.
func TestAnswers(t *testing.T) {
	for kind, want := range map[string]string{
		"html": "ambiguous", "half": "ambiguous", "empty": "ambiguous", "rst": "ambiguous", "500": "ambiguous", "502": "ambiguous", "504": "ambiguous",
		"501": "retry", "503": "retry", "408": "retry", "429": "throttled 0s", "401": "credentials refused", "403": "credentials refused",
		"404": "rejected status_404", "302": "rejected status_302", "errcode:45011": "throttled 1m0s",
	} {
		r := connect(t, sim.Options{})
		r.says(t, "Hello")
		if err := hi(t, r); err != nil {
			t.Fatal(err)
		}
		if err := r.sim.SetFault(sim.Fault{Verb: "send", Kind: kind, Count: 1}); err != nil {
			t.Fatal(err)
		}
		err := hi(t, r)
		if got := plugintest.Verdict(err); got != want {
			t.Errorf("%s: %s, want %s: %v", kind, got, want, err)
		}
		if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok && a.After <= 0 {
			t.Errorf("%s: again at once", kind)
		}
		for _, secret := range []string{r.sim.Token(), secret, "access_token=", "maintenance"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v shows %s", kind, err, secret)
			}
		}
	}
}

// withAPI is a driver that has a token, with WeChat at an address.
func withAPI(t *testing.T, base string, limit time.Duration) *channel {
	c := receiver(t, func(s *Settings) { s.BaseURL, s.Timeout = base, limit.String() })
	c.api.tokens.value, c.api.tokens.until = "canary-token", noon.Add(time.Hour)
	return c
}

func TestLostAnswers(t *testing.T) {
	for _, far := range plugintest.Lost {
		t.Run(far.Name, func(t *testing.T) {
			base := plugintest.Listen(t, far.Serve)
			got := plugintest.Patiently("ambiguous", func(limit time.Duration) error {
				_, err := withAPI(t, base, limit).Send(t.Context(), ada, sdk.Message{Text: "Hi"})
				if err == nil || strings.Contains(err.Error(), "canary") {
					t.Errorf("%v: no error, or one that shows the token", err)
				}
				return err
			})
			if got != "ambiguous" {
				t.Errorf("%s, want ambiguous", got)
			}
		})
	}
}

func TestNothingWentOut(t *testing.T) {
	for _, far := range plugintest.Nowhere(t) {
		t.Run(far.Name, func(t *testing.T) {
			_, err := withAPI(t, far.Base, 10*time.Second).Send(far.Ctx, ada, sdk.Message{Text: "Hi"})
			if plugintest.Verdict(err) != "retry" || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v, want a retry without the token", err)
			}
		})
	}
}

// TestDeadline: the caller's deadline counts where it is the shorter one.
func TestDeadline(t *testing.T) {
	base := plugintest.Listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); _, _ = c.Read(make([]byte, 1)) })
	got := plugintest.Patiently("ambiguous", func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := withAPI(t, base, time.Minute).Send(ctx, ada, sdk.Message{Text: "Hi"})
		return err
	})
	if got != "ambiguous" {
		t.Errorf("%s, want ambiguous", got)
	}
}

// TestFiveSeconds: a gateway that is down for two of WeChat's requests loses
// nothing, and gives the same id each time.
func TestFiveSeconds(t *testing.T) {
	r := connect(t, sim.Options{})
	r.down = 3
	r.says(t, "Hello")
	all := r.took()
	if len(all) != 4 {
		t.Fatalf("%d events, want one of each request", len(all))
	}
	for _, e := range all {
		if e.ID != all[0].ID {
			t.Errorf("the ids %s and %s", e.ID, all[0].ID)
		}
	}
	if b := r.sim.Breaks(); len(b) > 0 {
		t.Errorf("%q", b)
	}
	r.down = 4
	if err := r.sim.Say(t.Context(), user, "Hello?"); err == nil || len(r.sim.Breaks()) != 1 {
		t.Errorf("down for too long: %v, %q", err, r.sim.Breaks())
	}
	if err := r.sim.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAnswerOfAnother: JSON that is not WeChat's, such as a proxy's, is no success.
func TestAnswerOfAnother(t *testing.T) {
	for _, body := range []string{"{}", `{"ok":true}`, "null", `{"errmsg":"ok"}`} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == sendPath {
				fmt.Fprint(w, body)
				return
			}
			fmt.Fprint(w, `{"access_token":"t","expires_in":7200}`)
		}))
		defer srv.Close()
		cfg, err := settingsAt(srv.URL).config()
		if err != nil {
			t.Fatal(err)
		}
		a := newAPI(cfg, srv.Client(), time.Now, nil)
		defer a.close()
		if err := a.post(t.Context(), sendPath, piece{}); plugintest.Verdict(err) != "ambiguous" {
			t.Errorf("%s: %v, want that nobody knows", body, err)
		}
	}
}
