package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const (
	providerTwilio = "twilio"
	providerSIP    = "sip"
)

// settings choose a provider, and have its block. Secrets stand at the top.
type settings struct {
	Provider string          `json:"provider" jsonschema:"required,title=Provider,enum=twilio,enum=sip"`
	Twilio   *TwilioSettings `json:"twilio,omitempty" jsonschema:"title=Twilio"`
	SIP      *SIPSettings    `json:"sip,omitempty" jsonschema:"title=SIP"`

	AuthToken string `json:"auth_token,omitempty" jsonschema:"title=Auth token" jsonschema_description:"twilio: of the account; it checks webhooks, too." jsonschema_extras:"x-secret=true"`
	APISecret string `json:"api_secret,omitempty" jsonschema:"title=Secret of the API key" jsonschema_description:"twilio: of api_key." jsonschema_extras:"x-secret=true"`
	Password  string `json:"password,omitempty" jsonschema:"title=Password" jsonschema_description:"sip: of the user." jsonschema_extras:"x-secret=true"`
}

// check says what is wrong with the choice of a provider.
func (s settings) check() error {
	switch {
	case s.Provider == providerTwilio && s.Twilio == nil:
		return errors.New("provider twilio has no settings; write twilio = { account_sid = …, from = … }")
	case s.Provider == providerSIP && s.SIP == nil:
		return errors.New("provider sip has no settings; write sip = { server = …, user = … }")
	case s.Provider != providerTwilio && s.Provider != providerSIP:
		return fmt.Errorf("provider %q is neither twilio nor sip", s.Provider)
	}
	return nil
}

// twilio returns the settings of that provider, with its secrets.
func (s settings) twilio() TwilioSettings {
	t := *s.Twilio
	t.AuthToken, t.APISecret = s.AuthToken, s.APISecret
	return t
}

// sip returns the settings of that provider, with its secret.
func (s settings) sip() SIPSettings {
	c := *s.SIP
	c.password = s.Password
	return c
}

// Capabilities implements sdk.Capable.
func (s settings) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	switch {
	case s.check() != nil:
		return of
	case s.Provider == providerSIP:
		return s.sip().capabilities(of)
	}
	return s.twilio().capabilities(of)
}

// Check implements sdk.Checker.
func (s settings) Check() error {
	if err := s.check(); err != nil {
		return err
	}
	if s.Provider == providerSIP {
		_, err := s.sip().check()
		return ccsp.InBlock("sip", err)
	}
	_, err := s.twilio().check()
	return ccsp.InBlock("twilio", err)
}

// Validate implements sdk.Validator. A SIP server is not asked: the
// instance shows whether it is registered.
func (s settings) Validate(ctx context.Context) error {
	if s.Provider == providerSIP {
		return nil
	}
	return s.twilio().validate(ctx)
}
