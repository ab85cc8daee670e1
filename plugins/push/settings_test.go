package main

import (
	"os"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/push-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	good := services(t, newSim(t, nil))
	with := func(change func(*Settings)) Settings {
		bad := good
		f, a := *good.FCM, *good.APNs
		bad.FCM, bad.APNs = &f, &a
		change(&bad)
		return bad
	}
	for name, address := range map[string]string{"customer": "ada", "app": android} {
		t.Run(name, func(t *testing.T) {
			sdktest.Run(t, sdktest.Config{Plugin: plugin(), Driver: "push", Settings: good, Customer: sdk.Customer{Address: address},
				BadSettings: []any{
					map[string]any{}, with(func(s *Settings) { s.FCMServiceAccount = "{}" }), with(func(s *Settings) { s.APNsKey = "x" }),
					with(func(s *Settings) { s.APNs.Topic = "a b" }), with(func(s *Settings) { s.CA = "/nonexistent" }), with(func(s *Settings) { s.CA = "-----BEGIN nothing" }),
				}})
		})
	}
}

func TestSettingsProblems(t *testing.T) {
	s := newSim(t, nil)
	for want, change := range map[string]func(*Settings){
		"fcm and apns are both missing; write one of them, or both": func(s *Settings) {
			s.FCM, s.APNs, s.FCMServiceAccount, s.APNsKey = nil, nil, "", ""
		},
		"fcm_service_account is there and no fcm; write fcm = {}":                          func(s *Settings) { s.FCM = nil },
		"apns_key is there and no apns; write apns = { … } with key_id, team_id and topic": func(s *Settings) { s.APNs = nil },
		"fcm_service_account: it is not the JSON file of a service account; copy it whole": func(s *Settings) { s.FCMServiceAccount = `{"type":"user"}` },
		"fcm_service_account: its private_key is no RSA key in PEM form":                   func(s *Settings) { s.FCMServiceAccount = `{"type":"service_account","client_email":"a"}` },
		`fcm.project_id "A B" is not one`:                                                  func(s *Settings) { s.FCM.ProjectID = "A B" },
		"fcm: target is token or fid, priority high or normal":                             func(s *Settings) { s.FCM.Priority = "urgent" },
		"fcm.base_url is not an http or https address":                                     func(s *Settings) { s.FCM.BaseURL = "fcm" },
		`fcm.ttl "soon" is not a duration from 0s to 672h0m0s; write one such as "5s"`:     func(s *Settings) { s.FCM.TTL = "soon" },
		"apns_key is not Apple's .p8 file; copy it whole":                                  func(s *Settings) { s.APNsKey = "-----BEGIN" },
		"apns: key_id and team_id have 10 capital letters and digits each":                 func(s *Settings) { s.APNs.KeyID = "short" },
		`apns.topic "a/b" is not the bundle id of an app`:                                  func(s *Settings) { s.APNs.Topic = "a/b" },
		`apns.bad_token "burn" is neither keep nor retire`:                                 func(s *Settings) { s.APNs.BadToken = "burn" },
		"max_tokens 99 is not from 1 to 50":                                                func(s *Settings) { s.MaxTokens = 99 },
		`timeout "1h" is not a duration from 100ms to 1m0s; write one such as "5s"`:        func(s *Settings) { s.Timeout = "1h" },
	} {
		set := Settings{FCM: &FCMSettings{}, FCMServiceAccount: s.ServiceAccount("https://h"), APNsKey: s.AppleKey(),
			APNs: &APNsSettings{KeyID: sim.KeyID, TeamID: sim.TeamID, Topic: sim.Topic}}
		change(&set)
		if _, err := set.config(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestDefaults: where notices go if nothing else is said.
func TestDefaults(t *testing.T) {
	s := newSim(t, nil)
	set := Settings{FCM: &FCMSettings{}, FCMServiceAccount: s.ServiceAccount("https://oauth2.example"), APNsKey: s.AppleKey(),
		APNs: &APNsSettings{KeyID: sim.KeyID, TeamID: sim.TeamID, Topic: sim.Topic}}
	for sandbox, want := range map[bool]string{false: "https://api.push.apple.com", true: "https://api.sandbox.push.apple.com"} {
		set.APNs.Sandbox = sandbox
		c, err := set.config()
		if err != nil || c.apns.base != want || c.fcm.base != "https://fcm.googleapis.com" || c.fcm.tokenURL != "https://oauth2.example/token" ||
			c.fcm.audience != c.fcm.tokenURL || c.fcm.ProjectID != sim.Project {
			t.Errorf("%+v %+v %v", c.fcm, c.apns, err)
		}
	}
}

func TestValidate(t *testing.T) {
	s := newSim(t, nil)
	set := services(t, s)
	if err := set.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	set.FCMServiceAccount, set.FCM.TokenURL = foreign(t), set.FCM.BaseURL+"/token"
	if err := set.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("the key of somebody else: %v", err)
	}
}

// TestReadme: it names every setting, under the headings that all plugins have.
func TestReadme(t *testing.T) {
	plugintest.Readme(t, Settings{}, FCMSettings{}, APNsSettings{})
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	last := -1
	for _, h := range []string{"Name", "Description", "Configuration", "Examples", "Metrics", "Errors"} {
		at := strings.Index(text, "\n## "+h+"\n")
		if at <= last {
			t.Errorf("the heading %s is missing or not in order", h)
		}
		last = at
	}
	for _, c := range apnsCases {
		_, reason, ok := strings.Cut(c.body, `"reason":"`)
		if reason, _, _ = strings.Cut(reason, `"`); ok && word(reason) != "" && !strings.HasPrefix(c.keep, "rejected "+reason) && !strings.Contains(text, "`"+reason+"`") {
			t.Errorf("README.md does not tell of %s", reason)
		}
	}
}
