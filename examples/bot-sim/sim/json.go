package sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// jsonBody is what the gateway posts.
type jsonBody struct {
	Version      int    `json:"version"`
	Type         string `json:"type"`
	Conversation *struct {
		ID          string            `json:"id"`
		Channel     string            `json:"channel"`
		ChannelType string            `json:"channel_type"`
		Service     string            `json:"service"`
		Attributes  map[string]string `json:"attributes"`
	} `json:"conversation"`
	Customer *struct {
		ID         string            `json:"id"`
		Name       string            `json:"name"`
		FirstName  string            `json:"first_name"`
		LastName   string            `json:"last_name"`
		Locale     string            `json:"locale"`
		Timezone   string            `json:"timezone"`
		Addresses  map[string]string `json:"addresses"`
		Attributes map[string]string `json:"attributes"`
	} `json:"customer"`
	Message *jsonMessage `json:"message"`
	Copy    bool         `json:"copy"`
	Event   *struct {
		Name   string            `json:"name"`
		Params map[string]string `json:"params"`
	} `json:"event"`
}

type jsonMessage struct {
	ID         string          `json:"id"`
	Author     string          `json:"author"`
	Agent      json.RawMessage `json:"agent"`
	Text       string          `json:"text"`
	QuickReply *struct {
		Title   string `json:"title"`
		Payload string `json:"payload"`
	} `json:"quick_reply"`
	Attachments []json.RawMessage `json:"attachments"`
	URL         string            `json:"url"`
	ReplyTo     string            `json:"reply_to"`
	Part        int               `json:"part"`
	Parts       int               `json:"parts"`
	At          string            `json:"at"`
	Late        bool              `json:"late"`
	Resent      bool              `json:"resent"`
}

// jsonReply is what the bot says; jsonEvent is one thing of it.
type jsonReply struct {
	Version      int         `json:"version"`
	Type         string      `json:"type,omitempty"` // pong
	Conversation string      `json:"conversation,omitempty"`
	Events       []jsonEvent `json:"events,omitempty"`
}

type jsonEvent struct {
	Type         string            `json:"type"`
	Text         string            `json:"text,omitempty"`
	Attachments  []jsonFile        `json:"attachments,omitempty"`
	QuickReplies []rasaButton      `json:"quick_replies,omitempty"`
	On           bool              `json:"on,omitempty"`
	Action       string            `json:"action,omitempty"`
	To           string            `json:"to,omitempty"`
	Reason       string            `json:"reason,omitempty"`
	Name         string            `json:"name,omitempty"`
	Params       map[string]string `json:"params,omitempty"`
}

type jsonFile struct {
	URL string `json:"url"`
}

// key reads a secret as the libraries do: base64, perhaps after whsec_, or else
// the key itself.
func key(secret string) (*standardwebhooks.Webhook, error) {
	if k, err := standardwebhooks.NewWebhook(secret); err == nil {
		return k, nil
	}
	if strings.HasPrefix(secret, "whsec_") {
		return nil, errors.New("what follows whsec_ in a secret is not base64")
	}
	return standardwebhooks.NewWebhookRaw([]byte(secret))
}

// verify returns the id of an authentic request.
func (s *Sim) verify(h http.Header, body []byte) (string, error) {
	seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if off := s.opts.Now().Sub(time.Unix(seconds, 0)); err != nil || off.Abs() > 5*time.Minute {
		return "", errors.New("webhook-timestamp is old, or none")
	}
	for _, k := range s.keys {
		if k.VerifyIgnoringTimestamp(body, h) == nil {
			return h.Get("webhook-id"), nil
		}
	}
	return "", errors.New("the signature does not fit")
}

func (s *Sim) sign(h http.Header, id string, at time.Time, body []byte) {
	signature, err := s.keys[0].Sign(id, at, body)
	if err != nil {
		panic(err) // an HMAC never fails
	}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("webhook-signature", signature)
}

