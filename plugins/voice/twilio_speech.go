package main

import (
	"strings"

	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// document is the TwiML of a call: what is said and played, and then, if digits
// are wanted, a wait for them.
func (p *twilioProvider) document(to sdk.Customer, m sdk.Message) (string, error) {
	verbs, err := p.verbs(to, m)
	if err != nil {
		return "", err
	}
	n, err := digitsOf(m, p.Digits)
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
	parts, err := spoken(m, p.ChoiceText)
	if err != nil {
		return nil, err
	}
	lang, name := p.speech(to.Locale)
	for _, said := range parts {
		switch {
		case said.file == nil:
			verbs = append(verbs, twilio.Say{Voice: name, Language: lang, Text: said.text})
		case said.file.URL == "":
			return nil, sdk.Rejected("no_link", "a recording has no address; set public_url")
		default:
			verbs = append(verbs, twilio.Play{URL: said.file.URL})
		}
	}
	return verbs, nil
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
