package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/agent"
)

// What the admin API says, as far as the demo looks at it.

type ruleSet struct {
	Rules []struct {
		Name    string
		Matched uint64
	}
	Problems []struct {
		File          string
		Line, Column  int
		Summary, Hint string
	}
}

type conversation struct {
	ID    string
	Owner string
	Tags  []string
	Open  []struct{ Command struct{ ID string } } // commands that have not ended
	Chat  struct {
		State   string
		ByAgent int `json:"agent_messages"`
	}
}

type record struct {
	Number   int
	Event    struct{ Type, Name, Text string }
	Verdicts []struct{ Rule, Verdict string }
	Commands []int
}

// conversation returns the customer's of the webshop.
func (p *play) conversation(ctx context.Context) (conversation, error) {
	return p.conversationOf(ctx, p.customer)
}

func (p *play) conversationOf(ctx context.Context, who *customer) (c conversation, err error) {
	var list struct{ Items []conversation }
	if err := p.home.Get(ctx, "/v1/conversations?customer="+url.QueryEscape(who.me.UserID), &list); err != nil {
		return c, err
	}
	if len(list.Items) != 1 {
		return c, fmt.Errorf("the customer has %d conversations, want 1", len(list.Items))
	}
	return c, p.home.Get(ctx, "/v1/conversations/"+list.Items[0].ID, &c)
}

// liveLimit is how soon a saved rule file is live, if the machine is not busy.
const liveLimit = 300 * time.Millisecond

func (p *play) newRule(ctx context.Context) error {
	saved := time.Now()
	if err := os.WriteFile(p.rules("hours.yaml"), []byte(hoursRule), 0o600); err != nil {
		return err
	}
	err := agent.Until(ctx, "the new rule in the API", func(ctx context.Context) (bool, error) {
		var set ruleSet
		err := p.home.Get(ctx, "/v1/rules", &set)
		return set.has("opening hours"), err
	})
	if err != nil {
		return err
	}
	live := time.Since(saved)
	p.say("rules.d/hours.yaml was live %v after it was saved", ms(live))
	if live > liveLimit {
		p.say("that should be less than %v: this machine is busy", liveLimit)
	}
	if err := p.asks(ctx); err != nil {
		return err
	}
	c, err := p.conversation(ctx)
	if err == nil && !slices.Contains(c.Tags, "hours") {
		err = fmt.Errorf("the conversation's tags are %q, want hours among them", c.Tags)
	}
	return err
}

func (s *ruleSet) has(name string) bool {
	for _, r := range s.Rules {
		if r.Name == name {
			return true
		}
	}
	return false
}

// asks has the customer ask what the new rule answers.
func (p *play) asks(ctx context.Context) error {
	seen := p.customer.count()
	if _, err := p.customer.write(ctx, "When are you open?"); err != nil {
		return err
	}
	p.say("customer: When are you open?")
	return p.ruleSays(ctx, seen, "We are open from 9 to 17.")
}

// ruleSays waits for the message of a rule.
func (p *play) ruleSays(ctx context.Context, seen int, want string) error {
	list, err := p.customer.next(ctx, seen, 1)
	if err != nil {
		return err
	}
	if d := list[0]; d.Message != want || d.Author != "rule" {
		return fmt.Errorf("the customer got %q from %s, want %q from a rule", brief(d.Message), d.Author, want)
	}
	p.say("rule: %s", want)
	return nil
}

func (p *play) badRule(ctx context.Context) error {
	file := p.rules("hours.yaml")
	if err := os.WriteFile(file, []byte(brokenRule), 0o600); err != nil {
		return err
	}
	var set ruleSet
	err := agent.Until(ctx, "the problem in the API", func(ctx context.Context) (bool, error) {
		set = ruleSet{}
		err := p.home.Get(ctx, "/v1/rules", &set)
		return len(set.Problems) > 0, err
	})
	if err != nil {
		return err
	}
	b := set.Problems[0]
	p.say("%s:%d:%d: %s; %s", strings.TrimPrefix(b.File, p.home.Dir+"/"), b.Line, b.Column, b.Summary, b.Hint)
	if !strings.HasSuffix(b.File, "hours.yaml") || b.Line != 3 || b.Column != 9 || !strings.Contains(b.Hint, "customer_message") {
		return fmt.Errorf("the problem should be at hours.yaml:3:9 and mean customer_message")
	}
	if err := p.asks(ctx); err != nil {
		return fmt.Errorf("the old rule does not apply any more: %w", err)
	}
	p.say("the old rule stays")
	if err := os.WriteFile(file, []byte(hoursRule), 0o600); err != nil {
		return err
	}
	return agent.Until(ctx, "no problem any more", func(ctx context.Context) (bool, error) {
		set = ruleSet{}
		err := p.home.Get(ctx, "/v1/rules", &set)
		return err == nil && len(set.Problems) == 0, err
	})
}

