package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const jsonType = "application/json; charset=utf-8"

// api makes calls to WeChat. It is safe for concurrent use.
type api struct {
	cfg    config
	http   *http.Client
	now    func() time.Time
	tokens *tokens
	close  func() // ends what goes on in the background
}

// newAPI takes over h's transport. Redirects are not followed: addresses hold the
// access token. Without state, no token is forced.
func newAPI(cfg config, h *http.Client, now func() time.Time, state shared) *api {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ended, end := context.WithCancel(context.Background())
	a := &api{cfg: cfg, http: &own, now: now}
	a.close = func() {
		end()
		own.CloseIdleConnections()
	}
	a.tokens = &tokens{api: a, shared: state, ended: ended}
	return a
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

// do makes a call. The error is sdk.Retry if nothing went out, and sdk.Ambiguous
// if something did and no status came back; it never holds the address.
func (a *api) do(ctx context.Context, method, path string, q url.Values, contentType string, body []byte) (*http.Response, error) {
	address := a.cfg.base + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	var wrote atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, address, bytes.NewReader(body))
	if err != nil {
		return nil, sdk.Rejected("address", "the address of the call is not valid")
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := a.http.Do(r)
	if err == nil {
		return res, nil
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if !wrote.Load() {
		return nil, sdk.Retry(err, 0)
	}
	return nil, sdk.Ambiguous(err)
}

// read takes an answer of JSON, whose status is 200 also for errors.
func (a *api) read(res *http.Response, into any) error {
	defer func() { _ = res.Body.Close() }()
	got := ccsp.ReadAnswer(res)
	if got.Status != http.StatusOK {
		err := fmt.Errorf("WeChat: HTTP %d", got.Status)
		if refused := ccsp.Refused(err, got.Status, got.WaitAsked(a.now())); refused != nil {
			return refused
		}
		return sdk.Rejected(fmt.Sprintf("status_%d", got.Status), "WeChat answered with this status")
	}
	var said struct {
		Code    *int   `json:"errcode"` // not in an answer that holds something
		Message string `json:"errmsg"`
	}
	if got.Err != nil || json.Unmarshal(got.Body, &said) != nil || said.Code == nil && into == nil {
		return sdk.Ambiguous(errors.New("WeChat's answer cannot be read"))
	}
	if said.Code != nil {
		if err := refused(*said.Code, a.clean(said.Message), a.now()); err != nil {
			return err
		}
	}
	if into != nil && json.Unmarshal(got.Body, into) != nil {
		return sdk.Ambiguous(errors.New("WeChat's answer cannot be read"))
	}
	return nil
}

const maxMessage = 200 // bytes of what WeChat says of an error

// clean takes out of WeChat's words what nobody should see.
func (a *api) clean(message string) string {
	a.tokens.mu.Lock()
	token := a.tokens.value
	a.tokens.mu.Unlock()
	for _, secret := range []string{token, a.cfg.AppSecret} {
		if secret != "" {
			message = strings.ReplaceAll(message, secret, "…")
		}
	}
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	return strings.ToValidUTF8(message, "")
}

// withToken makes a call with the access token, once more if WeChat does not take
// that one: then nothing was done. All of it takes limit at most.
func (a *api) withToken(ctx context.Context, limit time.Duration, call func(ctx context.Context, q url.Values) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	token, err := a.tokens.get(ctx)
	if err != nil {
		return err
	}
	err = call(ctx, url.Values{"access_token": {token}})
	if !errors.Is(err, errStale) {
		return err
	}
	if token, err = a.tokens.renew(ctx, token); err != nil {
		return err
	}
	if err = call(ctx, url.Values{"access_token": {token}}); errors.Is(err, errStale) {
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	}
	return err
}

// post sends v as JSON, in UTF-8 without escapes: customers would see them.
func (a *api) post(ctx context.Context, path string, v any) error {
	body, err := ccsp.JSON(v)
	if err != nil {
		return sdk.Rejected("message", "it cannot be encoded")
	}
	return a.withToken(ctx, a.cfg.timeout, func(ctx context.Context, q url.Values) error {
		res, err := a.do(ctx, http.MethodPost, path, q, jsonType, body) //nolint:bodyclose // read closes it
		if err != nil {
			return err
		}
		return a.read(res, nil)
	})
}

// typing shows or hides that somebody writes. WeChat refuses it when the customer
// has not written for a while (45080) and when it is shown already (45081).
func (a *api) typing(ctx context.Context, openID, command string) error {
	err := a.post(ctx, "/cgi-bin/message/custom/typing", map[string]string{"touser": openID, "command": command})
	if e, ok := errors.AsType[*sdk.RejectedError](err); ok && (e.Code == "45080" || e.Code == "45081") {
		return nil
	}
	return ccsp.AsRetry(err)
}

// media is a file at WeChat: its bytes, or the address that WeChat names for it.
type media struct {
	body      io.ReadCloser
	elsewhere string
}

// media gets a file that a customer sent.
func (a *api) media(ctx context.Context, id string) (m media, err error) {
	token, err := a.tokens.get(ctx)
	if err != nil {
		return media{}, err
	}
	if m, err = a.mediaWith(ctx, token, id); errors.Is(err, errStale) {
		if token, err = a.tokens.renew(ctx, token); err == nil {
			m, err = a.mediaWith(ctx, token, id)
		}
	}
	return m, ccsp.AsRetry(err)
}

func (a *api) mediaWith(ctx context.Context, token, id string) (media, error) {
	q := url.Values{"access_token": {token}, "media_id": {id}}
	res, err := a.do(ctx, http.MethodGet, "/cgi-bin/media/get", q, "", nil) //nolint:bodyclose // read closes it, or who reads the file
	if err != nil {
		return media{}, err
	}
	if res.StatusCode == http.StatusOK && !isText(res.Header) {
		return media{body: res.Body}, nil
	}
	var said struct {
		VideoURL string `json:"video_url"`
	}
	if err := a.read(res, &said); err != nil {
		return media{}, err
	}
	if !httpURL(said.VideoURL) {
		return media{}, sdk.Retry(errors.New("WeChat sent no file"), 0)
	}
	return media{elsewhere: said.VideoURL}, nil
}

// isText reports whether JSON came in place of a file; WeChat calls it text, too.
func isText(h http.Header) bool {
	typ, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (typ == "text/plain" || typ == "application/json")
}

func httpURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}
