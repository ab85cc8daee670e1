package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestRow: the README's table of channels says what the channel can do.
func TestRow(t *testing.T) {
	plugintest.Row{
		Channel: "[rtm](plugins/rtm/README.md)", Caps: capabilities(), Takes: "in", In: "REST, MQTT, a widget", Out: "MQTT, REST",
	}.Check(t, "../..")
}
