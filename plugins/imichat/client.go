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
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// client makes the calls of the REST API.
type client struct {
	cfg  config
	http *http.Client
	now  func() time.Time
	good atomic.Int32 // index of the secret that the far side took last
}

// newClient takes over h's transport. Redirects are not followed: the secret
// is for nobody else.
func newClient(cfg config, h *http.Client, now func() time.Time) *client {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{cfg: cfg, http: &own, now: now}
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

// call makes the call of that name about chat ref, with body as JSON. While
// several secrets are valid, the next is tried where one is refused. The error
// is sdk.Retry if nothing went out, and sdk.Ambiguous if something did and no
// status came back; any status is an answer.
func (c *client) call(ctx context.Context, name, ref string, body any) (answer, error) {
	to, ok := c.cfg.calls[name]
	if !ok {
		return answer{}, fmt.Errorf("%w: endpoints.%s is off", sdk.ErrUnsupported, name)
	}
	var payload []byte
	if body != nil {
		var err error
		if payload, err = ccsp.JSON(body); err != nil {
			return answer{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.timeout)
	defer cancel()
	first, n := int(c.good.Load()), len(c.cfg.keys)
	var a answer
	for i := range n {
		k := (first + i) % n
		var err error
		if a, err = c.once(ctx, name, to.method, c.cfg.base+to.of(ref), c.cfg.keys[k], payload); err != nil {
			return a, err
		}
		if !unauthorized(a.code()) {
			c.good.Store(int32(k))
			break
		}
	}
	return a, nil
}

func (c *client) once(ctx context.Context, name, method, address, key string, payload []byte) (answer, error) {
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, address, bytes.NewReader(payload))
	if err != nil {
		return answer{}, sdk.Rejected("address", name+": the address of the call is not valid")
	}
	r.Header.Set("Accept", "application/json")
	if payload != nil {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	r.Header.Set(c.cfg.AuthHeader, c.cfg.AuthPrefix+key)
	res, err := c.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		err = fmt.Errorf("%s: %w", name, err)
		if !wrote.Load() {
			return answer{}, sdk.Retry(err, 0)
		}
		return answer{}, sdk.Ambiguous(err)
	}
	defer func() { _ = res.Body.Close() }()
	return answer{ccsp.ReadAnswer(res)}, nil
}
