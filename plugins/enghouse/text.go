package main

import (
	"fmt"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// agentText is what the agent reads. It is never longer than the far side
// takes, because the rest would vanish there.
func agentText(m sdk.Message) (string, error) {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(m.Text, "\x00", "")) // NUL would end the text over there
	if m.URLPush != "" && !strings.Contains(m.Text, m.URLPush) {
		addLine(&b, m.URLPush)
	}
	for _, f := range m.Attachments {
		addLine(&b, f.Caption)
		if f.URL != "" {
			addLine(&b, f.URL)
		} else {
			addLine(&b, strings.TrimSpace("[file "+f.Name+" "+f.MIME)+"]")
		}
	}
	text := b.String()
	if n := utf16Len(text); n > textLimit {
		return "", sdk.Rejected("too_long", fmt.Sprintf("%d UTF-16 units; the far side cuts at %d", n, textLimit))
	}
	if mark := authorMark(m); text != "" && utf16Len(mark+text) <= textLimit {
		text = mark + text
	}
	return text, nil
}

func addLine(b *strings.Builder, line string) {
	if line == "" {
		return
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(line)
}

// authorMark tells the agent who wrote, where it was not the customer. Copies
// of what rules sent come marked by the gateway.
func authorMark(m sdk.Message) string {
	switch m.Author {
	case sdk.AuthorBot:
		return "[bot] "
	case sdk.AuthorSystem:
		return "[system] "
	case sdk.AuthorAgent:
		return "[" + strings.TrimSpace("agent "+m.Agent.Name) + "] "
	}
	return ""
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