func (p *play) hold(ctx context.Context) error {
	for _, act := range []struct{ name, rule string }{
		{"hold", "One moment please, Ada."}, {"resume", "Thank you for waiting."},
	} {
		seen := p.customer.count()
		if err := p.agents.Act(ctx, act.name, nil); err != nil {
			return err
		}
		p.say("agent: %s", act.name)
		if err := p.ruleSays(ctx, seen, act.rule); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) closes(ctx context.Context) error {
	seen := p.customer.count()
	if err := p.agents.Act(ctx, "close", nil); err != nil {
		return err
	}
	p.say("agent: close")
	if err := p.ruleSays(ctx, seen, "The chat has ended. Come back any time."); err != nil {
		return err
	}
	return agent.Until(ctx, "the conversation closed and tagged", func(ctx context.Context) (bool, error) {
		c, err := p.conversation(ctx)
		return c.Chat.State == "closed" && slices.Contains(c.Tags, "served"), err
	})
}

// history prints what was decided, many of a kind as one.
func (p *play) history(ctx context.Context) error {
	c, err := p.conversation(ctx)
	if err != nil {
		return err
	}
	records, err := p.records(ctx, c.ID)
	if err != nil {
		return err
	}
	closed := false
	for i := 0; i < len(records); {
		n := i + 1
		for n < len(records) && records[n].Event.Type == records[i].Event.Type && len(records[n].matched()) == 0 {
			n++
		}
		p.tell(records[i], n-i)
		closed = closed || records[i].Event.Type == "chat_closed" && slices.Contains(records[i].matched(), "chat ended")
		i = n
	}
	if !closed {
		return fmt.Errorf("no chat_closed with a match of the rule %q in the history", "chat ended")
	}
	dead, err := p.home.DeadLetters(ctx)
	if err != nil {
		return err
	}
	if len(dead) > 0 {
		return fmt.Errorf("%d dead letters, the first is %s: %s", len(dead), dead[0].ID, dead[0].Reason)
	}
	p.say("%d events in the history, no dead letters", len(records))
	return nil
}

// tell prints a record, and how many like it follow.
func (p *play) tell(r record, alike int) {
	what := r.Event.Type
	if r.Event.Name != "" {
		what += " " + r.Event.Name
	}
	if r.Event.Text != "" {
		what += fmt.Sprintf(" %q", brief(r.Event.Text))
	}
	if m := r.matched(); len(m) > 0 {
		what += "  matched: " + strings.Join(m, ", ")
	} else if n := len(r.Verdicts); n > 0 {
		what += fmt.Sprintf("  (%d rules looked at)", n)
	}
	if alike > 1 {
		what += fmt.Sprintf("  and %d more", alike-1)
	}
	p.say("%3d  %s", r.Number, what)
}

func (r *record) matched() (names []string) {
	for _, v := range r.Verdicts {
		if v.Verdict == "matched" {
			names = append(names, v.Rule)
		}
	}
	return names
}

// records returns the whole history, the oldest first.
func (p *play) records(ctx context.Context, id string) (all []record, err error) {
	for after := ""; ; {
		var page struct {
			Items []struct{ Record *record }
			Next  string
		}
		err := p.home.Get(ctx, "/v1/conversations/"+id+"/history?limit=100&after="+url.QueryEscape(after), &page)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Items {
			if e.Record != nil {
				all = append(all, *e.Record)
			}
		}
		if after = page.Next; after == "" {
			slices.Reverse(all)
			return all, nil
		}
	}
}
