package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// Settings is the settings block of a channel "wechat" in gateway.hcl.
// Durations are written as in "5m".
type Settings struct {
	AppID     string `json:"app_id" jsonschema:"required,title=AppID" jsonschema_description:"Of the Official Account, such as wx5823bf96d3bd56c7."`
	AppSecret string `json:"app_secret" jsonschema:"required,title=AppSecret" jsonschema_extras:"x-secret=true"`
	Token     string `json:"token" jsonschema:"required,title=Token" jsonschema_description:"Of the server configuration: what WeChat signs its requests with." jsonschema_extras:"x-secret=true"`

	Mode           string `json:"mode,omitempty" jsonschema:"title=Encryption of messages,enum=plain,enum=compatible,enum=encrypted" jsonschema_description:"As chosen at WeChat. Empty: encrypted if there is a key, else plain."`
	AESKey         string `json:"encoding_aes_key,omitempty" jsonschema:"title=EncodingAESKey" jsonschema_description:"43 letters and digits, of the server configuration." jsonschema_extras:"x-secret=true"`
	PreviousAESKey string `json:"previous_encoding_aes_key,omitempty" jsonschema:"title=Previous EncodingAESKey" jsonschema_description:"Valid as well, while the key is being replaced." jsonschema_extras:"x-secret=true"`
	OriginalID     string `json:"original_id,omitempty" jsonschema:"title=Original ID" jsonschema_description:"Of the Official Account, gh_ and so on. If given, messages to another one are refused."`
	Tolerance      string `json:"tolerance,omitempty" jsonschema:"title=Age of a request,default=5m" jsonschema_description:"Requests that are older, or newer, are refused."`

	BaseURL        string            `json:"base_url,omitempty" jsonschema:"title=Server of WeChat,default=https://api.weixin.qq.com"`
	Timeout        string            `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=10s"`
	KFAccount      string            `json:"kf_account,omitempty" jsonschema:"title=Customer service account" jsonschema_description:"Whose name and picture customers see, such as service@shop. Empty: those of the Official Account."`
	KFAccounts     map[string]string `json:"kf_accounts,omitempty" jsonschema:"title=Customer service accounts of agents" jsonschema_description:"By the agent's id or name."`
	ReplyMessages  int               `json:"reply_messages,omitempty" jsonschema:"title=Answers to a message,minimum=1,default=5" jsonschema_description:"How many WeChat allows within 48 hours of a customer's message."`
	ActionMessages int               `json:"action_messages,omitempty" jsonschema:"title=Answers to a click,minimum=1,default=3" jsonschema_description:"How many WeChat allows within a minute of a click in the menu, a scan, or a subscription."`
}

// The modes of WeChat's server configuration.
const (
	modePlain      = "plain"
	modeCompatible = "compatible"
	modeEncrypted  = "encrypted"
)

// config is Settings, checked, with defaults.
type config struct {
	Settings
	base      string
	tolerance time.Duration
	timeout   time.Duration
	keys      []aesKey // the current one first
}

var (
	appIDPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	tokenPattern   = regexp.MustCompile(`^[A-Za-z0-9]{3,32}$`)
	accountPattern = regexp.MustCompile(`^[^@\s]{1,64}@[^@\s]{1,64}$`)
)

// Check implements sdk.Checker.
func (s Settings) Check() error {
	_, err := s.config()
	return err
}

// config checks s and reports all that is wrong at once.
func (s Settings) config() (config, error) {
	s.Mode = cmp.Or(s.Mode, s.defaultMode())
	s.ReplyMessages = cmp.Or(s.ReplyMessages, replyMessages)
	s.ActionMessages = cmp.Or(s.ActionMessages, actionMessages)
	c := config{Settings: s}
	var errs [9]error
	if !appIDPattern.MatchString(s.AppID) {
		errs[0] = fmt.Errorf("app_id %q is not one; it is such as wx5823bf96d3bd56c7", s.AppID)
	}
	if s.AppSecret == "" {
		errs[1] = errors.New("app_secret is empty; copy it from the account's basic configuration")
	}
	if !tokenPattern.MatchString(s.Token) {
		errs[2] = errors.New("token is not 3 to 32 letters and digits, as WeChat wants it")
	}
	c.base, errs[3] = baseURL(cmp.Or(s.BaseURL, "https://api.weixin.qq.com"))
	c.tolerance, errs[4] = ccsp.Duration("tolerance", cmp.Or(s.Tolerance, "5m"), 30*time.Second, time.Hour)
	c.timeout, errs[5] = ccsp.Duration("timeout", cmp.Or(s.Timeout, "10s"), 100*time.Millisecond, time.Minute)
	c.keys, errs[6] = s.aesKeys()
	if s.ReplyMessages < 1 || s.ReplyMessages > mostMessages || s.ActionMessages < 1 || s.ActionMessages > mostMessages {
		errs[7] = fmt.Errorf("reply_messages and action_messages are from 1 to %d, as WeChat's quota is", mostMessages)
	}
	errs[8] = s.checkAccounts()
	return c, errors.Join(errs[:]...)
}

func (s Settings) defaultMode() string {
	if s.AESKey == "" && s.PreviousAESKey == "" {
		return modePlain
	}
	return modeEncrypted
}

// checkAccounts looks at the customer service accounts: WeChat takes no message of
// one that it does not know.
func (s Settings) checkAccounts() error {
	if s.KFAccount != "" && !accountPattern.MatchString(s.KFAccount) {
		return fmt.Errorf("kf_account %q is not one; it is such as service@shop", s.KFAccount)
	}
	for _, agent := range slices.Sorted(maps.Keys(s.KFAccounts)) {
		if account := s.KFAccounts[agent]; !accountPattern.MatchString(account) {
			return fmt.Errorf("kf_accounts: that of %.40q, %q, is not one; it is such as service@shop", agent, account)
		}
	}
	return nil
}

// aesKeys are the keys that messages may be encrypted with.
func (s Settings) aesKeys() (keys []aesKey, err error) {
	switch s.Mode {
	case modePlain:
		return nil, nil
	case modeCompatible, modeEncrypted:
	default:
		return nil, fmt.Errorf("mode %q is none of plain, compatible, encrypted", s.Mode)
	}
	for _, k := range []struct{ name, text string }{
		{"encoding_aes_key", s.AESKey}, {"previous_encoding_aes_key", s.PreviousAESKey},
	} {
		if k.text == "" && k.name != "encoding_aes_key" {
			continue
		}
		key, err := parseAESKey(k.text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func baseURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New(`base_url is not an http or https address; it is "https://api.weixin.qq.com", or that of a proxy`)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// Capabilities implements sdk.Capable: WeChat has changed its quotas before.
func (s Settings) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	of.Window.Messages = cmp.Or(s.ReplyMessages, of.Window.Messages)
	return of
}

// Validate implements sdk.Validator: it asks for an access token.
func (s Settings) Validate(ctx context.Context) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	client := plainHTTP()
	defer client.CloseIdleConnections()
	a := newAPI(cfg, client, time.Now, nil)
	defer a.close()
	_, err = a.tokens.get(ctx)
	return err
}
