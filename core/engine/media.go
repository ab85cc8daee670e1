package engine

import (
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

// linked returns m with links to the files that the gateway keeps, made now: they
// expire, and a command may have waited long. m itself is not changed.
func (e *Engine) linked(m *pluginv1.Message) *pluginv1.Message {
	if m == nil {
		return nil
	}
	text, push := media.Linked(m.Text, e.link), media.Linked(m.UrlPush, e.link)
	files, changed := e.linkedFiles(m.Attachments)
	if !changed && text == m.Text && push == m.UrlPush {
		return m
	}
	m = m.CloneVT()
	m.Text, m.UrlPush, m.Attachments = text, push, files
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

// linkedCall is linked for a call, which nobody else has yet.
func (e *Engine) linkedCall(c *pluginv1.Call) *pluginv1.Call {
	c.Message = e.linked(c.Message)
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
