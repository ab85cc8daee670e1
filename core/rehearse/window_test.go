package rehearse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/rehearse"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const late = `
rules:
  - name: news
    on: custom_event
    event_name: news
    when: conversation.can_reply
    do: [{ send: News }]
  - name: news by sms
    on: custom_event
    event_name: news
    when: not conversation.can_reply
    do: [{ tag: by sms }]
  - name: regardless
    on: custom_event
    event_name: anyway
    do: [{ send: "Until {{ conversation.reply_until ?? \"then\" }}" }, { tag: x }]
tests:
`

// A test's customer can be written to, for as long as the channel takes that,
// unless the test says otherwise; what comes too late is not done.
func TestReplyWindows(t *testing.T) {
	s := snap()
	s.Instances["web"].Caps.ReplyWindow = &pluginv1.ReplyWindow{OpenMs: uint64(time.Hour.Milliseconds())}
	pass := load(t, late+`
  - name: open
    given: { service: retail, channel: web }
    events: [{ type: custom_event, event_name: news }]
    expect: [{ rule: news, send: News }]
  - name: closed after an hour
    given: { service: retail, channel: web }
    events: [{ at: +61m, type: custom_event, event_name: news }]
    expect: [{ rule: news by sms, tag: by sms }]
  - name: the customer writes again
    given: { service: retail, channel: web, conversation: { reply_window: closed } }
    events: [{ type: customer_message, text: hi }, { at: +1m, type: custom_event, event_name: news }]
    expect: [{ rule: news, send: News }]
  - name: closed, which this rule does not look at
    given: { service: retail, channel: web, conversation: { reply_window: closed } }
    events: [{ type: custom_event, event_name: anyway }]
    expect: [{ rule: regardless, tag: x }]
  - name: closed on a channel whose plugin nobody knows
    given: { service: retail, channel_type: facebook, conversation: { reply_window: closed } }
    events: [{ type: custom_event, event_name: news }]
    expect: [{ rule: news, not: matched, because: conversation.can_reply }, { rule: news by sms, tag: by sms }]
`)
	if ps := rehearse.Problems(rehearse.Tests(s, pass)); len(ps) > 0 {
		t.Error(ps)
	}
	fail := load(t, late+`
  - name: too late
    given: { service: retail, channel: web, conversation: { reply_window: closed } }
    events: [{ type: custom_event, event_name: anyway }]
    expect: [{ rule: regardless, send: "Until then" }, { rule: regardless, tag: x }]
`)
	ps := rehearse.Problems(rehearse.Tests(s, fail))
	if len(ps) != 1 || !strings.Contains(ps[0].Hint, "the reply window is closed (window_closed)") {
		t.Errorf("problems %v", ps)
	}
}
