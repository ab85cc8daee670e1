package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxInMessage bounds the attachments, and the quick replies, of a message.
const maxInMessage = 20

// sendTo begins the names of actions that send on channels of a type.
const sendTo = "send_"

// send is a message to this customer, or to another one.
type send struct {
	text        *template // nil: its attachments alone
	channel     string
	channelType string
	to          *template // nil: the customer
	attachments []attachmentOf
	replies     []replyOf
}

type attachmentOf struct{ url, mime, name *template } // but for the url they may be nil

type replyOf struct{ title, payload *template } // the payload may be nil

func (s *send) run(e *evaluator, r *rule) []core.Action {
	a := core.Action{Rule: r.name, Kind: core.Send, Channel: s.channel, ChannelType: s.channelType}
	var err error
	if a.Text, err = s.text.orNone(e); err != nil {
		return failed(a, err)
	}
	if s.text != nil && strings.TrimSpace(a.Text) == "" {
		return failed(a, diag.Errorf(r.pos, "the text to send is blank"))
	}
	if a.To, err = s.to.filled(e, r, "the address to send to"); err != nil {
		return failed(a, err)
	}
	if a.Attachments, err = files(e, r, s.attachments); err != nil {
		return failed(a, err)
	}
	if a.QuickReplies, err = choices(e, r, s.replies); err != nil {
		return failed(a, err)
	}
	return []core.Action{a}
}

// files are the attachments with their templates filled in.
func files(e *evaluator, r *rule, attachments []attachmentOf) (list []*pluginv1.Attachment, err error) {
	for _, at := range attachments {
		file, err := at.file(e, r)
		if err != nil {
			return nil, err
		}
		list = append(list, file)
	}
	return list, nil
}

// choices are the quick replies with their templates filled in.
func choices(e *evaluator, r *rule, replies []replyOf) (list []*pluginv1.QuickReply, err error) {
	for _, q := range replies {
		reply := &pluginv1.QuickReply{}
		if reply.Title, err = q.title.filled(e, r, "a quick reply"); err != nil {
			return nil, err
		}
		if reply.Payload, err = q.payload.orNone(e); err != nil {
			return nil, err
		}
		list = append(list, reply)
	}
	return list, nil
}

func (at *attachmentOf) file(e *evaluator, r *rule) (*pluginv1.Attachment, error) {
	file := &pluginv1.Attachment{}
	var err error
	if file.Url, err = at.url.filled(e, r, "the url of a file"); err != nil {
		return nil, err
	}
	if id := media.RefID(file.Url); id != "" { // one that the gateway keeps
		file.Url, file.MediaId = "", id
	} else if !isWebAddress(file.Url) {
		return nil, diag.Errorf(r.pos, "the url of a file must begin with https:// or http://")
	}
	if file.Mime, err = at.mime.orNone(e); err != nil {
		return nil, err
	}
	if file.Mime == "" {
		file.Mime = media.TypeOf(file.Url)
	}
	file.Name, err = at.name.orNone(e)
	return file, err
}

// addressOf is the url of a file as rules write it.
func addressOf(a *pluginv1.Attachment) string { return cmp.Or(a.GetUrl(), media.Ref(a.GetMediaId())) }

