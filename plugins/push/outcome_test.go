package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at() time.Time { return noon }

// named is the verdict on an error, by the name of what the gateway knows.
func named(err error) string {
	for _, known := range []error{sdk.ErrAuthConfig, errStale, sdk.ErrRecipientGone} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if e, ok := errors.AsType[*sdk.RetryError](err); ok && !e.Throttled {
		return "retry " + e.After.String()
	}
	return plugintest.Verdict(err)
}

func fcmBody(status, detail string) string {
	return fmt.Sprintf(`{"error":{"code":400,"status":%q,"message":"canary words","details":[%s]}}`, status, detail)
}

func fcmDetail(code string) string {
	return fmt.Sprintf(`{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":%q}`, code)
}

func quota(subject, description string) string {
	return fmt.Sprintf(`{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"subject":%q,"description":%q}]}`, subject, description)
}

func violation(field string) string {
	return fmt.Sprintf(`{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":%q,"description":"canary"}]}`, field)
}

// fcmCases are what FCM can answer.
var fcmCases = []struct {
	name   string
	status int
	body   string
	retry  string // Retry-After
	want   string
}{
	{"unregistered", 404, fcmBody("NOT_FOUND", fcmDetail("UNREGISTERED")), "", "recipient gone"},
	{"another sender", 403, fcmBody("PERMISSION_DENIED", fcmDetail("SENDER_ID_MISMATCH")), "", "recipient gone"},
	{"a bad token", 400, fcmBody("INVALID_ARGUMENT", violation("message.token")), "", "recipient gone"},
	{"a bad token, said twice", 400, fcmBody("INVALID_ARGUMENT", violation("message.token")+","+fcmDetail("INVALID_ARGUMENT")), "", "recipient gone"},
	{"a bad message", 400, fcmBody("INVALID_ARGUMENT", violation("message.data")), "", "rejected invalid_argument"},
	{"a bad argument", 400, fcmBody("INVALID_ARGUMENT", fcmDetail("INVALID_ARGUMENT")), "", "rejected invalid_argument"},
	{"quota", 429, fcmBody("RESOURCE_EXHAUSTED", fcmDetail("QUOTA_EXCEEDED")), "", "throttled 1m0s"},
	{"quota and when", 429, fcmBody("RESOURCE_EXHAUSTED", fcmDetail("QUOTA_EXCEEDED")), "90", "throttled 1m30s"},
	{"429", 429, "", "7", "throttled 1m0s"},
	{"quota of the project", 429, fcmBody("RESOURCE_EXHAUSTED", quota("project:demo-shop", "Message rate exceeded.")), "", "throttled 1m0s"},
	{"quota of a device", 429, fcmBody("RESOURCE_EXHAUSTED", fcmDetail("QUOTA_EXCEEDED")+","+quota("dQw4", "Device message rate exceeded.")), "", "retry 1m0s"},
	{"quota of a device and when", 429, fcmBody("RESOURCE_EXHAUSTED", quota("device:dQw4", "")), "90", "retry 1m30s"},
	{"unavailable", 503, fcmBody("UNAVAILABLE", fcmDetail("UNAVAILABLE")), "", "retry 10s"},
	{"unavailable and when", 503, fcmBody("UNAVAILABLE", fcmDetail("UNAVAILABLE")), "30", "retry 30s"},
	{"internal", 500, fcmBody("INTERNAL", fcmDetail("INTERNAL")), "", "retry 10s"},
	{"502, a page", 502, "<html>canary</html>", "", "retry 10s"},
	{"408", 408, "", "", "retry 10s"},
	{"key of APNs", 401, fcmBody("UNAUTHENTICATED", fcmDetail("THIRD_PARTY_AUTH_ERROR")), "", "credentials refused"},
	{"access token", 401, fcmBody("UNAUTHENTICATED", ""), "", "the access token is not valid"},
	{"no right", 403, fcmBody("PERMISSION_DENIED", ""), "", "credentials refused"},
	{"no such project", 404, fcmBody("NOT_FOUND", ""), "", "rejected not_found"},
	{"a page", 404, "<html>canary</html>", "", "rejected status_404"},
	{"a redirect", 302, "", "", "rejected status_302"},
	{"words in place of a code", 400, fcmBody("canary words", fcmDetail("canary words")), "", "rejected status_400"},
}

