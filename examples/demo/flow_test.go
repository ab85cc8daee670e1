package main

import (
	"context"
	"os"
	"strings"
	"testing"
)

const surveyRules = `rules:
  - name: begin
    on: customer_message
    when: (event.text ?? "") == "survey please"
    do: [flow: survey, forward: none]
flows:
  - name: survey
    steps:
      - ask: How was it? 1 to 5.
        accept: reply.text matches "^[1-5]$"
        as: score
      - send: "Thanks for {{ score }}."
`

// A flow goes on with the version that it began with when its file is saved,
// while the gateway runs or is dead; the next one begins with the new version.
func TestFlowAcrossKillAndSave(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, err := newStage(t.TempDir(), built)
	if err != nil {
		t.Fatal(err)
	}
	l := &live{stage: s, t: t}
	save := func(thanks string) {
		text := strings.ReplaceAll(surveyRules, "Thanks", thanks)
		if err := os.WriteFile(s.rules("survey.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("Thanks")
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := l.arrives("webshop", "Ada")
	asks := func(text, want string) {
		t.Helper()
		seen := c.count()
		if _, err := c.write(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		list, err := c.next(t.Context(), seen, 1)
		if err != nil || list[0].Message != want {
			t.Fatalf("%q: the customer got %v, %v; want %q\n%s", text, list, err, want, l.home.LogTail())
		}
	}
	const question = "How was it? 1 to 5."
	asks("survey please", question)
	s.procs["gateway"].Kill()
	save("Many thanks") // while it is dead
	if err := s.startGateway(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	asks("4", "Thanks for 4.")
	asks("survey please", question)
	before := l.hash()
	save("A thousand thanks") // while it runs
	l.until("the new rules are in force", func(context.Context) (bool, error) { return l.hash() != before, nil })
	asks("5", "Many thanks for 5.")
	asks("survey please", question)
	asks("1", "A thousand thanks for 1.")
}

// hash names the rules in force.
func (l *live) hash() string {
	l.t.Helper()
	var set struct{ Hash string }
	if err := l.home.Get(l.t.Context(), "/v1/rules", &set); err != nil {
		l.t.Fatal(err)
	}
	return set.Hash
}
