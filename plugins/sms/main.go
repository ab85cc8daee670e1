// Command sms is the channel of customers who write text messages.
package main

import (
	"context"

	"github.com/openccsp/gateway/sdk"
)

func main() { sdk.Main(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:      "org.openccsp.sms",
		Version: "1.0.0",
		Drivers: []sdk.Driver{sdk.NewChannel("sms", capabilities(), open)},
	}
}

func capabilities() sdk.Capabilities { return sdk.Capabilities{ChannelType: "sms", Receipts: true} }

// provider is the way on which messages go and come.
type provider interface {
	sdk.Channel
	sdk.WebhookReceiver
}

// channel is an instance.
type channel struct{ provider }

func open(ctx context.Context, s settings, h sdk.Host) (*channel, error) {
	t, err := s.twilio()
	if err != nil {
		return nil, err
	}
	p, err := openTwilio(ctx, t, h)
	if err != nil {
		return nil, err
	}
	return &channel{p}, nil
}
