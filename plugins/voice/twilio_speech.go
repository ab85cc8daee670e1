package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// extraDigits is the key of a message's extras that says how many digits the call
// waits for.
const extraDigits = "digits"

// document is the TwiML of a call: what is said and played, and then, if digits
// are wanted, a wait for them.
func (p *twilioProvider) document(to sdk.Customer, m sdk.Message) (string, error) {
	verbs, err := p.verbs(to, m)
	if err != nil {
		return "", err
	}
	n, err := p.digits(m)
	if err != nil {
		return "", err
	}
	if n > 0 {
		verbs = []twilio.Verb{twilio.Gather{
			Input: "dtmf", NumDigits: n, Timeout: int(p.digitsFor.Seconds()),
			Action: p.Callback(p.hook(pathDigits, m.ID)), Method: "POST", Verbs: verbs,
		}}
	}
	doc, err := twilio.TwiML(verbs...)
	if err != nil {
		return "", sdk.Rejected("twiml", "what is to be said cannot be written")
	}
	return doc, nil
}

// verbs say and play.
func (p *twilioProvider) verbs(to sdk.Customer, m sdk.Message) (verbs []twilio.Verb, err error) {
	lang, name := p.speech(to.Locale)
	say := func(text string) {
		if strings.TrimSpace(text) != "" {
			verbs = append(verbs, twilio.Say{Voice: name, Language: lang, Text: text})
		}
	}
	if !ccsp.Fits(m.Text, sdk.TextLimit{Limit: maxSaid, Unit: sdk.UTF16}) {
		return nil, sdk.Rejected("too_long", fmt.Sprintf("more than %d characters", maxSaid))
	}
	say(m.Text)
	for _, a := range m.Attachments {
		if a.URL == "" {
			return nil, sdk.Rejected("no_link", "a recording has no address; set public_url")
		}
		verbs = append(verbs, twilio.Play{URL: a.URL})
	}
	if len(verbs) == 0 {
		return nil, sdk.Rejected("empty", "there is nothing to say or to play")
	}
	if len(m.QuickReplies) > maxChoices {
		return nil, sdk.Rejected("too_many_choices", fmt.Sprintf("%d; a phone has %d", len(m.QuickReplies), maxChoices))
	}
	for i, q := range m.QuickReplies {
		say(strings.NewReplacer("{digit}", strconv.Itoa(i+1), "{title}", q.Title).Replace(p.ChoiceText))
	}
	return verbs, nil
}

// digits is how many the call waits for: those of a choice, of the message's
// extras, of the settings.
func (p *twilioProvider) digits(m sdk.Message) (int, error) {
	if len(m.QuickReplies) > 0 {
		return 1, nil
	}
	text, set := m.Extras[extraDigits]
	if !set {
		return p.Digits, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxDigits {
		return 0, sdk.Rejected("digits", fmt.Sprintf("the extra digits is not a number from 0 to %d", maxDigits))
	}
	return n, nil
}

// speech is the language and the voice for a locale: that of voices, else one of
// the same language in another region, else those of the settings.
func (p *twilioProvider) speech(locale string) (lang, name string) {
	locale = strings.ReplaceAll(locale, "_", "-")
	base, _, _ := strings.Cut(strings.ToLower(locale), "-")
	best := ""
	for l := range p.Voices {
		own, _, _ := strings.Cut(l, "-")
		switch {
		case strings.EqualFold(l, locale):
			return l, p.Voices[l]
		case own == base && (best == "" || l < best):
			best = l
		}
	}
	settings, _, _ := strings.Cut(p.Language, "-")
	if best == "" || settings == base {
		return p.Language, p.Voice
	}
	return best, p.Voices[best]
}
