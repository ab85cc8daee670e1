package sim

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"strings"

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
	team     string // its name, "" is made of the number
	subject  string
	thread   string
	flag     string
	tag      []string
	said     int    // messages of the agent
	hooks    []hook // that wait; the first is under way while the chat is busy
}

func newChat(b createBody) *chat {
	c := &chat{customer: b.Customer, asset: b.Asset, team: b.TeamName, subject: b.Subject, thread: b.ThreadID,
		flag: b.Flag, tag: b.Tag, Chat: Chat{
			Team: b.TeamID, Alias: b.AliasID, Address: b.Customer.ID, Channel: b.Channel, Params: b.RouteParams,
			Chat: desk.Chat{ID: "CSR" + rand.Text()[:12], Name: b.Customer.Name, State: desk.Queued}}}
	c.fillProfile()
	return c
}

// fillProfile makes what the agent sees of the customer.
func (c *chat) fillProfile() {
	who := c.customer
	c.Profile = desk.Facts("Name", who.Name, "Address", who.ID, "First name", who.FirstName, "Last name", who.LastName,
		"Locale", who.Locale, "Time zone", who.Timezone)
	for _, of := range []map[string]string{who.Addresses, who.Attributes} {
		for _, k := range slices.Sorted(maps.Keys(of)) {
			c.Profile = append(c.Profile, desk.Fact{Name: k, Value: of[k]})
		}
	}
	c.Profile = append(c.Profile, desk.Facts("Channel", c.Channel, "Asset", cmp.Or(c.asset.Name, c.asset.ID),
		"Subject", c.subject, "Thread", c.thread, "Tags", strings.Join(c.tag, ", "), "Flag", c.flag, "Alias", c.Alias)...)
}

// View returns what the agent sees.
func (c *chat) View() Chat {
	v := c.Chat
	v.Waiting = len(c.hooks)
	return v
}
