package main

import (
	"context"
	"errors"

	"github.com/openccsp/gateway/sdk"
)

// TwilioSettings are those of the provider twilio.
type TwilioSettings struct {
	AuthToken string `json:"-"`
	APISecret string `json:"-"`
}

var errNoTwilio = errors.New(`provider "twilio" is not in this build`)

func (TwilioSettings) capabilities(of sdk.Capabilities) sdk.Capabilities { return of }

func (TwilioSettings) validate(context.Context) error { return errNoTwilio }

type twilioProvider struct {
	sdk.Channel
	sdk.WebhookReceiver
}

func openTwilio(context.Context, TwilioSettings, sdk.Host) (*twilioProvider, error) {
	return nil, errNoTwilio
}
