package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// paramMessage is the parameter, in the addresses that Twilio calls, with the id
// of the message that a call is about. It is signed.
const paramMessage = "m"

// Send implements sdk.Channel. A phone is rung by the action call alone: an agent
// who writes into a chat does not expect it, and a message whose answer was lost
// is sent once more, which a call must not be.
func (p *twilioProvider) Send(context.Context, sdk.Customer, sdk.Message) (sdk.Receipt, error) {
	return sdk.Receipt{}, fmt.Errorf("%w: messages are not read out; a rule's call is", sdk.ErrUnsupported)
}

// Call implements sdk.Caller.
func (p *twilioProvider) Call(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	number := twilio.Number(to.Address)
	if number == "" {
		return sdk.Receipt{}, fmt.Errorf("%w: the address is no phone number", sdk.ErrRecipientGone)
	}
	if err := p.Allow.number(number); err != nil {
		return sdk.Receipt{}, err
	}
	if m.Resent { // nobody does, but nobody's phone rings twice
		return sdk.Receipt{}, sdk.Rejected("ambiguous", "an earlier attempt may have rung")
	}
	if p.host.PublicURL() == "" {
		return sdk.Receipt{}, fmt.Errorf("%w: nobody could tell what becomes of the call; set public_url", sdk.ErrAuthConfig)
	}
	doc, err := p.document(to, m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	form := p.form(number, m.ID)
	// Who has answered is known when Twilio asks what to say, and told with that.
	hosted := utf8.RuneCountInString(doc) > twilio.MaxInline || p.MachineDetection != ""
	if hosted {
		if err := p.keep(ctx, m.ID, doc); err != nil {
			return sdk.Receipt{}, sdk.Retry(fmt.Errorf("keep what the call says: %w", err), 0)
		}
		form.Set("Url", p.Callback(p.hook(pathTwiML, m.ID)))
		form.Set("Method", "POST")
	} else {
		form.Set("Twiml", doc)
	}
	r, err := p.client.Create(ctx, "Calls", form)
	if err == nil {
		return sdk.Receipt{MessageID: r.SID}, nil
	}
	if _, lost := errors.AsType[*sdk.AmbiguousError](err); hosted && !lost {
		p.forget(context.WithoutCancel(ctx), m.ID)
	}
	return sdk.Receipt{}, err
}

// form is what Twilio is asked for, but for what is said.
func (p *twilioProvider) form(to, id string) url.Values {
	form := url.Values{
		"To": {to}, "From": {p.From},
		"Timeout":              {strconv.Itoa(int(p.ringFor.Seconds()))},
		"TimeLimit":            {strconv.Itoa(int(p.maxDuration.Seconds()))},
		"StatusCallback":       {p.Callback(p.hook(pathStatus, id))},
		"StatusCallbackMethod": {"POST"},
		"StatusCallbackEvent":  {"answered", "completed"},
	}
	if d := machineDetection[p.MachineDetection]; d != "" {
		form.Set("MachineDetection", d)
	}
	return form
}

// hook is an address below the hook that is about one call.
func (p *twilioProvider) hook(path, id string) string {
	return p.host.PublicURL() + path + "?" + url.Values{paramMessage: {id}}.Encode()
}

// stateKey is where the TwiML of a call is kept that is too long to go along.
func stateKey(id string) string { return "twiml." + id }

func (p *twilioProvider) keep(ctx context.Context, id, doc string) error {
	old, err := p.host.State(ctx, stateKey(id))
	if err != nil || string(old) == doc {
		return err
	}
	return p.host.SetState(ctx, stateKey(id), old, []byte(doc))
}

// forget lets go of what keep kept, if there is anything.
func (p *twilioProvider) forget(ctx context.Context, id string) {
	old, err := p.host.State(ctx, stateKey(id))
	if err == nil && old != nil {
		err = p.host.SetState(ctx, stateKey(id), old, nil)
	}
	if err != nil && !errors.Is(err, sdk.ErrConflict) { // somebody else has
		p.host.Log().Warn("what an ended call said is still kept", "err", err)
	}
}
