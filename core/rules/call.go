package rules

import (
	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// call rings somebody up and says or plays something.
type call struct {
	channel   string
	to        *template // nil: the customer
	say, play *template // one of them
}

func (c *call) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Call, Channel: c.channel}
	var err error
	if a.To, err = c.to.filled(e, r, "the number to call"); err != nil {
		return failed(a, err)
	}
	if a.Text, err = c.say.filled(e, r, "what a call says"); err != nil {
		return failed(a, err)
	}
	if c.play != nil {
		file, err := (&attachmentOf{url: c.play}).file(e, r)
		if err != nil {
			return failed(a, err)
		}
		a.Attachments = []*pluginv1.Attachment{file}
	}
	return []core.Action{a}
}

func (l *ruleLoader) call(p pair) action {
	a := &call{}
	at := p.value
	ok := l.keys(p, map[string]func(pair){
		"to":      func(q pair) { a.to = l.templateOf(q) },
		"channel": func(q pair) { a.channel = l.channel(q, "") },
		"say":     func(q pair) { a.say, at = l.templateOf(q), q.value },
		"play":    func(q pair) { a.play = l.address(q) },
	})
	switch {
	case !ok:
		return nil
	case a.say == nil && a.play == nil, a.say != nil && a.say.blank():
		l.src.problem(p.pos, "write say: with a text, or play: with the url of a recording", "a call needs something to say")
		return nil
	case a.say != nil && a.play != nil:
		l.src.problem(p.pos, "", "a call says something or plays something, not both")
	}
	channels, _ := l.goesTo(a.channel, "voice", p)
	for _, name := range channels {
		if !l.canCall(name) {
			l.cannot(p.pos, "", "the channel %q places no calls", name)
		}
		l.whole(name, a.say, l.src.pos(at))
	}
	return a
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
