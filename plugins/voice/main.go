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
	var p provider
	var err error
	if s.Provider == providerSIP {
		p, err = openSIP(s.sip(), h)
	} else {
		p, err = openTwilio(ctx, s.twilio(), h)
	}
	if err != nil {
		return nil, err
	}
	return &channel{p}, nil
}

// Listen implements sdk.Listener, for a provider that hears by sockets of its own.
func (c *channel) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	if l, ok := c.provider.(sdk.Listener); ok {
		return l.Listen(ctx, emit)
	}
	<-ctx.Done()
	return nil
}

// CloseInstance implements sdk.Closer.
func (c *channel) CloseInstance(ctx context.Context) error {
	if l, ok := c.provider.(sdk.Closer); ok {
		return l.CloseInstance(ctx)
	}
	return nil
}
