package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestRow: the README's table of channels says what the channel can do.
func TestRow(t *testing.T) {
	byTwilio, bySIP := viaTwilio(""), viaSIP("")
	byTwilio.Twilio.Rate, bySIP.SIP.Rate = 1, 1 // the default
	plugintest.Row{
		Channel: "[voice](plugins/voice/README.md) over Twilio", Caps: byTwilio.Capabilities(capabilities()),
		In: "digits, callers as an event", Out: "calls: say, play, choices",
	}.Check(t, "../..")
	plugintest.Row{
		Channel: "[voice](plugins/voice/sip.md) over SIP", Caps: bySIP.Capabilities(capabilities()),
		In: "digits", Out: "calls: say, play, choices",
	}.Check(t, "../..")
}
