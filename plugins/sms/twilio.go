package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// TwilioSettings are those of the provider twilio, without its secrets.
type TwilioSettings struct {
	twilio.Account
	From                string  `json:"from,omitempty" jsonschema:"title=Number or name that writes" jsonschema_description:"Such as +41790000000; or set messaging_service_sid."`
	MessagingServiceSID string  `json:"messaging_service_sid,omitempty" jsonschema:"title=Messaging service SID" jsonschema_description:"MG and 32 hex digits; it chooses the number."`
	Media               string  `json:"media,omitempty" jsonschema:"title=How files go,enum=mms,enum=link,default=mms" jsonschema_description:"mms: with the message. link: as an address in the text."`
	Validity            string  `json:"validity,omitempty" jsonschema:"title=How long a message may wait,default=4h" jsonschema_description:"1s to 10h; Twilio fails it then."`
	Rate                float64 `json:"rate,omitempty" jsonschema:"title=Messages per second,minimum=0" jsonschema_description:"Of the number or service; 0: as fast as Twilio takes them."`
}

// The ways on which files go.
const (
	twilioMediaMMS  = "mms"
	twilioMediaLink = "link"
)

// Twilio's limits.
const (
	twilioText  = 1600 // characters
	twilioFiles = 10
	twilioBytes = 5 << 20 // of one file

	twilioRoomForLinks = 250 // characters of a text whose files go as links
)

const twilioDefaultValidity = "4h"

var (
	twilioServiceSID = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
	twilioSender     = regexp.MustCompile(`^[0-9A-Za-z ]{1,11}$`) // alphanumeric
)

// check reports all that is wrong at once.
func (s TwilioSettings) check() (TwilioSettings, time.Duration, error) {
	s.Media, s.Validity = cmp.Or(s.Media, twilioMediaMMS), cmp.Or(s.Validity, twilioDefaultValidity)
	validity, err := ccsp.Duration("validity", s.Validity, time.Second, 10*time.Hour)
	errs := []error{s.Check(), err}
	switch {
	case s.From == "" && s.MessagingServiceSID == "":
		errs = append(errs, errors.New("from and messaging_service_sid are both missing; set one"))
	case s.MessagingServiceSID != "" && !twilioServiceSID.MatchString(s.MessagingServiceSID):
		errs = append(errs, fmt.Errorf("messaging_service_sid %q is not MG and 32 hex digits", s.MessagingServiceSID))
	case s.From != "" && twilio.Number(s.From) == "" && !twilioSender.MatchString(s.From):
		errs = append(errs, fmt.Errorf("from %q is neither a phone number nor a name of at most 11 letters and digits", s.From))
	}
	if s.Media != twilioMediaMMS && s.Media != twilioMediaLink {
		errs = append(errs, fmt.Errorf("media %q is neither mms nor link", s.Media))
	}
	if s.Rate < 0 {
		errs = append(errs, errors.New("rate is below 0"))
	}
	return s, validity, errors.Join(errs...)
}

// capabilities are those of the channel sms when it goes through Twilio.
func (s TwilioSettings) capabilities(of sdk.Capabilities) sdk.Capabilities {
	of.Text = sdk.TextLimit{Limit: twilioText, Unit: sdk.UTF16}
	of.MediaTypes = []string{"*/*"}
	if s.Media == twilioMediaLink {
		of.Text.Limit -= twilioRoomForLinks
	} else {
		of.MediaTypes = []string{"image/*", "audio/*", "video/*", "text/*", "application/pdf"}
		of.MaxAttachment = twilioBytes
	}
	of.Receipts, of.ReceiptsByRef, of.NeedsPublicURL = true, false, true
	of.DedupFor = 7 * 24 * time.Hour // a signature has no time: a copy of a request stays good
	of.Rate, of.Burst = s.Rate, 0
	return of
}

// validate is the live check.
func (s TwilioSettings) validate(ctx context.Context) error {
	if _, _, err := s.check(); err != nil {
		return err
	}
	c, err := twilio.NewClient(s.Account, twilio.PlainHTTP(), time.Now)
	if err != nil {
		return err
	}
	return c.Probe(ctx)
}

// twilioProvider writes text messages through Twilio.
type twilioProvider struct {
	settings TwilioSettings
	validity time.Duration
	host     sdk.Host
	client   *twilio.Client
	receiver twilio.Receiver
}

// openTwilio makes the provider. It calls nobody.
func openTwilio(_ context.Context, s TwilioSettings, h sdk.Host) (*twilioProvider, error) {
	s, validity, err := s.check()
	if err != nil {
		return nil, err
	}
	c, err := twilio.NewClient(s.Account, h.HTTP(), h.Now)
	if err != nil {
		return nil, err
	}
	return &twilioProvider{settings: s, validity: validity, host: h, client: c,
		receiver: twilio.Receiver{Account: s.Account, PublicURL: h.PublicURL()}}, nil
}

// sendsFrom says who writes, for a person.
func (s TwilioSettings) sendsFrom() string {
	if n := twilio.Number(s.From); n != "" {
		return n
	}
	return strings.TrimSpace(s.From)
}
