package rehearse_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/core/rules"
)

// FuzzRun: an event that somebody made up is played, or is the problem of what is
// given; nothing is beyond the gateway.
func FuzzRun(f *testing.F) {
	f.Add(`{"type": "chat_closed", "given": {"service": "retail", "chat": {"state": "closed", "messages": {"agent": 1}}}}`)
	f.Add(`{"type": "customer_message", "text": "hi", "customer": {"address": "x"}, "given": {"service": "demo", "conversation": {"owner": "bot"}}}`)
	f.Add(`{"type": "message_failed", "message_id": "m", "given": {"service": "retail", "channel": "web", "now": "2026-01-05 10:00"}}`)
	f.Add(`{"type": "agent_joined", "agent": "Max", "given": {"service": "retail", "channel_type": "sms", "chat": "none"}}`)
	set, ps := rules.Compile("rules.d", []rules.Source{{Path: "a.yaml", Text: strings.TrimSuffix(retail, "tests:\n")}}, world)
	if len(ps) > 0 {
		f.Fatal(ps)
	}
	s := snap()
	s.Rules = set
	f.Fuzz(func(t *testing.T, text string) {
		e, ps := rules.ParseEvent("e", text)
		if len(ps) > 0 {
			return
		}
		play, err := rehearse.Run(s, &e.Given, e.Events)
		if err != nil {
			if _, ok := errors.AsType[*diag.Problem](err); !ok {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, r := range play.Records {
			set.Explain(r.View)
		}
	})
}
