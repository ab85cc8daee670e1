package conversation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/openccsp/gateway/core/split"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// The bounds of what is kept of the talk, beside the service's number of lines.
const (
	maxLine       = 500     // runes of a line's text
	maxLineFiles  = 5       // attachments of a line
	maxTranscript = 8 << 10 // bytes of all lines
	maxLines      = 1 << 10 // more than any service keeps
	customerWrote = pluginv1.AuthorKind_AUTHOR_CUSTOMER
)

// heard keeps what the customer said for the chats to come.
func (t *turn) heard(f *fact) {
	t.said(&pluginv1.Message{Text: textOf(f.ev), Attachments: f.ev.Attachments, Author: customerWrote})
}

// said keeps a line of the talk for the chats to come, where the service wants
// that.
func (t *turn) said(m *pluginv1.Message) {
	limit := t.service().Transcript
	if limit == 0 || m.Text == "" && len(m.Attachments) == 0 {
		return
	}
	name := m.Agent.GetName()
	if m.Author == customerWrote {
		name = t.doc.Customer.GetName()
	}
	line := &state.Said{Record: t.record.GetNumber(), Line: &pluginv1.Line{
		AtMs: t.ms, Author: m.Author, Name: state.CutText(name), Text: firstRunes(m.Text, maxLine),
		Attachments: m.Attachments[:min(len(m.Attachments), maxLineFiles)],
	}}
	t.doc.Transcript = lastLines(append(t.doc.Transcript, line), limit)
}

// lastLines are as many of the last lines as are within the limits.
func lastLines(lines []*state.Said, limit int) []*state.Said {
	lines = lines[max(0, len(lines)-limit):]
	size := 0
	for i, l := range slices.Backward(lines) {
		if size += l.SizeVT(); size > maxTranscript {
			return lines[i+1:]
		}
	}
	return lines
}

// firstRunes returns the first n runes of text, and "…" if there are more.
func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i] + "…"
		}
		n--
	}
	return text
}

// before says how many of the kept lines were said before c's message, which
// a chat gets after them and not among them.
func (t *turn) before(c *state.Command) int {
	record := cmp.Or(c.Record, t.record.GetNumber())
	for i, l := range t.doc.Transcript {
		own := l.Line.Author == customerWrote && c.Message.GetAuthor() == customerWrote
		if record != 0 && (l.Record > record || l.Record == record && own) {
			return i
		}
	}
	return len(t.doc.Transcript)
}

// recall gives the lines before c's message to the chat that c opens. It has
// them until the vendor has taken them.
func (t *turn) recall(c *state.Command) {
	if n := t.before(c); n > 0 {
		t.doc.Chat.Transcript, t.doc.Transcript = t.doc.Transcript[:n:n], t.doc.Transcript[n:]
	}
}

// since returns the lines after a time and before c's message.
func (t *turn) since(ms int64, c *state.Command) []*state.Said {
	lines := t.doc.Transcript[:t.before(c)]
	for i, l := range lines {
		if l.Line.AtMs > ms {
			return lines[i:]
		}
	}
	return nil
}

// unsaid takes back what a chat that has ended was to show and has not: the
// next one does.
func (t *turn) unsaid(chat *state.Chat) {
	if len(chat.Transcript) > 0 {
		limit := cmp.Or(t.service().Transcript, maxLines)
		t.doc.Transcript, chat.Transcript = lastLines(append(chat.Transcript, t.doc.Transcript...), limit), nil
	}
}

// unkeep takes out what the customer said in an event: it comes as a message.
func (t *turn) unkeep(record uint64) {
	t.doc.Transcript = slices.DeleteFunc(t.doc.Transcript, func(l *state.Said) bool {
		return record != 0 && l.Record == record && l.Line.Author == customerWrote
	})
}

// shown notes that the vendor has taken what its chat was to show.
func (t *turn) shown(c *state.Command) {
	all := c.Kind == state.CommandKind_CHAT_OPEN_CMD && !c.Transcript
	if last := c.Transcript && c.Message.GetPart() == c.Message.GetParts(); !all && !last {
		return
	}
	if t.doc.Chat.GetNumber() == c.Chat {
		t.doc.Chat.Transcript = nil
	}
}

// forgetTranscript is for a chat that the vendor would not open: what was to be
// shown may be why, and must not keep the next one from opening.
func (t *turn) forgetTranscript() {
	t.doc.Transcript, t.doc.Chat.Transcript = nil, nil
}

// tellTranscript makes the commands that show the agent what was said before
// c's message, the first of them of c's kind, and says whether there are any. A
// vendor that has a place for it in its open needs none.
func (t *turn) tellTranscript(c *state.Command, lines []*state.Said) bool {
	inst := t.snap.Instances[t.doc.Chat.Integration]
	texts := transcriptTexts(inst, lines)
	if len(texts) == 0 {
		return false
	}
	t.parts(t.inChat(&state.Command{
		Kind: c.Kind, Record: c.Record, Transcript: true,
		Message: &pluginv1.Message{Author: pluginv1.AuthorKind_AUTHOR_SYSTEM, AtMs: t.ms},
	}), texts)
	return true
}

// transcriptTexts are the parts of what is said to the agent, without the
// oldest lines if it were too many.
func transcriptTexts(inst *Instance, lines []*state.Said) []string {
	for ; len(lines) > 0; lines = lines[1:] {
		if texts := split.Text(transcriptText(lines), inst.caps().GetToOutside()); len(texts) <= inst.maxParts() {
			return texts
		}
	}
	return nil
}

var authorWords = map[pluginv1.AuthorKind]string{
	customerWrote:                    "Customer",
	pluginv1.AuthorKind_AUTHOR_AGENT: "Agent",
	pluginv1.AuthorKind_AUTHOR_BOT:   "Bot",
	pluginv1.AuthorKind_AUTHOR_RULE:  "Automatic",
}

// transcriptText is the talk as a text: a line for each.
func transcriptText(lines []*state.Said) string {
	var b strings.Builder
	b.WriteString("What was said before:")
	for _, l := range lines {
		b.WriteString("\n" + authorWords[l.Line.Author])
		if l.Line.Name != "" {
			b.WriteString(" " + l.Line.Name)
		}
		b.WriteString(": " + l.Line.Text)
		for _, a := range l.Line.Attachments {
			b.WriteString(" [" + cmp.Or(a.Name, a.Mime, "file") + "]")
		}
	}
	return b.String()
}

// textOf is what a customer's message says: the title of an answer that was
// chosen, if nothing else.
func textOf(ev *pluginv1.Event) string {
	return cmp.Or(ev.Text, ev.GetQuickReply().GetTitle())
}
