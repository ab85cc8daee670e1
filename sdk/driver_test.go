package sdk_test

import (
	"context"
	"strings"
	"testing"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

// fake is a channel made of functions; nil ones do nothing.
type fake struct {
	host   sdk.Host
	send   func(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error)
	listen func(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error
	poll   func(ctx context.Context, cursor []byte) (sdk.PollResult, error)
	close  func(ctx context.Context) error
}

func (f *fake) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	if f.send == nil {
		return sdk.Receipt{MessageID: "far-" + m.ID}, nil
	}
	return f.send(ctx, to, m)
}

func (f *fake) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	if f.listen == nil {
		<-ctx.Done()
		return nil
	}
	return f.listen(ctx, emit)
}

func (f *fake) PollAccount(ctx context.Context, cursor []byte) (sdk.PollResult, error) {
	if f.poll == nil {
		return sdk.PollResult{Cursor: cursor}, nil
	}
	return f.poll(ctx, cursor)
}

func (f *fake) CloseInstance(ctx context.Context) error {
	if f.close == nil {
		return nil
	}
	return f.close(ctx)
}

type fakeSettings struct {
	Name string `json:"name"`
}

// plugin returns a plugin whose channel "fake" is f.
func (f *fake) plugin() sdk.Plugin {
	return onePlugin(sdk.NewChannel("fake", sdk.Capabilities{ChannelType: "sms"},
		func(_ context.Context, _ fakeSettings, h sdk.Host) (*fake, error) {
			f.host = h
			return f, nil
		}))
}

func (f *fake) start(t *testing.T) *sdktest.Gateway {
	t.Helper()
	return sdktest.Start(t, f.plugin(), "inst", "fake", fakeSettings{})
}

func onePlugin(ds ...sdk.Driver) sdk.Plugin {
	return sdk.Plugin{ID: "org.example.fake", Version: "1.0.0", Drivers: ds}
}

func TestPluginMistakes(t *testing.T) {
	open := func(context.Context, fakeSettings, sdk.Host) (*fake, error) { return &fake{}, nil }
	good := sdk.NewChannel("fake", sdk.Capabilities{}, open)
	for _, test := range []struct {
		plugin sdk.Plugin
		want   string
	}{
		{sdk.Plugin{ID: "acme", Version: "1.0.0", Drivers: []sdk.Driver{good}}, "not reverse DNS"},
		{sdk.Plugin{ID: "org.acme", Version: "1.0", Drivers: []sdk.Driver{good}}, "not semantic"},
		{sdk.Plugin{ID: "org.acme", Version: "1.0.0"}, "no drivers"},
		{onePlugin(good, good), "two have this name"},
		{onePlugin(sdk.Driver{}), "not made by NewChannel"},
		{onePlugin(sdk.NewChannel("Fake", sdk.Capabilities{}, open)), "lower-case word"},
		{sdk.Plugin{ID: "org.acme", Version: "1.0.0", MinStateSchema: 2, Drivers: []sdk.Driver{good}}, "cannot read"},
		{onePlugin(sdk.NewChannel("fake", sdk.Capabilities{},
			func(context.Context, string, sdk.Host) (*fake, error) { return nil, nil })), "not a struct"},
	} {
		err := test.plugin.Serve(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}

// TestHiddenAbility: a driver whose open returns the plain interface would
// never be asked for what it can do beyond it.
func TestHiddenAbility(t *testing.T) {
	p := onePlugin(sdk.NewChannel("fake", sdk.Capabilities{},
		func(context.Context, fakeSettings, sdk.Host) (sdk.Channel, error) { return &fake{}, nil }))
	g := sdktest.Start(t, onePlugin(sdk.NewChannel("fake", sdk.Capabilities{},
		func(context.Context, fakeSettings, sdk.Host) (sdk.Channel, error) { return plain{}, nil })),
		"inst", "fake", fakeSettings{})
	if _, err := g.Send(t.Context(), sdk.Customer{Address: "a"}, sdk.Message{}); err != nil {
		t.Errorf("a plain channel: %v", err)
	}
	hidden := sdktest.StartError(t, p, "inst", "fake", fakeSettings{})
	if hidden == nil || !strings.Contains(hidden.Error(), `hides the ability "listen" of *sdk_test.fake`) {
		t.Errorf("a hidden ability: %v", hidden)
	}
}

type plain struct{}

func (plain) Send(context.Context, sdk.Customer, sdk.Message) (sdk.Receipt, error) {
	return sdk.Receipt{}, nil
}
