package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// graph makes calls to the Graph API for one page.
type graph struct {
	cfg   config
	http  *http.Client
	query url.Values // of each call: the token and its proof
	pace  *pace      // nil: calls are not counted
}

// newGraph takes over h's transport. Redirects are not followed: the token is for
// nobody else.
func newGraph(cfg config, h *http.Client, p *pace) *graph {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &graph{cfg: cfg, http: &own, pace: p, query: url.Values{
		"access_token":    {cfg.AccessToken},
		"appsecret_proof": {proof(cfg.AppSecret, cfg.AccessToken)},
	}}
}

// get reads what is at path, a node and perhaps an edge, into answer.
func (g *graph) get(ctx context.Context, path, fields string, answer any) error {
	q := url.Values{}
	if fields != "" {
		q.Set("fields", fields)
	}
	return g.do(ctx, http.MethodGet, path, q, "", nil, answer)
}

// post sends v as JSON.
func (g *graph) post(ctx context.Context, path string, v, answer any) error {
	body, err := ccsp.JSON(v)
	if err != nil {
		return sdk.Rejected("message", "cannot be encoded")
	}
	return g.do(ctx, http.MethodPost, path, nil, "application/json", body, answer)
}

// do makes a call. The error says what to do next: sdk.Retry if nothing went out,
// sdk.Ambiguous if something did and no answer came back, else what Meta says.
func (g *graph) do(ctx context.Context, method, path string, q url.Values, typ string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.timeout)
	defer cancel()
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}
	u := g.cfg.base.JoinPath(path)
	u.RawQuery = g.query.Encode()
	if len(q) > 0 {
		u.RawQuery += "&" + q.Encode()
	}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, u.String(), bytes.NewReader(body))
	if err != nil {
		return sdk.Rejected("address", "the address of the call is not valid")
	}
	r.Header.Set("Accept", "application/json")
	if typ != "" {
		r.Header.Set("Content-Type", typ)
	}
	res, err := g.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address, which has the token
		}
		if !wrote.Load() {
			return sdk.Retry(err, 0)
		}
		return ccsp.Resend(sdk.Ambiguous(err))
	}
	defer func() { _ = res.Body.Close() }()
	return g.read(ccsp.ReadAnswer(res), answer)
}

// read takes in what came back, and says what it means.
func (g *graph) read(a ccsp.Answer, answer any) error {
	var wait time.Duration
	if g.pace != nil {
		wait = max(g.pace.heard(a.Header), a.WaitAsked(g.pace.now()))
	}
	if err := g.refused(a, wait); err != nil {
		return err
	}
	if a.Err != nil || json.Unmarshal(a.Body, answer) != nil {
		return ccsp.Resend(sdk.Ambiguous(errors.New("the answer is not Meta's, or not whole")))
	}
	return nil
}

// plainHTTP is a client for the time before there is a host.
func plainHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true}}
}
