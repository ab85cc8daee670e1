package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxWaitAsked = time.Hour // longest Retry-After that is believed

	// resendAfter is how long a server that may have carried out a call gets
	// to recover before the call is made a second and last time.
	resendAfter = 5 * time.Second
)

// envelope returns the members of the answer's object; ok is false if the
// answer is none.
func (a answer) envelope() (f fields, ok bool) {
	if a.err != nil || !json.Valid(a.body) || a.html() {
		return nil, false
	}
	return object(json.RawMessage(bytes.TrimSpace(a.body)))
}

// code is the status that counts: HTTP's, or that of the envelope, since
// refusals may come with a 200.
func (a answer) code() int {
	if !a.fine() {
		return a.status
	}
	f, _ := a.envelope()
	n, err := strconv.Atoi(f.word("statuscode"))
	if err != nil {
		return a.status
	}
	return n
}

// fine reports whether HTTP says that it went well.
func (a answer) fine() bool { return a.status >= 200 && a.status < 300 }

// html reports whether a proxy's page came in place of the API's answer.
func (a answer) html() bool { return bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<")) }

// half reports whether the answer began as JSON and is not whole.
func (a answer) half() bool {
	body := bytes.TrimSpace(a.body)
	begun := bytes.HasPrefix(body, []byte("{")) || bytes.HasPrefix(body, []byte("["))
	return a.err != nil || begun && !json.Valid(body)
}

func unauthorized(code int) bool {
	return code == http.StatusUnauthorized || code == http.StatusForbidden
}

// gone reports whether the API itself, and not some web server that has no such
// path, says that it does not know the chat.
func (a answer) gone() bool {
	_, api := a.envelope()
	code := a.code()
	return api && (code == http.StatusNotFound || code == http.StatusGone)
}

// refused says what an answer means, nil if the call was carried out. A server
// error is ambiguous, because it may have come after the deed or from a proxy
// that gave up on the answer, except where its meaning is that nothing was done.
func (c *client) refused(name string, a answer) error {
	if a.fine() && (a.html() || a.half()) {
		return resend(fmt.Errorf("%s: the answer is not the API's", name), 0)
	}
	code := a.code()
	if success(code) {
		return nil
	}
	err := fmt.Errorf("%s: status %d", name, code)
	wait := c.waitAsked(a.header.Get("Retry-After"))
	switch {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && wait > 0:
		return sdk.Throttled(err, wait)
	case unauthorized(code), code == http.StatusProxyAuthRequired:
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, undone[code]:
		return sdk.Retry(err, wait)
	case code >= 500 && code < 600:
		return resend(err, wait)
	case a.status >= 300 && a.status < 400:
		return sdk.Rejected("http_"+strconv.Itoa(code), name+": redirected; set instance_url to the new place")
	case a.status == http.StatusNotFound && !a.gone():
		return sdk.Rejected("no_endpoint", name+": nothing is at this path; set endpoints."+name)
	}
	return sdk.Rejected("status_"+strconv.Itoa(code), name)
}

// success reports whether a code says that a call was carried out: HTTP's, 0,
// and the thousands with which the platform says that it queued something.
func success(code int) bool {
	return code == 0 || code >= 200 && code < 300 || code >= 1000 && code < 2000
}

// undone are the server errors that say that nothing was done (RFC 9110,
// section 15.6; RFC 6585, section 6).
var undone = map[int]bool{
	http.StatusNotImplemented: true, http.StatusServiceUnavailable: true,
	http.StatusHTTPVersionNotSupported: true, http.StatusNetworkAuthenticationRequired: true,
}

// resend marks what may have been done, and gives the far side time.
func resend(err error, wait time.Duration) error {
	return &sdk.AmbiguousError{Err: err, After: max(wait, resendAfter)}
}

// waitAsked reads Retry-After, seconds or a date. It is 0 if there is none.
func (c *client) waitAsked(text string) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(text); err == nil {
		d = time.Duration(min(n, int(maxWaitAsked/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(c.now())
	}
	return max(0, min(d, maxWaitAsked))
}

// chatID returns the id of the chat that an answer tells of.
func (a answer) chatID() (string, error) {
	f, ok := a.envelope()
	if !ok {
		return "", errors.New("the answer is not JSON")
	}
	chat := f
	if l := list(f["response"]); len(l) > 0 {
		if r, ok := object(l[0]); ok {
			chat = r
		}
	}
	id := chat.word("chatid", "id")
	if id == "" || len(id) > maxRef || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' }) {
		return "", errors.New("the answer has no chat_id")
	}
	return id, nil
}
