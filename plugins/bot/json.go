package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// signed is the profile json; README.md documents it.
type signed struct {
	cfg config
	now func() time.Time
}

// version is that of the profile json.
const version = 1

// wireRequest is what the gateway posts.
type wireRequest struct {
	Version      int               `json:"version"`
	Type         string            `json:"type"` // message, event, ping
	Conversation *wireConversation `json:"conversation,omitempty"`
	Customer     *wireCustomer     `json:"customer,omitempty"`
	Message      *wireMessage      `json:"message,omitempty"`
	Copy         bool              `json:"copy,omitempty"`
	Event        *wireEvent        `json:"event,omitempty"`
}

type wireConversation struct {
	ID          string            `json:"id"`
	Channel     string            `json:"channel,omitempty"`
	ChannelType string            `json:"channel_type,omitempty"`
	Service     string            `json:"service,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

type wireEvent struct {
	Name   string            `json:"name"`
	Params map[string]string `json:"params,omitempty"`
}

// message implements profile.
func (s *signed) message(ref string, chat sdk.Chat, m sdk.Message) (*request, error) {
	w := s.about(ref, chat, "message")
	w.Message, w.Copy = wire(m), m.Copy
	return s.request(ref, webhookID(m.ID), w)
}

// event implements profile.
func (s *signed) event(ref string, chat sdk.Chat, id, name string, params map[string]string) (*request, error) {
	w := s.about(ref, chat, "event")
	w.Event = &wireEvent{Name: name, Params: params}
	return s.request(ref, id, w)
}

func (s *signed) about(ref string, chat sdk.Chat, typ string) wireRequest {
	who := customer(chat.Customer)
	return wireRequest{Version: version, Type: typ, Customer: &who, Conversation: &wireConversation{ID: ref,
		Channel: chat.Channel, ChannelType: chat.ChannelType, Service: chat.Service, Attributes: chat.Attributes}}
}

func (s *signed) request(ref, id string, w wireRequest) (*request, error) {
	body, err := ccsp.JSON(w)
	if err != nil {
		return nil, sdk.Rejected("message", "the message cannot be written as JSON")
	}
	q := &request{method: http.MethodPost, url: s.cfg.url.String(), header: http.Header{}, body: body, id: id, ref: ref}
	return q, s.cfg.keys.sign(q.header, id, s.now(), body)
}

// answer implements profile. What says something must be signed, for the
// request that it answers; that a message was taken needs no proof.
func (s *signed) answer(q *request, a ccsp.Answer, now time.Time) ([]said, error) {
	if len(a.Body) == 0 {
		return nil, nil
	}
	h, err := parseHeard(a.Body)
	if err != nil {
		return nil, ccsp.Resend(sdk.Ambiguous(fmt.Errorf("the answer: %w", err)))
	}
	if len(h.said) == 0 {
		return nil, nil
	}
	id, err := s.cfg.keys.verify(a.Header, a.Body, now)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the answer: %w", sdk.ErrAuthConfig, err)
	case id != q.id:
		return nil, fmt.Errorf("%w: the answer has the webhook-id of another request", sdk.ErrAuthConfig)
	case h.ref != "" && h.ref != q.ref:
		return []said{invalid(nil, "the answer is for another conversation")}, nil
	}
	return h.said, nil
}

// hook implements profile. The events that have no id get one of webhook-id, so
// that a request that comes again does nothing twice.
func (s *signed) hook(r *sdk.WebhookRequest, now time.Time) (heard, error) {
	id, err := s.cfg.keys.verify(r.Header, r.Body, now)
	if err != nil {
		return heard{}, errForeign
	}
	h, err := parseHeard(r.Body)
	switch {
	case err != nil:
		return heard{}, err
	case h.pong:
		return heard{}, errors.New("a pong is the answer to a ping alone")
	case !conversationID(h.ref):
		return heard{}, errors.New("conversation is none of the gateway's")
	}
	h.id = id
	return h, nil
}

// try implements profile: a ping. Only who knows the secret can answer it.
func (s *signed) try(ctx context.Context, c *client) error {
	q, err := s.request("", "ping-"+rand.Text(), wireRequest{Version: version, Type: "ping"})
	if err != nil {
		return err
	}
	a, err := c.do(ctx, q)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if err := unwell(a); err != nil {
		return err
	}
	h, err := parseHeard(a.Body)
	if err != nil || !h.pong {
		return errors.New(`url: what answers does not know the ping; it is answered with {"version":1,"type":"pong"}, signed`)
	}
	id, err := s.cfg.keys.verify(a.Header, a.Body, s.now())
	if err == nil && id != q.id {
		err = errors.New("it has the webhook-id of another request")
	}
	if err != nil {
		return fmt.Errorf("secret: the answer to the ping is not signed with it: %w", err)
	}
	return nil
}
