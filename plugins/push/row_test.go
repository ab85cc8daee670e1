package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestRow: the README's table of channels says what the channel can do.
func TestRow(t *testing.T) {
	plugintest.Row{
		Channel: "[push](plugins/push/README.md)", Caps: capabilities(), In: "apps register tokens", Out: "FCM v1, APNs",
	}.Check(t, "../..")
}
