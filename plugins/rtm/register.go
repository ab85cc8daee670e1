package main

import (
	"context"
	"errors"
	"net/http"
	"time"
)

const maxProfile = 2048 // bytes of all names and values, because they travel in the token

// registration is the body of POST /register.
type registration struct {
	UserID    string   `json:"userId"`
	DeviceID  string   `json:"deviceId"`
	Timestamp flexible `json:"timestamp"`
	Signature string   `json:"signature"`
	Data      *profile `json:"data"`
}

// register issues an access token.
//
//	POST /register {"deviceId":"web-1","data":{"name":"Ada","locale":"de-CH"}}
//	200 {"accessToken":"…","userId":"u-…","appId":"webshop","expiresAt":"…","broker":{…}}
//
// Without a proof the user id is a new random one. A proof is a valid access
// token of that user, a JWT of the app's backend (both Authorization: Bearer),
// or a signature by the app's secret.
func (c *channel) register(_ context.Context, r *request) (reply, error) {
	if !c.registrations.allow(network(r.RemoteAddr).String()) {
		return reply{}, throttled("too many registrations from this address")
	}
	var in registration
	if err := decode(r.Body, &in); err != nil {
		return reply{}, invalid("%s", err)
	}
	if in.DeviceID != "" && !idPattern.MatchString(in.DeviceID) {
		return reply{}, invalid("deviceId: want 1 to 128 of A-Z a-z 0-9 . _ ~ @ : = -")
	}
	user, known, err := c.prove(r, &in)
	if err != nil {
		return reply{}, err
	}
	if in.Data != nil {
		known.Profile = *in.Data
		if err := known.Profile.checkOwnWord(); err != nil {
			return reply{}, err
		}
	}
	if err := known.check(); err != nil {
		return reply{}, err
	}
	token, expires, err := c.signer.issue(user, known)
	if errors.Is(err, errTooMuch) {
		return reply{}, invalid("data: is too much for a token")
	}
	if err != nil {
		return reply{}, err
	}
	return reply{body: map[string]any{
		"accessToken": token,
		"userId":      user,
		"appId":       c.cfg.AppID,
		"expiresAt":   expires.UTC().Format(time.RFC3339),
		"broker":      c.brokerInfo(user, in.DeviceID),
	}}, nil
}

// prove returns the user id that the request has a proof of, and what is known
// of the user, or a new random id.
func (c *channel) prove(r *request, in *registration) (string, identity, error) {
	token, err := bearer(r.Header)
	if err != nil {
		return "", identity{}, err
	}
	signature, timestamp, err := signatureOf(r.Header, in)
	if err != nil {
		return "", identity{}, err
	}
	switch {
	case token != "":
		return c.proveByToken(token, in.UserID)
	case signature != "":
		return c.proveBySignature(in.UserID, timestamp, signature)
	}
	return randomID("u-"), identity{}, nil
}

func (c *channel) proveByToken(token, want string) (string, identity, error) {
	cl, err := c.signer.access(token)
	if err != nil {
		cl, err = c.signer.backend(token)
	}
	if err != nil {
		return "", identity{}, unauthorized("the token in Authorization is not valid here, or not any more")
	}
	if want != "" && want != cl.Subject {
		return "", identity{}, &apiError{http.StatusForbidden, "forbidden", "the token is another user's"}
	}
	return cl.Subject, cl.identity, nil
}

func (c *channel) proveBySignature(user, timestamp, signature string) (string, identity, error) {
	if !idPattern.MatchString(user) {
		return "", identity{}, invalid("userId: want 1 to 128 of A-Z a-z 0-9 . _ ~ @ : = - with a letter or digit first")
	}
	if err := c.signer.signature(user, timestamp, signature); err != nil {
		return "", identity{}, unauthorized("the signature is wrong, too old or used before")
	}
	return user, identity{}, nil
}

// signatureOf reads signature and timestamp from header or body, not both.
func signatureOf(h http.Header, in *registration) (signature, timestamp string, err error) {
	signatures, timestamps := h.Values("Signature"), h.Values("Timestamp")
	if len(signatures) == 0 {
		return in.Signature, string(in.Timestamp), nil
	}
	if len(signatures) > 1 || len(timestamps) > 1 || in.Signature != "" {
		return "", "", unauthorized("there is more than one signature")
	}
	if signatures[0] == "" {
		return "", "", unauthorized("the signature is empty")
	}
	if len(timestamps) == 1 {
		return signatures[0], timestamps[0], nil
	}
	return signatures[0], string(in.Timestamp), nil
}

// check limits the size and shape of what travels in a token.
func (i identity) check() error {
	size := 0
	for _, p := range []profile{i.Profile, i.Vouched} {
		size += len(p.Name) + len(p.FirstName) + len(p.LastName) + len(p.Locale) + len(p.Timezone)
		for _, m := range []map[string]string{p.Addresses, p.Attributes} {
			for k, v := range m {
				if k == "" {
					return invalid("data: a name is empty")
				}
				size += len(k) + len(v)
			}
		}
	}
	if size > maxProfile {
		return invalid("data: %d bytes are too many; at most %d", size, maxProfile)
	}
	return nil
}

// checkOwnWord is for what a client says itself. The app's push token is bound at
// the address for push: a client that could choose it would get what another
// customer's app is told. The app's backend may name it, in its JWT.
func (p profile) checkOwnWord() error {
	if _, ok := p.Addresses["push"]; ok {
		return invalid("data: addresses may not have push; POST push binds the app's token")
	}
	return nil
}

// describe answers what a client needs to know before it registers.
//
//	GET /config
//	200 {"appId":"webshop","maxMessage":16384,"maxFile":10485760,"part":524288,"receipts":true,"typing":true,"broker":{…}}
func (c *channel) describe(context.Context, *request) (reply, error) {
	return reply{body: map[string]any{
		"appId":      c.cfg.AppID,
		"maxMessage": c.cfg.MaxMessage,
		"maxFile":    c.cfg.MaxFile,
		"part":       maxPart,
		"receipts":   true,
		"typing":     true,
		"broker":     c.brokerInfo("", ""),
	}}, nil
}

// brokerInfo says how to connect. The address for WebSocket is a path at the
// gateway, or a URL if the gateway knows its own.
func (c *channel) brokerInfo(user, device string) map[string]string {
	info := c.link.address()
	if user == "" {
		return info
	}
	if device == "" {
		device = randomID("d-")
	}
	name := c.cfg.AppID + "/" + user
	info["username"], info["topic"], info["clientId"] = name, name, name+"/"+device
	return info
}
