package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
)

// simFlow is what the simulation's customers are asked after their fourth
// message. What the flow takes does not go to the vendor.
const simFlow = `
flows:
  - name: survey
    steps:
      - ask: how was it?
        accept: reply.text contains "-m5"
        within: 1m
        retries: 1
        else: [tag: silent, end]
      - notify: { endpoint: crm, body: {} }
        as: said
        within: 1m
        else: [send: no matter, end]
      - wait: 5s
      - when: said.ok
        then: [send: thank you]
`

// flowsDone says whether no flow is under way.
func (s *sim) flowsDone() bool {
	for _, c := range s.customers {
		if s.document(core.NewConversationID("chan", c.name)).GetFlow() != nil {
			return false
		}
	}
	return true
}

// checkFlows says whether flows ended as they should, and returns the texts
// that they took.
func (s *sim) checkFlows(conv core.ConversationID, dead map[string]bool) (taken []string) {
	s.t.Helper()
	page, err := s.disk.Reader().History(context.Background(), conv, "", 10_000)
	if err != nil {
		s.t.Fatal(err)
	}
	began, ended := 0, 0
	owed := map[string]int{}
	for _, e := range page.Items {
		line := &state.Entry{}
		if err := line.UnmarshalVT(e.Body); err != nil {
			s.t.Fatal(err)
		}
		rec := line.GetRecord()
		kept := false
		for _, d := range rec.GetFlows() {
			switch {
			case d.What == "begins":
				began++
			case strings.HasPrefix(d.What, "ends"), strings.Contains(d.What, "takes its place"):
				ended++
			}
			if d.Step == "ask" && (strings.HasPrefix(d.What, "waits") || strings.Contains(d.What, "asks again")) {
				owed["how was it?"]++
			}
			kept = kept || strings.Contains(d.What, "asks again") || d.What == "accepts the reply"
		}
		if kept != (rec.GetRoute() == "flow") {
			s.t.Errorf("seed %d: %v, and the flow did %v", s.seed, rec.GetRoute(), rec.GetFlows())
		}
		if kept {
			taken = append(taken, rec.View.Event.Text)
		}
	}
	s.count.Flows += began
	s.count.Taken += len(taken)
	if began != ended {
		s.t.Errorf("seed %d: %d flows began and %d ended", s.seed, began, ended)
	}
	for text, n := range owed {
		if got := s.heard(conv, text); got != n && !dead[text] {
			s.t.Errorf("seed %d: the customer got %q %d times, want %d", s.seed, text, got, n)
		}
	}
	for _, text := range taken {
		if i := slices.IndexFunc(s.arrived, func(a arrival) bool {
			return a.where == "vendor" && a.conv == conv.String() && strings.HasPrefix(a.text, text)
		}); i >= 0 {
			s.t.Errorf("seed %d: the flow took %q, and the vendor got it", s.seed, text)
		}
	}
	return taken
}

// heard is how often a customer got a text, repetitions aside.
func (s *sim) heard(conv core.ConversationID, text string) int {
	keys := map[string]bool{}
	for _, a := range s.arrived {
		if a.where == "customer" && a.conv == conv.String() && a.text == text {
			keys[a.key] = true
		}
	}
	return len(keys)
}
