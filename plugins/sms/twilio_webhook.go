package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/url"
	"regexp"
	"unicode/utf8"

	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// The routes below the hook. Incoming messages come to the hook itself.
const twilioPathStatus = "/status"

// The parameters of the address to which Twilio tells what became of a message:
// its id, and who it went to, as the gateway writes them. They are signed.
const (
	twilioParamMessage = "m"
	twilioParamAddress = "a" // base64, so that nothing in it can be escaped in another way
)

func twilioReceiptQuery(id, address string) string {
	return url.Values{twilioParamMessage: {id}, twilioParamAddress: {base64.RawURLEncoding.EncodeToString([]byte(address))}}.Encode()
}

// twilioReceiptOf reads what twilioReceiptQuery wrote; both are "" if somebody else wrote it.
func twilioReceiptOf(q url.Values) (id, address string) {
	b, err := base64.RawURLEncoding.DecodeString(q.Get(twilioParamAddress))
	if id = q.Get(twilioParamMessage); err != nil || len(b) == 0 || !utf8.Valid(b) || !twilioMessageID.MatchString(id) {
		return "", ""
	}
	return id, string(b)
}

var (
	twilioMessageID  = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)
	twilioMessageSID = regexp.MustCompile(`^(SM|MM)[0-9a-fA-F]{32}$`)
)

// Webhook implements sdk.WebhookReceiver.
func (p *twilioProvider) Webhook(ctx context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	var take func(context.Context, twilio.Webhook) sdk.WebhookResponse
	switch r.Path {
	case "", "/":
		take = p.incoming
	case twilioPathStatus:
		take = p.status
	default:
		return twilio.NotFound(), nil
	}
	w, err := p.receiver.Read(r)
	if err != nil {
		return twilio.Refusal(err), nil
	}
	return take(ctx, w), nil
}

// incoming is a message of a customer's.
func (p *twilioProvider) incoming(ctx context.Context, w twilio.Webhook) sdk.WebhookResponse {
	sid, from := cmp.Or(w.Get("MessageSid"), w.Get("SmsSid")), w.Get("From")
	switch {
	case !twilioMessageSID.MatchString(sid):
		return twilio.Malformed("MessageSid is missing or none")
	case twilio.Number(from) == "" && !twilioSender.MatchString(from):
		return twilio.Malformed("From is missing or no address")
	}
	e := sdk.Event{
		Type: sdk.CustomerMessage, ID: sid, MessageID: sid, Customer: sdk.Customer{Address: from, Name: w.Get("ProfileName")},
		Text: w.Get("Body"), Payload: w.Payload(),
	}
	if name := twilioOptOuts[w.Get("OptOutType")]; name != "" {
		e.Type, e.EventName, e.Params = sdk.CustomEvent, name, map[string]string{"text": e.Text, "to": w.Get("To")}
		e.MessageID, e.Text = "", ""
		return twilio.Answer(twilio.Silence, e)
	}
	p.addFiles(ctx, w, &e)
	if e.Text == "" && len(e.Attachments) == 0 {
		e.Text = emptyText
	}
	return twilio.Answer(twilio.Silence, e)
}

// twilioOptOuts are the events that customers cause by the keywords that Twilio, or the
// law, gives a meaning. Twilio has answered them.
var twilioOptOuts = map[string]string{"STOP": "opt_out", "START": "opt_in", "HELP": "opt_help"}

// status tells what became of a message of ours. Twilio's callbacks come twice
// and disordered. Only one of those that end a message counts, the first: they
// share an id, and the gateway drops what it has seen.
func (p *twilioProvider) status(_ context.Context, w twilio.Webhook) sdk.WebhookResponse {
	sid, status := cmp.Or(w.Get("MessageSid"), w.Get("SmsSid")), cmp.Or(w.Get("MessageStatus"), w.Get("SmsStatus"))
	id, address := twilioReceiptOf(w.Query)
	end, known := twilioEnds[status]
	switch {
	case !twilioMessageSID.MatchString(sid):
		return twilio.Malformed("MessageSid is missing or none")
	case status == "":
		return twilio.Malformed("MessageStatus is missing")
	case !known || id == "": // on its way, or not ours
		return twilio.Answer(twilio.Silence)
	}
	e := sdk.Event{
		Type: end.event, ID: sid + "." + end.step, MessageID: id, Customer: sdk.Customer{Address: address}, Payload: w.Payload(),
	}
	if e.Type == sdk.MessageFailed {
		e.Code = w.Get("ErrorCode")
		e.Reason = cmp.Or(twilio.Meaning(e.Code), status)
	}
	return twilio.Answer(twilio.Silence, e)
}

// twilioEnds are the states that are news of a message. The others are on the way to
// them: accepted, scheduled, queued, sending, sent.
var twilioEnds = map[string]struct{ event, step string }{
	"delivered":   {sdk.MessageDelivered, "end"},
	"undelivered": {sdk.MessageFailed, "end"},
	"failed":      {sdk.MessageFailed, "end"},
	"canceled":    {sdk.MessageFailed, "end"},
	"read":        {sdk.MessageRead, "read"},
}
