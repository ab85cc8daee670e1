package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestRow: the README's table of channels says what the channel can do.
func TestRow(t *testing.T) {
	plugintest.Row{
		Channel: "[sms](plugins/sms/twilio.md) over Twilio", Caps: viaTwilio("").Capabilities(capabilities()), Takes: "in",
		In: "webhook, signed", Out: "REST API",
	}.Check(t, "../..")
}
