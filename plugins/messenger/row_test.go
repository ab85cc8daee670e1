package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestRow: the README's table of channels says what the channel can do.
func TestRow(t *testing.T) {
	plugintest.Row{
		Channel: "[messenger](plugins/messenger/README.md)", Caps: capabilities(), Takes: "in", In: "webhook, signed", Out: "Graph API",
	}.Check(t, "../..")
}
