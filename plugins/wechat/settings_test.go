package main

import (
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/wechat-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk/sdktest"
)

func TestConformance(t *testing.T) {
	s, err := sim.New(sim.Options{AppID: appID, Secret: secret, Token: token, AESKey: key})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	good := settingsAt(srv.URL)
	good.AESKey, good.PreviousAESKey = key, nextKey
	with := func(change func(*Settings)) Settings {
		bad := good
		change(&bad)
		return bad
	}
	sdktest.Run(t, sdktest.Config{Plugin: plugin(), Driver: "wechat", Settings: good, Customer: ada, BadSettings: []any{
		map[string]any{}, with(func(s *Settings) { s.AppID = "a b" }), with(func(s *Settings) { s.Token = "-" }),
		with(func(s *Settings) { s.AESKey = "short" }), with(func(s *Settings) { s.BaseURL = "ftp://e.com" }),
	}})
}

func TestSettingsProblems(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		`app_id "" is not one; it is such as wx5823bf96d3bd56c7`:                                          func(s *Settings) { s.AppID = "" },
		"app_secret is empty; copy it from the account's basic configuration":                             func(s *Settings) { s.AppSecret = "" },
		"token is not 3 to 32 letters and digits, as WeChat wants it":                                     func(s *Settings) { s.Token = "a-b" },
		"encoding_aes_key: it does not have 43 letters and digits":                                        func(s *Settings) { s.AESKey = "abc" },
		"previous_encoding_aes_key: it does not have 43 letters and digits":                               func(s *Settings) { s.AESKey, s.PreviousAESKey = key, "abc" },
		"encoding_aes_key: it does not have 43 letters and digits ":                                       func(s *Settings) { s.Mode = modeEncrypted },
		"encoding_aes_key: it does not have 43 letters and digits  ":                                      func(s *Settings) { s.PreviousAESKey = key },
		"reply_messages and action_messages are from 1 to 100, as WeChat's quota is":                      func(s *Settings) { s.ReplyMessages = -1 },
		"reply_messages and action_messages are from 1 to 100, as WeChat's quota is ":                     func(s *Settings) { s.ActionMessages = 101 },
		`kf_account "zoe" is not one; it is such as service@shop`:                                         func(s *Settings) { s.KFAccount = "zoe" },
		`kf_accounts: that of "Zoe", "", is not one; it is such as service@shop`:                          func(s *Settings) { s.KFAccounts = map[string]string{"Zoe": ""} },
		`mode "secret" is none of plain, compatible, encrypted`:                                           func(s *Settings) { s.Mode = "secret" },
		`tolerance "1s" is not a duration from 30s to 1h0m0s; write one such as "5s"`:                     func(s *Settings) { s.Tolerance = "1s" },
		`timeout "0" is not a duration from 100ms to 1m0s; write one such as "5s"`:                        func(s *Settings) { s.Timeout = "0" },
		`base_url is not an http or https address; it is "https://api.weixin.qq.com", or that of a proxy`: func(s *Settings) { s.BaseURL = "http://u:p@h" },
	} {
		s := settingsAt("https://api.weixin.qq.com")
		change(&s)
		if _, err := s.config(); err == nil || err.Error() != strings.TrimSpace(want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestCapabilities: the quota is what the operator says.
func TestCapabilities(t *testing.T) {
	for n, want := range map[int]int{0: 5, 20: 20} {
		s := settingsAt("")
		s.ReplyMessages = n
		if got := s.Capabilities(capabilities()).Window; got.Open != 48*time.Hour || got.Messages != want {
			t.Errorf("%d: %+v, want %d messages", n, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	s, err := sim.New(sim.Options{AppID: appID, Secret: secret, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	good := settingsAt(srv.URL)
	if err := good.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	good.AppSecret = "canary-wrong"
	if err := good.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), "40125") || strings.Contains(err.Error(), "canary") {
		t.Errorf("the wrong secret: %v", err)
	}
}

// TestReadme: it names every setting and every code, under the headings that all
// plugins have.
func TestReadme(t *testing.T) {
	plugintest.Readme(t, Settings{})
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
	for code := range verdicts {
		if !strings.Contains(text, strconv.Itoa(code)) {
			t.Errorf("README.md does not tell of %d", code)
		}
	}
}
