package sdk

import (
	"cmp"
	"net/http"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// ---- from the gateway ----

func customerFrom(c *pluginv1.Customer) Customer {
	if c == nil {
		return Customer{}
	}
	return Customer{
		Address: c.Address, Name: c.Name, FirstName: c.FirstName, LastName: c.LastName,
		Locale: c.Locale, Timezone: c.Timezone, Addresses: c.Addresses, Attributes: c.Attributes,
	}
}

func chatFrom(c *pluginv1.Chat) Chat {
	if c == nil {
		return Chat{}
	}
	return Chat{
		Conversation: c.Conversation, Number: int(c.Number), Ref: ChatRef(c.Ref),
		Customer: customerFrom(c.Customer), Channel: c.Channel, ChannelType: c.ChannelType,
		Service: c.Service, Attributes: c.Attributes, Transcript: linesFrom(c.Transcript),
	}
}

func linesFrom(list []*pluginv1.Line) []Line {
	var out []Line
	for _, l := range list {
		out = append(out, Line{
			At: timeFrom(l.AtMs), Author: AuthorKind(l.Author), Name: l.Name, Text: l.Text,
			Attachments: attachmentsFrom(l.Attachments),
		})
	}
	return out
}

func attachmentsFrom(list []*pluginv1.Attachment) []Attachment {
	var out []Attachment
	for _, a := range list {
		out = append(out, attachmentFrom(a))
	}
	return out
}

func attachmentFrom(a *pluginv1.Attachment) Attachment {
	return Attachment{
		URL: a.GetUrl(), MediaID: a.GetMediaId(), MIME: a.GetMime(), Name: a.GetName(),
		Bytes: int64(a.GetBytes()), Caption: a.GetCaption(),
	}
}

func messageFrom(m *pluginv1.Message) Message {
	if m == nil {
		return Message{Parts: 1, Part: 1, Attempt: 1}
	}
	out := Message{
		ID: m.Id, Text: m.Text, Author: AuthorKind(m.Author),
		Part: max(int(m.Part), 1), Parts: max(int(m.Parts), 1), Attempt: 1,
		Late: m.Late, Resent: m.Resent, URLPush: m.UrlPush, At: timeFrom(m.AtMs),
		ReplyTo: m.ReplyTo, Extras: m.Extras, Copy: m.Copy,
	}
	if m.Agent != nil {
		out.Agent = Agent{ID: m.Agent.Id, Name: m.Agent.Name}
	}
	out.Attachments = attachmentsFrom(m.Attachments)
	for _, q := range m.QuickReplies {
		out.QuickReplies = append(out.QuickReplies, QuickReply{Title: q.Title, Payload: q.Payload})
	}
	return out
}

func timeFrom(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func webhookFrom(w *pluginv1.WebhookRequest) *WebhookRequest {
	r := &WebhookRequest{
		Method: w.GetMethod(), Path: w.GetPath(), Query: w.GetQuery(), Body: w.GetBody(),
		RemoteAddr: w.GetRemoteAddr(), URL: w.GetUrl(), Header: make(http.Header, len(w.GetHeaders())),
	}
	for _, h := range w.GetHeaders() {
		r.Header.Add(h.Name, h.Value)
	}
	return r
}

// ---- to the gateway ----

// known says whether anything is known of the customer.
func (c Customer) known() bool {
	texts := c.Address + c.Name + c.FirstName + c.LastName + c.Locale + c.Timezone
	return texts != "" || len(c.Addresses) > 0 || len(c.Attributes) > 0
}

func (c Customer) proto() *pluginv1.Customer {
	return &pluginv1.Customer{
		Address: valid(c.Address), Name: valid(c.Name), FirstName: valid(c.FirstName),
		LastName: valid(c.LastName), Locale: valid(c.Locale), Timezone: valid(c.Timezone),
		Addresses: validMap(c.Addresses), Attributes: validMap(c.Attributes),
	}
}

func validMap(m map[string]string) map[string]string {
	for k, v := range m {
		if valid(k) != k || valid(v) != v {
			out := make(map[string]string, len(m))
			for k, v := range m {
				out[valid(k)] = valid(v)
			}
			return out
		}
	}
	return m
}

func eventsProto(events []Event) []*pluginv1.Event {
	if len(events) == 0 {
		return nil
	}
	out := make([]*pluginv1.Event, len(events))
	for i := range events {
		out[i] = events[i].proto()
	}
	return out
}

func (e *Event) proto() *pluginv1.Event {
	p := &pluginv1.Event{
		Type: valid(e.Type), Id: valid(e.ID), Ref: valid(cmp.Or(e.Ref, e.CallID)), Text: valid(e.Text),
		MessageId: valid(e.MessageID), Queue: valid(e.Queue), Reason: valid(e.Reason),
		ReasonCode: valid(e.ReasonCode), Kind: valid(e.Kind), From: valid(e.From), To: valid(e.To),
		Status: valid(e.Status), By: valid(e.By), TimedOut: e.TimedOut, EventName: valid(e.EventName),
		Params: validMap(e.Params), Code: valid(e.Code), CallId: valid(e.CallID),
		Digits: valid(e.Digits), Score: e.Score, Comment: valid(e.Comment),
		UrlPush: valid(e.URLPush), Payload: e.Payload, Private: e.Private, Channel: valid(e.Channel),
		EstWait: minutes(e.EstWait), IdleTime: minutes(e.IdleTime), WaitTime: minutes(e.WaitTime),
		Attachments: attachmentsProto(e.Attachments),
	}
	if !e.At.IsZero() {
		p.AtMs = e.At.UnixMilli()
	}
	if e.Customer.known() {
		p.Customer = e.Customer.proto()
	}
	if e.Agent != (Agent{}) {
		p.Agent = &pluginv1.Agent{Id: valid(e.Agent.ID), Name: valid(e.Agent.Name)}
	}
	if e.QuickReply != nil {
		p.QuickReply = &pluginv1.QuickReply{Title: valid(e.QuickReply.Title), Payload: valid(e.QuickReply.Payload)}
	}
	for _, q := range e.QuickReplies {
		p.QuickReplies = append(p.QuickReplies, &pluginv1.QuickReply{Title: valid(q.Title), Payload: valid(q.Payload)})
	}
	if e.Position != nil {
		n := int32(*e.Position)
		p.Position = &n
	}
	if e.Duration != nil {
		s := e.Duration.Seconds()
		p.Duration = &s
	}
	if e.Window != nil {
		p.ReplyWindow = cmp.Or(e.Window.proto(), &pluginv1.ReplyWindow{})
	}
	return p
}

func minutes(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	m := d.Minutes()
	return &m
}

func attachmentsProto(as []Attachment) []*pluginv1.Attachment {
	if len(as) == 0 {
		return nil
	}
	out := make([]*pluginv1.Attachment, len(as))
	for i, a := range as {
		out[i] = &pluginv1.Attachment{
			Url: valid(a.URL), MediaId: valid(a.MediaID), Mime: valid(a.MIME), Name: valid(a.Name),
			Bytes: uint64(max(a.Bytes, 0)), Caption: valid(a.Caption),
		}
	}
	return out
}

func headersProto(h http.Header) []*pluginv1.Header {
	var out []*pluginv1.Header
	for name, values := range h {
		for _, v := range values {
			out = append(out, &pluginv1.Header{Name: name, Value: v})
		}
	}
	return out
}
