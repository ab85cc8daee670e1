package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/outbound"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	maxAnswer     = 64 << 10 // bytes that are read of an answer
	maxRetryAfter = 24 * time.Hour
)

func newTransport(c Config, control func(network, address string, c syscall.RawConn) error) *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, Resolver: c.Resolver, Control: control}
	return &http.Transport{
		Proxy:                  nil, // a proxy would reach what the guard forbids
		DialContext:            d.DialContext,
		DisableCompression:     true, // answers are not read, let alone unpacked
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        c.PerHost,
		MaxIdleConnsPerHost:    c.PerHost,
		MaxIdleConns:           4 * c.PerHost,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: maxAnswer,
	}
}

// send makes one request to an endpoint. It follows no redirect.
func (n *Notifier) send(e *endpoint, req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", "OpenCCSP/"+core.Version)
	transport := n.guarded
	if e.AllowPrivate {
		transport = n.open
	}
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(req)
}

func badURL() *pluginv1.Result {
	return &pluginv1.Result{Outcome: pluginv1.Outcome_REJECTED, Code: "request", Detail: "the URL cannot be used"}
}

func (n *Notifier) post(ctx context.Context, e *endpoint, id string, at time.Time, body []byte, limit int) (*pluginv1.Result, []byte) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(e.Timeout, n.timeout))
	defer cancel()
	header, body := n.dress(e, id, at, body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return badURL(), nil
	}
	req.Header = header
	resp, err := n.send(e, req)
	if err != nil {
		return unanswered(err), nil
	}
	defer func() { _ = resp.Body.Close() }()
	r := answered(resp, n.now())
	var said []byte
	if limit > 0 && r.Outcome == pluginv1.Outcome_OK {
		said, err = answerOf(resp, limit)
		if err != nil {
			return unanswered(err), nil // it is asked again
		}
	}
	// What little is left is read so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	return r, said
}

// answerOf reads JSON of at most limit bytes. Another answer is nil, none is
// null.
func answerOf(resp *http.Response, limit int) ([]byte, error) {
	said, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	switch {
	case len(bytes.TrimSpace(said)) == 0:
		return []byte("null"), nil
	case len(said) > limit, !utf8.Valid(said), !json.Valid(said):
		return nil, nil
	}
	return said, nil
}

func unanswered(err error) *pluginv1.Result {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // its text has the URL, which may hold a token
	}
	if outbound.IsPrivate(err) {
		return &pluginv1.Result{
			Outcome: pluginv1.Outcome_REJECTED, Code: "private_address",
			Detail: "the endpoint is in a private network; set allow_private = true if that is meant",
		}
	}
	if outbound.IsCredentials(err) {
		return &pluginv1.Result{
			Outcome: pluginv1.Outcome_REJECTED, Code: "private_address", Detail: "the endpoint is where clouds keep credentials",
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY, Code: "timeout", Detail: "no answer in time"}
	}
	return &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY, Code: "network", Detail: err.Error()}
}

// answered classifies the answer. All that is not 2xx and not known to pass is
// final; a redirect is not followed.
func answered(resp *http.Response, now time.Time) *pluginv1.Result {
	status := resp.StatusCode
	r := &pluginv1.Result{
		Code: strconv.Itoa(status), Detail: fmt.Sprintf("HTTP %d %s", status, http.StatusText(status)),
	}
	switch {
	case status/100 == 2:
		return &pluginv1.Result{Outcome: pluginv1.Outcome_OK, Code: r.Code}
	case status == http.StatusGone:
		r.Outcome = pluginv1.Outcome_RECIPIENT_GONE
		return r
	case status == http.StatusTooManyRequests:
		r.Outcome = pluginv1.Outcome_THROTTLED
	case status/100 == 5, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		r.Outcome = pluginv1.Outcome_RETRY
	default:
		r.Outcome = pluginv1.Outcome_REJECTED
		return r
	}
	r.AfterMs = uint64(retryAfter(resp.Header.Get("Retry-After"), now).Milliseconds())
	return r
}

// retryAfter reads the header of that name (RFC 9110 section 10.2.3): seconds
// or a date. 0 means that it says nothing.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if t, err := http.ParseTime(value); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
