package conversation

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// inWords returns m as one who has these capabilities can take it: where there
// are no buttons, or too few or too small ones, the quick replies are lines of the
// text, and where a file cannot go its address is. What a person or a bot says is never dropped for its form.
func inWords(m *pluginv1.Message, caps *pluginv1.Capabilities) *pluginv1.Message {
	unfit := func(a *pluginv1.Attachment) bool {
		return (a.Url != "" || a.MediaId != "") && !media.Takes(caps.GetMediaTypes(), a.Mime)
	}
	buttons := len(m.QuickReplies) > 0 && cannotShow(m.QuickReplies, caps) != ""
	files := slices.ContainsFunc(m.Attachments, unfit)
	if !buttons && !files {
		return m
	}
	m = m.CloneVT()
	line := func(text string) {
		if m.Text != "" {
			m.Text += "\n"
		}
		m.Text += text
	}
	if files {
		for _, a := range m.Attachments {
			if unfit(a) {
				line(addressOf(a))
			}
		}
		m.Attachments = slices.DeleteFunc(m.Attachments, unfit)
	}
	if buttons {
		for _, q := range m.QuickReplies {
			line("- " + q.Title)
		}
		m.QuickReplies = nil
	}
	return m
}

// addressOf is where a file is, in words. One that the gateway keeps is named too:
// there may be no link to it.
func addressOf(a *pluginv1.Attachment) string {
	if a.Url != "" || a.MediaId == "" {
		return a.Url
	}
	return cmp.Or(a.Name, a.Mime, "file") + " " + media.LongRef(a.MediaId)
}

// cannotShow says why quick replies cannot be buttons, "" if they can.
func cannotShow(replies []*pluginv1.QuickReply, caps *pluginv1.Capabilities) string {
	most, title := int(caps.GetMaxQuickReplies()), int(caps.GetMaxQuickReplyTitle())
	long := func(q *pluginv1.QuickReply) bool { return utf8.RuneCountInString(q.Title) > title }
	switch {
	case !caps.GetQuickReplies():
		return "quick replies"
	case most > 0 && len(replies) > most:
		return fmt.Sprintf("more than %d quick replies", most)
	case title > 0 && slices.ContainsFunc(replies, long):
		return fmt.Sprintf("a quick reply of more than %d letters", title)
	}
	return ""
}
