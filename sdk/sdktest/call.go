package sdktest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// conversationOf is the gateway's id of who the call is about.
func conversationOf(c *pluginv1.Call) []byte {
	if id, err := hex.DecodeString(c.GetChat().GetConversation()); err == nil && len(id) == 16 {
		return id
	}
	about := c.GetCustomer().GetAddress()
	if c.Chat != nil {
		about = c.Chat.Conversation + "\x00" + c.Chat.GetCustomer().GetAddress()
	}
	sum := sha256.Sum256([]byte(about))
	return sum[:16]
}

func callFrame(c *pluginv1.Call) *pluginv1.HostFrame {
	if c.Attempt == 0 {
		c.Attempt = 1
	}
	return &pluginv1.HostFrame{Conversation: conversationOf(c), Body: &pluginv1.HostFrame_Call{Call: c}}
}

func (g *Gateway) call(ctx context.Context, c *pluginv1.Call) (*pluginv1.Result, error) {
	f, err := g.wire.ask(ctx, callFrame(c))
	if err != nil {
		return &pluginv1.Result{}, err
	}
	r := f.GetResult()
	if r == nil {
		return &pluginv1.Result{}, fmt.Errorf("%v was answered with %T", c.Op, f.Body)
	}
	return r, errorFrom(r)
}

func withMessage(c *pluginv1.Call, m sdk.Message) *pluginv1.Call {
	c.Message, c.Key = messageProto(m), m.ID
	c.Attempt, c.Resent = uint32(max(m.Attempt, 1)), m.Resent
	return c
}

// Send sends a message to a customer through a channel.
func (g *Gateway) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	r, err := g.call(ctx, withMessage(&pluginv1.Call{Op: pluginv1.Op_SEND, Customer: customerProto(to)}, m))
	return sdk.Receipt{MessageID: r.MessageId, PartIDs: r.PartIds, Delivered: r.Delivered}, err
}

// SendToChat sends a message to an agent through a connector.
func (g *Gateway) SendToChat(ctx context.Context, c sdk.Chat, m sdk.Message) (sdk.Receipt, error) {
	r, err := g.call(ctx, withMessage(&pluginv1.Call{Op: pluginv1.Op_SEND, Chat: chatProto(c)}, m))
	return sdk.Receipt{MessageID: r.MessageId, Delivered: r.Delivered}, err
}

// Open opens a chat through a connector.
func (g *Gateway) Open(ctx context.Context, c sdk.Chat, first sdk.Message) (sdk.ChatRef, error) {
	r, err := g.call(ctx, withMessage(&pluginv1.Call{Op: pluginv1.Op_OPEN, Chat: chatProto(c)}, first))
	return sdk.ChatRef(r.ChatRef), err
}

// Close closes a chat.
func (g *Gateway) Close(ctx context.Context, c sdk.Chat, reason string) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_CLOSE, Chat: chatProto(c), Reason: reason})
	return err
}

// Reopen opens a closed chat again.
func (g *Gateway) Reopen(ctx context.Context, c sdk.Chat) (sdk.ChatRef, error) {
	r, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_REOPEN, Chat: chatProto(c)})
	return sdk.ChatRef(r.ChatRef), err
}

// TypingToCustomer tells a channel's customer that somebody types.
func (g *Gateway) TypingToCustomer(ctx context.Context, to sdk.Customer, on bool) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_TYPING, Customer: customerProto(to), On: on})
	return err
}

// TypingToChat tells a connector's agent that the customer types.
func (g *Gateway) TypingToChat(ctx context.Context, c sdk.Chat, on bool) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_TYPING, Chat: chatProto(c), On: on})
	return err
}

// ReceiptToCustomer tells a channel's customer what became of her message.
func (g *Gateway) ReceiptToCustomer(ctx context.Context, to sdk.Customer, messageID, status string) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_RECEIPT, Customer: customerProto(to),
		MessageId: messageID, Status: status})
	return err
}

// EventToCustomer tells a channel's customer what happens.
func (g *Gateway) EventToCustomer(ctx context.Context, to sdk.Customer, name string, params map[string]string) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_EVENT, Customer: customerProto(to), EventName: name, Params: params})
	return err
}

// Receipt tells an agent what became of a message.
func (g *Gateway) Receipt(ctx context.Context, c sdk.Chat, messageID, status, reason string) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_RECEIPT, Chat: chatProto(c),
		MessageId: messageID, Status: status, Reason: reason})
	return err
}

// Transfer moves a chat.
func (g *Gateway) Transfer(ctx context.Context, c sdk.Chat, target string) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_TRANSFER, Chat: chatProto(c), Target: target})
	return err
}

// Hold puts a chat on hold or takes it back.
func (g *Gateway) Hold(ctx context.Context, c sdk.Chat, on bool) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_HOLD, Chat: chatProto(c), On: on})
	return err
}

// Update tells a connector what changed of customer or chat.
func (g *Gateway) Update(ctx context.Context, c sdk.Chat) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_UPDATE, Chat: chatProto(c)})
	return err
}

// SendEvent sends a custom event to the vendor.
func (g *Gateway) SendEvent(ctx context.Context, c sdk.Chat, name string, params map[string]string) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_EVENT, Chat: chatProto(c), EventName: name, Params: params})
	return err
}

// Call places a voice call.
func (g *Gateway) Call(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	r, err := g.call(ctx, withMessage(&pluginv1.Call{Op: pluginv1.Op_CALL_OUT, Customer: customerProto(to)}, m))
	return sdk.Receipt{MessageID: r.MessageId, Delivered: r.Delivered}, err
}

