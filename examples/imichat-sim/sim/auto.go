package sim

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

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
//	bye       => Goodbye! => !close
//	*         => You wrote: {text}
//
// An act is a text, or one of !hold, !resume, !close [STATUS], !transfer [TEAM],
// !typing, !note TEXT, !file URL, !event NAME, !flow NAME=VALUE …, !idle MINUTES
// and !unattended MINUTES.
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
		if p == "" {
			return Rule{}, fmt.Errorf("an empty act")
		}
		if _, _, err := actOf(p); err != nil {
			return Rule{}, err
		}
		r.Acts = append(r.Acts, p)
	}
	return r, nil
}

var scriptActs = []string{"hold", "resume", "close", "transfer", "typing", "note", "file", "event", "flow", "idle", "unattended"}

// actOf reads an act of a script: a text is said.
func actOf(text string) (act string, a Args, err error) {
	rest, ok := strings.CutPrefix(text, "!")
	if !ok {
		return "say", Args{Text: text}, nil
	}
	act, arg, _ := strings.Cut(rest, " ")
	arg = strings.TrimSpace(arg)
	if !slices.Contains(scriptActs, act) {
		return "", a, fmt.Errorf("unknown act !%s; want %s", act, strings.Join(scriptActs, ", "))
	}
	switch act {
	case "file":
		return "say", Args{URL: arg}, nil
	case "transfer":
		if arg != "" {
			a.Team, err = strconv.ParseInt(arg, 10, 64)
		}
	case "idle", "unattended":
		a.Minutes, err = strconv.Atoi(arg)
	case "flow":
		a.Params = map[string]string{}
		for pair := range strings.FieldsSeq(arg) {
			k, v, _ := strings.Cut(pair, "=")
			a.Params[k] = v
		}
	default:
		a.Text, a.Name, a.Status, a.On = arg, arg, arg, true
	}
	if err != nil {
		err = fmt.Errorf("!%s %s: no number", act, arg)
	}
	return act, a, err
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
	if s.opts.Auto == nil || len(c.texts) >= maxKept {
		return
	}
	c.texts = append(c.texts, text)
	if len(c.texts) == 1 { // nobody answers just now
		s.background(func() { s.answer(c) })
	}
}

// answer answers c's texts one after the other until there are none.
func (s *Sim) answer(c *chat) {
	for {
		s.mu.Lock()
		text := c.texts[0]
		s.mu.Unlock()
		if !sleep(s.ctx, s.opts.Auto.Delay) {
			return
		}
		s.perform(c.id, text)
		s.mu.Lock()
		c.texts = c.texts[1:]
		done := len(c.texts) == 0
		s.mu.Unlock()
		if done {
			return
		}
	}
}

// perform picks the chat if it waits, and answers.
func (s *Sim) perform(id, text string) {
	// A chat that is gone, or that a person has picked or put on hold, is no
	// error: the acts that no longer fit are left out.
	_ = s.Act(id, "pick", Args{Agent: s.opts.Auto.Name})
	c, _, err := s.Messages(id, 1<<30)
	if err != nil || c.Agent != s.opts.Auto.Name {
		return
	}
	fill := strings.NewReplacer("{text}", text, "{name}", c.Name, "{number}", strconv.Itoa(c.Number))
	for _, line := range s.opts.Auto.Script.acts(text) {
		act, a, err := actOf(line)
		if err == nil {
			a.Text = fill.Replace(a.Text)
			err = s.Act(id, act, a)
		}
		if err != nil {
			s.opts.Log.Debug("act left out", "act", act, "chat", c.Number, "err", err)
		}
	}
}
