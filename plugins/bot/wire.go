package main

import (
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk"
)

type wireCustomer struct {
	ID         string            `json:"id,omitempty"`
	Name       string            `json:"name,omitempty"`
	FirstName  string            `json:"first_name,omitempty"`
	LastName   string            `json:"last_name,omitempty"`
	Locale     string            `json:"locale,omitempty"`
	Timezone   string            `json:"timezone,omitempty"`
	Addresses  map[string]string `json:"addresses,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

func customer(c sdk.Customer) wireCustomer {
	return wireCustomer{ID: c.Address, Name: c.Name, FirstName: c.FirstName, LastName: c.LastName, Locale: c.Locale,
		Timezone: c.Timezone, Addresses: c.Addresses, Attributes: c.Attributes}
}

type wireMessage struct {
	ID          string           `json:"id"`
	Author      string           `json:"author"`
	Agent       *wireAgent       `json:"agent,omitempty"`
	Text        string           `json:"text"`
	QuickReply  *wireReply       `json:"quick_reply,omitempty"`
	Attachments []wireAttachment `json:"attachments,omitempty"`
	URL         string           `json:"url,omitempty"`
	ReplyTo     string           `json:"reply_to,omitempty"`
	Part        int              `json:"part,omitempty"`
	Parts       int              `json:"parts,omitempty"`
	At          string           `json:"at,omitempty"`
	Late        bool             `json:"late,omitempty"`
	Resent      bool             `json:"resent,omitempty"`
}

type wireAgent struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

type wireReply struct {
	Title   string `json:"title"`
	Payload string `json:"payload"`
}

type wireAttachment struct {
	URL     string `json:"url,omitempty"`
	Name    string `json:"name,omitempty"`
	MIME    string `json:"mime,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Caption string `json:"caption,omitempty"`
}

// wire is m as both profiles write it.
func wire(m sdk.Message) *wireMessage {
	w := &wireMessage{ID: m.ID, Author: author(m.Author), Text: m.Text, QuickReply: chosen(m), Attachments: attachments(m),
		URL: m.URLPush, ReplyTo: m.ReplyTo, At: stamp(m.At), Late: m.Late, Resent: m.Resent}
	if m.Agent != (sdk.Agent{}) {
		w.Agent = &wireAgent{ID: m.Agent.ID, Name: m.Agent.Name}
	}
	if m.Parts > 1 {
		w.Part, w.Parts = m.Part, m.Parts
	}
	return w
}

func attachments(m sdk.Message) (all []wireAttachment) {
	for _, f := range m.Attachments {
		all = append(all, wireAttachment{URL: f.URL, Name: f.Name, MIME: f.MIME, Bytes: f.Bytes, Caption: f.Caption})
	}
	return all
}

// chosen is the quick reply that the customer chose, nil if it was none.
func chosen(m sdk.Message) *wireReply {
	if m.Author != sdk.AuthorCustomer || len(m.QuickReplies) != 1 {
		return nil
	}
	return &wireReply{Title: m.QuickReplies[0].Title, Payload: m.QuickReplies[0].Payload}
}

func author(k sdk.AuthorKind) string {
	switch k {
	case sdk.AuthorAgent:
		return "agent"
	case sdk.AuthorBot:
		return "bot"
	case sdk.AuthorSystem:
		return "system"
	case sdk.AuthorRule:
		return "rule"
	}
	return "customer"
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// webhookID makes of the gateway's id one that may stand in a signature, whose
// parts are separated by dots.
func webhookID(id string) string { return strings.ReplaceAll(id, ".", "-") }

// conversationID reports whether s can be the id of a conversation.
func conversationID(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}
