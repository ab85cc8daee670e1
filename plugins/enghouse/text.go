package main

import (
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// agentText is what the agent reads.
func agentText(m sdk.Message) (string, error) {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(m.Text, "\x00", "")) // NUL would end the text over there
	if m.URLPush != "" && !strings.Contains(m.Text, m.URLPush) {
		ccsp.AddLine(&b, m.URLPush)
	}
	for _, f := range m.Attachments {
		ccsp.AddFile(&b, f)
	}
	return ccsp.Marked(m, b.String(), textLimit)
}
