package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// request is a call of X's API.
type request struct {
	method, path string
	endpoint     string // whose limits apply; "": path
	query        url.Values
	body         []byte
	contentType  string
	by           authorizer
}

// authorizer sets the header Authorization of a call.
type authorizer func(method string, u *url.URL, h http.Header)

// client makes calls, within the time that the settings give and the limits that
// X states.
type client struct {
	cfg     config
	http    *http.Client
	now     func() time.Time
	windows windows
	signer  signer
}

// newClient takes over h's transport. Redirects are not followed: what customers
// write, and secrets, are for nobody else.
func newClient(cfg config, h *http.Client, now func() time.Time) *client {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{cfg: cfg, http: &own, now: now, signer: signer{
		consumerKey: cfg.ConsumerKey, consumerSecret: cfg.ConsumerSecret,
		token: cfg.AccessToken, tokenSecret: cfg.AccessTokenSecret, now: now, nonce: rand.Text,
	}}
}

// plainHTTP is a client for the time before there is a host.
func plainHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
	}}
}

// oauth1 is an authorizer.
func (c *client) oauth1(method string, u *url.URL, h http.Header) { c.oauth1Form(nil)(method, u, h) }

// oauth1Form returns an authorizer of calls whose body is form.
func (c *client) oauth1Form(form url.Values) authorizer {
	return func(method string, u *url.URL, h http.Header) {
		h.Set("Authorization", c.signer.header(method, u, form))
	}
}

// bearer returns an authorizer.
func bearer(token string) authorizer {
	return func(_ string, _ *url.URL, h http.Header) { h.Set("Authorization", "Bearer "+token) }
}

// basic returns an authorizer.
func basic(user, password string) authorizer {
	return func(_ string, _ *url.URL, h http.Header) {
		r := http.Request{Header: h}
		r.SetBasicAuth(url.QueryEscape(user), url.QueryEscape(password)) // RFC 6749, section 2.3.1
	}
}

// do makes a call. The error is sdk.Throttled while X wants none, sdk.Retry if
// nothing went out, and sdk.Ambiguous if something did and no status came back;
// any status is an answer.
func (c *client) do(ctx context.Context, q request) (ccsp.Answer, error) {
	endpoint := q.endpoint
	if endpoint == "" {
		endpoint = q.method + " " + q.path
	}
	if wait := c.windows.wait(endpoint, c.now()); wait > 0 {
		return ccsp.Answer{}, sdk.Throttled(errors.New("no more of these calls are taken by X for now"), wait)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeout)
	defer cancel()
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}
	address := c.cfg.api + q.path
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), q.method, address, bytes.NewReader(q.body))
	if err != nil {
		return ccsp.Answer{}, sdk.Rejected("address", "the address of the call is not valid")
	}
	r.Header.Set("Accept", "application/json")
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	if q.by != nil {
		q.by(q.method, r.URL, r.Header)
	}
	res, err := c.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		if !wrote.Load() {
			return ccsp.Answer{}, sdk.Retry(err, 0)
		}
		return ccsp.Answer{}, ccsp.Resend(sdk.Ambiguous(err))
	}
	defer func() { _ = res.Body.Close() }()
	a := ccsp.ReadAnswer(res)
	c.windows.note(endpoint, a.Header, c.now())
	return a, nil
}

// good reports whether an answer is X's and says that the call was carried out.
func good(a ccsp.Answer) bool {
	return a.Status >= 200 && a.Status < 300 && a.Err == nil && !a.HTML()
}
