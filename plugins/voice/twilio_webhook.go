package main

import (
	"context"
	"regexp"
	"strconv"
	"time"

	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// The routes below the hook. Who rings the number comes to the hook itself.
const (
	pathStatus = "/status"
	pathDigits = "/digits"
	pathTwiML  = "/twiml"
)

var (
	messageID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)
	callSID   = regexp.MustCompile(`^CA[0-9a-fA-F]{32}$`)
	pressed   = regexp.MustCompile(`^[0-9*#]{1,32}$`)
)

// Webhook implements sdk.WebhookReceiver.
func (p *twilioProvider) Webhook(ctx context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	take := map[string]func(context.Context, *heard) (sdk.WebhookResponse, error){
		pathStatus: p.status, pathDigits: p.pressed, pathTwiML: p.hosted,
	}[r.Path]
	rings := r.Path == "" || r.Path == "/"
	if take == nil && !rings {
		return twilio.NotFound(), nil
	}
	w, err := p.receiver.Read(r)
	if err != nil {
		return twilio.Refusal(err), nil
	}
	if rings {
		return p.incoming(w)
	}
	h := &heard{w, w.Query.Get(paramMessage), w.Get("CallSid")}
	switch {
	case !callSID.MatchString(h.sid):
		return twilio.Malformed("CallSid is missing or none"), nil
	case h.id == "": // a call of somebody else's
		return twilio.Answer(twilio.Silence), nil
	case !messageID.MatchString(h.id):
		return twilio.Malformed("the id of the message is none"), nil
	}
	return take(ctx, h)
}

// incoming is a customer who rings the number. Nobody is there to talk; a rule may
// call back.
func (p *twilioProvider) incoming(w twilio.Webhook) (sdk.WebhookResponse, error) {
	sid, from := w.Get("CallSid"), w.Get("From")
	if !callSID.MatchString(sid) {
		return twilio.Malformed("CallSid is missing or none"), nil
	}
	var verbs []twilio.Verb
	if p.Greeting == "" {
		verbs = append(verbs, twilio.Reject{Reason: "busy"})
	} else {
		verbs = append(verbs, twilio.Say{Voice: p.Voice, Language: p.Language, Text: p.Greeting}, twilio.Hangup{})
	}
	doc, err := twilio.TwiML(verbs...)
	if err != nil {
		return sdk.WebhookResponse{}, err
	}
	if twilio.Number(from) == "" { // the number is withheld
		return twilio.Answer(doc), nil
	}
	return twilio.Answer(doc, sdk.Event{
		Type: sdk.CustomEvent, EventName: "incoming_call", ID: sid + ".incoming", Customer: sdk.Customer{Address: from},
		Params: map[string]string{"call_id": sid, "to": w.Get("To")}, Payload: w.Payload(),
	}), nil
}

// heard is a request about one of our calls.
type heard struct {
	twilio.Webhook
	id  string // of the message
	sid string // of the call
}

// event is one of that call. Step names it among the events of the call: each
// happens once, however often and in whatever order Twilio tells of it.
func (h *heard) event(typ, step string) sdk.Event {
	return sdk.Event{Type: typ, ID: h.sid + "." + step, CallID: h.id, Ref: h.id, Payload: h.Payload()}
}

// status tells how far a call is. An end comes with all that must have been
// before it, so that a callback which is late or lost changes nothing.
func (p *twilioProvider) status(ctx context.Context, h *heard) (sdk.WebhookResponse, error) {
	answered := h.event(sdk.CallAnswered, "answered")
	answered.Reason = h.Get("AnsweredBy")
	ended := h.event(sdk.CallEnded, "ended")
	ended.Reason, ended.ReasonCode = h.Get("CallStatus"), h.Get("SipResponseCode")
	switch h.Get("CallStatus") {
	case "in-progress":
		if p.MachineDetection != "" && answered.Reason == "" { // Twilio is still finding out
			return twilio.Answer(twilio.Silence), nil
		}
		return twilio.Answer(twilio.Silence, answered), nil
	case "completed":
		ended.Duration = seconds(h.Get("CallDuration"))
		p.forget(ctx, h.id)
		return twilio.Answer(twilio.Silence, answered, ended), nil
	case "busy", "no-answer", "failed", "canceled":
		p.forget(ctx, h.id)
		return twilio.Answer(twilio.Silence, ended), nil
	case "":
		return twilio.Malformed("CallStatus is missing"), nil
	}
	return twilio.Answer(twilio.Silence), nil // queued, initiated, ringing
}

// seconds reads a duration, nil if there is none.
func seconds(text string) *time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 7*24*3600 {
		return nil
	}
	d := time.Duration(n) * time.Second
	return &d
}

// pressed are digits. The call has said what it had to say.
func (p *twilioProvider) pressed(_ context.Context, h *heard) (sdk.WebhookResponse, error) {
	digits := h.Get("Digits")
	if digits == "" { // the customer has waited
		return hangup()
	}
	if !pressed.MatchString(digits) {
		return twilio.Malformed("Digits are none"), nil
	}
	answered := h.event(sdk.CallAnswered, "answered")
	e := h.event(sdk.CallDigits, "digits")
	e.Digits = digits
	return hangup(answered, e)
}

func hangup(events ...sdk.Event) (sdk.WebhookResponse, error) {
	doc, err := twilio.TwiML(twilio.Hangup{})
	return twilio.Answer(doc, events...), err
}

// hosted is what a call says whose text was too long to go along, or for which
// Twilio has found out who answered.
func (p *twilioProvider) hosted(ctx context.Context, h *heard) (sdk.WebhookResponse, error) {
	doc, err := p.host.State(ctx, stateKey(h.id))
	if err != nil {
		return sdk.WebhookResponse{}, sdk.Retry(err, 0)
	}
	if doc == nil {
		return twilio.NotFound(), nil
	}
	answered := h.event(sdk.CallAnswered, "answered")
	if answered.Reason = h.Get("AnsweredBy"); answered.Reason == "" {
		return twilio.Answer(string(doc)), nil
	}
	return twilio.Answer(string(doc), answered), nil
}
