package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

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
	"typing":   func(ctx context.Context, c *connector) error { return c.TypingToChat(ctx, chat, true) },
	"reopen": func(ctx context.Context, c *connector) error {
		_, err := c.Reopen(ctx, chat)
		return err
	},
}

type outcomes map[string]string

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
	lost := all("ambiguous", outcomes{"close": "retry"})
	noID := all("ok", outcomes{"create": "ambiguous"})
	retryAfter := http.Header{"Retry-After": {"7"}}
	missing := `{"status_code":404,"description":"no such chat"}`
	for _, tt := range []struct {
		name string
		desk *desk
		want outcomes
	}{
		{"good", &desk{body: `{"status_code":200,"response":{"chat_id":"C"}}`}, all("ok", nil)},
		{"code as text", &desk{body: `{"status_code":"200","response":{"chat_id":7}}`}, all("ok", nil)},
		{"code of the platform", &desk{body: `{"status_code":"1002","response":{"chat_id":"C"}}`}, all("ok", nil)},
		{"response in a string", &desk{body: `{"status_code":0,"response":"{\"chat_id\":\"C\"}"}`}, all("ok", nil)},
		{"id at the top", &desk{body: `{"chat_id":"C"}`}, all("ok", nil)},
		{"201", &desk{status: 201, body: `{"response":{"chat_id":"C"}}`}, all("ok", nil)},
		{"empty", &desk{}, noID},
		{"204", &desk{status: 204}, noID},
		{"empty object", &desk{body: `{}`}, noID},
		{"a text", &desk{body: "OK"}, noID},
		{"no id", &desk{body: `{"status_code":200,"response":{}}`}, noID},
		{"id null", &desk{body: `{"response":{"chat_id":null}}`}, noID},
		{"id with a line", &desk{body: `{"response":{"chat_id":"a\nb"}}`}, outcomes{"create": "ambiguous"}},
		{"half JSON", &desk{body: `{"status_code":200,"response":{"chat_id":"C`}, lost},
		{"web page", &desk{body: page}, lost},
		{"too large", &desk{body: `{"a":"` + strings.Repeat("a", maxAnswer) + `"}`}, lost},
		{"400", &desk{status: 400}, all("rejected status_400", nil)},
		{"400 with 200", &desk{body: `{"status_code":"400"}`}, all("rejected status_400", nil)},
		{"a code of the platform's own", &desk{body: `{"status_code":7000}`}, all("rejected status_7000", nil)},
		{"401", &desk{status: 401}, all("credentials refused", nil)},
		{"401 with 200", &desk{body: `{"status_code":401}`}, all("credentials refused", nil)},
		{"403", &desk{status: 403, body: page}, all("credentials refused", nil)},
		{"407", &desk{status: 407}, all("credentials refused", nil)},
		{"404 of the API", &desk{status: 404, body: missing}, all("rejected status_404",
			outcomes{"append": "chat gone", "reopen": "chat gone", "close": "ok"})},
		{"404 of the API with 200", &desk{body: missing}, all("rejected status_404",
			outcomes{"append": "chat gone", "reopen": "chat gone", "close": "ok"})},
		{"404 of a web server", &desk{status: 404, body: page}, all("rejected no_endpoint", nil)},
		{"404 and nothing", &desk{status: 404}, all("rejected no_endpoint", nil)},
		{"405", &desk{status: 405}, all("rejected status_405", nil)},
		{"408", &desk{status: 408}, all("retry", nil)},
		{"409", &desk{status: 409, body: `{"status_code":409}`}, all("rejected status_409", outcomes{"close": "ok"})},
		{"410", &desk{status: 410, body: `{"status_code":410}`}, all("rejected status_410",
			outcomes{"append": "chat gone", "reopen": "chat gone", "close": "ok"})},
		{"413", &desk{status: 413}, all("rejected status_413", nil)},
		{"429", &desk{status: 429}, all("throttled 0s", nil)},
		{"429 and when", &desk{status: 429, header: retryAfter}, all("throttled 7s", nil)},
		{"429 with 200", &desk{body: `{"status_code":429}`, header: retryAfter}, all("throttled 7s", nil)},
		{"429 and an age", &desk{status: 429, header: http.Header{"Retry-After": {"999999999999"}}}, all("throttled 1h0m0s", nil)},
		{"429 and nonsense", &desk{status: 429, header: http.Header{"Retry-After": {"soon"}}}, all("throttled 0s", nil)},
		{"503 and when", &desk{status: 503, header: retryAfter}, all("throttled 7s", nil)},
		{"503", &desk{status: 503}, all("retry", nil)},
		{"501", &desk{status: 501}, all("retry", nil)},
		{"500", &desk{status: 500, body: page}, lost},
		{"500 with 200", &desk{body: `{"status_code":"500"}`}, lost},
		{"502", &desk{status: 502}, lost},
		{"504", &desk{status: 504}, lost},
		{"599", &desk{status: 599}, lost},
		{"redirect", &desk{status: 307, header: http.Header{"Location": {"/elsewhere"}}}, all("rejected http_307", nil)},
	} {
		for name, want := range tt.want {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				c, _ := dial(t, tt.desk)
				err := acts[name](t.Context(), c)
				if got := verdict(err); got != want {
					t.Errorf("%s, want %s", got, want)
				}
				if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok && a.After < resendAfter {
					t.Errorf("again after %v, want %v or more", a.After, resendAfter)
				}
				if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "maintenance")) {
					t.Errorf("%v shows a secret or a body", err)
				}
			})
		}
	}
}

