package rules

import (
	"strconv"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk"
)

// maxDigits is how many digits a call can wait for.
const maxDigits = 32

// call rings somebody up and says or plays something.
type call struct {
	channel string
	to      *template      // nil: the customer
	say     *template      // nil: its recordings alone
	play    []attachmentOf // after what it says
	replies []replyOf      // a digit for each
	digits  string         // how many it waits for; "": as many as its channel is set to
}

func (c *call) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Call, Channel: c.channel, Digits: c.digits}
	var err error
	if a.To, err = c.to.filled(e, r, "the number to call"); err != nil {
		return failed(a, err)
	}
	if a.Text, err = c.say.filled(e, r, "what a call says"); err != nil {
		return failed(a, err)
	}
	if a.Attachments, err = files(e, r, c.play); err != nil {
		return failed(a, err)
	}
	if a.QuickReplies, err = choices(e, r, c.replies); err != nil {
		return failed(a, err)
	}
	return []core.Action{a}
}

// call reads a call. What it says and plays may also be named as in a send.
func (l *ruleLoader) call(p pair) action {
	a := &call{}
	at, digitsAt := p.value, p.pos
	say := func(q pair) {
		l.twice(q, a.say != nil, "say and text are the same")
		a.say, at = l.templateOf(q), q.value
	}
	play := func(q pair, list []attachmentOf) {
		l.twice(q, len(a.play) > 0, "play is attachments with one file")
		a.play = list
	}
	ok := l.keys(p, map[string]func(pair){
		"to":            func(q pair) { a.to = l.templateOf(q) },
		"channel":       func(q pair) { a.channel = l.channel(q, "") },
		"say":           say,
		"text":          say,
		"play":          func(q pair) { play(q, []attachmentOf{{url: l.address(q)}}) },
		"attachments":   func(q pair) { play(q, l.attachments(q)) },
		"quick_replies": func(q pair) { a.replies = l.replies(q) },
		"digits":        func(q pair) { a.digits, digitsAt = l.digits(q), q.pos },
	})
	switch {
	case !ok:
		return nil
	case a.say == nil && len(a.play) == 0, a.say != nil && a.say.blank():
		l.src.problem(p.pos, "write say: with a text, or play: with the url of a recording", "a call needs something to say")
		return nil
	case len(a.replies) > 0 && a.digits != "":
		l.src.problem(digitsAt, "leave digits out", "who chooses one of the quick_replies presses one digit")
	}
	channels, _ := l.goesTo(a.channel, "voice", p)
	for _, name := range channels {
		if !l.canCall(name) {
			l.cannot(p.pos, "", "the channel %q places no calls", name)
		}
		l.speakable(a, name, p.pos)
		l.whole(name, a.say, l.src.pos(at))
	}
	return a
}

// twice reports the second of two keys that mean the same.
func (l *ruleLoader) twice(q pair, before bool, why string) {
	if before {
		l.src.problem(q.pos, "write one of them", "%s", why)
	}
}

// digits reads how many digits a call waits for.
func (l *ruleLoader) digits(p pair) string {
	sc, ok := l.src.scalar(p.value, p.key)
	if !ok {
		return ""
	}
	n, err := strconv.Atoi(sc.text)
	if err != nil || n < 0 || n > maxDigits {
		l.src.problem(sc.pos, "", "digits is a number from 0 to %d", maxDigits)
		return ""
	}
	return strconv.Itoa(n)
}

// speakable reports what a channel cannot have in a call. A driver that declares no
// types of files is asked: it may play what no message can have.
func (l *ruleLoader) speakable(a *call, name string, pos diag.Pos) {
	caps := l.world.Drivers[name].GetCapabilities()
	if caps == nil || !l.canCall(name) {
		return
	}
	if len(caps.GetMediaTypes()) > 0 {
		l.fitFiles(a.play, name, caps, pos, "")
	}
	l.fitButtons(a.replies, name, caps, pos, "")
}

// whole reports a text that is longer than a channel takes at once.
func (l *ruleLoader) whole(channel string, t *template, pos diag.Pos) {
	if l.parts(channel, t) > 1 {
		l.cannot(pos, "shorten it", "the text is longer than the channel %q takes at once", channel)
	}
}

// push shows something in the customer's app.
type push struct {
	title, text *template // the title may be nil
	data        params
}

func (p *push) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Push}
	var err error
	if a.Title, err = p.title.orNone(e); err != nil {
		return failed(a, err)
	}
	if a.Text, err = p.text.filled(e, r, "the text of a push"); err != nil {
		return failed(a, err)
	}
	if a.Params, err = p.data.texts(e); err != nil {
		return failed(a, err)
	}
	return []core.Action{a}
}

func (l *ruleLoader) push(p pair) action {
	a := &push{}
	at := p.value
	ok := l.keys(p, map[string]func(pair){
		"title": func(q pair) { a.title = l.templateOf(q) },
		"text":  func(q pair) { a.text, at = l.templateOf(q), q.value },
		"data":  func(q pair) { a.data = l.params(q) },
	})
	if !ok {
		return nil
	}
	if a.text == nil || a.text.blank() {
		l.src.problem(p.pos, "", "push needs a text")
		return nil
	}
	for i, key := range a.data.keys {
		if key == sdk.PushTitle {
			l.src.problem(a.data.at[i], "", "the data of a push cannot have a %q; it is a key of push itself", key)
		}
	}
	for _, name := range l.ofType("push", p) {
		l.whole(name, a.text, l.src.pos(at))
	}
	return a
}

// params are named texts.
type params struct {
	keys   []string
	at     []diag.Pos
	values []*template
}

func (p *params) texts(e *evaluator) (map[string]string, error) {
	if len(p.keys) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(p.keys))
	for i, key := range p.keys {
		v, err := p.values[i].text(e)
		if err != nil {
			return nil, err
		}
		out[key] = v
	}
	return out, nil
}

func (l *ruleLoader) params(p pair) (out params) {
	pairs, _ := l.src.mapping(p.value, p.key)
	for _, q := range pairs {
		if t := l.templateOf(q); t != nil {
			out.keys, out.at, out.values = append(out.keys, q.key), append(out.at, q.pos), append(out.values, t)
		}
	}
	return out
}
