package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

const maxName = 100 // code points of a custom event's name, and of a customer's

// encrypted is what agents see of a message that only X's own apps can read.
const encrypted = "[unsupported encrypted message]"

// events makes of what X sent what the gateway knows: in the order in which it was
// written, messages first.
func (c *channel) events(ctx context.Context, items []item) (out []sdk.Event) {
	var messages []dm
	for _, it := range items {
		if it.forUser != "" && string(it.forUser) != c.cfg.UserID { // another subscribed account
			c.ignore("an event of another account")
			continue
		}
		switch it.kind {
		case listMessages:
			if m, ok := readDM(it); ok {
				messages = append(messages, m)
				continue
			}
			out = append(out, c.custom(it, "unreadable", c.cfg.UserID))
		case listTyping, "dm.indicate_typing":
			c.typing(it)
		case listRead, "dm.read":
			out = append(out, c.read(it)...)
		case "chat.received":
			out = append(out, c.chat(it)...)
		case "chat.sent", "dm.sent":
			// our own
		case "user_event", "oauth.revoke":
			out = append(out, c.revoked(it)...)
		default:
			out = append(out, c.custom(it, it.kind, c.actor(it)))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	return append(c.messages(ctx, messages), out...)
}

// ignore counts what is not this channel's, and logs the count.
func (c *channel) ignore(why string) {
	c.host.Log().Info("an event is ignored", "reason", why, "count", c.ignored.Add(1))
}

// sideEvent is what typing and reading have in common.
type sideEvent struct {
	At     millis `json:"created_timestamp"`
	Sender id     `json:"sender_id"`
	Target struct {
		Recipient id `json:"recipient_id"`
	} `json:"target"`
	LastRead id `json:"last_read_event_id"`
}

// theirs reads a side event, and reports whether it is a customer's.
func (c *channel) theirs(it item) (e sideEvent, ok bool) {
	if json.Unmarshal(it.raw, &e) != nil || e.Sender == "" || string(e.Sender) == c.cfg.UserID {
		return e, false
	}
	return e, e.Target.Recipient == "" || string(e.Target.Recipient) == c.cfg.UserID
}

func (c *channel) typing(it item) {
	if e, ok := c.theirs(it); ok {
		c.host.CustomerTyping(string(e.Sender), true)
	}
}

// read is about all that was sent before: X names the last one only.
func (c *channel) read(it item) []sdk.Event {
	e, ok := c.theirs(it)
	if !ok {
		return nil
	}
	at := e.At.time()
	if at.IsZero() {
		at = c.host.Now()
	}
	ev := sdk.Event{Type: sdk.MessageRead, At: at, Customer: c.customer(string(e.Sender), it), Payload: it.raw}
	if e.LastRead != "" {
		ev.ID = "read:" + string(e.Sender) + ":" + string(e.LastRead)
	}
	return []sdk.Event{ev}
}

// chat is an encrypted message. Who sent it, and when, is all that can be read.
func (c *channel) chat(it item) []sdk.Event {
	payload := fields(it.raw)
	sender := member[id](payload, "sender_id")
	switch {
	case string(sender) == c.cfg.UserID:
		return nil
	case sender == "":
		return []sdk.Event{c.custom(it, it.kind, c.cfg.UserID)}
	case !c.withUs(member[string](payload, "conversation_id"), ":"):
		c.ignore("an encrypted message in a group")
		return nil
	}
	e := sdk.Event{Type: sdk.CustomerMessage, Customer: c.customer(string(sender), it), Text: encrypted,
		At: member[millis](payload, "created_at_msec").time(), Payload: it.raw}
	e.MessageID = shorten(clean(member[string](payload, "id")))
	switch {
	case e.MessageID != "":
		e.ID = "chat:" + e.MessageID
	case it.uuid != "":
		e.ID = "uuid:" + it.uuid
	}
	return []sdk.Event{e}
}

// withUs reports whether a conversation is with us alone: then its id is both people's
// numbers. X may not name it.
func (c *channel) withUs(conversation, between string) bool {
	a, b, two := strings.Cut(conversation, between)
	return conversation == "" || two && (a == c.cfg.UserID || b == c.cfg.UserID)
}

// revoked is the end of what the account allowed the app: nothing comes any more.
func (c *channel) revoked(it item) []sdk.Event {
	name, whose := it.kind, member[id](fields(it.raw), "user_id")
	if revoke, ok := fields(it.raw)["revoke"]; ok {
		name, whose = "user_event.revoke", member[id](fields(fields(revoke)["source"]), "user_id")
	}
	if whose != "" && string(whose) != c.cfg.UserID {
		c.ignore("an event of another account")
		return nil
	}
	if name != "user_event" {
		c.health.set("the account has taken back what it allowed the app: authorize it again, and subscribe again")
	}
	return []sdk.Event{c.custom(it, name, c.cfg.UserID)}
}

// actor is who did what an event of another kind is about, such as following the
// account: the account itself if nobody else is named.
func (c *channel) actor(it item) string {
	own := fields(it.raw)
	for _, name := range []string{"sender_id", "author_id"} {
		if number := member[id](own, name); number != "" {
			return string(number)
		}
	}
	for _, name := range []string{"source", "user"} {
		who := fields(own[name])
		for _, number := range []id{member[id](who, "id_str"), member[id](who, "id"), member[id](fields(who["data"]), "id")} {
			if number != "" {
				return string(number)
			}
		}
	}
	return c.cfg.UserID
}

// custom is an event that rules see, in who's conversation. The account has one of
// its own for what belongs to no customer.
func (c *channel) custom(it item, name, who string) sdk.Event {
	e := sdk.Event{Type: sdk.CustomEvent, EventName: shorten(clean(name)), Customer: c.customer(who, it), Payload: it.raw}
	if e.EventName == "" {
		e.EventName = "unknown"
	}
	if name != it.kind {
		e.Params = map[string]string{"kind": shorten(clean(it.kind))}
	}
	own := fields(it.raw)
	for _, field := range []string{"id_str", "id"} {
		if number := member[id](own, field); number != "" {
			e.ID = "event:" + e.EventName + ":" + string(number)
			return e
		}
	}
	if it.uuid != "" {
		e.ID = "uuid:" + it.uuid
	}
	return e
}

func (c *channel) customer(number string, it item) sdk.Customer {
	u := it.users[number]
	who := sdk.Customer{Address: number, Name: shorten(u.name())}
	handle := u.ScreenName + u.Username
	if u.Data != nil && handle == "" {
		handle = u.Data.Username
	}
	if handle = shorten(clean(handle)); handle != "" {
		who.Attributes = map[string]string{"username": handle}
	}
	return who
}

func shorten(s string) string {
	if r := []rune(s); len(r) > maxName {
		return string(r[:maxName])
	}
	return s
}
