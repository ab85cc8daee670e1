package main

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// channels are IMIchat's names of the gateway's types of channels.
var channels = map[string]string{"sms": "sms", "facebook": "facebook", "twitter": "twitter", "whatsapp": "whatsapp"}

// livechat is the channel whose chats have a thread.
const livechat = "livechat"

// aliasOf is our name of a chat: the conversation, and the number of the chat in it.
func (c *connector) aliasOf(chat sdk.Chat) string {
	return c.cfg.AliasPrefix + chat.Conversation + "-" + strconv.Itoa(chat.Number)
}

// newChat is the body of create: the chat object that IMIchat documents, as far
// as it is ours to say. What was said before comes first among its messages.
func (c *connector) newChat(chat sdk.Chat, first wireObject) wireObject {
	r := c.route(chat)
	thread := ""
	if r.Channel == livechat {
		thread = cmp.Or(chat.Attributes["thread_id"], chat.Conversation)
	}
	messages := c.history(chat)
	if first != nil {
		messages = append(messages, first)
	}
	return names(nil).object("chat",
		member{name: "team_id", value: r.TeamID},
		member{name: "team_name", value: r.TeamName},
		member{name: "alias_id", value: c.aliasOf(chat)},
		member{name: "channel", value: r.Channel},
		member{name: "subject", value: r.Subject},
		member{name: "thread_id", value: thread},
		member{name: "asset", value: c.cfg.names.object("asset",
			member{name: "id", value: cmp.Or(c.cfg.Assets[chat.Channel], chat.Channel)})},
		member{name: "customer", value: c.customer(chat.Customer)},
		member{name: "messages", value: messages},
		member{name: "tag", value: r.Tag},
		member{name: "flag", value: r.Flag},
		member{name: "route_params", value: r.RouteParams},
	)
}

// changes is the body of update: what a chat's customer and attributes are now.
func (c *connector) changes(chat sdk.Chat) wireObject {
	r := c.route(chat)
	return names(nil).object("chat",
		member{name: "subject", value: r.Subject},
		member{name: "customer", value: c.customer(chat.Customer)},
		member{name: "tag", value: r.Tag},
		member{name: "flag", value: r.Flag},
		member{name: "route_params", value: r.RouteParams},
	)
}

// customer is all that is known of a person.
func (c *connector) customer(who sdk.Customer) wireObject {
	return c.cfg.names.object("customer",
		member{name: "id", value: who.Address},
		member{name: "name", value: cmp.Or(who.Name, strings.TrimSpace(who.FirstName+" "+who.LastName), who.Address)},
		member{name: "first_name", value: who.FirstName},
		member{name: "last_name", value: who.LastName},
		member{name: "locale", value: who.Locale},
		member{name: "timezone", value: who.Timezone},
		member{name: "addresses", value: who.Addresses},
		member{name: "attributes", value: who.Attributes},
	)
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
