package main

import (
	"context"
	"fmt"

	"github.com/openccsp/gateway/sdk"
)

type settings struct {
	Provider  string          `json:"provider" jsonschema:"required,title=Provider,enum=twilio"`
	Twilio    *TwilioSettings `json:"twilio,omitempty" jsonschema:"title=Twilio"`
	AuthToken string          `json:"auth_token,omitempty" jsonschema:"title=Auth token of Twilio" jsonschema_extras:"x-secret=true"`
	APISecret string          `json:"api_secret,omitempty" jsonschema:"title=Secret of Twilio's API key" jsonschema_extras:"x-secret=true"`
}

// twilio returns the settings of the provider, with its secrets.
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
	if t, err := s.twilio(); err == nil {
		return t.capabilities(of)
	}
	return of
}

// Validate implements sdk.Validator.
func (s settings) Validate(ctx context.Context) error {
	t, err := s.twilio()
	if err != nil {
		return err
	}
	return t.validate(ctx)
}
