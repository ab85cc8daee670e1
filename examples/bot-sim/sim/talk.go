package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Reply is one thing that the bot says; one of its members is set, and Buttons
// with Text.
type Reply struct {
	Text    string
	Buttons []string
	Image   string // address
	Typing  bool
	Event   string // name
	Params  map[string]string
	Action  string // of a hand-over: offer, pass, accept, release
	Reason  string
}

// Script is what the bot says; the first rule that fits is taken.
type Script []rule

type rule struct{ match, acts []string }

var actNames = []string{"buttons", "image", "typing", "event", "offer", "pass", "accept", "release"}

// ReadScript reads rules, one a line; talk.txt is an example. name is that of
// the file, for errors.
func ReadScript(name, text string) (Script, error) {
	s := Script{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r, err := readRule(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		s = append(s, r)
	}
	return s, nil
}

func readRule(line string) (r rule, err error) {
	parts := strings.Split(line, "=>")
	if len(parts) < 2 {
		return r, errors.New(`no "=>"; write words => answer`)
	}
	for w := range strings.SplitSeq(parts[0], ",") {
		w = strings.TrimSpace(w)
		if w == "" {
			return r, errors.New("an empty word; write * to match everything")
		}
		r.match = append(r.match, spaced(w))
	}
	for _, act := range parts[1:] {
		act = strings.TrimSpace(act)
		name, _, _ := strings.Cut(strings.TrimPrefix(act, "!"), " ")
		switch {
		case act == "":
			return r, errors.New("an empty act")
		case act[0] == '!' && !slices.Contains(actNames, name):
			return r, fmt.Errorf("unknown act !%s; want one of %s", name, strings.Join(actNames, ", "))
		case name == "buttons" && act[0] == '!' && (len(r.acts) == 0 || r.acts[len(r.acts)-1][0] == '!'):
			return r, errors.New("!buttons does not follow a text")
		}
		r.acts = append(r.acts, act)
	}
	return r, nil
}

// spaced writes a text so that words can be found in it: intents stay as they
// are, without their entities.
func spaced(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if name, _, _ := strings.Cut(text, "{"); strings.HasPrefix(name, "/") || name == "*" {
		return name
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return " " + strings.Join(words, " ") + " "
}

// answer returns what to say to a text or an intent of a customer of that name.
// An event that says who has the conversation is answered by the bot alone.
func (s Script) answer(text, name string) []Reply {
	if forOther(text) {
		return nil
	}
	said := spaced(text)
	intent := strings.HasPrefix(said, "/")
	for _, r := range s {
		for _, m := range r.match {
			if m == said || !intent && (m == "*" || strings.Contains(said, m)) {
				return r.replies(text, name)
			}
		}
	}
	return nil
}

// forOther reports whether an intent such as /chat_closed{"to":"ccsp"} names
// somebody else.
func forOther(text string) bool {
	name, entities, ok := strings.Cut(text, "{")
	if !ok || !strings.HasPrefix(name, "/") {
		return false
	}
	var e struct {
		To string `json:"to"`
	}
	err := json.Unmarshal([]byte("{"+entities), &e)
	return err == nil && e.To != "" && e.To != "bot"
}

func (r rule) replies(text, name string) (all []Reply) {
	if name == "" {
		name = "there"
	}
	fill := strings.NewReplacer("{text}", text, "{name}", name)
	for _, act := range r.acts {
		line, command := strings.CutPrefix(act, "!")
		if !command {
			all = append(all, Reply{Text: fill.Replace(act)})
			continue
		}
		verb, arg, _ := strings.Cut(line, " ")
		arg = strings.TrimSpace(arg)
		switch verb {
		case "buttons":
			for b := range strings.SplitSeq(arg, "|") {
				all[len(all)-1].Buttons = append(all[len(all)-1].Buttons, strings.TrimSpace(b))
			}
		case "image":
			all = append(all, Reply{Image: arg})
		case "typing":
			all = append(all, Reply{Typing: true})
		case "event":
			all = append(all, event(arg, fill))
		default:
			all = append(all, Reply{Action: verb, Reason: arg})
		}
	}
	return all
}

// event reads NAME KEY=VALUE. A value reaches to the end.
func event(arg string, fill *strings.Replacer) Reply {
	name, pair, _ := strings.Cut(arg, " ")
	r := Reply{Event: name, Params: map[string]string{}}
	if k, v, ok := strings.Cut(pair, "="); ok {
		r.Params[strings.TrimSpace(k)] = fill.Replace(v)
	}
	return r
}

// payload is what a button stands for, an intent.
func payload(title string) string {
	return "/" + strings.ReplaceAll(strings.TrimSpace(spaced(title)), " ", "_")
}