// serveJSON answers what is signed.
func (s *Sim) serveJSON(w http.ResponseWriter, r *http.Request) {
	if len(s.keys) == 0 {
		refuse(w, http.StatusNotFound, "no secret is set")
		return
	}
	body, status, err := read(r)
	if err != nil {
		refuse(w, status, err.Error())
		return
	}
	id, err := s.verify(r.Header, body)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err.Error())
		return
	}
	b, err := decodeJSON(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if b.Type == "ping" {
		s.writeSigned(w, id, encode(jsonReply{Version: 1, Type: "pong"}))
		return
	}
	said, again := s.before(id)
	m := Message{Profile: "json", Conversation: b.Conversation.ID, ID: id, Copy: b.Copy, Again: again, Body: body}
	if b.Message != nil {
		m.Text = b.Message.Text
	} else {
		m.Event, m.Text = b.Event.Name, "/"+b.Event.Name
	}
	s.note(m)
	if !again {
		if said = s.reply(b, m); said != nil && s.opts.Later {
			s.later(m.Conversation, []outgoing{{id: "later-" + id, body: said}})
			said = nil
		}
		s.remember(id, said)
	}
	if s.think(r.Context()) {
		s.writeSigned(w, id, said)
	}
}

// reply is what the bot says to b, nil if nothing.
func (s *Sim) reply(b jsonBody, m Message) []byte {
	if b.Copy {
		return nil
	}
	text := m.Text
	if b.Message != nil && b.Message.QuickReply != nil {
		text = cmp.Or(b.Message.QuickReply.Payload, text)
	} else if b.Event != nil {
		text += string(encode(b.Event.Params)) // as an intent of Rasa's
	}
	var name string
	if b.Customer != nil {
		name = firstOf(b.Customer.FirstName, b.Customer.Name)
	}
	replies := s.opts.Script.answer(text, name)
	if len(replies) == 0 {
		return nil
	}
	return encode(jsonReply{Version: 1, Conversation: m.Conversation, Events: jsonEvents(replies)})
}

func (s *Sim) writeSigned(w http.ResponseWriter, id string, body []byte) {
	if body == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.sign(w.Header(), id, s.opts.Now(), body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func decodeJSON(body []byte) (b jsonBody, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, err
	}
	about := b.Conversation != nil && b.Conversation.ID != ""
	switch {
	case b.Version != 1:
		return b, fmt.Errorf("version %d is not 1", b.Version)
	case b.Type == "ping":
	case b.Type == "message" && about && b.Message != nil && b.Message.ID != "":
	case b.Type == "event" && about && b.Event != nil && b.Event.Name != "":
	default:
		return b, fmt.Errorf("type %q: unknown, or not all is there that belongs to it", b.Type)
	}
	return b, nil
}

func jsonEvents(replies []Reply) (all []jsonEvent) {
	for _, r := range replies {
		e := jsonEvent{Type: "message", Text: r.Text}
		for _, title := range r.Buttons {
			e.QuickReplies = append(e.QuickReplies, rasaButton{title, payload(title)})
		}
		switch {
		case r.Image != "":
			e.Attachments = []jsonFile{{r.Image}}
		case r.Typing:
			e = jsonEvent{Type: "typing", On: true}
		case r.Event != "":
			e = jsonEvent{Type: "event", Name: r.Event, Params: r.Params}
		case r.Action != "":
			h := handover(r)
			e = jsonEvent{Type: "handover", Action: h["action"], To: h["to"], Reason: h["reason"]}
		}
		all = append(all, e)
	}
	return all
}

// before returns what was answered to a request of that id.
func (s *Sim) before(id string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.answered[id]
	return b, ok
}

func (s *Sim) remember(id string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) == maxLog {
		delete(s.answered, s.order[0])
		s.order = s.order[1:]
	}
	s.answered[id], s.order = body, append(s.order, id)
}
