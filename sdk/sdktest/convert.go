package sdktest

import (
	"net/http"
	"time"

	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func customerProto(c sdk.Customer) *pluginv1.Customer {
	return &pluginv1.Customer{
		Address: c.Address, Name: c.Name, FirstName: c.FirstName, LastName: c.LastName,
		Locale: c.Locale, Timezone: c.Timezone, Addresses: c.Addresses, Attributes: c.Attributes,
	}
}

func chatProto(c sdk.Chat) *pluginv1.Chat {
	p := &pluginv1.Chat{
		Conversation: c.Conversation, Number: uint32(c.Number), Ref: string(c.Ref),
		Customer: customerProto(c.Customer), Channel: c.Channel, ChannelType: c.ChannelType,
		Service: c.Service, Attributes: c.Attributes,
	}
	for _, l := range c.Transcript {
		line := &pluginv1.Line{Author: pluginv1.AuthorKind(l.Author), Name: l.Name, Text: l.Text,
			Attachments: attachmentsProto(l.Attachments)}
		if !l.At.IsZero() {
			line.AtMs = l.At.UnixMilli()
		}
		p.Transcript = append(p.Transcript, line)
	}
	return p
}

func attachmentsProto(as []sdk.Attachment) (ps []*pluginv1.Attachment) {
	for _, a := range as {
		ps = append(ps, &pluginv1.Attachment{Url: a.URL, MediaId: a.MediaID,
			Mime: a.MIME, Name: a.Name, Bytes: uint64(a.Bytes), Caption: a.Caption})
	}
	return ps
}

func messageProto(m sdk.Message) *pluginv1.Message {
	p := &pluginv1.Message{
		Id: m.ID, Text: m.Text, Author: pluginv1.AuthorKind(m.Author),
		Agent: &pluginv1.Agent{Id: m.Agent.ID, Name: m.Agent.Name},
		Part:  uint32(m.Part), Parts: uint32(m.Parts), Late: m.Late, Resent: m.Resent,
		UrlPush: m.URLPush, ReplyTo: m.ReplyTo, Extras: m.Extras, Copy: m.Copy,
		Attachments: attachmentsProto(m.Attachments),
	}
	if !m.At.IsZero() {
		p.AtMs = m.At.UnixMilli()
	}
	for _, q := range m.QuickReplies {
		p.QuickReplies = append(p.QuickReplies, &pluginv1.QuickReply{Title: q.Title, Payload: q.Payload})
	}
	return p
}

func webhookProto(r *sdk.WebhookRequest) *pluginv1.WebhookRequest {
	p := &pluginv1.WebhookRequest{
		Method: r.Method, Path: r.Path, Query: r.Query, Body: r.Body,
		RemoteAddr: r.RemoteAddr, Url: r.URL,
	}
	if p.Method == "" {
		p.Method = http.MethodPost
	}
	for name, values := range r.Header {
		for _, v := range values {
			p.Headers = append(p.Headers, &pluginv1.Header{Name: name, Value: v})
		}
	}
	return p
}

func eventsFrom(ps []*pluginv1.Event) []sdk.Event {
	var out []sdk.Event
	for _, p := range ps {
		out = append(out, eventFrom(p))
	}
	return out
}

func eventFrom(p *pluginv1.Event) sdk.Event {
	e := sdk.Event{
		Type: p.Type, ID: p.Id, Ref: p.Ref, Text: p.Text, MessageID: p.MessageId, Queue: p.Queue,
		EstWait: duration(p.EstWait, time.Minute), IdleTime: duration(p.IdleTime, time.Minute),
		WaitTime: duration(p.WaitTime, time.Minute), Reason: p.Reason, ReasonCode: p.ReasonCode,
		Kind: p.Kind, From: p.From, To: p.To, Status: p.Status, By: p.By, TimedOut: p.TimedOut,
		EventName: p.EventName, Params: p.Params, Code: p.Code, CallID: p.CallId, Digits: p.Digits,
		Duration: duration(p.Duration, time.Second), Score: p.Score, Comment: p.Comment,
		URLPush: p.UrlPush, Payload: p.Payload, Private: p.Private, Channel: p.Channel,
	}
	if w := p.ReplyWindow; w != nil {
		e.Window = &sdk.ReplyWindow{Open: time.Duration(w.OpenMs) * time.Millisecond,
			Agent: time.Duration(w.AgentMs) * time.Millisecond, Messages: int(w.Messages)}
	}
	if p.AtMs != 0 {
		e.At = time.UnixMilli(p.AtMs)
	}
	if c := p.Customer; c != nil {
		e.Customer = sdk.Customer{Address: c.Address, Name: c.Name, FirstName: c.FirstName,
			LastName: c.LastName, Locale: c.Locale, Timezone: c.Timezone,
			Addresses: c.Addresses, Attributes: c.Attributes}
	}
	if a := p.Agent; a != nil {
		e.Agent = sdk.Agent{ID: a.Id, Name: a.Name}
	}
	if q := p.QuickReply; q != nil {
		e.QuickReply = &sdk.QuickReply{Title: q.Title, Payload: q.Payload}
	}
	for _, q := range p.QuickReplies {
		e.QuickReplies = append(e.QuickReplies, sdk.QuickReply{Title: q.Title, Payload: q.Payload})
	}
	if p.Position != nil {
		n := int(*p.Position)
		e.Position = &n
	}
	for _, a := range p.Attachments {
		e.Attachments = append(e.Attachments, sdk.Attachment{URL: a.Url, MediaID: a.MediaId,
			MIME: a.Mime, Name: a.Name, Bytes: int64(a.Bytes), Caption: a.Caption})
	}
	return e
}

func duration(n *float64, unit time.Duration) *time.Duration {
	if n == nil {
		return nil
	}
	d := time.Duration(*n * float64(unit))
	return &d
}
