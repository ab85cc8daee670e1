package sdk

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxDetail limits the text of an error on the wire, in bytes.
const maxDetail = 1024

// sentinels are the errors that say all by themselves.
var sentinels = []struct {
	err     error
	outcome pluginv1.Outcome
}{
	{ErrWindowClosed, pluginv1.Outcome_WINDOW_CLOSED},
	{ErrRecipientGone, pluginv1.Outcome_RECIPIENT_GONE},
	{ErrAuthConfig, pluginv1.Outcome_AUTH_CONFIG},
	{ErrAuthRefreshed, pluginv1.Outcome_AUTH_REFRESH},
	{ErrChatGone, pluginv1.Outcome_CHAT_GONE},
	{ErrUnsupported, pluginv1.Outcome_UNSUPPORTED},
}

// fail writes into r what err says.
func fail(r *pluginv1.Result, err error) {
	r.Detail = clip(err.Error(), maxDetail)
	var (
		rejected  *RejectedError
		ambiguous *AmbiguousError
		retry     *RetryError
	)
	switch {
	case errors.As(err, &rejected):
		r.Outcome, r.Code, r.Detail = pluginv1.Outcome_REJECTED, valid(rejected.Code), clip(rejected.Detail, maxDetail)
		return
	case errors.As(err, &ambiguous):
		r.Outcome, r.AfterMs = pluginv1.Outcome_AMBIGUOUS, milliseconds(ambiguous.After)
		return
	case errors.As(err, &retry):
		r.Outcome, r.Code, r.AfterMs = pluginv1.Outcome_RETRY, valid(retry.Code), milliseconds(retry.After)
		if retry.Throttled {
			r.Outcome = pluginv1.Outcome_THROTTLED
		}
		return
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			r.Outcome = s.outcome
			return
		}
	}
	r.Outcome, r.Code = unmarked(err)
}

// unmarked tells the network's errors apart, which drivers like to hand on as
// they are: without a connection nothing happened, later nobody knows.
func unmarked(err error) (pluginv1.Outcome, string) {
	var (
		op     *net.OpError
		dns    *net.DNSError
		asking *url.Error
		timed  net.Error
	)
	switch {
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial":
		return pluginv1.Outcome_RETRY, "unreachable"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return pluginv1.Outcome_AMBIGUOUS, "deadline"
	case op != nil, errors.As(err, &asking), errors.As(err, &timed), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return pluginv1.Outcome_AMBIGUOUS, "connection_lost"
	}
	return pluginv1.Outcome_REJECTED, "error"
}

// valid makes s fit for a protobuf string.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// clip is valid, cut to at most n bytes.
func clip(s string, n int) string {
	s = valid(s)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
