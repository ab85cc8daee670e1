package main

import (
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// TestRow: the README's table of channels says what the channel can do.
func TestRow(t *testing.T) {
	plugintest.Row{
		Channel: "[wechat](plugins/wechat/README.md)", Caps: capabilities(), Takes: "in", In: "XML, plain or AES", Out: "customer service API",
	}.Check(t, "../..")
}
