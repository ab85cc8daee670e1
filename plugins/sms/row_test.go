package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestRow: the README's table of channels says what the channel can do.
func TestRow(t *testing.T) {
	smsc := settings{Provider: "smpp", Password: "secret", SMPP: &SMPPSettings{Host: "127.0.0.1", SystemID: "shop", Source: "100"}}
	plugintest.Row{
		Channel: "[sms](plugins/sms/README.md) over SMPP", Caps: smsc.Capabilities(capabilities()), In: "deliver_sm", Out: "submit_sm",
	}.Check(t, "../..")
	plugintest.Row{
		Channel: "[sms](plugins/sms/twilio.md) over Twilio", Caps: viaTwilio("").Capabilities(capabilities()), Takes: "in",
		In: "webhook, signed", Out: "REST API",
	}.Check(t, "../..")
}
