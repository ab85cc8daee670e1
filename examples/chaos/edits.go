package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// edits saves the rules again and again, one time in four with a mistake, in
// the ways in which editors and deployments save. What is right must be in force
// soon, what is wrong must leave the rules before in force and be told, and
// each event must be decided by one edition.
func edits(ctx context.Context, r *run) error {
	a, err := r.open(r.dir, setup{more: smallBallast, rules: map[string]string{"edited.yaml": edition(0)}})
	if err != nil {
		return err
	}
	defer func() { a.close(r) }()
	e := &editor{a: a}
	rounds := r.doses(1000)
	err = r.underLoad(ctx, a, func() error {
		for n := 1; n <= rounds; n++ {
			if err := e.edit(ctx, n); err != nil {
				return fmt.Errorf("edit %d: %w", n, err)
			}
		}
		return nil
	})
	r.dosed = fmt.Sprintf("%d edits, %d of them with a mistake", rounds, e.mistakes)
	r.note("in force after %s; refused after %s", percentiles(e.live), percentiles(e.refused))
	if err != nil {
		return err
	}
	return e.judge(ctx)
}

// edition is a rule file with a number in both of its rules. The third rule
// finds out whether the two were not of the same edition at the event before.
func edition(n int) string {
	return fmt.Sprintf(`rules:
  - { name: left, on: customer_message, do: [{ set: { left: "%[1]d" } }] }
  - { name: right, on: customer_message, do: [{ set: { right: "%[1]d" } }] }
  - name: halves
    on: customer_message
    when: conversation.attributes.left != conversation.attributes.right
    do: [{ tag: halves }]
`, n)
}

// mistakes make an edition one that must not go live.
var mistakes = []func(text string) string{
	func(text string) string { return strings.Replace(text, "attributes.left", "atributes.left", 1) },
	func(text string) string { return text[:len(text)-len("tag: halves }]\n")] },
	func(text string) string {
		return text + "tests: [{ name: fails, given: { service: service0 }, events: [{ type: customer_message, text: hi }], expect: [] }]\n"
	},
}

// editor edits the rules of a gateway.
type editor struct {
	a             *attacked
	hash          string // of the edition in force
	mistakes      int
	live, refused []time.Duration
}

func (e *editor) edit(ctx context.Context, n int) error {
	text, wrong := edition(n), n%4 == 0
	if wrong {
		text = mistakes[e.mistakes%len(mistakes)](text)
		e.mistakes++
	}
	if e.hash == "" {
		set, err := e.set(ctx)
		if err != nil {
			return err
		}
		e.hash = set.Hash
	}
	began := time.Now()
	if err := e.save(n, text); err != nil {
		return err
	}
	var set ruleSet
	what := "the rules are in force"
	if wrong {
		what = "the mistake is told"
	}
	err := e.a.until(ctx, what, func() (bool, error) {
		var err error
		set, err = e.set(ctx)
		if wrong {
			return len(set.Problems) > 0, err
		}
		return set.Hash != e.hash && len(set.Problems) == 0, err
	})
	switch took := time.Since(began); {
	case err != nil:
		return err
	case !wrong:
		e.live, e.hash = append(e.live, took), set.Hash
	default:
		e.refused = append(e.refused, took)
		if set.Hash != e.hash {
			e.a.problem("edit %d: rules with a mistake are in force", n)
		}
		if p := set.Problems[0]; p.Line == 0 || !strings.HasSuffix(p.File, "edited.yaml") {
			e.a.problem("edit %d: the problem has no place: %+v", n, p)
		}
	}
	return nil
}

// save writes the file in one of the ways in which files are written.
func (e *editor) save(n int, text string) error {
	path := e.a.home.Path("rules.d", "edited.yaml")
	if n%3 == 0 { // over the old one
		_ = os.Remove(path) // it may be a link
		return os.WriteFile(path, []byte(text), 0o600)
	}
	beside := e.a.home.Path(fmt.Sprintf("edition%d.yaml", n))
	if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
		return err
	}
	if n%3 == 1 {
		return os.Rename(beside, path)
	}
	link := filepath.Join(filepath.Dir(path), ".next")
	if err := os.Symlink(beside, link); err != nil {
		return err
	}
	return os.Rename(link, path)
}

// ruleSet is of GET /v1/rules.
type ruleSet struct {
	Hash     string
	Problems []struct {
		File, Summary string
		Line          int
	}
	Rules []struct {
		Name                        string
		Matched, NotMatched, Errors uint64
	}
}

func (e *editor) set(ctx context.Context) (set ruleSet, err error) {
	return set, e.a.home.Get(ctx, "/v1/rules", &set)
}

// judge compares how often the rules of one file matched.
func (e *editor) judge(ctx context.Context) error {
	set, err := e.set(ctx)
	if err != nil {
		return err
	}
	matched := map[string]uint64{}
	for _, r := range set.Rules {
		matched[r.Name] = r.Matched
		if r.Errors > 0 {
			e.a.problem("rule %s failed %d times", r.Name, r.Errors)
		}
	}
	if matched["left"] == 0 || matched["left"] != matched["right"] {
		e.a.problem("the rules of one file matched %d and %d times", matched["left"], matched["right"])
	}
	if matched["halves"] > 0 {
		e.a.problem("%d events were decided by halves of two editions", matched["halves"])
	}
	if half := percentile(e.live, 50); half > bar(liveWithin) {
		e.a.problem("half of the rules were in force after more than %v, want within %v", half, liveWithin)
	}
	return nil
}

// liveWithin is the bar for rules to be in force after they were saved, with
// the asking for it, and with 500 messages a second beside it.
const liveWithin = 300 * time.Millisecond
