package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// rasa is the profile of Rasa's channels rest and callback, as of Rasa 3.
type rasa struct{ cfg config }

// rasaMessage is what both channels take.
type rasaMessage struct {
	Sender   string       `json:"sender"`
	Message  string       `json:"message"`
	Metadata rasaMetadata `json:"metadata"`
}

// rasaMetadata is for the bot's author: Rasa keeps it with the message.
type rasaMetadata struct {
	MessageID   string            `json:"message_id,omitempty"`
	Event       string            `json:"event,omitempty"`
	Author      string            `json:"author,omitempty"`
	Agent       string            `json:"agent,omitempty"`
	Copy        bool              `json:"copy,omitempty"`
	Resent      bool              `json:"resent,omitempty"`
	Late        bool              `json:"late,omitempty"`
	Part        int               `json:"part,omitempty"`
	Parts       int               `json:"parts,omitempty"`
	At          string            `json:"at,omitempty"`
	QuickReply  *wireReply        `json:"quick_reply,omitempty"`
	Attachments []wireAttachment  `json:"attachments,omitempty"`
	Channel     string            `json:"channel,omitempty"`
	ChannelType string            `json:"channel_type,omitempty"`
	Service     string            `json:"service,omitempty"`
	Customer    wireCustomer      `json:"customer"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

func (r *rasa) address(path string) string {
	u := *r.cfg.url
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/webhooks/"+r.cfg.Channel+"/"+path, ""
	return u.String()
}

// request is a message to Rasa. What it answers has ids made of id.
func (r *rasa) request(ref, id, text string, m rasaMetadata) (*request, error) {
	body, err := ccsp.JSON(rasaMessage{Sender: ref, Message: text, Metadata: m})
	if err != nil {
		return nil, sdk.Rejected("message", "the message cannot be written as JSON")
	}
	q := &request{method: http.MethodPost, url: r.address("webhook"), header: http.Header{}, body: body, id: id, ref: ref}
	r.authorize(q)
	return q, nil
}

func (r *rasa) authorize(q *request) {
	if r.cfg.Authorization != "" {
		q.header.Set("Authorization", r.cfg.Authorization)
	}
}

// message implements profile. Rasa does not know copies: it would answer.
func (r *rasa) message(ref string, chat sdk.Chat, m sdk.Message) (*request, error) {
	if m.Copy && !r.cfg.Copies {
		return nil, nil
	}
	text := r.text(m)
	if strings.TrimSpace(text) == "" {
		return nil, sdk.Rejected("no_text", "the message has nothing that Rasa could read")
	}
	meta := rasaMetadata{MessageID: m.ID, Copy: m.Copy, Resent: m.Resent, Late: m.Late, QuickReply: chosen(m),
		Attachments: attachments(m), Agent: m.Agent.Name, At: stamp(m.At)}
	if m.Author != sdk.AuthorCustomer {
		meta.Author = author(m.Author)
	}
	if m.Parts > 1 {
		meta.Part, meta.Parts = m.Part, m.Parts
	}
	r.place(&meta, chat)
	return r.request(ref, m.ID, text, meta)
}

// place says where the conversation is, and with whom.
func (r *rasa) place(meta *rasaMetadata, chat sdk.Chat) {
	meta.Channel, meta.ChannelType, meta.Service = chat.Channel, chat.ChannelType, chat.Service
	meta.Customer, meta.Attributes = customer(chat.Customer), chat.Attributes
}

// text is what Rasa reads: the payload of what the customer chose, or the text
// and the addresses of files. What begins with a slash would be an intent that
// the customer made up, so an invisible character goes before it.
func (r *rasa) text(m sdk.Message) string {
	if q := chosen(m); q != nil && q.Payload != "" {
		return q.Payload
	}
	var b strings.Builder
	b.WriteString(m.Text)
	if m.URLPush != "" && !strings.Contains(m.Text, m.URLPush) {
		ccsp.AddLine(&b, m.URLPush)
	}
	for _, f := range m.Attachments {
		ccsp.AddFile(&b, f)
	}
	text := b.String()
	if !r.cfg.SlashCommands && strings.HasPrefix(strings.TrimSpace(text), "/") {
		return "\u200B" + text
	}
	return text
}

// event implements profile: an intent, if the settings name one for it.
func (r *rasa) event(ref string, chat sdk.Chat, id, name string, params map[string]string) (*request, error) {
	intent := r.cfg.EventIntents[name]
	if intent == "" {
		return nil, nil
	}
	text := "/" + intent
	if len(params) > 0 {
		entities, err := ccsp.JSON(params)
		if err != nil {
			return nil, sdk.Rejected("event", "the event cannot be written as JSON")
		}
		text += string(entities)
	}
	meta := rasaMetadata{Event: name}
	r.place(&meta, chat)
	return r.request(ref, id, text, meta)
}

// answer implements profile. The channel callback says success, and answers
// later.
func (r *rasa) answer(q *request, a ccsp.Answer, _ time.Time) ([]said, error) {
	if r.cfg.Channel == rasaCallback {
		return nil, nil
	}
	all, err := r.answers(q.ref, a.Body)
	if err != nil {
		return nil, ccsp.Resend(sdk.Ambiguous(err))
	}
	return all, nil
}

// hook implements profile: the channel callback posts one message, or an own
// output channel a list. Rasa gives them no ids.
func (r *rasa) hook(q *sdk.WebhookRequest, _ time.Time) (heard, error) {
	if r.cfg.HookToken == "" || !r.proven(q) {
		return heard{}, errForeign
	}
	l, many := list(q.Body)
	if !many {
		l = []json.RawMessage{q.Body}
	}
	var h heard
	for _, raw := range l {
		to, things := r.heard(raw)
		switch {
		case !conversationID(to):
			return heard{}, errors.New("recipient_id is no conversation of the gateway's")
		case h.ref != "" && h.ref != to:
			return heard{}, errors.New("one list has several recipient_ids")
		}
		h.ref, h.said = to, append(h.said, things...)
	}
	if len(h.said) == 0 {
		return heard{}, errors.New("no message")
	}
	return h, nil
}

// proven reports whether q has the token: ?token=, as Rasa's endpoints do it, or
// in Authorization, after Bearer or as the password of Basic.
func (r *rasa) proven(q *sdk.WebhookRequest) bool {
	v := q.Header.Values("Authorization")
	if len(v) == 1 {
		scheme, rest, _ := strings.Cut(v[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			return same(strings.TrimSpace(rest), r.cfg.HookToken)
		}
		_, password, ok := (&http.Request{Header: q.Header}).BasicAuth()
		return ok && same(password, r.cfg.HookToken)
	}
	query, err := url.ParseQuery(q.Query)
	return err == nil && len(v) == 0 && len(query["token"]) == 1 && same(query.Get("token"), r.cfg.HookToken)
}

// try implements profile: each channel of Rasa says that it is well.
func (r *rasa) try(ctx context.Context, c *client) error {
	q := &request{method: http.MethodGet, url: r.address(""), header: http.Header{}}
	r.authorize(q)
	a, err := c.do(ctx, q)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if a.Status == http.StatusNotFound {
		return fmt.Errorf("url: Rasa's channel %s is not there (HTTP 404); name it in credentials.yml", r.cfg.Channel)
	}
	if err := unwell(a); err != nil {
		return err
	}
	f, ok := object(a.Body)
	if !ok || f.word("status") != "ok" {
		return errors.New("url: what answers is not Rasa; check url and channel")
	}
	return nil
}
