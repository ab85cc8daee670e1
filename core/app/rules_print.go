package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rules"
)

// printer writes lines of which nothing reaches the terminal as a control
// character.
type printer struct{ strings.Builder }

func (p *printer) line(indent int, format string, args ...any) {
	p.WriteString(strings.Repeat(" ", indent) + printable(fmt.Sprintf(format, args...)) + "\n")
}

func (p *printer) to(w io.Writer) error {
	_, err := io.WriteString(w, p.String())
	return err
}

// head says which event it is and by which rules.
func (a *ruleAnswer) head(p *printer) {
	id := "made up"
	if a.ID != "" {
		id = a.ID + " of " + a.At.Format(time.RFC3339)
	}
	p.line(0, "%s, %s; rules %s", a.Event, id, a.Set)
	for _, n := range a.Notes {
		p.line(0, "note: %s", n)
	}
}

// printWhy prints why each rule, or the one of that name, has its verdict.
func (a *ruleAnswer) printWhy(w io.Writer, only string) error {
	p := &printer{}
	a.head(p)
	found := only == ""
	for _, r := range a.Rules {
		if only != "" && r.Rule != only {
			continue
		}
		found = true
		p.line(0, "")
		at := ""
		if r.At.Line > 0 { // else it is gone
			at = "  (" + r.At.String() + ")"
		}
		p.line(0, "%s%s", r.Rule, at)
		p.line(2, "%s", r.Line)
		if r.When != nil {
			printNode(p, r.When, 4)
		}
	}
	var left []rules.LeftOut
	for _, r := range a.LeftOut {
		if only == "" || r.Rule == only {
			left = append(left, r)
		}
	}
	if len(left) > 0 {
		found = true
		p.line(0, "")
		p.line(0, "left out:")
	}
	for _, r := range left {
		p.line(2, "%s  (%s): %s", r.Rule, r.At, r.Why)
	}
	if !found {
		return a.unknown(only)
	}
	if only == "" || a.acted(only) {
		a.effects(p, only)
	}
	return p.to(w)
}

// acted says whether a rule wanted something done.
func (a *ruleAnswer) acted(rule string) bool {
	return slices.ContainsFunc(a.Actions, func(s rules.Shown) bool { return s.Rule == rule })
}

// unknown says that the rules that were asked have none of that name.
func (a *ruleAnswer) unknown(rule string) error {
	hint := meant(rule, a.names())
	if a.ID == "" {
		return fmt.Errorf("no rule %q is on %s%s", rule, a.Event, hint)
	}
	return fmt.Errorf("no rule %q is on %s in the rules that were asked, %s, about %s of %s; --rules DIR asks others%s",
		rule, a.Event, a.Set, a.ID, a.At.Format(time.RFC3339), hint)
}

// names are those of the rules that were asked, or left out.
func (a *ruleAnswer) names() (list []string) {
	for _, r := range a.Rules {
		list = append(list, r.Rule)
	}
	for _, r := range a.LeftOut {
		list = append(list, r.Rule)
	}
	return list
}

