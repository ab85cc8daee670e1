package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// rasaBody is what Rasa's channels take.
type rasaBody struct {
	Sender       *string  `json:"sender"`
	Message      *string  `json:"message"`
	InputChannel string   `json:"input_channel"`
	Metadata     metadata `json:"metadata"`
}

// metadata is as much as the bot reads; the rest is the author's own.
type metadata struct {
	MessageID string `json:"message_id"`
	Event     string `json:"event"`
	Copy      bool   `json:"copy"`
	Customer  struct {
		Name      string `json:"name"`
		FirstName string `json:"first_name"`
	} `json:"customer"`
}

// rasaReply is one message of Rasa's.
type rasaReply struct {
	RecipientID string       `json:"recipient_id"`
	Text        string       `json:"text,omitempty"`
	Image       string       `json:"image,omitempty"`
	Buttons     []rasaButton `json:"buttons,omitempty"`
	Custom      any          `json:"custom,omitempty"`
}

type rasaButton struct {
	Title   string `json:"title"`
	Payload string `json:"payload"`
}

// refuse is how Rasa's web server says no.
func refuse(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]any{"description": http.StatusText(status), "status": status, "message": message})
}

// serveRasa answers in the response, or by callbacks.
func (s *Sim) serveRasa(channel string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, status, err := read(r)
		if err != nil {
			refuse(w, status, err.Error())
			return
		}
		var b rasaBody
		if err := b.decode(body); err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		m := b.Metadata
		s.note(Message{Profile: channel, Conversation: *b.Sender, ID: m.MessageID, Text: *b.Message, Event: m.Event,
			Copy: m.Copy, Body: body})
		var replies []Reply
		if !m.Copy {
			replies = s.opts.Script.answer(*b.Message, firstOf(m.Customer.FirstName, m.Customer.Name))
		}
		if channel == "callback" {
			s.later(*b.Sender, rasaCallbacks(*b.Sender, replies))
			_, _ = io.WriteString(w, "success")
			return
		}
		if s.think(r.Context()) {
			writeJSON(w, http.StatusOK, rasaReplies(*b.Sender, replies))
		}
	}
}

// decode is stricter than a real Rasa, which takes a missing sender for the
// customer "default" and so mixes up everybody's talk.
func (b *rasaBody) decode(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	var top struct {
		Sender       *string         `json:"sender"`
		Message      *string         `json:"message"`
		InputChannel string          `json:"input_channel"`
		Metadata     json.RawMessage `json:"metadata"`
	}
	d.DisallowUnknownFields()
	if err := d.Decode(&top); err != nil {
		return err
	}
	b.Sender, b.Message, b.InputChannel = top.Sender, top.Message, top.InputChannel
	switch {
	case b.Sender == nil || strings.TrimSpace(*b.Sender) == "":
		return errors.New("sender is missing")
	case b.Message == nil:
		return errors.New("message is missing")
	case len(top.Metadata) == 0:
		return nil
	}
	return json.Unmarshal(top.Metadata, &b.Metadata)
}

func rasaReplies(to string, replies []Reply) []rasaReply {
	out := []rasaReply{}
	for _, r := range replies {
		m := rasaReply{RecipientID: to, Text: r.Text, Image: r.Image}
		for _, title := range r.Buttons {
			m.Buttons = append(m.Buttons, rasaButton{title, payload(title)})
		}
		switch {
		case r.Typing:
			m.Custom = map[string]any{"type": "typing", "on": true}
		case r.Event != "":
			m.Custom = map[string]any{"event": r.Event, "params": r.Params}
		case r.Action != "":
			m.Custom = map[string]any{"handover": handover(r)}
		}
		out = append(out, m)
	}
	return out
}

// rasaCallbacks are bodies, one for each message.
func rasaCallbacks(to string, replies []Reply) (out []outgoing) {
	for _, m := range rasaReplies(to, replies) {
		out = append(out, outgoing{body: encode(m)})
	}
	return out
}

func handover(r Reply) map[string]string {
	h := map[string]string{"action": r.Action, "reason": r.Reason}
	if r.Action == "offer" || r.Action == "pass" {
		h["to"] = "ccsp"
	}
	return h
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
