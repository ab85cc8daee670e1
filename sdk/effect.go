package sdk

import (
	"context"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// effect makes the driver's call that c names.
func (in *instance) effect(ctx context.Context, c *pluginv1.Call, r *pluginv1.Result) error {
	if ch, ok := in.value.(Channel); ok && in.driver.channel {
		return in.toCustomer(ctx, ch, c, r)
	}
	if co, ok := in.value.(Connector); ok {
		return in.toChat(ctx, co, c, r)
	}
	return ErrUnsupported
}

func (in *instance) toCustomer(ctx context.Context, ch Channel, c *pluginv1.Call, r *pluginv1.Result) error {
	to := customerFrom(c.Customer)
	switch c.Op {
	case pluginv1.Op_SEND:
		return sent(r)(ch.Send(ctx, to, messageOf(c)))
	case pluginv1.Op_CALL_OUT:
		if d, ok := in.value.(Caller); ok {
			return sent(r)(d.Call(ctx, to, messageOf(c)))
		}
	case pluginv1.Op_TYPING:
		if d, ok := in.value.(CustomerTyper); ok {
			return d.TypingToCustomer(ctx, to, c.On)
		}
	case pluginv1.Op_RECEIPT:
		if d, ok := in.value.(CustomerReceipter); ok {
			return d.ReceiptToCustomer(ctx, to, c.MessageId, c.Status)
		}
	case pluginv1.Op_EVENT:
		if d, ok := in.value.(CustomerEventSender); ok {
			return d.EventToCustomer(ctx, to, c.EventName, c.Params)
		}
	case pluginv1.Op_REGISTER:
		if d, ok := in.value.(TokenRegistrar); ok {
			if c.On {
				return d.Register(ctx, to, c.Target)
			}
			return d.Unregister(ctx, to, c.Target)
		}
	}
	return ErrUnsupported
}

func (in *instance) toChat(ctx context.Context, co Connector, c *pluginv1.Call, r *pluginv1.Result) error {
	chat := chatFrom(c.Chat)
	if chat.Customer.Address == "" {
		chat.Customer = customerFrom(c.Customer)
	}
	switch c.Op {
	case pluginv1.Op_OPEN:
		return opened(r)(co.Open(ctx, chat, messageOf(c)))
	case pluginv1.Op_SEND:
		return sent(r)(co.Send(ctx, chat, messageOf(c)))
	case pluginv1.Op_CLOSE:
		return co.Close(ctx, chat, c.Reason)
	case pluginv1.Op_REOPEN:
		if d, ok := in.value.(Reopener); ok {
			return opened(r)(d.Reopen(ctx, chat))
		}
	case pluginv1.Op_TYPING:
		if d, ok := in.value.(ChatTyper); ok {
			return d.TypingToChat(ctx, chat, c.On)
		}
	case pluginv1.Op_RECEIPT:
		if d, ok := in.value.(Receipter); ok {
			return d.Receipt(ctx, chat, c.MessageId, c.Status, c.Reason)
		}
	case pluginv1.Op_TRANSFER:
		if d, ok := in.value.(Transferrer); ok {
			return d.Transfer(ctx, chat, c.Target)
		}
	case pluginv1.Op_HOLD:
		if d, ok := in.value.(Holder); ok {
			return d.Hold(ctx, chat, c.On)
		}
	case pluginv1.Op_UPDATE:
		if d, ok := in.value.(Updater); ok {
			return d.Update(ctx, chat)
		}
	case pluginv1.Op_EVENT:
		if d, ok := in.value.(EventSender); ok {
			return d.SendEvent(ctx, chat, c.EventName, c.Params)
		}
	}
	return ErrUnsupported
}

func messageOf(c *pluginv1.Call) Message {
	m := messageFrom(c.Message)
	if m.ID == "" {
		m.ID = c.Key
	}
	m.Attempt = max(int(c.Attempt), 1)
	m.Resent = m.Resent || c.Resent
	return m
}

func sent(r *pluginv1.Result) func(Receipt, error) error {
	return func(rc Receipt, err error) error {
		r.MessageId, r.Delivered = valid(rc.MessageID), rc.Delivered
		for _, id := range rc.PartIDs {
			r.PartIds = append(r.PartIds, valid(id))
		}
		return err
	}
}

func opened(r *pluginv1.Result) func(ChatRef, error) error {
	return func(ref ChatRef, err error) error {
		r.ChatRef = valid(string(ref))
		if err == nil && ref == "" {
			return Rejected("no_chat_ref", "the driver opened a chat and named no reference")
		}
		return err
	}
}

func (in *instance) poll(ctx context.Context, p *pluginv1.Poll) (PollResult, error) {
	if p.GetChat() != nil {
		if d, ok := in.value.(ChatPoller); ok {
			return d.Poll(ctx, chatFrom(p.Chat), p.Cursor)
		}
	} else if d, ok := in.value.(AccountPoller); ok {
		return d.PollAccount(ctx, p.GetCursor())
	}
	return PollResult{}, ErrUnsupported
}

func (in *instance) webhook(ctx context.Context, r *WebhookRequest) (WebhookResponse, error) {
	if d, ok := in.value.(WebhookReceiver); ok {
		return d.Webhook(ctx, r)
	}
	return WebhookResponse{}, ErrUnsupported
}