func isWebAddress(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

// orNone is text, and "" of a template that is not there.
func (t *template) orNone(e *evaluator) (string, error) {
	if t == nil {
		return "", nil
	}
	return t.text(e)
}

// filled is orNone, and an error if there is a template that yields a blank.
func (t *template) filled(e *evaluator, r *rule, what string) (string, error) {
	s, err := t.orNone(e)
	if err == nil && t != nil && strings.TrimSpace(s) == "" {
		err = diag.Errorf(r.pos, "%s is blank", what)
	}
	return s, err
}

// send reads a send, or one of those for channels of a type, such as send_sms.
func (l *ruleLoader) send(p pair) action {
	typ, ok := strings.CutPrefix(p.key, sendTo)
	if !ok {
		typ = ""
	}
	a := &send{channelType: typ}
	textAt := p.value
	if _, isMap := p.value.(*ast.MappingNode); !isMap {
		if a.text = l.templateOf(p); a.text == nil {
			return nil
		}
	} else {
		l.keys(p, map[string]func(pair){
			"text":          func(q pair) { a.text, textAt = l.templateOf(q), q.value },
			"to":            func(q pair) { a.to = l.templateOf(q) },
			"channel":       func(q pair) { a.channel = l.channel(q, typ) },
			"attachments":   func(q pair) { a.attachments = l.attachments(q) },
			"quick_replies": func(q pair) { a.replies = l.replies(q) },
		})
		if a.text == nil && len(a.attachments) == 0 {
			l.src.problem(p.pos, "", "%s needs a text", p.key)
			return nil
		}
	}
	if a.text != nil && a.text.blank() {
		l.src.problem(l.src.pos(textAt), "", "the text to send is empty")
	}
	if a.channel != "" {
		a.channelType = ""
	}
	l.fits(a, p, l.src.pos(textAt))
	return a
}

// attachments reads files to send.
func (l *ruleLoader) attachments(p pair) (list []attachmentOf) {
	nodes, ok := l.src.sequence(p.value, p.key)
	if ok && len(nodes) > maxInMessage {
		l.src.problem(p.pos, "", "a message has at most %d attachments", maxInMessage)
		return nil
	}
	for _, n := range nodes {
		at := attachmentOf{}
		item := pair{"an attachment", l.src.pos(n), n}
		ok := l.keys(item, map[string]func(pair){
			"url":  func(q pair) { at.url = l.address(q) },
			"mime": func(q pair) { at.mime = l.templateOf(q) },
			"name": func(q pair) { at.name = l.templateOf(q) },
		})
		switch {
		case ok && at.url == nil:
			l.src.problem(item.pos, "", "an attachment needs a url")
		case ok:
			list = append(list, at)
		}
	}
	return list
}

// address reads the URL of a file.
func (l *ruleLoader) address(p pair) *template {
	t := l.templateOf(p)
	if t == nil {
		return nil
	}
	if text, ok := t.literal(); ok && !isWebAddress(text) {
		l.src.problem(l.src.pos(p.value), "", "the url of a file must begin with https:// or http://")
	}
	return t
}

// replies reads quick replies: a text is shown and comes back, a title may
// come back as another payload.
func (l *ruleLoader) replies(p pair) (list []replyOf) {
	nodes, ok := l.src.sequence(p.value, p.key)
	if ok && len(nodes) > maxInMessage {
		l.src.problem(p.pos, "", "a message has at most %d quick replies", maxInMessage)
		return nil
	}
	for _, n := range nodes {
		q := replyOf{}
		item := pair{"a quick reply", l.src.pos(n), n}
		if _, isMap := n.(*ast.MappingNode); isMap {
			l.keys(item, map[string]func(pair){
				"title":   func(part pair) { q.title = l.templateOf(part) },
				"payload": func(part pair) { q.payload = l.templateOf(part) },
			})
		} else if q.title = l.templateOf(item); q.title == nil {
			continue // it was no text
		}
		if q.title == nil || q.title.blank() {
			l.src.problem(item.pos, "", "a quick reply needs a title")
			continue
		}
		list = append(list, q)
	}
	return list
}

// literal is the text of a template without expressions.
func (t *template) literal() (string, bool) {
	if t == nil || slices.ContainsFunc(t.parts, func(p part) bool { return p.literal == "" }) {
		return "", false
	}
	return t.constant(), true
}

// constant is what stands in t in any case.
func (t *template) constant() string {
	var b strings.Builder
	if t != nil {
		for _, p := range t.parts {
			b.WriteString(p.literal)
		}
	}
	return b.String()
}

// known is the type of the file as far as it is known at load, else "".
func (at *attachmentOf) known() string {
	if text, ok := at.mime.literal(); ok {
		return text
	}
	if text, ok := at.url.literal(); ok && at.mime == nil {
		return media.TypeOf(text)
	}
	return ""
}

// fits reports what a channel that the message goes to cannot take.
func (l *ruleLoader) fits(a *send, p pair, textAt diag.Pos) {
	goesTo, hint := l.goesTo(a.channel, a.channelType, p)
	if l.ofFlow() && a.channel == "" && a.channelType == "" && a.to == nil {
		l.later(p.pos)
	}
	warned := len(l.src.warnings)
	for _, name := range goesTo {
		if len(l.src.warnings) == warned { // one channel tells enough
			l.inTime(a, name, p.pos)
		}
		caps := l.world.Drivers[name].GetCapabilities()
		if caps == nil {
			continue
		}
		n := len(l.src.problems)
		l.fitFiles(a.attachments, name, caps, p.pos, hint)
		l.fitButtons(a.replies, name, caps, p.pos, hint)
		parts := l.parts(name, a.text)
		switch {
		case parts > 1 && caps.GetOverflow() == pluginv1.Overflow_REFUSE:
			l.cannot(textAt, "shorten it", "the text is too long for the channel %q, which refuses what is over its limit", name)
		case parts >= tooManyParts:
			l.cannot(textAt, "shorten it", "the text will be %s messages on the channel %q", count(parts), name)
		}
		if len(l.src.problems) > n {
			return // one channel tells enough
		}
	}
}

// fitFiles reports the first file that a channel does not take.
func (l *ruleLoader) fitFiles(attachments []attachmentOf, name string, caps *pluginv1.Capabilities, pos diag.Pos, hint string) {
	for _, at := range attachments {
		mime := at.known()
		if media.Takes(caps.GetMediaTypes(), mime) {
			continue
		}
		if mime == "" || len(caps.GetMediaTypes()) == 0 {
			mime = "attachments"
		}
		l.cannot(pos, hint, "the channel %q takes no %s", name, mime)
		return
	}
}

// fitButtons reports quick replies where a channel has none, and those that are
// more, or longer, than it shows.
func (l *ruleLoader) fitButtons(replies []replyOf, name string, caps *pluginv1.Capabilities, pos diag.Pos, hint string) {
	if len(replies) > 0 && !caps.GetQuickReplies() {
		l.cannot(pos, hint, "the channel %q shows no quick replies", name)
	}
	if most := int(caps.GetMaxQuickReplies()); most > 0 && len(replies) > most {
		l.cannot(pos, hint, "the channel %q shows at most %d quick replies", name, most)
	}
	most := int(caps.GetMaxQuickReplyTitle())
	for _, q := range replies {
		if title := q.title.constant(); most > 0 && utf8.RuneCountInString(title) > most {
			l.cannot(pos, hint, "the channel %q shows at most %d letters of a quick reply, and %.60q has more", name, most, title)
			return
		}
	}
}

// tooManyParts is how many messages one text must not be.
const tooManyParts = 4

func count(n int) string {
	if n > 20 {
		return "more than 20"
	}
	return fmt.Sprint(n)
}
