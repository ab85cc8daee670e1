package main

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// routing says where new chats go and how agents see them. It is part of the
// settings, and each service may have its own.
type routing struct {
	TeamID      int64             `json:"team_id,omitempty" jsonschema:"title=Team,minimum=1" jsonschema_description:"Number of the team that new chats go to. Absent: the far side chooses."`
	TeamName    string            `json:"team_name,omitempty" jsonschema:"title=Name of the team"`
	Channel     string            `json:"channel,omitempty" jsonschema:"title=Channel of new chats,enum=sms,enum=facebook,enum=twitter,enum=livechat,enum=email,enum=abc,enum=whatsapp,enum=api" jsonschema_description:"Absent: by the type of the gateway's channel, api for those that IMIchat does not have."`
	Subject     string            `json:"subject,omitempty" jsonschema:"title=Subject of new chats"`
	Tag         []string          `json:"tag,omitempty" jsonschema:"title=Tags of new chats"`
	Flag        string            `json:"flag,omitempty" jsonschema:"title=Flag of new chats"`
	RouteParams map[string]string `json:"route_params,omitempty" jsonschema:"title=Route parameters" jsonschema_description:"Sent with each new chat, such as a skill."`
}

// routed are the attributes of a conversation that have a field of their own.
var routed = []string{"team_id", "team_name", "subject", "thread_id", "tag", "flag"}

// under returns r with all that over sets. A team is a number, a name, or both:
// who sets one of them means another team.
func (r routing) under(over routing) routing {
	if over.TeamID != 0 || over.TeamName != "" {
		r.TeamID, r.TeamName = over.TeamID, over.TeamName
	}
	r.Channel, r.Subject = cmp.Or(over.Channel, r.Channel), cmp.Or(over.Subject, r.Subject)
	r.Flag = cmp.Or(over.Flag, r.Flag)
	if len(over.Tag) > 0 {
		r.Tag = over.Tag
	}
	all := make(map[string]string)
	maps.Copy(all, r.RouteParams)
	maps.Copy(all, over.RouteParams)
	r.RouteParams = all
	return r
}

// route returns where a chat goes: by its attributes, which rules set, then its
// service, then the settings.
func (c *connector) route(chat sdk.Chat) routing {
	a := chat.Attributes
	by := routing{
		TeamName: strings.TrimSpace(a["team_name"]), Subject: a["subject"], Flag: a["flag"], Tag: tags(a["tag"]),
		RouteParams: maps.Clone(a),
	}
	if text := strings.TrimSpace(a["team_id"]); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
			by.TeamID = n
		} else {
			c.host.Log().Warn("the attribute team_id is not the number of a team, it is ignored", "conversation", chat.Conversation)
		}
	}
	maps.DeleteFunc(by.RouteParams, func(name, _ string) bool { return slices.Contains(routed, name) })
	r := c.cfg.routing.under(c.cfg.Services[chat.Service]).under(by)
	// Ours come last: nothing can pretend to be another chat.
	for k, v := range map[string]string{"channel": chat.Channel, "channel_type": chat.ChannelType,
		"service": chat.Service, "conversation": chat.Conversation} {
		if v != "" {
			r.RouteParams[k] = v
		}
	}
	r.Channel = cmp.Or(r.Channel, channels[chat.ChannelType], "api")
	return r
}

// tags reads tags that are separated by commas.
func tags(text string) (all []string) {
	for t := range strings.SplitSeq(text, ",") {
		if t = strings.TrimSpace(t); t != "" {
			all = append(all, t)
		}
	}
	return all
}
