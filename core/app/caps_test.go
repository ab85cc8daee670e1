package app

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestDispatchOverridesTheDriver(t *testing.T) {
	own := &pluginv1.Driver{Name: "sms", Capabilities: &pluginv1.Capabilities{
		ChannelType: "sms", ToOutside: &pluginv1.TextLimit{Limit: 160, Unit: pluginv1.TextUnit_GSM7}, Overflow: pluginv1.Overflow_REFUSE,
		RatePerSecond: 10, Burst: 5,
	}}
	limit := func(n uint32, unit pluginv1.TextUnit, o pluginv1.Overflow) *pluginv1.Driver {
		d := own.CloneVT()
		d.Capabilities.ToOutside, d.Capabilities.Overflow = &pluginv1.TextLimit{Limit: n, Unit: unit}, o
		return d
	}
	paced := func(rate float64, burst uint32) *pluginv1.Driver {
		d := own.CloneVT()
		d.Capabilities.RatePerSecond, d.Capabilities.Burst = rate, burst
		return d
	}
	tests := []struct {
		name     string
		dispatch config.Dispatch
		want     *pluginv1.Driver
	}{
		{"nothing", config.Dispatch{}, own},
		{"a limit in the driver's unit", config.Dispatch{TextLimit: 300}, limit(300, pluginv1.TextUnit_GSM7, pluginv1.Overflow_REFUSE)},
		{"and another unit", config.Dispatch{TextLimit: 300, TextUnit: "byte"}, limit(300, pluginv1.TextUnit_BYTE, pluginv1.Overflow_REFUSE)},
		{"a rate", config.Dispatch{Rate: 0.5}, paced(0.5, 5)},
		{"a burst", config.Dispatch{Burst: 20}, paced(10, 20)},
		{"both", config.Dispatch{Rate: 100, Burst: 1}, paced(100, 1)},
		{"overflow alone", config.Dispatch{Overflow: config.SplitTexts}, limit(160, pluginv1.TextUnit_GSM7, pluginv1.Overflow_SPLIT)},
	}
	before := own.CloneVT()
	for _, tt := range tests {
		got := inForce(own, &config.Instance{Dispatch: tt.dispatch})
		if d := cmp.Diff(tt.want, got, protocmp.Transform()); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
	if d := cmp.Diff(before, own, protocmp.Transform()); d != "" {
		t.Errorf("the driver's own manifest was changed:\n%s", d)
	}
	if got := inForce(nil, &config.Instance{Dispatch: config.Dispatch{TextLimit: 5}}); got != nil {
		t.Errorf("a driver that nobody offered is %v", got)
	}
}

// Every unit that gateway.hcl knows is one of the protocol's, and the reverse.
func TestTextUnits(t *testing.T) {
	seen := map[pluginv1.TextUnit]bool{}
	for _, unit := range config.TextUnits {
		l, set := textLimit(nil, &config.Instance{Dispatch: config.Dispatch{TextLimit: 5, TextUnit: unit}})
		if seen[l.GetUnit()] || !set {
			t.Errorf("%s is %v, as another one is", unit, l)
		}
		seen[l.GetUnit()] = true
	}
	if len(seen) != len(pluginv1.TextUnit_name) {
		t.Errorf("units %v, want all of %v", seen, pluginv1.TextUnit_name)
	}
}

// A limit that changes has the instance opened anew: its driver is told.
func TestTextLimitIsOfTheRevision(t *testing.T) {
	c := &config.Config{}
	plain := hostInstance(c, &config.Instance{Name: "sms", Driver: "sms"}, nil, nil)
	limited := hostInstance(c, &config.Instance{Name: "sms", Driver: "sms", Dispatch: config.Dispatch{TextLimit: 5}}, nil, nil)
	if plain.Revision == limited.Revision || plain.TextLimit != nil || limited.TextLimit.GetLimit() != 5 {
		t.Errorf("instances %+v, %+v", plain, limited)
	}
}

func TestMediaNarrowsTheDriver(t *testing.T) {
	tests := []struct {
		name      string
		types     []string
		most      uint64
		media     config.InstanceMedia
		wantTypes []string
		wantMost  uint64
	}{
		{"nothing", []string{"image/*"}, 9, config.InstanceMedia{}, []string{"image/*"}, 9},
		{"one of a class", []string{"image/*", "video/mp4"}, 0, config.InstanceMedia{Types: []string{"image/png"}}, []string{"image/png"}, 0},
		{"a class of one", []string{"image/png", "video/mp4"}, 0, config.InstanceMedia{Types: []string{"image/*"}}, []string{"image/png"}, 0},
		{"no files", []string{"*/*"}, 0, config.InstanceMedia{Types: []string{}}, nil, 0},
		{"what the driver does not take", []string{"image/*"}, 0, config.InstanceMedia{Types: []string{"audio/*"}}, nil, 0},
		{"a driver without files", nil, 0, config.InstanceMedia{Types: []string{"image/*"}}, nil, 0},
		{"a smaller size", []string{"*/*"}, 9, config.InstanceMedia{MaxFile: 5}, []string{"*/*"}, 5},
		{"a larger size", []string{"*/*"}, 9, config.InstanceMedia{MaxFile: 50}, []string{"*/*"}, 9},
		{"a size where there was none", []string{"*/*"}, 0, config.InstanceMedia{MaxFile: 5}, []string{"*/*"}, 5},
	}
	for _, tt := range tests {
		own := &pluginv1.Driver{Capabilities: &pluginv1.Capabilities{MediaTypes: tt.types, MaxAttachmentBytes: tt.most}}
		got := inForce(own, &config.Instance{Media: tt.media}).Capabilities
		if !slices.Equal(got.MediaTypes, tt.wantTypes) || got.MaxAttachmentBytes != tt.wantMost {
			t.Errorf("%s: got %q, %d bytes; want %q, %d", tt.name, got.MediaTypes, got.MaxAttachmentBytes, tt.wantTypes, tt.wantMost)
		}
		if !slices.Equal(own.Capabilities.MediaTypes, tt.types) {
			t.Errorf("%s: the driver's own types are now %q", tt.name, own.Capabilities.MediaTypes)
		}
	}
}

// What an instance can do with its settings takes the place of what its driver
// can, for that instance and as long as it has that driver.
func TestCapabilitiesOfTheInstance(t *testing.T) {
	caps := func(limit uint32) *pluginv1.Capabilities {
		return &pluginv1.Capabilities{ChannelType: "sms", ToOutside: &pluginv1.TextLimit{Limit: limit}}
	}
	o := offered{
		manifests: []*pluginv1.Manifest{{Drivers: []*pluginv1.Driver{
			{Name: "sms", Kind: pluginv1.DriverKind_CHANNEL, Capabilities: caps(160), Abilities: []string{"webhook"}},
			{Name: "other", Kind: pluginv1.DriverKind_CHANNEL, Capabilities: caps(10)},
		}}},
		own: map[string]*pluginv1.Driver{"twilio": {Name: "sms", Capabilities: caps(1600)}},
	}
	tests := []struct {
		what string
		of   config.Instance
		want uint32
	}{
		{"an instance that has not been open", config.Instance{Name: "smpp", Driver: "sms"}, 160},
		{"one with its own", config.Instance{Name: "twilio", Driver: "sms"}, 1600},
		{"the operator has the last word", config.Instance{Name: "twilio", Driver: "sms", Dispatch: config.Dispatch{TextLimit: 70}}, 70},
		{"it has another driver by now", config.Instance{Name: "twilio", Driver: "other"}, 10},
	}
	for _, tt := range tests {
		tt.of.Kind = config.Channel
		in := newInstance(&setup{Config: &config.Config{}}, &tt.of, o)
		if got := in.Caps.GetToOutside().GetLimit(); got != tt.want {
			t.Errorf("%s: limit %d, want %d", tt.what, got, tt.want)
		}
		c := &config.Config{Channels: []*config.Instance{&tt.of}}
		if got := rulesWorld(c, o).Drivers[tt.of.Name].GetCapabilities().GetToOutside().GetLimit(); got != tt.want {
			t.Errorf("%s: rules know of limit %d, want %d", tt.what, got, tt.want)
		}
	}
	if got := o.own["twilio"].Capabilities.ToOutside.Limit; got != 1600 {
		t.Errorf("what the host has was changed to %d", got)
	}
}
