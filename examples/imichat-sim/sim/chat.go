package sim

import (
	"crypto/rand"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// The states of a chat that an agent has, in IMIchat's words.
const (
	statePicked = "picked"
	stateHeld   = "onhold"
)

// Chat is a chat as the agent sees it in the list.
type Chat struct {
	desk.Chat
	Team    int64             `json:"team"`
	Alias   string            `json:"alias"`
	Address string            `json:"address"`
	Channel string            `json:"channel"`
	Waiting int               `json:"webhooks_waiting"`
	Params  map[string]string `json:"params"`
}

// chat is one customer's chat. The desk's lock guards it.
type chat struct {
	Chat
	customer customer
	asset    asset
	said     int    // messages of the agent
	hooks    []hook // that wait; the first is under way while the chat is busy
}

func newChat(b createBody) *chat {
	return &chat{customer: b.Customer, asset: b.Asset, Chat: Chat{
		Team: b.TeamID, Alias: b.AliasID, Address: b.Customer.ID, Channel: b.Channel, Params: b.RouteParams,
		Chat: desk.Chat{ID: "CSR" + rand.Text()[:12], Name: b.Customer.Name, State: desk.Queued}}}
}

// View returns what the agent sees.
func (c *chat) View() Chat {
	v := c.Chat
	v.Waiting = len(c.hooks)
	return v
}