func TestRetryAfterDate(t *testing.T) {
	c := newClient(config{}, http.DefaultClient, func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) })
	for text, want := range map[string]time.Duration{
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"Fri, 02 Jan 2036 03:04:00 GMT": time.Hour,
		"-5":                            0,
		"":                              0,
	} {
		if got := c.waitAsked(text); got != want {
			t.Errorf("Retry-After %q: %v, want %v", text, got, want)
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

// raw is a far side below HTTP. It serves one connection after the other.
func raw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

func TestLostAnswers(t *testing.T) {
	readAll := func(c net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}
	lost := all("ambiguous", outcomes{"close": "retry"})
	for _, tt := range []struct {
		name  string
		serve func(net.Conn)
	}{
		{"closed after the request", readAll},
		{"reset after the request", func(c net.Conn) {
			readAll(c)
			_ = c.(*net.TCPConn).SetLinger(0)
		}},
		{"hangs", func(c net.Conn) {
			readAll(c)
			_, _ = io.Copy(io.Discard, c) // until the client gives up
		}},
		{"garbage", func(c net.Conn) {
			readAll(c)
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
		}},
		{"status and half a body", func(c net.Conn) {
			readAll(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status")
		}},
		{"a status and then one byte at a time", func(c net.Conn) {
			readAll(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
			_, _ = io.Copy(io.Discard, c)
		}},
	} {
		base := raw(t, tt.serve)
		for name, want := range lost {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				got := ""
				for limit := 200 * time.Millisecond; got != want && limit < time.Minute; limit *= 2 {
					s := settingsFor(base)
					s.Timeout = limit.String() // enough to get that far
					c, _ := connect(t, s)
					got = verdict(acts[name](t.Context(), c))
					http.DefaultClient.CloseIdleConnections()
				}
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}

func TestNothingWentOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + l.Addr().String()
	_ = l.Close()
	plain := raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name, base string
		ctx        context.Context
	}{
		{"refused", refused, t.Context()},
		{"no such host", "http://nowhere.invalid", t.Context()},
		{"no TLS over there", strings.Replace(plain, "http", "https", 1), t.Context()},
		{"ended before", refused, ended},
	} {
		for name, act := range acts {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				c, _ := connect(t, settingsFor(tt.base))
				if err := act(tt.ctx, c); verdict(err) != "retry" {
					t.Errorf("%v, want a retry", err)
				}
			})
		}
	}
}

// TestDeadline: the caller's deadline counts where it is the shorter one.
func TestDeadline(t *testing.T) {
	c, _ := connect(t, settingsFor(raw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })))
	got := ""
	for limit := 100 * time.Millisecond; got != "ambiguous" && limit < time.Minute; limit *= 2 { // enough to get that far
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := c.Send(ctx, chat, sdk.Message{Text: "Hi"})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v, want the deadline", err)
		}
		got = verdict(err)
	}
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
		a := answer{status: status, header: http.Header{}, body: body}
		err := c.refused("append", a)
		switch got := verdict(err); {
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
