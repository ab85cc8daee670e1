// Package twilio is what the channels sms and voice have in common when they go
// through Twilio, or a service that speaks as Twilio does: the account, calls of
// its API, signatures and parameters of its webhooks, and TwiML.
package twilio

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

// Account are the settings that every use of Twilio has. AuthToken and APISecret
// are secrets, which stand at the top of a plugin's settings.
type Account struct {
	AccountSID string `json:"account_sid" jsonschema:"required,title=Account SID,pattern=^AC[0-9a-fA-F]{32}$" jsonschema_description:"AC and 32 hex digits."`
	APIKey     string `json:"api_key,omitempty" jsonschema:"title=API key SID" jsonschema_description:"Calls are made with this key and api_secret instead of the auth token."`
	BaseURL    string `json:"base_url,omitempty" jsonschema:"title=Address of the API,default=https://api.twilio.com"`
	Timeout    string `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=15s"`

	CallbackOptions string `json:"callback_options,omitempty" jsonschema:"title=Connection overrides" jsonschema_description:"How often Twilio repeats a callback that fails, such as rc=3&rp=all; see its page on connection overrides."`

	AuthToken string `json:"-"` // checks webhooks, too
	APISecret string `json:"-"` // of APIKey
}

const (
	defaultBase    = "https://api.twilio.com"
	defaultTimeout = "15s"
	maxTimeout     = 2 * time.Minute
)

var (
	accountSID = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	keySID     = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	overrides  = regexp.MustCompile(`^[a-z]+=[a-z0-9,]+(&[a-z]+=[a-z0-9,]+)*$`)
	printable  = regexp.MustCompile(`^[!-~]{16,256}$`)
)

// checked is an Account without mistakes.
type checked struct {
	Account
	base    *url.URL
	timeout time.Duration
}

// Check reports all that is wrong at once.
func (a Account) Check() error {
	_, err := a.check()
	return err
}

func (a Account) check() (checked, error) {
	c := checked{Account: a}
	var errs [5]error
	if a.CallbackOptions != "" && !overrides.MatchString(a.CallbackOptions) {
		errs[4] = fmt.Errorf("callback_options %q is not written as rc=3&rp=all", a.CallbackOptions)
	}
	if !accountSID.MatchString(a.AccountSID) {
		errs[0] = fmt.Errorf("account_sid %q is not AC and 32 hex digits", a.AccountSID)
	}
	errs[1] = a.checkSecrets()
	c.base, errs[2] = ccsp.Server("base_url", cmp.Or(a.BaseURL, defaultBase), defaultBase, "nowhere")
	if c.base != nil && c.base.Scheme != "https" && !loopback(c.base.Hostname()) {
		errs[2] = fmt.Errorf("base_url %q is not https; the credentials could be read on the way", a.BaseURL)
	}
	c.timeout, errs[3] = ccsp.Duration("timeout", cmp.Or(a.Timeout, defaultTimeout), 100*time.Millisecond, maxTimeout)
	return c, errors.Join(errs[:]...)
}

func (a Account) checkSecrets() error {
	switch {
	case !printable.MatchString(a.AuthToken):
		return errors.New("auth_token is not 16 or more letters, digits and signs of ASCII; it is needed for signatures, also with api_key")
	case a.APIKey != "" && !keySID.MatchString(a.APIKey):
		return fmt.Errorf("api_key %q is not SK and 32 hex digits", a.APIKey)
	case (a.APIKey == "") != (a.APISecret == ""):
		return errors.New("api_key and api_secret go together; set both or none")
	}
	return nil
}

// Callback is an address for Twilio to call, with the overrides of the settings in
// its fragment.
func (a Account) Callback(address string) string {
	if a.CallbackOptions == "" {
		return address
	}
	return address + "#" + a.CallbackOptions
}

// user and password of calls.
func (a Account) user() (string, string) {
	if a.APIKey != "" {
		return a.APIKey, a.APISecret
	}
	return a.AccountSID, a.AuthToken
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
