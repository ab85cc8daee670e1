package sdk

import (
	"maps"
	"slices"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

const (
	sdkVersion = "1.0.0"

	// maxInFlight is how many calls, webhooks and polls a plugin takes at a
	// time; more are answered with a retry.
	maxInFlight = 2048
)

func (p Plugin) manifest() *pluginv1.Manifest {
	m := &pluginv1.Manifest{
		PluginId: p.ID, Version: p.Version,
		SdkName: "openccsp-go", SdkVersion: sdkVersion, SdkLanguage: "go",
		StateSchema: uint32(max(p.StateSchema, 1)),
		MaxInFlight: maxInFlight,
	}
	m.MinStateSchema = m.StateSchema
	if p.MinStateSchema > 0 {
		m.MinStateSchema = uint32(p.MinStateSchema)
	}
	if p.Exclusive {
		m.Handover = pluginv1.Handover_EXCLUSIVE
	}
	for _, d := range p.Drivers {
		kind := pluginv1.DriverKind_CONNECTOR
		if d.channel {
			kind = pluginv1.DriverKind_CHANNEL
		}
		m.Drivers = append(m.Drivers, &pluginv1.Driver{
			Kind: kind, Name: d.name,
			SettingsSchema: string(d.settings.json),
			Capabilities:   d.caps.proto(),
			Abilities:      slices.Sorted(maps.Keys(d.abilities)),
		})
	}
	return m
}

func (c Capabilities) proto() *pluginv1.Capabilities {
	return &pluginv1.Capabilities{
		ChannelType:      c.ChannelType,
		ToOutside:        &pluginv1.TextLimit{Limit: uint32(max(c.Text.Limit, 0)), Unit: pluginv1.TextUnit(c.Text.Unit)},
		MediaTypes:       c.MediaTypes,
		Receipts:         c.Receipts,
		ReceiptsByRef:    c.ReceiptsByRef,
		TypingIn:         c.TypingIn,
		TypingOut:        c.TypingOut,
		TypingTtlMs:      uint32(milliseconds(c.TypingTTL)),
		Events:           c.Events,
		IdempotentSend:   c.IdempotentSend,
		DedupForMs:       milliseconds(c.DedupFor),
		RatePerSecond:    c.Rate,
		Burst:            uint32(max(c.Burst, 0)),
		UndeliveredForMs: milliseconds(c.UndeliveredFor),
		QuickReplies:     c.QuickReplies,
		NeedsPublicUrl:   c.NeedsPublicURL,
		Overflow:         pluginv1.Overflow(c.Overflow),
		Transcript:       c.Transcript,

		MaxAttachmentBytes: uint64(max(c.MaxAttachment, 0)),
		ReplyWindow:        c.Window.proto(),
		MaxQuickReplies:    uint32(max(c.MaxQuickReplies, 0)),
		MaxQuickReplyTitle: uint32(max(c.MaxQuickReplyTitle, 0)),
	}
}

// proto returns nil for the zero value: it has no limits.
func (w ReplyWindow) proto() *pluginv1.ReplyWindow {
	if w == (ReplyWindow{}) {
		return nil
	}
	return &pluginv1.ReplyWindow{
		OpenMs: milliseconds(w.Open), AgentMs: milliseconds(w.Agent), Messages: uint32(max(w.Messages, 0)),
	}
}

// milliseconds rounds up, so that a short wait is not none.
func milliseconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d + time.Millisecond - 1) / time.Millisecond)
}
