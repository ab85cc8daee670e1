package main

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk"
)

const maxPushToken = 4096 // bytes

// pushBody is the body of POST and DELETE /push.
type pushBody struct {
	Platform string `json:"platform"`
	Token    string `json:"token"`
}

// registerPush binds the app's push token to the user whom the access token
// names, and to nobody else. Tokens are not logged.
//
//	POST /push {"platform":"fcm","token":"dQw4…"}     200 {}
func (c *channel) registerPush(_ context.Context, r *request) (reply, error) {
	return c.pushToken(r, false)
}

// unregisterPush unbinds it.
//
//	DELETE /push {"platform":"fcm","token":"dQw4…"}   200 {}
func (c *channel) unregisterPush(_ context.Context, r *request) (reply, error) {
	return c.pushToken(r, true)
}

func (c *channel) pushToken(r *request, remove bool) (reply, error) {
	if !c.incoming.allow(r.user) {
		return reply{}, throttled("too many push tokens")
	}
	var in pushBody
	if err := decode(r.Body, &in); err != nil {
		return reply{}, invalid("%s", err)
	}
	if in.Platform != "fcm" && in.Platform != "apns" {
		return reply{}, invalid("platform: want fcm or apns")
	}
	if in.Token == "" || len(in.Token) > maxPushToken ||
		strings.ContainsFunc(in.Token, func(r rune) bool { return r <= ' ' || r == 0x7f || r == utf8.RuneError }) {
		return reply{}, invalid("token: want 1 to %d characters without spaces", maxPushToken)
	}
	params := map[string]string{"platform": in.Platform, "token": in.Token}
	if remove {
		params["remove"] = "true"
	}
	e := sdk.Event{Type: sdk.PushToken, Customer: sdk.Customer{Address: r.user}, Params: params}
	return reply{body: struct{}{}, events: []sdk.Event{e}}, nil
}
