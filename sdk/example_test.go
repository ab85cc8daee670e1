package sdk_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// A channel to an imaginary provider with an HTTP API. In a plugin of its own
// this file is main.go, and Example is main.
func Example() {
	sdk.Main(sdk.Plugin{ID: "org.example.acme", Version: "1.2.0", Drivers: []sdk.Driver{
		sdk.NewChannel("acme", sdk.Capabilities{
			ChannelType: "sms",
			Text:        sdk.TextLimit{Limit: 1600, Unit: sdk.Rune},
		}, openAcme),
	}})
}

// AcmeSettings are the settings block of a channel "acme" in gateway.hcl.
type AcmeSettings struct {
	URL   string `json:"url" jsonschema:"required,format=uri,description=Base URL of the API"`
	From  string `json:"from" jsonschema:"default=acme"`
	Token string `json:"token" jsonschema:"required" jsonschema_extras:"x-secret=true"`
}

type acme struct {
	settings AcmeSettings
	host     sdk.Host
}

func openAcme(_ context.Context, s AcmeSettings, h sdk.Host) (*acme, error) {
	return &acme{settings: s, host: h}, nil
}

// Send implements sdk.Channel.
func (a *acme) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	body, err := json.Marshal(map[string]string{
		"from": a.settings.From, "to": to.Address, "text": m.Text, "key": m.ID})
	if err != nil {
		return sdk.Receipt{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.settings.URL+"/messages", bytes.NewReader(body))
	if err != nil {
		return sdk.Receipt{}, err
	}
	req.Header.Set("Authorization", "Bearer "+a.settings.Token)
	resp, err := a.host.HTTP().Do(req)
	if err != nil {
		return sdk.Receipt{}, err // not connected: tried again; no answer: ambiguous
	}
	defer resp.Body.Close()
	var answer struct{ ID, Error string }
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 64<<10)).Decode(&answer); err != nil {
		return sdk.Receipt{}, sdk.Ambiguous(fmt.Errorf("answer %s: %w", resp.Status, err))
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return sdk.Receipt{MessageID: answer.ID}, nil
	case resp.StatusCode == http.StatusTooManyRequests:
		return sdk.Receipt{}, sdk.Throttled(fmt.Errorf("too many requests"), time.Second)
	case resp.StatusCode == http.StatusUnauthorized:
		return sdk.Receipt{}, sdk.ErrAuthConfig
	case resp.StatusCode >= 500:
		return sdk.Receipt{}, sdk.Retry(fmt.Errorf("answer %s", resp.Status), 0)
	}
	return sdk.Receipt{}, sdk.Rejected(resp.Status, answer.Error)
}

// Webhook implements sdk.WebhookReceiver: what customers write.
func (a *acme) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	sum := hmac.New(sha256.New, []byte(a.settings.Token))
	sum.Write(r.Body)
	sent, _ := hex.DecodeString(r.Header.Get("X-Acme-Signature"))
	if !hmac.Equal(sum.Sum(nil), sent) {
		return sdk.WebhookResponse{Status: http.StatusUnauthorized}, nil
	}
	var in struct{ ID, From, Text string }
	if err := json.Unmarshal(r.Body, &in); err != nil || in.From == "" {
		return sdk.WebhookResponse{Status: http.StatusBadRequest, Quarantine: "not a message"}, nil
	}
	return sdk.WebhookResponse{Events: []sdk.Event{{
		Type: sdk.CustomerMessage, ID: in.ID, MessageID: in.ID, Text: in.Text,
		Customer: sdk.Customer{Address: in.From},
	}}}, nil
}

// A connector that is a whole contact center: an echo.
func ExampleNewConnector() {
	sdk.Main(sdk.Plugin{ID: "org.example.echo", Version: "0.1.0", Drivers: []sdk.Driver{
		sdk.NewConnector("echo", sdk.Capabilities{}, openEcho),
	}})
}

// EchoSettings are the settings of the integration.
type EchoSettings struct {
	Prefix string `json:"prefix" jsonschema:"default=You said: "`
}

type echo struct {
	prefix  string
	replies chan sdk.Event
}

func openEcho(_ context.Context, s EchoSettings, _ sdk.Host) (*echo, error) {
	return &echo{prefix: s.Prefix, replies: make(chan sdk.Event, 16)}, nil
}

// Open implements sdk.Connector.
func (e *echo) Open(ctx context.Context, c sdk.Chat, first sdk.Message) (sdk.ChatRef, error) {
	c.Ref = sdk.ChatRef(fmt.Sprintf("%s-%d", c.Conversation, c.Number))
	_, err := e.Send(ctx, c, first)
	return c.Ref, err
}

// Send implements sdk.Connector.
func (e *echo) Send(ctx context.Context, c sdk.Chat, m sdk.Message) (sdk.Receipt, error) {
	reply := sdk.Event{
		Type: sdk.IncomingMessage, ID: "re-" + m.ID, Ref: string(c.Ref),
		Text: e.prefix + m.Text, Agent: sdk.Agent{Name: "Echo"},
	}
	select {
	case e.replies <- reply:
		return sdk.Receipt{}, nil
	case <-ctx.Done():
		return sdk.Receipt{}, sdk.Retry(ctx.Err(), 0) // nothing was said
	}
}

// Close implements sdk.Connector.
func (e *echo) Close(context.Context, sdk.Chat, string) error { return nil }

// Listen implements sdk.Listener: it says what the agent would.
func (e *echo) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	for {
		select {
		case reply := <-e.replies:
			if err := emit(ctx, reply); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}
