package main

import (
	"context"
	"fmt"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// settings is the settings block of a channel "sms" in gateway.hcl: which provider,
// its block, and its secrets.
type settings struct {
	Provider string `json:"provider" jsonschema:"required,title=Provider,enum=smpp,enum=twilio"`

	SMPP     *SMPPSettings `json:"smpp,omitempty" jsonschema:"title=SMPP"`
	Password string        `json:"password,omitempty" jsonschema:"title=Password at the SMSC" jsonschema_extras:"x-secret=true"`

	Twilio    *TwilioSettings `json:"twilio,omitempty" jsonschema:"title=Twilio"`
	AuthToken string          `json:"auth_token,omitempty" jsonschema:"title=Auth token of Twilio" jsonschema_extras:"x-secret=true"`
	APISecret string          `json:"api_secret,omitempty" jsonschema:"title=Secret of Twilio's API key" jsonschema_extras:"x-secret=true"`
}

// smpp returns the settings of SMPP, checked, or nil if another provider is chosen.
func (s settings) smpp() (*smppConfig, error) {
	if s.Provider != "smpp" {
		return nil, nil
	}
	if s.SMPP == nil {
		return nil, fmt.Errorf(`provider "smpp" has no block; write smpp = { host = "smsc.example.com", … }`)
	}
	return s.SMPP.config(s.Password)
}

// twilio returns the settings of Twilio, with its secrets.
func (s settings) twilio() (TwilioSettings, error) {
	if s.Provider != "twilio" || s.Twilio == nil {
		return TwilioSettings{}, fmt.Errorf(`provider %q has no block; write provider = "twilio" and twilio = { … }`, s.Provider)
	}
	t := *s.Twilio
	t.AuthToken, t.APISecret = s.AuthToken, s.APISecret
	return t, nil
}

// Capabilities implements sdk.Capable.
func (s settings) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	if c, err := s.smpp(); err == nil && c != nil {
		return c.capabilities(of)
	}
	if t, err := s.twilio(); err == nil {
		return t.capabilities(of)
	}
	return of
}

// Check implements sdk.Checker.
func (s settings) Check() error {
	if s.Provider == "smpp" && s.SMPP != nil {
		_, err := s.smpp()
		return ccsp.InBlock("smpp", err)
	}
	t, err := s.twilio()
	if err != nil {
		return err
	}
	_, _, err = t.check()
	return ccsp.InBlock("twilio", err)
}

// Validate implements sdk.Validator.
func (s settings) Validate(ctx context.Context) error {
	c, err := s.smpp()
	if err != nil {
		return err
	}
	if c != nil {
		return c.validate(ctx)
	}
	t, err := s.twilio()
	if err != nil {
		return err
	}
	return t.validate(ctx)
}