func TestFCMAnswers(t *testing.T) {
	f := &fcm{now: at}
	for _, tt := range fcmCases {
		a := ccsp.Answer{Status: tt.status, Body: []byte(tt.body), Header: http.Header{}}
		if tt.retry != "" {
			a.Header.Set("Retry-After", tt.retry)
		}
		err := f.refused(a)
		if got := named(err); got != tt.want {
			t.Errorf("%s: %s, want %s: %v", tt.name, got, tt.want, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v shows what FCM says in words", tt.name, err)
		}
	}
	if err := f.refused(ccsp.Answer{Status: 200}); err != nil {
		t.Errorf("taken: %v", err)
	}
}

func reason(s string) string { return fmt.Sprintf(`{"reason":%q}`, s) }

// apnsCases are what APNs can answer.
var apnsCases = []struct {
	status             int
	body, keep, retire string // "": as keep
}{
	{400, reason("BadDeviceToken"), "rejected BadDeviceToken", "recipient gone"},
	{400, reason("DeviceTokenNotForTopic"), "rejected DeviceTokenNotForTopic", "recipient gone"},
	{400, reason("BadTopic"), "rejected BadTopic", ""},
	{400, reason("MissingTopic"), "rejected MissingTopic", ""},
	{400, reason("TopicDisallowed"), "rejected TopicDisallowed", ""},
	{400, reason("InvalidPushType"), "rejected InvalidPushType", ""},
	{400, reason("PayloadEmpty"), "rejected PayloadEmpty", ""},
	{400, reason("BadCollapseId"), "rejected BadCollapseId", ""},
	{400, reason("BadMessageId"), "rejected BadMessageId", ""},
	{400, reason("IdleTimeout"), "retry 0s", ""},
	{403, reason("ExpiredProviderToken"), "credentials refused", ""},
	{403, reason("InvalidProviderToken"), "credentials refused", ""},
	{403, reason("MissingProviderToken"), "credentials refused", ""},
	{403, reason("BadCertificate"), "credentials refused", ""},
	{403, reason("BadCertificateEnvironment"), "credentials refused", ""},
	{403, reason("Forbidden"), "credentials refused", ""},
	{404, reason("BadPath"), "rejected BadPath", ""},
	{405, reason("MethodNotAllowed"), "rejected MethodNotAllowed", ""},
	{410, `{"reason":"Unregistered","timestamp":1700000000000}`, "recipient gone", ""},
	{410, reason("ExpiredToken"), "recipient gone", ""},
	{410, "", "recipient gone", ""},
	{413, reason("PayloadTooLarge"), "rejected too_large", ""},
	{429, reason("TooManyProviderTokenUpdates"), "throttled 20m0s", ""},
	{429, reason("TooManyRequests"), "retry 1m0s", ""},
	{429, "", "throttled 1m0s", ""},
	{500, reason("InternalServerError"), "retry 10s", ""},
	{503, reason("ServiceUnavailable"), "retry 10s", ""},
	{503, reason("Shutdown"), "retry 10s", ""},
	{502, "<html>canary</html>", "retry 10s", ""},
	{400, reason("canary words"), "rejected status_400", ""},
}

func TestAPNsAnswers(t *testing.T) {
	for _, tt := range apnsCases {
		for _, policy := range []string{"keep", "retire"} {
			a := &apns{now: at, cfg: &apnsConfig{APNsSettings: APNsSettings{BadToken: policy}}}
			want := tt.keep
			if policy == "retire" && tt.retire != "" {
				want = tt.retire
			}
			err := a.refused(ccsp.Answer{Status: tt.status, Body: []byte(tt.body), Header: http.Header{}})
			if got := named(err); got != want || strings.Contains(err.Error(), "canary") {
				t.Errorf("%d %s, %s: %s, want %s: %v", tt.status, tt.body, policy, got, want, err)
			}
		}
	}
	a := &apns{now: at, cfg: &apnsConfig{}}
	err := a.refused(ccsp.Answer{Status: 410, Body: []byte(`{"reason":"Unregistered","timestamp":1700000000123}`)})
	if gone, ok := errors.AsType[*goneError](err); !ok || !gone.since.Equal(time.UnixMilli(1_700_000_000_123)) {
		t.Errorf("%+v, want the time at which the app went", err)
	}
}

// sane reports whether an error is one that the gateway knows.
func sane(err error) bool {
	for _, known := range []string{"recipient gone", "credentials refused", "the access token is not valid", "retry ", "throttled ", "rejected "} {
		if strings.HasPrefix(named(err), known) {
			return true
		}
	}
	return false
}

// TestMalformedAnswers: 10,000 damaged answers of each service. None makes the
// driver panic; what is not 200 is a refusal, with nothing of the body in it; and an
// app is not forgotten because of bytes that do not say so.
func TestMalformedAnswers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f, a := &fcm{now: at}, &apns{now: at, cfg: &apnsConfig{APNsSettings: APNsSettings{BadToken: "retire"}}}
	for range 10_000 {
		fc, ac := fcmCases[r.IntN(len(fcmCases))], apnsCases[r.IntN(len(apnsCases))]
		for name, one := range map[string]struct {
			status  int
			body    string
			refused func(ccsp.Answer) error
		}{"fcm": {fc.status, fc.body, f.refused}, "apns": {ac.status, ac.body, a.refused}} {
			body := damage(r, one.body)
			err := one.refused(ccsp.Answer{Status: one.status, Body: body, Header: http.Header{}})
			if err == nil || !sane(err) || strings.Contains(err.Error(), "canary words") {
				t.Fatalf("%s: %d %q: %v", name, one.status, body, err)
			}
			if _, gone := errors.AsType[*goneError](err); gone && one.status != 410 && !json.Valid(body) {
				t.Fatalf("%s: %d %q: the app is forgotten", name, one.status, body)
			}
		}
	}
}

// damage changes a body in one of the ways in which bodies are damaged.
func damage(r *rand.Rand, s string) []byte {
	b := []byte(s)
	if len(b) == 0 {
		return []byte{byte(r.IntN(256))}
	}
	at := r.IntN(len(b))
	switch r.IntN(5) {
	case 0:
		return b[:at]
	case 1:
		b[at] = byte(r.IntN(256))
	case 2:
		return append(b[:at:at], b[at+r.IntN(len(b)-at):]...)
	case 3:
		return append(append(b[:at:at], `{"a":[null,"\ud800"],`...), b[at:]...)
	case 4:
		return []byte(strings.Repeat("[", 10_000) + s)
	}
	return b
}

// FuzzAnswers: whatever a service answers.
func FuzzAnswers(f *testing.F) {
	for _, c := range fcmCases {
		f.Add(c.status, c.body)
	}
	for _, c := range apnsCases {
		f.Add(c.status, c.body)
	}
	google, apple := &fcm{now: at}, &apns{now: at, cfg: &apnsConfig{}}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 201 || status > 599 {
			return
		}
		a := ccsp.Answer{Status: status, Body: []byte(body), Header: http.Header{}}
		for _, err := range []error{google.refused(a), apple.refused(a)} {
			if err == nil || !sane(err) {
				t.Errorf("%d %q: %v", status, body, err)
			}
		}
	})
}
