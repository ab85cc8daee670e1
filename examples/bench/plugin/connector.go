package main

import (
	"context"
	"fmt"

	"github.com/openccsp/gateway/sdk"
)

type connector struct{ far far }

func (p process) openConnector(_ context.Context, s settings, h sdk.Host) (*connector, error) {
	return &connector{p.newFar(s, h)}, nil
}

// Open implements sdk.Connector. The chat's id follows from the conversation,
// so a repeated one is the same chat.
func (c *connector) Open(ctx context.Context, chat sdk.Chat, first sdk.Message) (sdk.ChatRef, error) {
	chat.Ref = sdk.ChatRef(fmt.Sprintf("%s-%d", chat.Conversation, chat.Number))
	return chat.Ref, c.say(ctx, "open", chat, first)
}

// Send implements sdk.Connector.
func (c *connector) Send(ctx context.Context, chat sdk.Chat, m sdk.Message) (sdk.Receipt, error) {
	return sdk.Receipt{}, c.say(ctx, "send", chat, m)
}

// Close implements sdk.Connector. Nobody on the far side wants to know.
func (c *connector) Close(context.Context, sdk.Chat, string) error { return nil }

func (c *connector) say(ctx context.Context, op string, chat sdk.Chat, m sdk.Message) error {
	return c.far.post(ctx, delivery{
		Op: op, Key: m.ID, To: chat.Customer.Address, Conversation: chat.Conversation,
		Chat: string(chat.Ref), Text: m.Text, Resent: m.Resent,
	})
}

// Webhook implements sdk.WebhookReceiver: what an agent wrote.
func (c *connector) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	var in struct{ Chat, ID, Text string }
	if !decode(r.Body, &in) || in.Chat == "" {
		return refused()
	}
	return sdk.WebhookResponse{Events: []sdk.Event{{
		Type: sdk.IncomingMessage, ID: in.ID, Ref: in.Chat, Text: in.Text,
		Agent: sdk.Agent{Name: "Ada"},
	}}}, nil
}
