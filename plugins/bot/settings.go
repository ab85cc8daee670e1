package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

// The profiles: what the bot speaks.
const (
	profileRasa = "rasa"
	profileJSON = "json"
)

// The channels of Rasa that can be used.
const (
	rasaREST     = "rest"     // answers in the response
	rasaCallback = "callback" // answers at the hook
)

// settings are the connection parameters of one bot. Durations are written as
// in "1s".
type settings struct {
	Profile string `json:"profile" jsonschema:"required,title=Profile,enum=rasa,enum=json" jsonschema_description:"What the bot speaks: Rasa's channels rest and callback, or the gateway's signed JSON."`
	URL     string `json:"url" jsonschema:"required,title=Address of the bot" jsonschema_description:"rasa: of the server, such as http://127.0.0.1:5005. json: where everything is posted to."`
	Name    string `json:"name,omitempty" jsonschema:"title=Name of the bot" jsonschema_description:"As agents see it."`
	Timeout string `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=20s"`

	Secret         string `json:"secret,omitempty" jsonschema:"title=Secret" jsonschema_description:"json: signs both ways; whsec_ and base64, or a text of 16 bytes or more." jsonschema_extras:"x-secret=true"`
	FurtherSecrets string `json:"further_secrets,omitempty" jsonschema:"title=Further secrets" jsonschema_description:"json: valid as well, while the secret is being replaced; separated by blanks." jsonschema_extras:"x-secret=true"`

	Channel       string            `json:"channel,omitempty" jsonschema:"title=Channel of Rasa,enum=rest,enum=callback,default=rest"`
	Authorization string            `json:"authorization,omitempty" jsonschema:"title=Authorization header" jsonschema_description:"rasa: sent with each call, such as Bearer and a token, if a proxy asks for it." jsonschema_extras:"x-secret=true"`
	HookToken     string            `json:"hook_token,omitempty" jsonschema:"title=Token of the hook" jsonschema_description:"rasa: what the callback channel proves itself with; needed for it." jsonschema_extras:"x-secret=true"`
	Copies        bool              `json:"copies,omitempty" jsonschema:"title=Send copies" jsonschema_description:"rasa: also what is for information only; its metadata says so, and the bot must know how to keep still."`
	SlashCommands bool              `json:"slash_commands,omitempty" jsonschema:"title=Customers may write intents" jsonschema_description:"rasa: a text that begins with a slash goes out as it is, and Rasa takes it for an intent."`
	Handover      string            `json:"handover,omitempty" jsonschema:"title=Name of the hand-over,default=handover" jsonschema_description:"rasa: of the member of custom, or of the intent or action, that asks for an agent."`
	EventIntents  map[string]string `json:"event_intents,omitempty" jsonschema:"title=Intents of events" jsonschema_description:"rasa: the intent that tells the bot of an event, such as control_passed; the others are not told."`
}

// config is settings, checked.
type config struct {
	settings
	url     *url.URL
	timeout time.Duration
	keys    keys
}

const maxTimeout = 5 * time.Minute

// Check implements sdk.Checker.
func (s settings) Check() error {
	_, err := s.check()
	return err
}

// check reports all that is wrong at once.
func (s settings) check() (config, error) {
	s.Timeout = cmp.Or(s.Timeout, "20s")
	s.Channel = cmp.Or(s.Channel, rasaREST)
	s.Handover = cmp.Or(s.Handover, "handover")
	c := config{settings: s}
	var errs [4]error
	c.url, errs[0] = s.parseURL()
	c.timeout, errs[1] = ccsp.Duration("timeout", s.Timeout, 100*time.Millisecond, maxTimeout)
	switch s.Profile {
	case profileRasa:
		errs[2] = s.checkRasa()
	case profileJSON:
		c.keys, errs[2] = parseKeys(s.Secret, s.FurtherSecrets)
		errs[3] = s.onlyRasa()
	default:
		errs[2] = fmt.Errorf("profile %q is neither rasa nor json", s.Profile)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return config{}, err
	}
	return c, nil
}

func (s settings) parseURL() (*url.URL, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New(`url is not an http or https address; write one such as "https://bot.example.com/gateway"`)
	}
	if u.User != nil || u.Fragment != "" {
		return nil, errors.New("url has a user or a fragment; take them out")
	}
	if s.Profile == profileRasa && u.RawQuery != "" {
		return nil, errors.New("url has a query; with Rasa it is the address of the server alone")
	}
	return u, nil
}

func (s settings) checkRasa() error {
	switch {
	case s.Channel != rasaREST && s.Channel != rasaCallback:
		return fmt.Errorf("channel %q is neither rest nor callback", s.Channel)
	case s.Secret != "" || s.FurtherSecrets != "":
		return errors.New("secret and further_secrets are for the profile json; Rasa signs nothing")
	case s.Channel == rasaCallback && s.HookToken == "":
		return errors.New(`channel "callback" needs hook_token; otherwise everybody could write to your customers`)
	case s.HookToken != "" && (len(s.HookToken) < minToken || strings.ContainsFunc(s.HookToken, notPrintable)):
		return fmt.Errorf("hook_token is not %d or more letters, digits and signs of ASCII", minToken)
	case strings.ContainsFunc(s.Authorization, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("authorization is not one line of ASCII")
	case !word(s.Handover):
		return fmt.Errorf("handover %q is not a name of letters, digits, - and _", s.Handover)
	}
	for _, event := range slices.Sorted(maps.Keys(s.EventIntents)) {
		if event == "" || !word(s.EventIntents[event]) {
			return fmt.Errorf("event_intents: %q = %q is not an event and an intent; "+
				`write it as in control_passed = "agent_took_over"`, event, s.EventIntents[event])
		}
	}
	return nil
}

// onlyRasa refuses what the profile json would not heed.
func (s settings) onlyRasa() error {
	for _, d := range []struct {
		name string
		set  bool
	}{
		{"channel", s.Channel != rasaREST}, {"authorization", s.Authorization != ""}, {"hook_token", s.HookToken != ""},
		{"copies", s.Copies}, {"slash_commands", s.SlashCommands}, {"handover", s.Handover != "handover"},
		{"event_intents", len(s.EventIntents) > 0},
	} {
		if d.set {
			return fmt.Errorf("%s is for the profile rasa", d.name)
		}
	}
	return nil
}

// word reports whether s can be the name of an intent.
func word(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

func notPrintable(r rune) bool { return r <= ' ' || r > '~' }
