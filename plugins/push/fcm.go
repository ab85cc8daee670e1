package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// fcm sends by Firebase Cloud Messaging, HTTP v1. It is safe for concurrent use.
type fcm struct {
	cfg      *fcmConfig
	truncate bool
	limit    time.Duration // of a call
	http     *http.Client
	now      func() time.Time
	tokens   *accessTokens
	close    func() // ends what goes on in the background
}

func newFCM(cfg config, h *http.Client, now func() time.Time) *fcm {
	ended, end := context.WithCancel(context.Background())
	return &fcm{cfg: cfg.fcm, truncate: cfg.Truncate, limit: cfg.timeout, http: h, now: now, close: end,
		tokens: &accessTokens{cfg: cfg.fcm, http: h, now: now, limit: cfg.timeout, ended: ended}}
}

type object map[string]any

// message is the notice without its target: what FCM counts. The tag has a copy
// take the first one's place on the screen. There is no collapse key: FCM keeps
// four of them for an app that is offline, and throws the others away.
func (f *fcm) message(n notice) any {
	android := object{"priority": f.cfg.Priority, "ttl": fmt.Sprintf("%ds", int(f.cfg.ttl/time.Second))}
	m := object{"android": android, "data": n.inData()}
	if n.background {
		m["apns"] = object{"headers": map[string]string{"apns-push-type": "background", "apns-priority": "5"},
			"payload": object{"aps": object{"content-available": 1}}}
		return m
	}
	shown := n.shown()
	if n.image != "" {
		shown["image"] = n.image
	}
	m["notification"] = shown
	own := object{}
	if n.id != "" {
		own["tag"] = n.id
		m["apns"] = object{"headers": map[string]string{"apns-collapse-id": n.collapse()}}
		m["webpush"] = object{"notification": map[string]string{"tag": n.id}}
	}
	if f.cfg.ChannelID != "" {
		own["channel_id"] = f.cfg.ChannelID
	}
	if len(own) > 0 {
		android["notification"] = own
	}
	return m
}

// send sends a notice to one app, once more with a new access token if Google
// does not take the one that there is.
func (f *fcm) send(ctx context.Context, token string, n notice) (string, error) {
	message, err := fit(n, f.truncate, f.message)
	if err != nil {
		return "", err
	}
	// The target goes in front of the payload that was measured.
	target, err := ccsp.JSON(token)
	if err != nil {
		return "", err
	}
	body := fmt.Appendf(nil, `{"message":{"%s":%s,%s}`, f.cfg.Target, target, message[1:])
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	id, err := f.call(ctx, body)
	if errors.Is(err, errStale) {
		if id, err = f.call(ctx, body); errors.Is(err, errStale) {
			err = authConfig(err)
		}
	}
	return id, err
}

func (f *fcm) call(ctx context.Context, body []byte) (id string, err error) {
	access, err := f.tokens.get(ctx)
	if err != nil {
		return "", err
	}
	a, err := post(ctx, f.http, f.cfg.base+"/v1/projects/"+f.cfg.ProjectID+"/messages:send", http.Header{
		"Authorization": {"Bearer " + access}, "Content-Type": {"application/json; charset=utf-8"}}, body)
	if err != nil {
		return "", err
	}
	if err = f.refused(a); errors.Is(err, errStale) {
		f.tokens.drop(access)
	}
	var got struct {
		Name string `json:"name"`
	}
	if err == nil && (json.Unmarshal(a.Body, &got) != nil || got.Name == "") {
		err = sdk.Retry(errors.New("the answer of FCM cannot be read"), leastPause)
	}
	return got.Name, err
}

// fcmError is the body of a refusal.
type fcmError struct {
	Error struct {
		Status  string `json:"status"`
		Details []struct {
			Type       string `json:"@type"`
			ErrorCode  string `json:"errorCode"`
			Violations []struct {
				Field string `json:"field"`
			} `json:"fieldViolations"`
			Quotas []struct {
				Subject     string `json:"subject"`
				Description string `json:"description"`
			} `json:"violations"` // of google.rpc.QuotaFailure
		} `json:"details"`
	} `json:"error"`
}

// code is FCM's own error code, "" if there is none.
func (e *fcmError) code() string {
	for _, d := range e.Error.Details {
		if d.ErrorCode != "" {
			return d.ErrorCode
		}
	}
	return ""
}

// ofTarget reports whether it is the app's token that FCM does not take.
func (e *fcmError) ofTarget() bool {
	for _, d := range e.Error.Details {
		for _, v := range d.Violations {
			if v.Field == "message.token" || v.Field == "message.fid" {
				return true
			}
		}
	}
	return false
}

// ofDevice reports whether it is the quota of one device that is used up, and not
// the project's. Google documents no code for that, only words.
func (e *fcmError) ofDevice() bool {
	for _, d := range e.Error.Details {
		for _, q := range d.Quotas {
			if strings.Contains(strings.ToLower(q.Subject+" "+q.Description), "device") {
				return true
			}
		}
	}
	return false
}

// refused says what an answer means, nil if the notice was taken. See
// firebase.google.com/docs/cloud-messaging/error-codes.
func (f *fcm) refused(a ccsp.Answer) error {
	if a.Status == http.StatusOK {
		return nil
	}
	var e fcmError
	if a.Err != nil || json.Unmarshal(a.Body, &e) != nil {
		e = fcmError{}
	}
	code := e.code()
	err := fmt.Errorf("FCM: HTTP %d %s", a.Status, strings.TrimSpace(word(e.Error.Status)+" "+word(code)))
	wait := a.WaitAsked(f.now())
	switch {
	case code == "UNREGISTERED", code == "SENDER_ID_MISMATCH", e.ofTarget():
		return &goneError{reason: strings.TrimPrefix(err.Error(), "FCM: ")}
	case code == "THIRD_PARTY_AUTH_ERROR": // Google has no good key for APNs or the web
		return authConfig(err)
	case a.Status == http.StatusTooManyRequests && e.ofDevice():
		return sdk.Retry(err, max(wait, oneMinute))
	case code == "QUOTA_EXCEEDED", a.Status == http.StatusTooManyRequests:
		return sdk.Throttled(err, max(wait, oneMinute))
	case a.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", errStale, err)
	case a.Status == http.StatusForbidden:
		return authConfig(err)
	case a.Status == http.StatusRequestTimeout, a.Status >= 500:
		return sdk.Retry(err, max(wait, leastPause))
	}
	return sdk.Rejected(strings.ToLower(cmp.Or(word(code), word(e.Error.Status), fmt.Sprintf("status_%d", a.Status))), err.Error())
}

// word is s if it is a code, and nothing that somebody made up.
func word(s string) string {
	if len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	}) {
		return ""
	}
	return s
}
