package notify

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// The headers of the handshake in which an endpoint says that it wants notifications
// (CloudEvents, HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4, read 2026-11).
const (
	requestOrigin = "WebHook-Request-Origin"
	requestRate   = "WebHook-Request-Rate"
	allowedOrigin = "WebHook-Allowed-Origin"
	allowedRate   = "WebHook-Allowed-Rate"
)

// originOf is the DNS name by which endpoints know who asks: the host of an address;
// "" if there is none.
func originOf(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// consent asks an endpoint whether it wants notifications from this gateway. Only the
// header says so, whatever the status is. One that does not may yet.
func (n *Notifier) consent(ctx context.Context, e *endpoint) *pluginv1.Result {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(e.Timeout, n.timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, e.URL, nil)
	if err != nil {
		return badURL()
	}
	req.Header = n.plain(e)
	if e.Rate > 0 {
		req.Header.Set(requestRate, strconv.Itoa(max(int(e.Rate*60), 1)))
	}
	resp, err := n.send(e, req)
	if err != nil {
		return unanswered(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	if o := resp.Header.Get(allowedOrigin); o == "*" || strings.EqualFold(o, n.origin) {
		e.gate.consent(perSecond(resp.Header.Get(allowedRate)))
		n.log.InfoContext(ctx, "endpoint wants notifications", "endpoint", e.name, "rate_per_minute", resp.Header.Get(allowedRate))
		return &pluginv1.Result{Outcome: pluginv1.Outcome_OK}
	}
	r := answered(resp, n.now())
	if r.Outcome == pluginv1.Outcome_OK || r.Outcome == pluginv1.Outcome_REJECTED {
		r = &pluginv1.Result{
			Outcome: pluginv1.Outcome_RETRY, Code: "no_consent",
			Detail: "the endpoint does not say that it wants notifications: " + allowedOrigin + " is not in its answer to OPTIONS",
		}
	}
	n.log.WarnContext(ctx, "endpoint does not say that it wants notifications", "endpoint", e.name, "code", r.Code)
	return r
}

// perSecond reads a rate of requests per minute; 0 is none, or none that makes sense.
func perSecond(perMinute string) float64 {
	n, err := strconv.ParseUint(strings.TrimSpace(perMinute), 10, 32)
	if err != nil {
		return 0 // "*", too
	}
	return float64(n) / 60
}
