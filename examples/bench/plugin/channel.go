package main

import (
	"context"

	"github.com/openccsp/gateway/sdk"
)

type channel struct{ far far }

func (p process) openChannel(_ context.Context, s settings, h sdk.Host) (*channel, error) {
	return &channel{p.newFar(s, h)}, nil
}

// Send implements sdk.Channel.
func (c *channel) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	return sdk.Receipt{}, c.far.post(ctx, delivery{
		Op: "send", Key: m.ID, To: to.Address, Text: m.Text, Resent: m.Resent,
	})
}

// Webhook implements sdk.WebhookReceiver: what a customer wrote.
func (c *channel) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	var in struct{ ID, From, Text string }
	if !decode(r.Body, &in) || in.From == "" {
		return refused()
	}
	return sdk.WebhookResponse{Events: []sdk.Event{{
		Type: sdk.CustomerMessage, ID: in.ID, MessageID: in.ID, Text: in.Text,
		Customer: sdk.Customer{Address: in.From},
	}}}, nil
}
