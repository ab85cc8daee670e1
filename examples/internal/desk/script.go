package desk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
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

// Commands are what a script can do beside saying a text.
type Commands[A any] struct {
	Names []string
	// Read says which of the agent's acts a command is, and what that needs. It
	// also reads say with a text, and Page.Take with the agent's name.
	Read func(name, arg string) (act string, a A, err error)
}

// ReadScript reads rules, one a line: words, then one or more acts.
//
//	# Words are separated by commas. {text} and {name} are the customer's.
//	hello, hi => Hello {name}, how can I help?
//	wait      => One moment, please. => !hold
//	bye       => Goodbye! => !close
//	*         => You wrote: {text}
//
// An act is a text, or one of the commands after a "!".
func ReadScript[A any](r io.Reader, name string, commands Commands[A]) (Script, error) {
	var s Script
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		rule, err := readRule(line, commands)
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

func readRule[A any](line string, commands Commands[A]) (Rule, error) {
	parts := strings.Split(line, "=>")
	if len(parts) < 2 {
		return Rule{}, errors.New(`no "=>"; write words => answer`)
	}
	var r Rule
	for w := range strings.SplitSeq(parts[0], ",") {
		w = strings.ToLower(strings.TrimSpace(w))
		if w == "" {
			return Rule{}, errors.New("an empty word; write * to match everything")
		}
		r.Match = append(r.Match, w)
	}
	for _, p := range parts[1:] {
		p = strings.TrimSpace(p)
		if err := commands.check(p); err != nil {
			return Rule{}, err
		}
		r.Acts = append(r.Acts, p)
	}
	return r, nil
}

func (c Commands[A]) check(line string) error {
	if line == "" {
		return errors.New("an empty act")
	}
	name, arg := command(line)
	if strings.HasPrefix(line, "!") && !slices.Contains(c.Names, name) {
		last := len(c.Names) - 1
		return fmt.Errorf("unknown act !%s; want %s or %s", name, strings.Join(c.Names[:last], ", "), c.Names[last])
	}
	_, _, err := c.Read(name, arg)
	return err
}

// command splits "!push URL"; a text is said.
func command(line string) (name, arg string) {
	rest, ok := strings.CutPrefix(line, "!")
	if !ok {
		return "say", line
	}
	name, arg, _ = strings.Cut(rest, " ")
	return name, strings.TrimSpace(arg)
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
