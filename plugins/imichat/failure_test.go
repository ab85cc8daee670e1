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

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// acts are the calls that can fail, by their endpoint.
var acts = map[string]func(context.Context, *connector) error{
	"create": func(ctx context.Context, c *connector) error {
		_, err := c.Open(ctx, chat, sdk.Message{Text: "Hi"})
		return err
	},
	"append": func(ctx context.Context, c *connector) error {
		_, err := c.Send(ctx, chat, sdk.Message{Text: "Hi"})
		return err
	},
	"close":    func(ctx context.Context, c *connector) error { return c.Close(ctx, chat, "") },
	"event":    func(ctx context.Context, c *connector) error { return c.SendEvent(ctx, chat, "vip", nil) },
	"transfer": func(ctx context.Context, c *connector) error { return c.Transfer(ctx, chat, "4") },
	"receipt": func(ctx context.Context, c *connector) error {
		return c.Receipt(ctx, chat, "7", "failed", "window closed")
	},
	"hold":   func(ctx context.Context, c *connector) error { return c.Hold(ctx, chat, true) },
	"resume": func(ctx context.Context, c *connector) error { return c.Hold(ctx, chat, false) },
	"update": func(ctx context.Context, c *connector) error { return c.Update(ctx, chat) },
	"typing": func(ctx context.Context, c *connector) error { return c.TypingToChat(ctx, chat, true) },
	"reopen": func(ctx context.Context, c *connector) error {
		_, err := c.Reopen(ctx, chat)
		return err
	},
}

type outcomes map[string]string

// harmless are the calls that can be made twice, so an answer that was lost is no
// matter.
var harmless = outcomes{"close": "retry", "receipt": "retry", "hold": "retry", "resume": "retry", "update": "retry"}

// all has the same outcome for each call, but for some.
func all(what string, but outcomes) outcomes {
	o := outcomes{}
	for name := range acts {
		o[name] = what
	}
	for name, what := range but {
		o[name] = what
	}
	return o
}

// TestAnswers holds what each answer means, call by call.
func TestAnswers(t *testing.T) {
	const page = "<!DOCTYPE html><html><body>maintenance</body></html>"
	// What may have been done is not simply done again, unless that is harmless.
	lost := all("ambiguous", harmless)
	noID := all("ok", outcomes{"create": "ambiguous"})
	retryAfter := http.Header{"Retry-After": {"7"}}
	missing := `{"status_code":404,"description":"no such chat"}`
	for _, tt := range []struct {
		name string
		desk *plugintest.Far
		want outcomes
	}{
		{"good", &plugintest.Far{Body: `{"status_code":200,"response":{"chat_id":"C"}}`}, all("ok", nil)},
		{"code as text", &plugintest.Far{Body: `{"status_code":"200","response":{"chat_id":7}}`}, all("ok", nil)},
		{"code of the platform", &plugintest.Far{Body: `{"status_code":"1002","response":{"chat_id":"C"}}`}, all("ok", nil)},
		{"response in a string", &plugintest.Far{Body: `{"status_code":0,"response":"{\"chat_id\":\"C\"}"}`}, all("ok", nil)},
		{"id at the top", &plugintest.Far{Body: `{"chat_id":"C"}`}, all("ok", nil)},
		{"201", &plugintest.Far{Status: 201, Body: `{"response":{"chat_id":"C"}}`}, all("ok", nil)},
		{"empty", &plugintest.Far{}, noID},
		{"204", &plugintest.Far{Status: 204}, noID},
		{"empty object", &plugintest.Far{Body: `{}`}, noID},
		{"a text", &plugintest.Far{Body: "OK"}, noID},
		{"no id", &plugintest.Far{Body: `{"status_code":200,"response":{}}`}, noID},
		{"id null", &plugintest.Far{Body: `{"response":{"chat_id":null}}`}, noID},
		{"id with a line", &plugintest.Far{Body: `{"response":{"chat_id":"a\nb"}}`}, outcomes{"create": "ambiguous"}},
		{"half JSON", &plugintest.Far{Body: `{"status_code":200,"response":{"chat_id":"C`}, lost},
		{"web page", &plugintest.Far{Body: page}, lost},
		{"too large", &plugintest.Far{Body: `{"a":"` + strings.Repeat("a", ccsp.MaxAnswer) + `"}`}, lost},
		{"400", &plugintest.Far{Status: 400}, all("rejected status_400", nil)},
		{"400 with 200", &plugintest.Far{Body: `{"status_code":"400"}`}, all("rejected status_400", nil)},
		{"a code of the platform's own", &plugintest.Far{Body: `{"status_code":7000}`}, all("rejected status_7000", nil)},
		{"401", &plugintest.Far{Status: 401}, all("credentials refused", nil)},
		{"401 with 200", &plugintest.Far{Body: `{"status_code":401}`}, all("credentials refused", nil)},
		{"403", &plugintest.Far{Status: 403, Body: page}, all("credentials refused", nil)},
		{"407", &plugintest.Far{Status: 407}, all("credentials refused", nil)},
		{"404 of the API", &plugintest.Far{Status: 404, Body: missing}, all("rejected status_404",
			outcomes{"append": "chat gone", "reopen": "chat gone", "close": "ok"})},
		{"404 of the API with 200", &plugintest.Far{Body: missing}, all("rejected status_404",
			outcomes{"append": "chat gone", "reopen": "chat gone", "close": "ok"})},
		{"404 of a web server", &plugintest.Far{Status: 404, Body: page}, all("rejected no_endpoint", nil)},
		{"404 and nothing", &plugintest.Far{Status: 404}, all("rejected no_endpoint", nil)},
		{"405", &plugintest.Far{Status: 405}, all("rejected status_405", nil)},
		{"408", &plugintest.Far{Status: 408}, all("retry", nil)},
		{"409", &plugintest.Far{Status: 409, Body: `{"status_code":409}`}, all("rejected status_409", outcomes{"close": "ok", "reopen": "ok"})},
		{"409 and whose alias it is", &plugintest.Far{Status: 409, Body: `{"status_code":409,"response":{"chat_id":"C"}}`},
			all("rejected status_409", outcomes{"create": "ok", "close": "ok", "reopen": "ok"})},
		{"409 of a web server", &plugintest.Far{Status: 409, Body: page}, all("rejected status_409", nil)},
		{"410", &plugintest.Far{Status: 410, Body: `{"status_code":410}`}, all("rejected status_410",
			outcomes{"append": "chat gone", "reopen": "chat gone", "close": "ok"})},
		{"413", &plugintest.Far{Status: 413}, all("rejected status_413", nil)},
		{"429", &plugintest.Far{Status: 429}, all("throttled 0s", nil)},
		{"429 and when", &plugintest.Far{Status: 429, Header: retryAfter}, all("throttled 7s", nil)},
		{"429 with 200", &plugintest.Far{Body: `{"status_code":429}`, Header: retryAfter}, all("throttled 7s", nil)},
		{"429 and an age", &plugintest.Far{Status: 429, Header: http.Header{"Retry-After": {"999999999999"}}}, all("throttled 1h0m0s", nil)},
		{"429 and nonsense", &plugintest.Far{Status: 429, Header: http.Header{"Retry-After": {"soon"}}}, all("throttled 0s", nil)},
		{"503 and when", &plugintest.Far{Status: 503, Header: retryAfter}, all("throttled 7s", nil)},
		{"503", &plugintest.Far{Status: 503}, all("retry", nil)},
		{"501", &plugintest.Far{Status: 501}, all("retry", nil)},
		{"500", &plugintest.Far{Status: 500, Body: page}, lost},
		{"500 with 200", &plugintest.Far{Body: `{"status_code":"500"}`}, lost},
		{"502", &plugintest.Far{Status: 502}, lost},
		{"504", &plugintest.Far{Status: 504}, lost},
		{"599", &plugintest.Far{Status: 599}, lost},
		{"redirect", &plugintest.Far{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}}, all("rejected http_307", nil)},
	} {
		for name, want := range tt.want {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				c, _ := dial(t, tt.desk)
				err := acts[name](t.Context(), c)
				if got := plugintest.Verdict(err); got != want {
					t.Errorf("%s, want %s", got, want)
				}
				if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok && a.After < ccsp.ResendAfter {
					t.Errorf("again after %v, want %v or more", a.After, ccsp.ResendAfter)
				}
				if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "maintenance")) {
					t.Errorf("%v shows a secret or a body", err)
				}
			})
		}
	}
}

