package main

import (
	"cmp"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// wireChat is the body of create, made of the chat object that IMIchat
// documents.
type wireChat struct {
	TeamID      int64             `json:"team_id,omitempty"`
	AliasID     string            `json:"alias_id"`
	Channel     string            `json:"channel"`
	Customer    wireCustomer      `json:"customer"`
	Asset       wireAsset         `json:"asset"`
	Messages    []*wireMessage    `json:"messages"`
	RouteParams map[string]string `json:"route_params"`
}

type wireCustomer struct {
	ID         string            `json:"id"`
	Name       string            `json:"name,omitempty"`
	FirstName  string            `json:"first_name,omitempty"`
	LastName   string            `json:"last_name,omitempty"`
	Locale     string            `json:"locale,omitempty"`
	Timezone   string            `json:"timezone,omitempty"`
	Addresses  map[string]string `json:"addresses,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

type wireAsset struct {
	ID string `json:"id"`
}

// wireMessage is the body of append, and an item of messages.
type wireMessage struct {
	ID          string           `json:"message_id"`
	Direction   string           `json:"direction"`
	Type        string           `json:"type"`
	Text        string           `json:"text"`
	Attachments []wireAttachment `json:"attachments"`
	Timestamp   string           `json:"timestamp,omitempty"`
}

type wireAttachment struct {
	URL     string `json:"url"`
	Name    string `json:"name,omitempty"`
	MIME    string `json:"mime_type,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Caption string `json:"caption,omitempty"`
}

// channels are IMIchat's names of the gateway's types of channels.
var channels = map[string]string{"sms": "sms", "facebook": "facebook", "twitter": "twitter", "whatsapp": "whatsapp"}

func (c *connector) newChat(chat sdk.Chat, first *wireMessage) wireChat {
	s, who := c.cfg.settings, chat.Customer
	w := wireChat{
		TeamID:  s.TeamID,
		AliasID: s.AliasPrefix + chat.Conversation + "-" + strconv.Itoa(chat.Number),
		Channel: cmp.Or(s.Channel, channels[chat.ChannelType], "api"),
		Customer: wireCustomer{
			ID: who.Address, Name: cmp.Or(who.Name, strings.TrimSpace(who.FirstName+" "+who.LastName), who.Address),
			FirstName: who.FirstName, LastName: who.LastName, Locale: who.Locale, Timezone: who.Timezone,
			Addresses: who.Addresses, Attributes: who.Attributes,
		},
		Asset:       wireAsset{ID: cmp.Or(s.Assets[chat.Channel], chat.Channel)},
		Messages:    []*wireMessage{},
		RouteParams: c.routeParams(chat),
	}
	if first != nil {
		w.Messages = append(w.Messages, first)
	}
	return w
}

// routeParams: attributes come after the settings, and ours last: none can
// pretend to be another chat.
func (c *connector) routeParams(chat sdk.Chat) map[string]string {
	all := make(map[string]string)
	maps.Copy(all, c.cfg.RouteParams)
	maps.Copy(all, chat.Attributes)
	for k, v := range map[string]string{"channel": chat.Channel, "channel_type": chat.ChannelType,
		"service": chat.Service, "conversation": chat.Conversation} {
		if v != "" {
			all[k] = v
		}
	}
	return all
}

// message makes the far side's message of m, nil if it would be empty.
func (c *connector) message(m sdk.Message) (*wireMessage, error) {
	w := &wireMessage{ID: m.ID, Direction: "inbound", Type: "text", Attachments: []wireAttachment{}}
	var b strings.Builder
	b.WriteString(m.Text)
	if m.URLPush != "" && !strings.Contains(m.Text, m.URLPush) {
		ccsp.AddLine(&b, m.URLPush)
	}
	for _, f := range m.Attachments {
		if f.URL == "" {
			ccsp.AddFile(&b, f)
			continue
		}
		w.Type = "attachment"
		w.Attachments = append(w.Attachments,
			wireAttachment{URL: f.URL, Name: f.Name, MIME: f.MIME, Size: f.Bytes, Caption: f.Caption})
	}
	var err error
	if w.Text, err = ccsp.Marked(m, b.String(), textLimit); err != nil {
		return nil, err
	}
	if w.Text == "" && len(w.Attachments) == 0 {
		return nil, nil
	}
	if !m.At.IsZero() {
		w.Timestamp = m.At.UTC().Format(time.RFC3339)
	}
	return w, nil
}

// transferTarget reads the target of a transfer: 17 or team:17, and skill:4.
func transferTarget(target string) (any, error) {
	kind, id, ok := strings.Cut(target, ":")
	if !ok {
		kind, id = "team", target
	}
	id = strings.TrimSpace(id)
	switch {
	case id == "":
	case kind == "team":
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			return map[string]int64{"team_id": n}, nil
		}
		return map[string]string{"team_id": id}, nil
	case kind == "skill":
		return map[string]string{"skill_id": id}, nil
	}
	return nil, sdk.Rejected("target", "the target is neither a team, such as 17, nor a skill, such as skill:4")
}
