package ccsp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// MaxAnswer is how many bytes of a body are read.
const MaxAnswer = 1 << 20

// ErrTooLarge is the Err of an answer with more than MaxAnswer bytes.
var ErrTooLarge = fmt.Errorf("answer has more than %d bytes", MaxAnswer)

// Answer is what came back. Err says why Body is not whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Err    error
}

// ReadAnswer reads res; the caller closes it.
func ReadAnswer(res *http.Response) Answer {
	a := Answer{Status: res.StatusCode, Header: res.Header}
	a.Body, a.Err = io.ReadAll(io.LimitReader(res.Body, MaxAnswer+1))
	if len(a.Body) > MaxAnswer {
		a.Body, a.Err = a.Body[:MaxAnswer], ErrTooLarge
	}
	return a
}

// HTML reports whether a proxy's page came in place of the API's answer.
func (a Answer) HTML() bool { return bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<")) }

// JSON writes the body of a request as a browser would.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Refused says what a status means that means the same everywhere, nil for the
// rest; wait is what Retry-After asks for. A server error is ambiguous, because
// it may have come after the deed or from a proxy that gave up on the answer,
// except where its meaning is that nothing was done.
func Refused(err error, status int, wait time.Duration) error {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && wait > 0:
		return sdk.Throttled(err, wait)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, undone[status]:
		return sdk.Retry(err, wait)
	case status >= 500 && status < 600:
		return &sdk.AmbiguousError{Err: err, After: wait}
	}
	return nil
}

// undone are the server errors that say that nothing was done (RFC 9110,
// section 15.6; RFC 6585, section 6).
var undone = map[int]bool{
	http.StatusNotImplemented: true, http.StatusServiceUnavailable: true,
	http.StatusHTTPVersionNotSupported: true, http.StatusNetworkAuthenticationRequired: true,
}

// ResendAfter is how long a server or a proxy that may have carried out a call
// gets to recover before the call is made a second and last time.
const ResendAfter = 5 * time.Second

// Resend gives the far side time before an ambiguous call is made again.
func Resend(err error) error {
	if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok {
		a.After = max(a.After, ResendAfter)
	}
	return err
}

// AsRetry takes the doubt out of a call that does no harm twice.
func AsRetry(err error) error {
	if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok {
		return sdk.Retry(a.Err, a.After)
	}
	return err
}

const maxWaitAsked = time.Hour // longest Retry-After that is believed

// WaitAsked reads Retry-After, seconds or a date. It is 0 if there is none.
func (a Answer) WaitAsked(now time.Time) time.Duration {
	text := a.Header.Get("Retry-After")
	var d time.Duration
	if n, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(n, int(maxWaitAsked/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return max(0, min(d, maxWaitAsked))
}
