// Command sms is the channel of customers who write text messages: over SMPP to an
// SMS center, or over HTTP to a provider such as Twilio.
package main

import (
	"context"

	"github.com/openccsp/gateway/sdk"
)

func main() { sdk.Main(plugin()) }

// plugin describes the binary. It is exclusive because an SMSC often lets a
// system_id bind once: the old process unbinds before the new one binds. Its listener
// is no Binder: an SMSC that is down must not keep a new version out.
func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:          "org.openccsp.sms",
		Version:     "1.0.0",
		Drivers:     []sdk.Driver{sdk.NewChannel("sms", capabilities(), open)},
		Exclusive:   true,
		StateSchema: 1,
	}
}

// capabilities are what all providers have; the settings say the rest.
func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		ChannelType:   "sms",
		Text:          sdk.TextLimit{Limit: defaultSegments * septetsPerSegment, Unit: sdk.GSM7},
		Receipts:      true,
		ReceiptsByRef: true,
	}
}

// emptyText stands where a customer sent a message with nothing in it.
const emptyText = "[empty message]"

// provider is the way on which messages go and come.
type provider interface {
	sdk.Channel
	sdk.WebhookReceiver
	sdk.Listener
}

// channel is one instance: the provider that its settings chose.
type channel struct{ provider }

// open opens one instance.
func open(ctx context.Context, s settings, h sdk.Host) (*channel, error) {
	var p provider
	smppSettings, err := s.smpp()
	if err != nil {
		return nil, err
	}
	if smppSettings != nil {
		p, err = openSMPP(ctx, smppSettings, h)
	} else {
		p, err = openOverHTTP(ctx, s, h)
	}
	if err != nil {
		return nil, err
	}
	return &channel{p}, nil
}

// overHTTP is a provider that only answers requests: it has nothing to listen on.
type overHTTP struct {
	sdk.Channel
	sdk.WebhookReceiver
}

// openOverHTTP opens the provider twilio.
func openOverHTTP(ctx context.Context, s settings, h sdk.Host) (provider, error) {
	t, err := s.twilio()
	if err != nil {
		return nil, err
	}
	p, err := openTwilio(ctx, t, h)
	if err != nil {
		return nil, err
	}
	return overHTTP{p, p}, nil
}

// Listen implements sdk.Listener.
func (overHTTP) Listen(ctx context.Context, _ func(context.Context, ...sdk.Event) error) error {
	<-ctx.Done()
	return nil
}
