package main

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
	"github.com/openccsp/gateway/sdk"
)

const opened = `{"event_type":"chat_opened","chatid":"C"}`

func sign512(key, body string) string {
	mac := hmac.New(sha512.New, []byte(key))
	mac.Write([]byte(body))
	return "sha512=" + hex.EncodeToString(mac.Sum(nil))
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// TestDoor: every mode of webhook_auth, with what opens it and what does not.
func TestDoor(t *testing.T) {
	good := sim.Sign(secret, []byte(opened))
	hmacs := []struct {
		name   string
		header http.Header
		opens  bool
	}{
		{"signature", header("X-Hub-Signature", good), true},
		{"signature with the older secret", header("X-Hub-Signature", sim.Sign(older, []byte(opened))), true},
		{"SHA-512", header("X-Hub-Signature", sign512(secret, opened)), true},
		{"capitals", header("X-Hub-Signature", strings.ToUpper(good)), true},
		{"wrong signature", header("X-Hub-Signature", sim.Sign("guess", []byte(opened))), false},
		{"of another body", header("X-Hub-Signature", sim.Sign(secret, []byte("{}"))), false},
		{"cut", header("X-Hub-Signature", good[:len(good)-2]), false},
		{"longer", header("X-Hub-Signature", good+"00"), false},
		{"no hex", header("X-Hub-Signature", "sha256=zz"), false},
		{"empty", header("X-Hub-Signature", "sha256="), false},
		{"no algorithm", header("X-Hub-Signature", strings.TrimPrefix(good, "sha256=")), false},
		{"an old algorithm", header("X-Hub-Signature", "sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709"), false},
		{"two signatures", header("X-Hub-Signature", good, "X-Hub-Signature", good), false},
		{"nothing", nil, false},
	}
	tokens := []struct {
		name   string
		header http.Header
		opens  bool
	}{
		{"token", header("Authorization", "Bearer "+secret), true},
		{"older token", header("Authorization", "bearer  "+older), true},
		{"wrong token", header("Authorization", "Bearer guess"), false},
		{"part of the token", header("Authorization", "Bearer "+secret[:6]), false},
		{"no scheme", header("Authorization", secret), false},
		{"another scheme", header("Authorization", "Basic "+secret), false},
		{"empty token", header("Authorization", "Bearer "), false},
		{"nothing", nil, false},
	}
	check := func(mode, name string, c *connector, r *sdk.WebhookRequest, opens bool) {
		t.Helper()
		r.Method, r.Body = "POST", []byte(opened)
		res, err := c.Webhook(t.Context(), r)
		switch {
		case err != nil:
			t.Errorf("%s, %s: %v", mode, name, err)
		case opens && (res.Status != 0 || len(res.Events) != 1):
			t.Errorf("%s, %s: status %d, want it to be taken", mode, name, res.Status)
		case !opens && (res.Status != 401 || len(res.Events) > 0 || res.Quarantine != ""):
			t.Errorf("%s, %s: %+v, want 401 and nothing else", mode, name, res)
		}
	}
	for _, mode := range []string{authSecret, authHMAC, authHeader} {
		c, _ := receiver(t, func(s *settings) { s.WebhookAuth, s.FurtherSecrets = mode, "canary-next "+older })
		for _, h := range hmacs {
			check(mode, h.name, c, &sdk.WebhookRequest{Header: h.header}, h.opens && mode != authHeader)
		}
		for _, h := range tokens {
			check(mode, h.name, c, &sdk.WebhookRequest{Header: h.header}, h.opens && mode != authHMAC)
		}
		both := header("X-Hub-Signature", "sha256=00", "Authorization", "Bearer "+secret)
		check(mode, "wrong signature and right token", c, &sdk.WebhookRequest{Header: both}, mode == authHeader)
	}
	own, _ := receiver(t, func(s *settings) { s.WebhookAuth, s.WebhookHeader = authHeader, "x-api-key" })
	check("own header", "token", own, &sdk.WebhookRequest{Header: header("X-Api-Key", secret)}, true)
	check("own header", "the usual one", own, &sdk.WebhookRequest{Header: header("Authorization", "Bearer "+secret)}, false)
	signed, _ := receiver(t, func(s *settings) { s.WebhookAuth, s.WebhookHeader = authHMAC, "X-Signature" })
	check("own header", "signature", signed, &sdk.WebhookRequest{Header: header("X-Signature", good)}, true)
}

func TestQueryToken(t *testing.T) {
	c, _ := receiver(t, func(s *settings) { s.WebhookAuth, s.FurtherSecrets = authQuery, older })
	for query, want := range map[string]int{
		"token=" + secret: 0, "a=b&token=" + older: 0,
		"": 401, "token=": 401, "token=guess": 401, "Token=" + secret: 401, "token=" + secret + "&token=" + secret: 401,
		"token=%zz": 401, "%zz&token=" + secret: 401, "token=" + secret + "%00": 401,
	} {
		res, err := c.Webhook(t.Context(), &sdk.WebhookRequest{Method: "POST", Query: query, Body: []byte(opened)})
		if err != nil || res.Status != want {
			t.Errorf("%q: status %d, %v, want %d", query, res.Status, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	networks := []string{"192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "::ffff:203.0.113.5"}
	open, _ := receiver(t, func(s *settings) { s.WebhookAuth, s.IPAllow = authNone, networks })
	signed, _ := receiver(t, func(s *settings) { s.IPAllow = networks })
	for remote, want := range map[string]int{
		"192.0.2.200": 0, "198.51.100.7": 0, "::ffff:192.0.2.1": 0, "2001:db8::1": 0, "203.0.113.5": 0,
		"192.0.3.1": 401, "198.51.100.8": 401, "2001:db9::1": 401, "": 401, "192.0.2.1:80": 401, "localhost": 401,
	} {
		r := &sdk.WebhookRequest{Method: "POST", RemoteAddr: remote, Body: []byte(opened)}
		if res, err := open.Webhook(t.Context(), r); err != nil || res.Status != want {
			t.Errorf("%s: status %d, %v, want %d", remote, res.Status, err, want)
		}
		if res, err := signed.Webhook(t.Context(), r); err != nil || res.Status != 401 {
			t.Errorf("%s without a signature: status %d, %v, want 401", remote, res.Status, err)
		}
		r.Header = header("X-Hub-Signature", sim.Sign(secret, r.Body))
		if res, err := signed.Webhook(t.Context(), r); err != nil || res.Status != want {
			t.Errorf("%s with a signature: status %d, %v, want %d", remote, res.Status, err, want)
		}
	}
}

// FuzzDoor: nothing but the right proof opens.
func FuzzDoor(f *testing.F) {
	good := sim.Sign(secret, []byte(opened))
	for _, s := range []string{good, good[:40], "sha256=", "sha512=" + good, "Bearer " + secret[:5], "token=", "%zz"} {
		f.Add(s)
	}
	var all []*connector
	for _, mode := range []string{authSecret, authHMAC, authHeader, authQuery} {
		c, _ := receiver(f, func(s *settings) { s.WebhookAuth = mode })
		all = append(all, c)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.EqualFold(strings.ReplaceAll(text, " ", ""), good) || strings.Contains(text, secret) || strings.Contains(text, "%") {
			return
		}
		for i, c := range all {
			res, err := c.Webhook(t.Context(), &sdk.WebhookRequest{Method: "POST", Query: text, Body: []byte(opened),
				Header: header("X-Hub-Signature", text, "Authorization", text)})
			if err != nil || res.Status != 401 {
				t.Errorf("%q opened connector %d: %d %v", text, i, res.Status, err)
			}
		}
	})
}
