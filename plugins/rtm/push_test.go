package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/sdk"
)

func TestPushToken(t *testing.T) {
	r := newRig(t, nil)
	auth := "accesstoken: " + r.user("alice").AccessToken
	event := func(params map[string]string) []sdk.Event {
		return []sdk.Event{{Type: sdk.PushToken, Customer: sdk.Customer{Address: "alice"}, Params: params}}
	}
	for _, tt := range []struct {
		method, body string
		want         []sdk.Event
	}{
		{"POST", `{"platform":"fcm","token":"dQw4:x"}`, event(map[string]string{"platform": "fcm", "token": "dQw4:x"})},
		{"POST", `{"platform":"apns","token":"00ff","userId":"bob"}`, event(map[string]string{"platform": "apns", "token": "00ff"})},
		{"DELETE", `{"platform":"fcm","token":"dQw4:x"}`, event(map[string]string{"platform": "fcm", "token": "dQw4:x", "remove": "true"})},
		{"POST", `{"platform":"wns","token":"x"}`, nil},
		{"POST", `{"platform":"fcm","token":""}`, nil},
		{"POST", `{"platform":"fcm","token":"a b"}`, nil},
		{"POST", `{"platform":"fcm","token":"` + strings.Repeat("x", maxPushToken+1) + `"}`, nil},
	} {
		resp := r.call(tt.method, "/push", tt.body, auth, "Content-Type: application/json")
		if diff := cmp.Diff(tt.want, resp.Events); diff != "" {
			t.Errorf("%s %.60s: %d\n%s", tt.method, tt.body, resp.Status, diff)
		}
		if (resp.Status == 200) != (tt.want != nil) {
			t.Errorf("%s %.60s: %d %s", tt.method, tt.body, resp.Status, resp.Body)
		}
	}
	if resp := r.call("POST", "/push", `{"platform":"fcm","token":"x"}`); resp.Status != 401 || len(resp.Events) != 0 {
		t.Errorf("without access token: %d", resp.Status)
	}
}
