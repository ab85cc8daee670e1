package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	callConns = 64 // connections for all but polls, so that polls that hang hold nobody up
	idleConn  = 30 * time.Second
)

// client makes the calls of the chat API.
type client struct {
	cfg   config
	conns *clients
	now   func() time.Time
}

func newClient(cfg config, now func() time.Time, log *slog.Logger) (*client, error) {
	conns, err := newClients(cfg, now, log)
	if err != nil {
		return nil, err
	}
	return &client{cfg: cfg, conns: conns, now: now}, nil
}

// newHTTP makes a client of its own instead of the host's: it needs the
// settings' certificates, and to know whether bytes went out.
func newHTTP(t *tls.Config, conns int) *http.Client {
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
			TLSClientConfig:        t,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxConnsPerHost:        conns,
			MaxIdleConnsPerHost:    conns,
			IdleConnTimeout:        idleConn,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *client) close() { c.conns.close() }

// post sends body as JSON. The error is sdk.Retry if nothing went out and
// sdk.Ambiguous if something did and no status came back; any status is an
// answer.
func (c *client) post(ctx context.Context, verb string, body any) (ccsp.Answer, error) {
	payload, err := ccsp.JSON(body)
	if err != nil {
		return ccsp.Answer{}, fmt.Errorf("%s: %w", verb, err)
	}
	return c.call(ctx, http.MethodPost, verb, payload)
}

// events asks for what happened after the event last.
func (c *client) events(ctx context.Context, ref sdk.ChatRef, last int64) (ccsp.Answer, error) {
	query := "command=getevents&Connection_ID=" + url.QueryEscape(string(ref)) +
		"&Last_Event_ID=" + strconv.FormatInt(last, 10)
	return c.call(ctx, http.MethodGet, query, nil)
}

func (c *client) call(ctx context.Context, method, query string, body []byte) (ccsp.Answer, error) {
	u := *c.cfg.endpoint
	u.RawQuery = query
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return ccsp.Answer{}, errors.New("request cannot be made") // err holds the address
	}
	r.Header = c.cfg.header.Clone()
	r.Header.Set("Cache-Control", "no-cache")
	if body != nil {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return c.do(r, verbOf(query))
}

// do makes a call with the settings' time limit.
func (c *client) do(r *http.Request, verb string) (ccsp.Answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), c.cfg.timeout)
	defer cancel()
	w := new(watch)
	r = r.WithContext(httptrace.WithClientTrace(ctx, w.trace()))
	r.Header.Set("Accept", "application/json")
	res, err := c.conns.client(r.Method == http.MethodGet).Do(r)
	if err != nil {
		return ccsp.Answer{}, w.lost(ctx, verb, err)
	}
	defer func() { _ = res.Body.Close() }()
	return ccsp.ReadAnswer(res), nil
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

// refused says what a status other than 2xx means, nil for 2xx.
func (c *client) refused(verb string, a ccsp.Answer) error {
	if a.Status >= 200 && a.Status < 300 {
		return nil
	}
	err := fmt.Errorf("%s: HTTP %d", verb, a.Status)
	status := min(a.Status, 599) // above that stands for a server error as well: RFC 9110, section 15
	if err := ccsp.Refused(err, status, a.WaitAsked(c.now())); err != nil {
		return err
	}
	code := "http_" + strconv.Itoa(a.Status)
	if a.Status >= 300 && a.Status < 400 {
		return sdk.Rejected(code, verb+": redirected; set base_url and path to the new place")
	}
	return sdk.Rejected(code, verb)
}

// gone reports whether the far side does not know the chat.
func gone(a ccsp.Answer) bool {
	return a.Status == http.StatusNotFound || a.Status == http.StatusGone
}
