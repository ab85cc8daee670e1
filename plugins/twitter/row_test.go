package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestRow: the README's table of channels says what the channel can do.
func TestRow(t *testing.T) {
	plugintest.Row{
		Channel: "[twitter](plugins/twitter/README.md)", Caps: capabilities(), Takes: "in", In: "webhook, both envelopes", Out: "API v2, v1.1",
	}.Check(t, "../..")
}
