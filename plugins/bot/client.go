package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// request is a call to a bot.
type request struct {
	method, url string
	header      http.Header
	body        []byte
	id          string // what the ids of the answer's events are made of
	ref         string // conversation
}

// client makes calls, within the time that the settings give.
type client struct {
	http    *http.Client
	timeout time.Duration
}

// newClient takes over h's transport. Redirects are not followed: what customers
// write, and secrets, are for nobody else.
func newClient(h *http.Client, timeout time.Duration) *client {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{http: &own, timeout: timeout}
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

// do makes a call. The error is sdk.Retry if nothing went out, and
// sdk.Ambiguous if something did and no status came back; any status is an
// answer.
func (c *client) do(ctx context.Context, q *request) (ccsp.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return ccsp.Answer{}, sdk.Rejected("address", "the address of the call is not valid")
	}
	r.Header = q.header.Clone()
	r.Header.Set("Accept", "application/json")
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		if !wrote.Load() {
			return ccsp.Answer{}, sdk.Retry(err, 0)
		}
		return ccsp.Answer{}, sdk.Ambiguous(err)
	}
	defer func() { _ = res.Body.Close() }()
	return ccsp.ReadAnswer(res), nil
}

// refused says what an answer means, nil if the bot took what it was sent.
func refused(a ccsp.Answer, now time.Time) error {
	if a.Status >= 200 && a.Status < 300 {
		if a.Err != nil || a.HTML() {
			return ccsp.Resend(sdk.Ambiguous(errors.New("the answer is not the bot's, or not whole")))
		}
		return nil
	}
	err := ccsp.Refused(fmt.Errorf("the bot answers with status %d", a.Status), a.Status, a.WaitAsked(now))
	switch {
	case err != nil:
		return ccsp.Resend(err)
	case a.Status >= 300 && a.Status < 400:
		return sdk.Rejected("http_"+strconv.Itoa(a.Status), "redirected; set url to the new place")
	case a.Status == http.StatusNotFound:
		return sdk.Rejected("no_endpoint", "nothing is at this address; set url")
	}
	return sdk.Rejected("status_"+strconv.Itoa(a.Status), "")
}

// unwell says, to the person who saves the settings, why an answer is none.
func unwell(a ccsp.Answer) error {
	switch {
	case a.Status >= 300 && a.Status < 400:
		return fmt.Errorf("url: the server redirects to %q; set it to the final address", a.Header.Get("Location"))
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return fmt.Errorf("the bot refuses the gateway's credentials with status %d", a.Status)
	case a.Status == http.StatusTooManyRequests, a.Status >= 500:
		return fmt.Errorf("url: the server answers with status %d; try again later", a.Status)
	case a.Status < 200 || a.Status >= 300 || a.HTML():
		return fmt.Errorf("url: what answers is not the bot (HTTP %d)", a.Status)
	}
	return nil
}
