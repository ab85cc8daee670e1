package main

import (
	"cmp"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// The modes of webhook_auth.
const (
	authSecret = "secret" // hmac, or header_token where there is no signature
	authHMAC   = "hmac"
	authHeader = "header_token"
	authQuery  = "query_token"
	authNone   = "none"
)

const (
	signatureHeader = "X-Hub-Signature"
	tokenHeader     = "Authorization"
)

// door decides which webhooks are the far side's.
type door struct {
	mode   string
	header string // "": the usual one of the mode
	query  string // parameter
	allow  []netip.Prefix
	keys   keys
}

// opens reports whether r proves where it comes from.
func (d door) opens(r *sdk.WebhookRequest) bool {
	if !d.near(r.RemoteAddr) {
		return false
	}
	switch d.mode {
	case authSecret:
		// A wrong signature is not made up for by anything else.
		if len(r.Header.Values(signatureHeader)) > 0 {
			return d.keys.signed(single(r.Header, signatureHeader), r.Body)
		}
		return d.keys.has(token(r.Header, tokenHeader))
	case authHMAC:
		return d.keys.signed(single(r.Header, cmp.Or(d.header, signatureHeader)), r.Body)
	case authHeader:
		return d.keys.has(token(r.Header, cmp.Or(d.header, tokenHeader)))
	case authQuery:
		q, err := url.ParseQuery(r.Query)
		return err == nil && len(q[d.query]) == 1 && d.keys.has(q.Get(d.query))
	case authNone:
		return len(d.allow) > 0
	}
	return false
}

// near reports whether remote is in ip_allow.
func (d door) near(remote string) bool {
	if len(d.allow) == 0 {
		return true
	}
	a, err := netip.ParseAddr(remote)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(d.allow, func(p netip.Prefix) bool { return p.Contains(a) })
}

// single returns the value of a header that is there once.
func single(h http.Header, name string) string {
	if v := h.Values(name); len(v) == 1 {
		return v[0]
	}
	return ""
}

// token returns the secret in a header, in Authorization after the word Bearer.
func token(h http.Header, name string) string {
	v := strings.TrimSpace(single(h, name))
	scheme, rest, ok := strings.Cut(v, " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	if http.CanonicalHeaderKey(name) == tokenHeader {
		return "" // of another scheme
	}
	return v
}
