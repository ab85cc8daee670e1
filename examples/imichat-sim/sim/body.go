package sim

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// createBody is the body of POST /v3.1/chats. Its fields are those of the
// documented chat object.
type createBody struct {
	TeamID      int64             `json:"team_id"`
	TeamName    string            `json:"team_name"`
	AliasID     string            `json:"alias_id"`
	Channel     string            `json:"channel"`
	Subject     string            `json:"subject"`
	ThreadID    string            `json:"thread_id"`
	Customer    customer          `json:"customer"`
	Asset       asset             `json:"asset"`
	Messages    []messageBody     `json:"messages"`
	Tag         []string          `json:"tag"`
	Flag        string            `json:"flag"`
	RouteParams map[string]string `json:"route_params"`
}

// updateBody is what of a chat can be changed; what is not there stays.
type updateBody struct {
	Subject     *string            `json:"subject"`
	Customer    *customer          `json:"customer"`
	Tag         *[]string          `json:"tag"`
	Flag        *string            `json:"flag"`
	RouteParams *map[string]string `json:"route_params"`
}

type asset struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

type customer struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	FirstName  string            `json:"first_name"`
	LastName   string            `json:"last_name"`
	Locale     string            `json:"locale"`
	Timezone   string            `json:"timezone"`
	Addresses  map[string]string `json:"addresses"`
	Attributes map[string]string `json:"attributes"`
}

type messageBody struct {
	ID          string            `json:"message_id"`
	Direction   string            `json:"direction"`
	Author      *authorBody       `json:"author"` // of what was said before the chat
	Type        string            `json:"type"`
	Text        string            `json:"text"`
	Attachments []desk.Attachment `json:"attachments"`
	Timestamp   string            `json:"timestamp"`
}

type authorBody struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

type callBody struct {
	Direction string            `json:"direction"`
	Typing    *bool             `json:"typing"`
	Status    string            `json:"status"`
	Reason    string            `json:"reason"`
	Code      string            `json:"code"`
	TeamID    json.Number       `json:"team_id"`
	SkillID   string            `json:"skill_id"`
	EventName string            `json:"event_name"`
	Params    map[string]string `json:"params"`
	MessageID string            `json:"message_id"`
	Timestamp string            `json:"timestamp"`
}

// channelNames are those of the documented chat object.
var channelNames = []string{"sms", "facebook", "twitter", "livechat", "email", "abc", "whatsapp", "api"}

func (b *createBody) check() error {
	switch {
	case !slices.Contains(channelNames, b.Channel):
		return desk.Refuse(http.StatusBadRequest, "channel %q is not one of %v", b.Channel, channelNames)
	case b.AliasID == "" || b.Customer.ID == "" || b.Asset.ID == "":
		return desk.Refuse(http.StatusBadRequest, "alias_id, customer.id or asset.id is missing")
	case b.TeamID < 0:
		return desk.Refuse(http.StatusBadRequest, "No team %d", b.TeamID)
	}
	ids := map[string]bool{}
	for _, m := range b.Messages {
		if err := m.check(true); err != nil {
			return err
		}
		if m.ID != "" && ids[m.ID] {
			return desk.Refuse(http.StatusBadRequest, "message_id %q comes twice", m.ID)
		}
		ids[m.ID] = true
	}
	return nil
}

// check refuses what is no message of the customer's; before a chat others may
// have spoken, too.
func (m messageBody) check(before bool) error {
	switch {
	case m.Direction != "inbound" && (!before || m.Direction != "outbound"):
		return desk.Refuse(http.StatusBadRequest, "direction %q is not inbound", m.Direction)
	case m.Type != "text" && m.Type != "attachment":
		return desk.Refuse(http.StatusBadRequest, "type %q is neither text nor attachment", m.Type)
	case m.Text == "" && len(m.Attachments) == 0:
		return desk.Refuse(http.StatusBadRequest, "neither text nor attachments")
	case m.Type == "text" && len(m.Attachments) > 0:
		return desk.Refuse(http.StatusBadRequest, "attachments in a message of type text")
	}
	for _, a := range m.Attachments {
		if a.URL == "" {
			return desk.Refuse(http.StatusBadRequest, "an attachment has no url")
		}
	}
	return checkTime(m.Timestamp)
}

func checkTime(text string) error {
	if _, err := time.Parse(time.RFC3339, text); err != nil && text != "" {
		return desk.Refuse(http.StatusBadRequest, "timestamp is not of RFC 3339")
	}
	return nil
}

// entry is the line that the agent sees.
func (m messageBody) entry() desk.Entry {
	e := desk.Entry{Text: m.Text, MessageID: m.ID, Attachments: m.Attachments}
	if m.Author != nil {
		e.Author, e.Earlier = m.Author.Type, true
	}
	return e
}
