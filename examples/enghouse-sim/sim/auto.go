package sim

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// job is what the automatic agent will do in answer to one text.
type job struct {
	id, text string
	due      time.Time
}

// Script is what the automatic agent answers; the first rule that matches is
// taken.
type Script []Rule

// Rule answers texts that contain one of Match, whatever the case. "*" matches
// every text.
type Rule struct {
	Match []string
	Acts  []string
}

// ReadScript reads rules, one a line: words, then one or more acts.
//
//	# Words are separated by commas. {text} and {name} are the customer's.
//	hello, hi => Hello {name}, how can I help?
//	wait      => One moment, please. => !hold
//	back      => !resume => Here I am again.
//	manual    => !push https://example.com/manual
//	bye       => Goodbye! => !close
//	*         => You wrote: {text}
//
// An act is a text, or one of !hold, !resume, !close, !transfer [QUEUE],
// !typing, !push URL and !event NAME.
func ReadScript(r io.Reader, name string) (Script, error) {
	var s Script
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		rule, err := readRule(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		s = append(s, rule)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func readRule(line string) (Rule, error) {
	parts := strings.Split(line, "=>")
	if len(parts) < 2 {
		return Rule{}, fmt.Errorf("no %q; write words => answer", "=>")
	}
	var r Rule
	for w := range strings.SplitSeq(parts[0], ",") {
		w = strings.ToLower(strings.TrimSpace(w))
		if w == "" {
			return Rule{}, fmt.Errorf("an empty word; write * to match everything")
		}
		r.Match = append(r.Match, w)
	}
	for _, p := range parts[1:] {
		p = strings.TrimSpace(p)
		if err := checkAct(p); err != nil {
			return Rule{}, err
		}
		r.Acts = append(r.Acts, p)
	}
	return r, nil
}

func checkAct(text string) error {
	if text == "" {
		return fmt.Errorf("an empty act")
	}
	name, _, isAct := actOf(text)
	if !isAct {
		return nil
	}
	switch name {
	case "hold", "resume", "close", "transfer", "typing", "push", "event":
		return nil
	}
	return fmt.Errorf("unknown act !%s; want hold, resume, close, transfer, typing, push or event", name)
}

// actOf splits "!push URL"; ok is false for a text.
func actOf(text string) (name, arg string, ok bool) {
	rest, ok := strings.CutPrefix(text, "!")
	name, arg, _ = strings.Cut(rest, " ")
	return name, strings.TrimSpace(arg), ok
}

// acts returns what to do about text.
func (s Script) acts(text string) []string {
	lower := strings.ToLower(text)
	for _, r := range s {
		for _, m := range r.Match {
			if m == "*" || strings.Contains(lower, m) {
				return r.Acts
			}
		}
	}
	if s == nil {
		return []string{"{text}"}
	}
	return nil
}

// schedule lets the automatic agent answer text in time. s.mu is held.
func (s *Sim) schedule(c *chat, text string) {
	if s.opts.Auto == nil {
		return
	}
	select {
	case s.todo <- job{c.id, text, s.opts.Now().Add(s.opts.Auto.Delay)}:
	default:
		s.opts.Log.Warn("automatic agent is overloaded, answer dropped", "chat", c.number)
	}
}

// perform takes the chat if it waits, and answers.
func (s *Sim) perform(j job) {
	// A chat that is gone, or that a person has taken or put on hold, is no
	// error: the acts that no longer fit are left out.
	_ = s.Act(j.id, "take", Args{Agent: s.opts.Auto.Name})
	c, _, err := s.Messages(j.id, 1<<30)
	if err != nil || c.Agent != s.opts.Auto.Name {
		return
	}
	fill := strings.NewReplacer("{text}", j.text, "{name}", c.Name, "{number}", strconv.Itoa(c.Number))
	for _, act := range s.opts.Auto.Script.acts(j.text) {
		name, arg, ok := actOf(act)
		if !ok {
			name, arg = "say", fill.Replace(act)
		}
		err := s.Act(j.id, name, Args{Text: textOf(name, arg), URL: arg, Name: arg, Queue: arg, On: true})
		if err != nil {
			s.opts.Log.Debug("act left out", "act", name, "chat", c.Number, "err", err)
		}
	}
}

func textOf(name, arg string) string {
	if name == "say" {
		return arg
	}
	return ""
}
