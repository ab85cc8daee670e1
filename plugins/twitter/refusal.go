package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// problem is what X says of a call that it refuses: v2 as application/problem+json,
// v1.1 as a list of codes.
type problem struct {
	Title  string `json:"title"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
	Errors []struct {
		Code  int    `json:"code"`
		Type  string `json:"type"`
		Title string `json:"title"`
	} `json:"errors"`
}

// The codes of v1.1 that mean more than their status does.
var (
	codesOfConfig    = []int{32, 64, 89, 93, 135, 215, 326, 453}
	codesOfRecipient = []int{50, 108, 150, 349}
	codesOfLoad      = []int{130, 131}
	codesOfContent   = []int{151, 226, 354, 386}
)

// hints say to the operator what a code is about.
var hints = map[int]string{
	32: "the tokens are not valid together", 64: "the account is suspended", 89: "the token is invalid or expired",
	93: "the app has no permission for direct messages", 135: "the clock of this machine is wrong",
	215: "the credentials are bad", 326: "the account is locked; log in at X to unlock it",
	453: "the app's plan does not have this call",
}

// known returns the first code of which we know what it means, or the first.
func (p problem) known() int {
	for _, e := range p.Errors {
		if e.Code == 88 || slices.Contains(slices.Concat(codesOfConfig, codesOfRecipient, codesOfLoad, codesOfContent), e.Code) {
			return e.Code
		}
	}
	if len(p.Errors) > 0 {
		return p.Errors[0].Code
	}
	return 0
}

// kind is the last word of the problem's type, such as usage-capped.
func (p problem) kind() string {
	t := p.Type
	for _, e := range p.Errors {
		if t == "" {
			t = e.Type
		}
	}
	if t == "" || t == "about:blank" {
		return ""
	}
	return path.Base(t)
}

// errUnauthorized: the credentials of the call are refused, perhaps because the
// access token is too old.
var errUnauthorized = errors.New("credentials refused with status 401")

// refused says what an answer without success means. X's words are not handed on:
// they may quote the message.
func refused(a ccsp.Answer, now time.Time) error {
	if a.Status >= 200 && a.Status < 300 {
		return ccsp.Resend(sdk.Ambiguous(errors.New("the answer is not X's, or not whole")))
	}
	var p problem
	_ = json.Unmarshal(a.Body, &p) // a proxy's answer is none of X's: the status counts
	if err := byCode(p.known(), a, now); err != nil {
		return err
	}
	if err := byKind(p.kind(), a.Status); err != nil {
		return err
	}
	return byStatus(a, p.known() == 0 && p.kind() == "", now)
}

func byCode(code int, a ccsp.Answer, now time.Time) error {
	err := fmt.Errorf("answer of X: code %d", code)
	switch {
	case code == 88:
		return sdk.Throttled(err, throttle(a.Header, a.WaitAsked(now), now))
	case slices.Contains(codesOfConfig, code):
		return fmt.Errorf("%w: %w: %s", sdk.ErrAuthConfig, err, hints[code])
	case slices.Contains(codesOfRecipient, code):
		return fmt.Errorf("%w: %w", sdk.ErrRecipientGone, err)
	case slices.Contains(codesOfLoad, code):
		return sdk.Retry(err, a.WaitAsked(now))
	case slices.Contains(codesOfContent, code):
		return sdk.Rejected(strconv.Itoa(code), "")
	}
	return nil
}

func byKind(kind string, status int) error {
	err := fmt.Errorf("answer of X: status %d, %s", status, kind)
	switch kind {
	case "usage-capped", "spend-cap-reached", "credits", "credits-depleted":
		return fmt.Errorf("%w: %w: the app's plan is used up", sdk.ErrAuthConfig, err)
	case "client-forbidden", "client-disconnected", "oauth1-permissions", "unsupported-authentication":
		return fmt.Errorf("%w: %w: the app may not do this", sdk.ErrAuthConfig, err)
	case "resource-not-found", "not-authorized-for-resource":
		return fmt.Errorf("%w: %w", sdk.ErrRecipientGone, err)
	}
	return nil
}

// byStatus is for what has no code and no type that are known; plain: it has none at
// all.
func byStatus(a ccsp.Answer, plain bool, now time.Time) error {
	err := fmt.Errorf("answer of X: status %d", a.Status)
	switch a.Status {
	case http.StatusTooManyRequests:
		return sdk.Throttled(err, throttle(a.Header, a.WaitAsked(now), now))
	case http.StatusUnauthorized:
		return errUnauthorized
	case http.StatusPaymentRequired:
		return fmt.Errorf("%w: %w: the app's plan is used up", sdk.ErrAuthConfig, err)
	case http.StatusForbidden:
		if plain && !a.HTML() {
			return fmt.Errorf("%w: %w: not permitted", sdk.ErrRecipientGone, err)
		}
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusRequestTimeout, http.StatusTooEarly:
		return sdk.Retry(err, a.WaitAsked(now))
	case http.StatusGatewayTimeout: // who gave up was a proxy: X may have carried it out
		return ccsp.Resend(&sdk.AmbiguousError{Err: err, After: a.WaitAsked(now)})
	}
	if a.Status >= 500 {
		return sdk.Retry(err, a.WaitAsked(now))
	}
	return sdk.Rejected("http_"+strconv.Itoa(a.Status), "")
}

// sameUser says, to the person who saves the settings, why an answer of
// /2/users/me is not that of this account.
func sameUser(a ccsp.Answer, want string, now time.Time) error {
	if !good(a) {
		err := refused(a, now)
		if errors.Is(err, errUnauthorized) {
			return errors.New("the credentials are refused by X")
		}
		return err
	}
	var me struct {
		Data struct {
			ID id `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &me); err != nil || me.Data.ID == "" {
		return errors.New("api_url: what answers is not X's API")
	}
	if string(me.Data.ID) != want {
		return fmt.Errorf("user_id %q is not the account that the credentials belong to, which is %q", want, string(me.Data.ID))
	}
	return nil
}
