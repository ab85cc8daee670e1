package flow_test

import (
	"testing"
	"time"
)

const waitingRules = `rules:
  - name: later
    on: customer_message
    when: (event.text ?? "") == "hi"
    after: 15m
    do: [flow: f]
  - name: at once
    on: customer_message
    when: (event.text ?? "") == "ask"
    do: [flow: g]
flows:
  - name: f
    steps:
      - ask: Still there?
        as: reply_text
      - send: "{{ reply_text }}!"
  - name: g
    steps:
      - ask: What?
        within: 1h
`

// A rule that waits begins its flow when its time has come, on the customer's
// message of then; that message is not the reply to any question.
func TestRuleThatWaitsBeginsAFlow(t *testing.T) {
	l := newLife(t, compile(t, waitingRules))
	l.says("hi")
	l.waits(14 * time.Minute)
	l.wants("-> ccsp")
	l.waits(time.Minute)
	l.wants("a.yaml:12:5: begins", "a.yaml:14:9 ask: waits up to 24h for the answer", "-> ", "customer gets Still there?")
	l.says("yes")
	l.wants("a.yaml:14:9 ask: accepts the reply", "a.yaml:16:9 send: done", "a.yaml:12:5: ends", "-> flow", "customer gets yes!")
}

func TestEventThatHasWaitedIsNoReply(t *testing.T) {
	l := newLife(t, compile(t, waitingRules))
	l.says("hi")
	l.waits(10 * time.Minute)
	l.says("ask")
	l.wants("-> ccsp", "a.yaml:17:5: begins", "a.yaml:19:9 ask: waits up to 1h for the answer", "-> ccsp", "customer gets What?")
	l.waits(5 * time.Minute)
	l.wants("a.yaml:12:5: begins", "a.yaml:14:9 ask: waits up to 24h for the answer", `: ends: the flow "f" takes its place`,
		"-> ", "customer gets Still there?")
}
