package flow_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

const busy = `
rules:
  - {name: a, on: flow_triggered, when: (event.flowparams.which ?? "") == "a", do: [{flow: {name: a, params: event.flowparams}}]}
  - {name: b, on: flow_triggered, when: (event.flowparams.which ?? "") == "b", do: [{flow: b}]}
  - {name: c, on: customer_message, when: (event.text ?? "") contains "7", do: [{flow: c}]}
flows:
  - name: a
    params: { n: number }
    ends_on: [agent_joined, { keyword: w5 }]
    steps:
      - ask: First?
        accept: reply.text in ["w1", "w2", "w3"]
        within: 2m
        retries: 2
        as: word
        else: [send: Pity.]
      - when: params.n > 2
        then:
          - ask: Second?
            accept: num(reply.text) > 1
            as: number
      - notify: { endpoint: crm, body: { n: "{{ params.n }}" } }
        within: 1m
        as: said
        else: [tag: silent, end]
      - wait: 3m
      - flow: b
  - name: b
    steps:
      - ask: "{{ customer.first_name }}?"
      - send: never
  - name: c
    steps:
      - ask: Third?
        within: 5m
        retries: 1
        accept: reply.text != "w4"
`

// No customer's message is swallowed, whatever happens: the flow takes it and
// says so, or the desk has it.
func TestNoMessageIsSwallowed(t *testing.T) {
	set := compile(t, busy)
	var taken, routed, failed int
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := newLife(t, set)
		for range 150 {
			before := len(l.log)
			switch n := r.IntN(10); {
			case n < 5:
				text := fmt.Sprint("w", r.IntN(9))
				if r.IntN(8) == 0 {
					text = fmt.Sprint(r.IntN(4))
				}
				l.says(text)
				news := strings.Join(l.log[before:], "\n")
				kept := strings.Contains(news, "accepts the reply") || strings.Contains(news, "asks again")
				switch route := l.route(); {
				case route == "flow" && kept:
					taken++
				case route == "ccsp" && !kept:
					routed++
				default:
					t.Fatalf("seed %d: %q went to %q: %s", seed, text, route, news)
				}
			case n == 5:
				l.starts(map[string]string{"which": "a", "n": fmt.Sprint(r.IntN(5))})
			case n == 6:
				l.starts(map[string]string{"which": []string{"a", "b"}[r.IntN(2)]})
			case n == 7:
				l.waits(time.Duration(r.IntN(300)) * time.Second)
			case n == 8 && len(l.asks) > 0:
				l.answers([]conversation.End{conversation.Sent, conversation.Dead}[r.IntN(2)], []string{"{}", ""}[r.IntN(2)])
			default:
				l.event("desk", &pluginv1.Event{Type: sdk.AgentJoined, Ref: l.doc.GetChat().GetRef()})
			}
			for _, line := range l.log[before:] {
				if strings.HasPrefix(line, "error ") {
					failed++
				}
			}
			if f := l.doc.Flow; f != nil && f.DueMs <= l.now.UnixMilli() {
				t.Fatalf("seed %d: nobody will wake the flow: %v", seed, f)
			}
		}
	}
	if taken < 30 || routed < 30 || failed < 30 {
		t.Errorf("a dull life: %d taken, %d routed, %d errors", taken, routed, failed)
	}
}

// route is where the last message went, and makes sure that it did.
func (l *life) route() string {
	i := slices.IndexFunc(l.records, func(r *state.Record) bool { return r.View.Type == sdk.CustomerMessage })
	rec := l.records[i]
	if rec.Route != "ccsp" {
		return rec.Route
	}
	for _, c := range l.commands {
		if (c.Kind == state.CommandKind_CHAT_OPEN_CMD || c.Kind == state.CommandKind_CHAT_SEND) && c.Message.Text == rec.View.Event.Text {
			return "ccsp"
		}
	}
	return "nowhere"
}