// Register binds a push token to a customer.
func (g *Gateway) Register(ctx context.Context, to sdk.Customer, token string) error {
	return g.pushToken(ctx, to, token, true)
}

// Unregister unbinds it.
func (g *Gateway) Unregister(ctx context.Context, to sdk.Customer, token string) error {
	return g.pushToken(ctx, to, token, false)
}

func (g *Gateway) pushToken(ctx context.Context, to sdk.Customer, token string, on bool) error {
	_, err := g.call(ctx, &pluginv1.Call{Op: pluginv1.Op_REGISTER, Customer: customerProto(to), Target: token, On: on})
	return err
}

// Poll asks for the news of one chat.
func (g *Gateway) Poll(ctx context.Context, c sdk.Chat, cursor []byte) (sdk.PollResult, error) {
	return g.poll(ctx, &pluginv1.Poll{Chat: chatProto(c), Cursor: cursor})
}

// PollAccount asks for the news of the instance.
func (g *Gateway) PollAccount(ctx context.Context, cursor []byte) (sdk.PollResult, error) {
	return g.poll(ctx, &pluginv1.Poll{Cursor: cursor})
}

func (g *Gateway) poll(ctx context.Context, p *pluginv1.Poll) (sdk.PollResult, error) {
	f, err := g.wire.ask(ctx, &pluginv1.HostFrame{Body: &pluginv1.HostFrame_Poll{Poll: p}})
	if err != nil {
		return sdk.PollResult{}, err
	}
	a := f.GetPoll()
	if a == nil {
		return sdk.PollResult{}, fmt.Errorf("poll was answered with %T", f.Body)
	}
	return sdk.PollResult{
		Events: eventsFrom(a.Events), Cursor: a.Cursor,
		Next: time.Duration(a.NextMs) * time.Millisecond,
	}, errorFrom(a.Result)
}

// Webhook hands a request to the driver and returns what it made of it. An
// error of the driver shows as the status that the client would get.
func (g *Gateway) Webhook(ctx context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	f, err := g.wire.ask(ctx, &pluginv1.HostFrame{
		Body: &pluginv1.HostFrame_Webhook{Webhook: webhookProto(r)}})
	if err != nil {
		return sdk.WebhookResponse{}, err
	}
	a := f.GetWebhook()
	if a == nil {
		return sdk.WebhookResponse{}, fmt.Errorf("webhook was answered with %T", f.Body)
	}
	out := sdk.WebhookResponse{
		Status: int(a.Status), Body: a.Body, Events: eventsFrom(a.Events), Header: make(http.Header),
	}
	if a.Quarantine {
		out.Quarantine = a.Detail
	}
	for _, h := range a.Headers {
		out.Header.Add(h.Name, h.Value)
	}
	if !a.Quarantine && a.Detail == "panic" {
		return out, errors.New("the driver panicked")
	}
	return out, nil
}

// Dial opens a WebSocket to the driver. What is written are the payloads of
// binary messages.
func (g *Gateway) Dial(ctx context.Context, r *sdk.WebhookRequest, subprotocol string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := g.link.Socket(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	err = stream.Send(&pluginv1.SocketChunk{Open: &pluginv1.SocketOpen{
		Instance: g.instance, Request: webhookProto(r), Subprotocol: subprotocol}})
	if err != nil {
		cancel()
		return nil, err
	}
	near, far := net.Pipe()
	go func() {
		defer cancel()
		defer func() { _ = near.Close() }()
		for {
			c, err := stream.Recv()
			if err != nil || c.Close {
				return
			}
			if _, err := near.Write(c.Data); err != nil {
				return
			}
		}
	}()
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := near.Read(buf)
			if n > 0 && stream.Send(&pluginv1.SocketChunk{Data: buf[:n]}) != nil {
				return
			}
			if err != nil {
				if errors.Is(err, io.EOF) {
					_ = stream.Send(&pluginv1.SocketChunk{Close: true})
				}
				_ = stream.CloseSend()
				return
			}
		}
	}()
	return far, nil
}

// errorFrom is the error that the driver meant.
func errorFrom(r *pluginv1.Result) error {
	detail := r.GetDetail()
	if r.GetCode() != "" {
		detail = r.GetCode() + ": " + detail
	}
	after := time.Duration(r.GetAfterMs()) * time.Millisecond
	wrap := func(err error) error { return fmt.Errorf("%w: %s", err, detail) }
	switch r.GetOutcome() {
	case pluginv1.Outcome_OK:
		return nil
	case pluginv1.Outcome_RETRY:
		return sdk.Retry(errors.New(detail), after)
	case pluginv1.Outcome_THROTTLED:
		return sdk.Throttled(errors.New(detail), after)
	case pluginv1.Outcome_AMBIGUOUS:
		return &sdk.AmbiguousError{Err: errors.New(detail), After: after}
	case pluginv1.Outcome_AUTH_REFRESH:
		return wrap(sdk.ErrAuthRefreshed)
	case pluginv1.Outcome_AUTH_CONFIG:
		return wrap(sdk.ErrAuthConfig)
	case pluginv1.Outcome_WINDOW_CLOSED:
		return wrap(sdk.ErrWindowClosed)
	case pluginv1.Outcome_RECIPIENT_GONE:
		return wrap(sdk.ErrRecipientGone)
	case pluginv1.Outcome_UNSUPPORTED:
		return wrap(sdk.ErrUnsupported)
	case pluginv1.Outcome_CHAT_GONE:
		return wrap(sdk.ErrChatGone)
	}
	return sdk.Rejected(r.GetCode(), r.GetDetail())
}
