package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// failure is what the Graph API says went wrong.
type failure struct {
	Message   string `json:"message"`
	Type      string `json:"type"`
	Code      int    `json:"code"`
	Subcode   int    `json:"error_subcode"`
	Transient bool   `json:"is_transient"`
	Trace     string `json:"fbtrace_id"`
}

const (
	minThrottle = time.Minute      // what Meta is given where it does not say how long
	heldFor     = time.Minute      // until a thread of another app is tried again
	blockedFor  = 15 * time.Minute // how long nothing is sent once Meta has blocked the page
	maxWords    = 200              // letters of Meta's message that are kept
)

// notOwner is Meta's code and subcode for that.
const notOwner = "10/2018300"

// errNotOwner says that another app controls the thread.
var errNotOwner = errors.New("another app controls the thread")

// Error names the codes first: people look them up.
func (f *failure) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", f.code(), f.Message, f.Trace))
}

func (f *failure) code() string {
	if f.Subcode == 0 {
		return strconv.Itoa(f.Code)
	}
	return fmt.Sprintf("%d/%d", f.Code, f.Subcode)
}

// refused says what an answer means, nil if Meta did as it was asked. Meta
// answers 400 to nearly all that fails: the code counts, not the status.
func (g *graph) refused(a ccsp.Answer, wait time.Duration) error {
	var body struct {
		Error *failure `json:"error"`
	}
	if json.Unmarshal(a.Body, &body) == nil && body.Error != nil {
		f := body.Error
		f.Message = g.clean(f.Message)
		if f.Code == 368 && g.pace != nil {
			g.pace.close(blockedFor, "Meta has blocked the page's messages")
		}
		return f.means(a.Status, wait)
	}
	if a.Status >= 200 && a.Status < 300 {
		return nil
	}
	return strange(a.Status, wait)
}

// means is the taxonomy, by code and subcode.
func (f *failure) means(status int, wait time.Duration) error {
	switch f.Code {
	case 4, 17, 32, 613, 80006:
		return sdk.Throttled(f, max(wait, minThrottle))
	case 190, 102, 3, 10904:
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, f)
	case 368:
		return sdk.Rejected(f.code(), "blocked for abuse; nothing is sent for a while: see the page's quality at Meta. "+f.Message)
	}
	switch f.Subcode {
	case 2018278, 2018065, 2534022:
		return fmt.Errorf("%w: %w", sdk.ErrWindowClosed, f)
	case 2018001, 1545041, 2018108:
		return fmt.Errorf("%w: %w", sdk.ErrRecipientGone, f)
	case 2018300:
		return sdk.Retry(fmt.Errorf("%w: %w", errNotOwner, f), heldFor)
	}
	switch {
	case f.Code == 551:
		return fmt.Errorf("%w: %w", sdk.ErrRecipientGone, f)
	case f.Code == 10, f.Code == 200:
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, f)
	case f.Code == 1, f.Code == 2, f.Code == 1200, status >= 500, f.Transient:
		return sdk.Retry(f, wait)
	case status == http.StatusTooManyRequests:
		return sdk.Throttled(f, max(wait, minThrottle))
	}
	return sdk.Rejected(f.code(), strings.TrimSpace(f.Message+" "+f.Trace))
}

// strange says what a status means that came without Meta's own words. One from a
// proxy that gave up on the answer leaves open whether the message went.
func strange(status int, wait time.Duration) error {
	err := fmt.Errorf("the Graph API answers with status %d", status)
	switch {
	case status == http.StatusTooManyRequests:
		return sdk.Throttled(err, max(wait, minThrottle))
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return ccsp.Resend(&sdk.AmbiguousError{Err: err, After: wait})
	case status >= 500:
		return sdk.Retry(err, wait)
	case status >= 300 && status < 400:
		return sdk.Rejected("http_"+strconv.Itoa(status), "redirected; set base_url to the new place")
	}
	return cmp.Or(ccsp.Refused(err, status, wait), sdk.Rejected("http_"+strconv.Itoa(status), "not an answer of the Graph API"))
}

// clean takes secrets out of Meta's words, which quote the token at times.
func (g *graph) clean(words string) string {
	for _, secret := range []string{g.cfg.AccessToken, g.query.Get("appsecret_proof"), g.cfg.AppSecret} {
		words = strings.ReplaceAll(words, secret, "…")
	}
	if r := []rune(words); len(r) > maxWords {
		return string(r[:maxWords]) + "…"
	}
	return words
}
