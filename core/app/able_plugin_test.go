package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// ableDrivers can do all that rules ask for: NAME is a channel on which customers
// write by webhook, NAME_voice one that calls, NAME_push one for apps, NAME_desk a
// contact center. Each effect is a line of the plugin's log.
func ableDrivers(name string) []sdk.Driver {
	caps := func(typ string) sdk.Capabilities {
		return sdk.Capabilities{ChannelType: typ, QuickReplies: true, MediaTypes: []string{"image/*"}}
	}
	return []sdk.Driver{
		sdk.NewChannel(name, caps("rtm"), func(_ context.Context, _ ableSettings, h sdk.Host) (*ableChat, error) {
			if _, err := os.Stat(filepath.Join(h.DataDir(), "away")); err == nil {
				return nil, sdk.Retry(errors.New("the platform is away"), 0)
			}
			h.Log().Info("opened", "limit", h.TextLimit().Limit, "unit", h.TextLimit().Unit)
			return &ableChat{ableChannel{able{h, "chat"}}}, nil
		}),
		sdk.NewChannel(name+"_push", caps("push"), func(_ context.Context, _ struct{}, h sdk.Host) (*ablePush, error) {
			return &ablePush{ableChannel{able{h, "push"}}}, nil
		}),
		sdk.NewChannel(name+"_voice", caps("voice"), func(_ context.Context, _ struct{}, h sdk.Host) (*ableVoice, error) {
			return &ableVoice{ableChannel{able{h, "voice"}}}, nil
		}),
		sdk.NewConnector(name+"_desk", sdk.Capabilities{MediaTypes: []string{"*/*"}}, func(_ context.Context, _ struct{}, h sdk.Host) (*ableDesk, error) {
			return &ableDesk{able{h, "desk"}}, nil
		}),
	}
}

// ableSettings say how long, and how often, a customer can be written to.
type ableSettings struct {
	Minutes  int `json:"minutes,omitempty"`
	Messages int `json:"messages,omitempty"`
}

// Capabilities implements sdk.Capable.
func (s ableSettings) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	of.Window = sdk.ReplyWindow{Open: time.Duration(s.Minutes) * time.Minute, Messages: s.Messages}
	return of
}

type able struct {
	host sdk.Host
	name string
}

func (a *able) did(format string, args ...any) {
	a.host.Log().Info("effect", "by", a.name, "did", fmt.Sprintf(format, args...))
}

func show(m sdk.Message) string {
	s := m.Text
	for _, at := range m.Attachments {
		s += " [" + at.MIME + " " + at.Name + "]"
	}
	for _, q := range m.QuickReplies {
		s += " (" + q.Title + "=" + q.Payload + ")"
	}
	if m.Copy {
		s += " (copy)"
	}
	return s + showMap(m.Extras)
}

func showCustomer(c sdk.Customer) string {
	return fmt.Sprintf("%s|%s|%s|%s|%s|%s", c.Name, c.FirstName, c.LastName, c.Locale, c.Timezone,
		strings.TrimSpace(showMap(c.Addresses)+showMap(c.Attributes)))
}

func showMap(m map[string]string) (s string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		s += " " + k + "=" + m[k]
	}
	return s
}

type ableChannel struct{ able }

// Send implements sdk.Channel.
func (c *ableChannel) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	c.did("send to %s: %s", to.Address, show(m))
	c.read(ctx, m)
	return sdk.Receipt{MessageID: "m-" + m.ID}, c.fetch(ctx, m)
}

// Webhook implements sdk.WebhookReceiver: an event as it is in Go.
func (a *able) Webhook(ctx context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	var ev sdk.Event
	if err := json.Unmarshal(r.Body, &ev); err != nil {
		return sdk.WebhookResponse{Status: 400}, nil //nolint:nilerr // it is the answer
	}
	a.bring(ctx, &ev)
	return sdk.WebhookResponse{Events: []sdk.Event{ev}}, nil
}

type ableChat struct{ ableChannel }

// ReceiptToCustomer implements sdk.CustomerReceipter.
func (c *ableChat) ReceiptToCustomer(_ context.Context, to sdk.Customer, id, status string) error {
	c.did("receipt to %s: %s %s", to.Address, id, status)
	return nil
}

// EventToCustomer implements sdk.CustomerEventSender.
func (c *ableChat) EventToCustomer(_ context.Context, to sdk.Customer, name string, params map[string]string) error {
	c.did("event to %s: %s%s", to.Address, name, showMap(params))
	return nil
}

type ablePush struct{ ableChannel }

// Register implements sdk.TokenRegistrar.
func (c *ablePush) Register(_ context.Context, to sdk.Customer, token string) error {
	c.did("register %s: %s", to.Address, token)
	return nil
}

// Unregister implements sdk.TokenRegistrar.
func (c *ablePush) Unregister(_ context.Context, to sdk.Customer, token string) error {
	c.did("unregister %s: %s", to.Address, token)
	return nil
}

type ableVoice struct{ ableChannel }

// Call implements sdk.Caller.
func (c *ableVoice) Call(_ context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	c.did("call to %s: %s", to.Address, show(m))
	return sdk.Receipt{MessageID: "call-1"}, nil
}

type ableDesk struct{ able }

// Open implements sdk.Connector.
func (d *ableDesk) Open(ctx context.Context, c sdk.Chat, m sdk.Message) (sdk.ChatRef, error) {
	d.did("open for %s: %s", c.Customer.Address, show(m))
	d.did("open with %s", showCustomer(c.Customer))
	d.read(ctx, m)
	return "chat-1", nil
}

// Send implements sdk.Connector.
func (d *ableDesk) Send(ctx context.Context, c sdk.Chat, m sdk.Message) (sdk.Receipt, error) {
	d.did("send in %s: %s", c.Ref, show(m))
	d.read(ctx, m)
	return sdk.Receipt{}, nil
}

// Close implements sdk.Connector.
func (d *ableDesk) Close(_ context.Context, c sdk.Chat, reason string) error {
	d.did("close %s: %s", c.Ref, reason)
	return nil
}

// Update implements sdk.Updater.
func (d *ableDesk) Update(_ context.Context, c sdk.Chat) error {
	d.did("update %s: %s%s", c.Ref, showCustomer(c.Customer), showMap(c.Attributes))
	return nil
}

// Transfer implements sdk.Transferrer.
func (d *ableDesk) Transfer(_ context.Context, c sdk.Chat, target string) error {
	d.did("transfer %s to %s", c.Ref, target)
	return nil
}

// SendEvent implements sdk.EventSender. It takes no names in capitals.
func (d *ableDesk) SendEvent(_ context.Context, c sdk.Chat, name string, params map[string]string) error {
	if strings.ToUpper(name) == name {
		return sdk.Rejected("loud", "not so loud")
	}
	d.did("event in %s: %s%s", c.Ref, name, showMap(params))
	return nil
}
