package main

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// downlink is a message as the customer's client gets it.
type downlink struct {
	TID          string            `json:"tid"`
	PayloadType  string            `json:"payload_type"` // message, form, typingStart, typingStop
	AppID        string            `json:"appId"`
	UserID       string            `json:"userId"`
	Message      string            `json:"message"`
	CreatedOn    string            `json:"created_on"`
	Author       string            `json:"author,omitempty"` // agent, bot, system, rule, customer
	AgentName    string            `json:"agentName,omitempty"`
	Media        []mediaItem       `json:"media,omitempty"`
	QuickReplies []quickReply      `json:"quickReplies,omitempty"`
	Form         *form             `json:"form,omitempty"`
	FormToken    string            `json:"formToken,omitempty"` // goes back with the answer
	Thread       string            `json:"thread,omitempty"`
	URLPush      string            `json:"urlPush,omitempty"`
	ReplyTo      string            `json:"replyTo,omitempty"`
	Part         int               `json:"part"`
	Parts        int               `json:"parts"`
	Resent       bool              `json:"resent,omitempty"`
	Late         bool              `json:"late,omitempty"`
	Extras       map[string]string `json:"extras,omitempty"`
}

type quickReply struct {
	Title   string `json:"title"`
	Payload string `json:"payload"`
}

var authors = map[sdk.AuthorKind]string{
	sdk.AuthorCustomer: "customer",
	sdk.AuthorAgent:    "agent",
	sdk.AuthorBot:      "bot",
	sdk.AuthorSystem:   "system",
	sdk.AuthorRule:     "rule",
}

// downlink makes what the client gets of m.
func (c *channel) downlink(user string, m sdk.Message) downlink {
	at := m.At
	if at.IsZero() {
		at = c.host.Now()
	}
	d := downlink{
		TID: m.ID, PayloadType: "message", AppID: c.cfg.AppID, UserID: user, Message: m.Text,
		CreatedOn: at.UTC().Format(time.RFC3339Nano), Author: authors[m.Author], AgentName: m.Agent.Name,
		URLPush: m.URLPush, ReplyTo: m.ReplyTo, Part: max(m.Part, 1), Parts: max(m.Parts, 1),
		Resent: m.Resent, Late: m.Late, Extras: m.Extras, Thread: m.Extras["thread"],
	}
	for _, a := range m.Attachments {
		d.Media = append(d.Media, mediaItem{URL: a.URL, MIME: a.MIME, Name: a.Name, Bytes: a.Bytes, Caption: a.Caption})
	}
	for _, q := range m.QuickReplies {
		d.QuickReplies = append(d.QuickReplies, quickReply(q))
	}
	return d
}

// packet is a downlink ready for MQTT: a message if it has an id. Others come
// once and are forgotten; those that are sure wait for a client that is slow.
type packet struct {
	id       string
	sure     bool
	retained bool
	body     []byte
}

func (c *channel) packet(user string, m sdk.Message) (packet, error) {
	d := c.downlink(user, m)
	f, err := formOf(&m)
	if err != nil {
		return packet{}, err
	}
	if f != nil {
		d.PayloadType, d.Message, d.Form = "form", f.readable(), f
		d.Extras = maps.Clone(d.Extras)
		delete(d.Extras, "form")
		if d.FormToken, err = c.signer.seal(aboutForm, user, m.ID, f, undeliveredFor+c.cfg.tokenTTL); err != nil {
			return packet{}, err
		}
	}
	body, err := json.Marshal(d)
	return packet{id: m.ID, body: body}, err
}

// typingPacket is typing in the vendor's form: its clients know the message.
func (c *channel) typingPacket(user string, on bool) (packet, error) {
	kind, tag := "typingStop", "typing_off"
	if on {
		kind, tag = "typingStart", "typing_on"
	}
	body, err := json.Marshal(map[string]any{
		"payload_type": kind,
		"appId":        c.cfg.AppID,
		"userId":       user,
		"message":      "$$$$$TYPING$$$$$$",
		"extras":       map[string]any{"customtags": map[string]string{"typing": tag}},
	})
	return packet{body: body}, err
}
