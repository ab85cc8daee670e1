package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// TwilioSettings are those of the provider twilio, without its secrets.
type TwilioSettings struct {
	twilio.Account
	From             string            `json:"from" jsonschema:"required,title=Number that calls" jsonschema_description:"Such as +41440000000."`
	Allow            allow             `json:"allow,omitempty" jsonschema:"title=Numbers that may be called" jsonschema_description:"Their beginnings, such as +41; none: any number."`
	Language         string            `json:"language,omitempty" jsonschema:"title=Language,default=en-US" jsonschema_description:"Of what is said to customers whose language is not among voices."`
	Voice            string            `json:"voice,omitempty" jsonschema:"title=Voice" jsonschema_description:"Of that language, such as Polly.Joanna; empty: Twilio's own."`
	Voices           map[string]string `json:"voices,omitempty" jsonschema:"title=Voices of further languages" jsonschema_description:"By language, such as de-DE: Polly.Vicki; empty: Twilio's own."`
	RingFor          string            `json:"ring_for,omitempty" jsonschema:"title=How long it rings,default=30s" jsonschema_description:"5s to 10m."`
	MaxDuration      string            `json:"max_duration,omitempty" jsonschema:"title=Longest call,default=10m" jsonschema_description:"10s to 4h."`
	MachineDetection string            `json:"machine_detection,omitempty" jsonschema:"title=Answering machines,enum=enable,enum=message_end" jsonschema_description:"enable: Twilio finds out whether a machine has answered, and events say so. message_end: it also waits for the beep. Empty: it does not."`
	Digits           int               `json:"digits,omitempty" jsonschema:"title=Digits to wait for,minimum=0,maximum=32" jsonschema_description:"After what each call says; 0: none."`
	DigitsFor        string            `json:"digits_for,omitempty" jsonschema:"title=How long to wait for a digit,default=5s" jsonschema_description:"1s to 1m."`
	ChoiceText       string            `json:"choice_text,omitempty" jsonschema:"title=What is said of a choice,default=Press {digit} for {title}."`
	Greeting         string            `json:"greeting,omitempty" jsonschema:"title=What callers hear" jsonschema_description:"Said to who rings the number, in the settings' language; empty: they hear that it is busy."`
	Rate             float64           `json:"rate,omitempty" jsonschema:"title=Calls per second,default=1,minimum=0" jsonschema_description:"What the account may place; 0: any."`
}

const (
	maxSaid    = 4096 // characters of one text
	maxChoices = 9
	maxDigits  = 32
)

var (
	language = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	voice    = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)
)

// twilioConfig is TwilioSettings, checked.
type twilioConfig struct {
	TwilioSettings
	ringFor, maxDuration, digitsFor time.Duration
}

// check reports all that is wrong at once.
func (s TwilioSettings) check() (twilioConfig, error) {
	s.Language, s.ChoiceText = cmp.Or(s.Language, "en-US"), cmp.Or(s.ChoiceText, "Press {digit} for {title}.")
	c := twilioConfig{TwilioSettings: s}
	var errs [5]error
	errs[0] = s.Check()
	if c.From = twilio.Number(s.From); c.From == "" {
		errs[1] = fmt.Errorf("from %q is not a phone number", s.From)
	}
	c.ringFor, errs[2] = ccsp.Duration("ring_for", cmp.Or(s.RingFor, "30s"), 5*time.Second, 10*time.Minute)
	c.maxDuration, errs[3] = ccsp.Duration("max_duration", cmp.Or(s.MaxDuration, "10m"), 10*time.Second, 4*time.Hour)
	c.digitsFor, errs[4] = ccsp.Duration("digits_for", cmp.Or(s.DigitsFor, "5s"), time.Second, time.Minute)
	return c, errors.Join(append(errs[:], s.checkSpeech(), s.checkChoices())...)
}

func (s TwilioSettings) checkSpeech() error {
	if !language.MatchString(s.Language) {
		return fmt.Errorf("language %q is not one such as en-US", s.Language)
	}
	if !voice.MatchString(s.Voice) {
		return fmt.Errorf("voice %q is not a name such as Polly.Joanna", s.Voice)
	}
	for _, l := range slices.Sorted(maps.Keys(s.Voices)) {
		if !language.MatchString(l) || !voice.MatchString(s.Voices[l]) {
			return fmt.Errorf(`voices: %q = %q is not a language and a voice; write it as in "de-DE" = "Polly.Vicki"`, l, s.Voices[l])
		}
	}
	return nil
}

func (s TwilioSettings) checkChoices() error {
	switch {
	case s.Digits < 0 || s.Digits > maxDigits:
		return fmt.Errorf("digits %d is not from 0 to %d", s.Digits, maxDigits)
	case !strings.Contains(s.ChoiceText, "{digit}") || !strings.Contains(s.ChoiceText, "{title}"):
		return fmt.Errorf("choice_text %q says not both {digit} and {title}", s.ChoiceText)
	case !ccsp.Fits(s.Greeting, sdk.TextLimit{Limit: maxSaid, Unit: sdk.UTF16}):
		return fmt.Errorf("greeting has more than %d characters", maxSaid)
	case s.MachineDetection != "" && machineDetection[s.MachineDetection] == "":
		return fmt.Errorf("machine_detection %q is neither enable nor message_end", s.MachineDetection)
	case s.Rate < 0:
		return errors.New("rate is below 0")
	}
	return s.Allow.check()
}

// machineDetection are Twilio's words for the setting.
var machineDetection = map[string]string{"enable": "Enable", "message_end": "DetectMessageEnd"}

// capabilities are those of the channel voice when calls go through Twilio.
func (s TwilioSettings) capabilities(of sdk.Capabilities) sdk.Capabilities {
	of.Text = sdk.TextLimit{Limit: maxSaid, Unit: sdk.UTF16}
	of.QuickReplies, of.MaxQuickReplies = true, maxChoices
	of.NeedsPublicURL = true
	of.DedupFor = 7 * 24 * time.Hour // a signature has no time: a copy of a request stays good
	of.Rate = s.Rate
	return of
}

// validate is the live check.
func (s TwilioSettings) validate(ctx context.Context) error {
	if _, err := s.check(); err != nil {
		return err
	}
	c, err := twilio.NewClient(s.Account, twilio.PlainHTTP(), time.Now)
	if err != nil {
		return err
	}
	return c.Probe(ctx)
}

// twilioProvider places calls through Twilio.
type twilioProvider struct {
	twilioConfig
	host     sdk.Host
	client   *twilio.Client
	receiver twilio.Receiver
}

// openTwilio makes the provider. It calls nobody.
func openTwilio(_ context.Context, s TwilioSettings, h sdk.Host) (*twilioProvider, error) {
	c, err := s.check()
	if err != nil {
		return nil, err
	}
	client, err := twilio.NewClient(s.Account, h.HTTP(), h.Now)
	if err != nil {
		return nil, err
	}
	client.Once = true // nobody's phone rings twice
	return &twilioProvider{c, h, client, twilio.Receiver{Account: s.Account, PublicURL: h.PublicURL()}}, nil
}