// TestRedirectIsNotFollowed: it would take the secret along.
func TestRedirectIsNotFollowed(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/v3.1/", http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect))
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	c, _ := dial(t, mux)
	for name, act := range acts {
		if err := act(t.Context(), c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLostAnswers(t *testing.T) {
	for _, far := range plugintest.Lost {
		base := plugintest.Listen(t, far.Serve)
		for name, want := range all("ambiguous", harmless) {
			t.Run(far.Name+"/"+name, func(t *testing.T) {
				got := plugintest.Patiently(want, func(limit time.Duration) error {
					defer http.DefaultClient.CloseIdleConnections()
					s := settingsFor(base)
					s.Timeout = limit.String()
					c, _ := connect(t, s)
					return acts[name](t.Context(), c)
				})
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}

func TestNothingWentOut(t *testing.T) {
	for _, far := range plugintest.Nowhere(t) {
		for name, act := range acts {
			t.Run(far.Name+"/"+name, func(t *testing.T) {
				c, _ := connect(t, settingsFor(far.Base))
				if err := act(far.Ctx, c); plugintest.Verdict(err) != "retry" {
					t.Errorf("%v, want a retry", err)
				}
			})
		}
	}
}

// TestDeadline: the caller's deadline counts where it is the shorter one.
func TestDeadline(t *testing.T) {
	c, _ := connect(t, settingsFor(plugintest.Listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })))
	got := plugintest.Patiently("ambiguous", func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := c.Send(ctx, chat, sdk.Message{Text: "Hi"})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the deadline", err)
		}
		return err
	})
	if got != "ambiguous" {
		t.Errorf("%s, want ambiguous", got)
	}
}

// FuzzAnswer: whatever comes back, a call ends with one of the errors that say
// what to do, and shows nothing of the answer.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"status_code":"200","response":{"chat_id":"C"}}`, `{"status_code":-1}`, `{"response":[{}]}`,
		`{"response":"[{\"chat_id\":1}]"}`, "<", "", "{", `{"status_code":1e3}`, `{"statusCode":999999999999999999999}`, "[]", `""`} {
		f.Add(200, []byte(s))
		f.Add(404, []byte(s))
	}
	c := newClient(config{}, http.DefaultClient, time.Now)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		a := answer{ccsp.Answer{Status: status, Header: http.Header{}, Body: body}}
		err := c.refused("append", a)
		switch got := plugintest.Verdict(err); {
		case got == "ok", got == "retry", got == "ambiguous", got == "throttled 0s", got == "credentials refused":
		case strings.HasPrefix(got, "rejected "):
		default:
			t.Errorf("%d %q: %v", status, body, err)
		}
		if id, err := a.chatID(); err == nil && (id == "" || len(id) > maxRef) {
			t.Errorf("%q: id %q", body, id)
		}
	})
}
