// Command voice is the channel of phone calls that rules place: it says a text or
// plays a recording, and tells what became of the call. README.md has the rest.
package main

import (
	"context"

	"github.com/openccsp/gateway/sdk"
)

func main() { sdk.Main(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:      "org.openccsp.voice",
		Version: "1.0.0",
		Drivers: []sdk.Driver{sdk.NewChannel("voice", capabilities(), open)},
	}
}

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{ChannelType: "voice", MediaTypes: []string{"audio/*"}}
}

// provider is the way on which calls go.
type provider interface {
	sdk.Channel
	sdk.Caller
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
