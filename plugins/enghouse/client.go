package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxAnswer    = 1 << 20 // bytes of a body
	pollConns    = 256     // to the far side, for polls
	callConns    = 64      // for everything else, so that polls that hang hold nobody up
	idleConn     = 30 * time.Second
	maxWaitAsked = time.Hour // longest Retry-After that is believed

	// resendAfter is how long a server or a proxy that may have carried out a
	// call gets to recover before the call is made a second and last time.
	resendAfter = 5 * time.Second
)

// client makes the calls of the chat API.
type client struct {
	cfg         config
	polls, rest *http.Client
	now         func() time.Time
}

func newClient(cfg config, now func() time.Time) *client {
	return &client{cfg: cfg, polls: newHTTP(cfg, pollConns), rest: newHTTP(cfg, callConns), now: now}
}

// newHTTP makes a client of its own instead of the host's: it needs the
// settings' certificates, and to know whether bytes went out.
func newHTTP(cfg config, conns int) *http.Client {
	d := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := d.DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return &countedConn{Conn: c}, nil
			},
			TLSClientConfig:        cfg.tls,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxConnsPerHost:        conns,
			MaxIdleConnsPerHost:    conns,
			IdleConnTimeout:        idleConn,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *client) close() {
	c.polls.CloseIdleConnections()
	c.rest.CloseIdleConnections()
}

// answer is what came back. err says why body is not whole; it is
// errTooLarge if it was longer than maxAnswer.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

var errTooLarge = fmt.Errorf("answer has more than %d bytes", maxAnswer)

// post sends body as JSON, as a browser would write it. The error is
// sdk.Retry if nothing went out and sdk.Ambiguous if something did and no
// status came back; any status is an answer.
func (c *client) post(ctx context.Context, verb string, body any) (answer, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return answer{}, fmt.Errorf("%s: %w", verb, err)
	}
	payload := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return c.call(ctx, c.rest, http.MethodPost, verb, payload)
}

// events asks for what happened after the event last.
func (c *client) events(ctx context.Context, ref sdk.ChatRef, last int64) (answer, error) {
	query := "command=getevents&Connection_ID=" + url.QueryEscape(string(ref)) +
		"&Last_Event_ID=" + strconv.FormatInt(last, 10)
	return c.call(ctx, c.polls, http.MethodGet, query, nil)
}

func (c *client) call(ctx context.Context, h *http.Client, method, query string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeout)
	defer cancel()
	w := new(watch)
	u := *c.cfg.endpoint
	u.RawQuery = query
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, w.trace()), method, u.String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("request cannot be made") // err holds the address
	}
	r.Header = c.cfg.header.Clone()
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cache-Control", "no-cache")
	if body != nil {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	res, err := h.Do(r)
	if err != nil {
		return answer{}, w.lost(ctx, verbOf(query), err)
	}
	defer func() { _ = res.Body.Close() }()
	a := answer{status: res.StatusCode, header: res.Header}
	a.body, a.err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if len(a.body) > maxAnswer {
		a.body, a.err = a.body[:maxAnswer], errTooLarge
	}
	return a, nil
}

func verbOf(query string) string {
	if verb, err := url.ParseQuery(query); err == nil && verb.Get("command") != "" {
		return verb.Get("command")
	}
	return query
}

// countedConn counts what was written to the network. It lies below TLS.
type countedConn struct {
	net.Conn
	written atomic.Int64
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

// watch knows whether bytes of a request went out.
type watch struct {
	conn   atomic.Pointer[countedConn]
	before atomic.Int64
}

func (w *watch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		under := info.Conn
		if t, ok := under.(interface{ NetConn() net.Conn }); ok {
			under = t.NetConn()
		}
		if c, ok := under.(*countedConn); ok {
			w.before.Store(c.written.Load())
			w.conn.Store(c)
		}
	}}
}

// lost says what a call without an answer means. The address is left out of
// the text: it holds the chat's id, which is all one needs to write in it.
func (w *watch) lost(ctx context.Context, verb string, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	err = fmt.Errorf("%s: %w", verb, err)
	c := w.conn.Load()
	if c == nil {
		return sdk.Retry(err, 0)
	}
	// After its deadline a call may still be about to write.
	if c.written.Load() == w.before.Load() && ctx.Err() == nil {
		return sdk.Retry(err, 0)
	}
	return sdk.Ambiguous(err)
}

// refused says what a status other than 2xx means, nil for 2xx. A server error
// is ambiguous, because it may have come after the deed or from a proxy that
// gave up on the answer, except where its meaning is that nothing was done.
func (c *client) refused(verb string, a answer) error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	err := fmt.Errorf("%s: HTTP %d", verb, a.status)
	wait := c.waitAsked(a.header.Get("Retry-After"))
	switch s := a.status; {
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable && wait > 0:
		return sdk.Throttled(err, wait)
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusProxyAuthRequired:
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, undone[s]:
		return sdk.Retry(err, wait)
	case s >= 500:
		return &sdk.AmbiguousError{Err: err, After: wait}
	case s >= 300 && s < 400:
		return sdk.Rejected("http_"+strconv.Itoa(s), verb+": redirected; set base_url and path to the new place")
	}
	return sdk.Rejected("http_"+strconv.Itoa(a.status), verb)
}

// resend gives the far side time before an ambiguous call is made again.
func resend(err error) error {
	if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok {
		a.After = max(a.After, resendAfter)
	}
	return err
}

// undone are the server errors that say that nothing was done (RFC 9110,
// section 15.6; RFC 6585, section 6).
var undone = map[int]bool{
	http.StatusNotImplemented: true, http.StatusServiceUnavailable: true,
	http.StatusHTTPVersionNotSupported: true, http.StatusNetworkAuthenticationRequired: true,
}

// gone reports whether the far side does not know the chat.
func (a answer) gone() bool { return a.status == http.StatusNotFound || a.status == http.StatusGone }

// html reports whether a proxy's page came in place of the API's answer.
func (a answer) html() bool { return bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<")) }

// waitAsked reads Retry-After, seconds or a date. It is 0 if there is none.
func (c *client) waitAsked(text string) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(n, int(maxWaitAsked/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(c.now())
	}
	return max(0, min(d, maxWaitAsked))
}
