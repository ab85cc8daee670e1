package engine

import (
	"maps"

	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// link is a media.Linker: the links are made now.
func (e *Engine) link(id string) (string, bool) {
	if e.Kept == nil {
		return "", false
	}
	kept := e.Kept(id)
	return kept.GetUrl(), kept != nil
}

// linkedTexts is media.Linked for texts that have names, such as attributes. m itself
// is not changed.
func (e *Engine) linkedTexts(m map[string]string) (out map[string]string, changed bool) {
	out = m
	for name, text := range m {
		link := media.Linked(text, e.link)
		if link == text {
			continue
		}
		if !changed {
			out, changed = maps.Clone(m), true
		}
		out[name] = link
	}
	return out, changed
}

// linked returns m with links to the files that the gateway keeps, made now: they
// expire, and a command may have waited long. m itself is not changed.
func (e *Engine) linked(m *pluginv1.Message) *pluginv1.Message {
	if m == nil {
		return nil
	}
	text, push := media.Linked(m.Text, e.link), media.Linked(m.UrlPush, e.link)
	files, changed := e.linkedFiles(m.Attachments)
	extras, more := e.linkedTexts(m.Extras)
	if !changed && !more && text == m.Text && push == m.UrlPush {
		return m
	}
	m = m.CloneVT()
	m.Text, m.UrlPush, m.Attachments, m.Extras = text, push, files, extras
	return m
}

// linkedFiles is linked for files. It fills in what is not known of them. The
// address of one that is elsewhere as well stays.
func (e *Engine) linkedFiles(files []*pluginv1.Attachment) (out []*pluginv1.Attachment, changed bool) {
	if e.Kept == nil {
		return files, false
	}
	for _, a := range files {
		if a.GetMediaId() != "" && a.Url == "" {
			if kept := e.Kept(a.MediaId); kept != nil {
				a, changed = a.CloneVT(), true
				a.Url = kept.Url
				fill(&a.Mime, kept.Mime)
				fill(&a.Name, kept.Name)
				fill(&a.Bytes, kept.Bytes)
			}
		}
		out = append(out, a)
	}
	return out, changed
}

func fill[T comparable](v *T, known T) {
	var none T
	if *v == none {
		*v = known
	}
}

// linkedCustomer is linked for what is known of a customer.
func (e *Engine) linkedCustomer(c *pluginv1.Customer) *pluginv1.Customer {
	if attributes, changed := e.linkedTexts(c.GetAttributes()); changed {
		c = c.CloneVT()
		c.Attributes = attributes
	}
	return c
}

// linkedCall is linked for a call, which nobody else has yet: also what rules have
// made parameters and attributes of is sent to somebody who cannot read a reference.
func (e *Engine) linkedCall(c *pluginv1.Call) *pluginv1.Call {
	c.Message = e.linked(c.Message)
	c.Params, _ = e.linkedTexts(c.Params)
	c.Customer = e.linkedCustomer(c.Customer)
	if c.Chat != nil {
		c.Chat.Attributes, _ = e.linkedTexts(c.Chat.Attributes)
		c.Chat.Customer = e.linkedCustomer(c.Chat.Customer)
	}
	lines := c.GetChat().GetTranscript()
	for i, l := range lines { // the list is the call's own, its lines are the document's
		text := media.Linked(l.Text, e.link)
		if files, changed := e.linkedFiles(l.Attachments); changed || text != l.Text {
			l = l.CloneVT()
			l.Text, l.Attachments = text, files
			lines[i] = l
		}
	}
	return c
}