// meant is what stands behind the error that there is no rule of a name.
func meant(rule string, known []string) string {
	if near := diag.Suggest(rule, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

func printNode(p *printer, n *rules.Node, indent int) {
	more := ""
	if n.NotNeeded {
		more = "   not needed"
	}
	if n.NotNeeded && n.Value == nil {
		p.line(indent, "%s%s", n.Source, more)
	} else {
		p.line(indent, "%s → %s%s", n.Source, n.Text(), more)
	}
	for _, q := range n.Parts {
		printNode(p, q, indent+2)
	}
}

// printWhat prints what is done, or would be.
func (a *ruleAnswer) printWhat(w io.Writer, only string) error {
	p := &printer{}
	a.head(p)
	for _, r := range a.Rules {
		if only == "" || r.Rule == only {
			p.line(0, "%s: %s", r.Rule, r.Line)
		}
	}
	a.effects(p, "")
	return p.to(w)
}

// effects are actions and what became of them: all, or those of one rule.
func (a *ruleAnswer) effects(p *printer, only string) {
	other := func(rule string) bool { return only != "" && rule != only }
	p.line(0, "")
	if len(a.Actions) == 0 {
		p.line(0, "actions: none")
	} else {
		p.line(0, "actions:")
	}
	for _, s := range a.Actions {
		if !other(s.Rule) {
			p.line(2, "%s", shownText(s))
		}
	}
	commands := slices.DeleteFunc(slices.Clone(a.Commands), func(c ruleCommand) bool { return other(c.Rule) })
	if len(commands) > 0 {
		p.line(0, "commands:")
	}
	for _, c := range commands {
		who := c.Rule
		if who == "" {
			who = "routing"
		}
		p.line(2, "%d %s: %s", c.Number, who, c.text())
	}
	if len(a.Flows) > 0 {
		p.line(0, "flows:")
	}
	for _, f := range a.Flows {
		p.line(2, "%s", f.text())
	}
	if len(a.Then) > 0 {
		p.line(0, "then: %s", strings.Join(a.Then, ", "))
	}
}

func (f *ruleFlow) text() string {
	s := f.Flow
	if f.Step != "" {
		s += ": " + f.Step
	}
	s += ": " + f.What
	if f.Place != "" {
		s += "  (" + f.Place + ")"
	}
	return s
}

func shownText(s rules.Shown) string {
	if s.Error != "" {
		return s.Rule + ": " + s.Do + " is not done: " + s.Error
	}
	b, err := json.Marshal(s.With)
	if err != nil || s.With == nil {
		return s.Rule + ": " + s.Do
	}
	return s.Rule + ": " + s.Do + " " + string(b)
}

func (a *backtestAnswer) print(w io.Writer) error {
	p := &printer{}
	p.line(0, "%s of %s since %s; draft %s", count(a.Events, "event"), count(a.Conversations, "conversation"), a.Since.Format(time.RFC3339), a.Set)
	if a.Partial {
		p.line(0, "note: time was up before all were looked at; take a shorter --since")
	}
	p.line(0, "note: %s", a.Note)
	for _, c := range a.Rules {
		p.line(2, "%s: %d newly match, %d no longer, %d as before, %d new errors", c.Rule, c.Newly, c.NoLonger, c.Same, c.Errors)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Actions)) {
		p.line(2, "%s: %d would have been done, %d of them by rules that newly match", name, a.Actions[name], a.NewActions[name])
	}
	p.line(0, "%s would have gone out, %d of them by rules that newly match", count(a.Messages, "message"), a.NewMessages)
	if len(a.Samples) > 0 {
		p.line(0, "differences:")
	}
	for _, s := range a.Samples {
		p.line(2, "%s %s %s: %s %s", s.Event, s.Type, s.Rule, strings.ReplaceAll(s.Change, "_", " "), s.Error)
		for _, act := range s.Actions {
			p.line(4, "%s", shownText(act))
		}
	}
	if a.Differences == 0 {
		p.line(0, "no differences")
	}
	return p.to(w)
}

func (h *ruleHistory) print(w io.Writer) error {
	p := &printer{}
	for _, e := range h.Items {
		p.line(0, "%s  %s  %s  %s %s", e.At.Format(time.RFC3339), e.Verdict, e.Type, e.ID, e.Reason+e.Error)
	}
	if len(h.Items) == 0 {
		p.line(0, "%s had no verdict since %s", h.Rule, h.Since.Format(time.RFC3339))
	}
	if h.More > 0 {
		p.line(0, "and %d older ones", h.More)
	}
	if h.Partial {
		p.line(0, "note: time was up before all were looked at; take a shorter --since")
	}
	return p.to(w)
}

func printRules(w io.Writer, list []httpd.Rule, counted bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "RULE\tON\tAT"
	if counted {
		head += "\tMATCHED\tNOT\tERRORS"
	}
	_, _ = fmt.Fprintln(t, head)
	for _, r := range list {
		name := printable(r.Name)
		if r.Disabled != "" {
			name += " (" + r.Disabled + ")"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s:%d", name, r.On, r.At.File, r.At.Line)
		if counted {
			_, _ = fmt.Fprintf(t, "\t%d\t%d\t%d", r.Matched, r.NotMatched, r.Errors)
		}
		_, _ = fmt.Fprintln(t)
	}
	return t.Flush()
}
