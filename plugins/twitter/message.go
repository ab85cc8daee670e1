package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// dm is a direct message, as both APIs write it.
type dm struct {
	Type         string `json:"type"`
	ID           id     `json:"id"`
	At           millis `json:"created_timestamp"`
	Conversation string `json:"dm_conversation_id"`
	Create       struct {
		Target struct {
			Recipient    id     `json:"recipient_id"`
			Conversation string `json:"conversation_id"`
		} `json:"target"`
		Sender id `json:"sender_id"`
		Data   struct {
			Text     string `json:"text"`
			Entities struct {
				URLs []link `json:"urls"`
			} `json:"entities"`
			Attachment *attachment `json:"attachment"`
			Reply      *struct {
				Metadata string `json:"metadata"`
			} `json:"quick_reply_response"`
		} `json:"message_data"`
	} `json:"message_create"`

	item item
}

type attachment struct {
	Type  string `json:"type"`
	Media media  `json:"media"`
}

// link is one of X's short links, and what it stands for.
type link struct {
	Short string `json:"url"`
	Long  string `json:"expanded_url"`
}

func readDM(it item) (m dm, ok bool) {
	if json.Unmarshal(it.raw, &m) != nil || m.ID == "" || m.Create.Sender == "" || m.Type != "" && m.Type != "message_create" {
		return m, false
	}
	m.item = it
	return m, true
}

// messages makes events of the customers' messages among all, in the order in
// which they were written, each once.
func (c *channel) messages(ctx context.Context, all []dm) []sdk.Event {
	all = slices.DeleteFunc(inOrder(all), func(m dm) bool { return !c.forUs(m) })
	files := c.fetch(ctx, all)
	out := make([]sdk.Event, len(all))
	for i, m := range all {
		out[i] = c.said(m, files[i])
	}
	return out
}

// inOrder sorts messages by their ids, and leaves each in once.
func inOrder(all []dm) []dm {
	slices.SortStableFunc(all, func(a, b dm) int { return a.ID.compare(b.ID) })
	return slices.CompactFunc(all, func(a, b dm) bool { return a.ID == b.ID })
}

// forUs reports whether m is what a customer wrote to us alone.
func (c *channel) forUs(m dm) bool {
	to := m.Create.Target
	conversation := cmp.Or(m.Conversation, to.Conversation)
	switch {
	case string(m.Create.Sender) == c.cfg.UserID: // an echo of what we sent
		return false
	case group(conversation):
		c.ignore("a message in a group")
		return false
	case to.Recipient != "" && string(to.Recipient) != c.cfg.UserID, !c.withUs(conversation, "-"):
		c.ignore("a message to another account")
		return false
	}
	return true
}

// group reports whether a conversation's id is that of a group: those of two people
// are both their numbers.
func group(conversation string) bool {
	return conversation != "" && !strings.Contains(conversation, "-")
}

func (c *channel) said(m dm, f fetched) sdk.Event {
	sender, data := string(m.Create.Sender), m.Create.Data
	e := sdk.Event{
		Type: sdk.CustomerMessage, ID: "dm:" + string(m.ID), MessageID: string(m.ID), At: m.At.time(),
		Customer: c.customer(sender, m.item), Text: m.text(), Payload: m.item.raw,
	}
	if data.Reply != nil {
		e.QuickReply = &sdk.QuickReply{Title: e.Text, Payload: clean(data.Reply.Metadata)}
	}
	if f.file != (sdk.Attachment{}) {
		e.Attachments = []sdk.Attachment{f.file}
	}
	if f.note != "" {
		e.Text = strings.TrimLeft(e.Text+"\n"+f.note, "\n")
	}
	return e
}

// unescape undoes what X does to texts, which is less than HTML can do.
var unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// text is what the customer wrote: short links are what they stand for, and the one
// of the file is left out.
func (m dm) text() string {
	data := m.Create.Data
	links := slices.Clone(data.Entities.URLs)
	if data.Attachment != nil && data.Attachment.Media.Short != "" {
		links = slices.DeleteFunc(links, func(l link) bool { return l.Short == data.Attachment.Media.Short })
		links = append(links, link{Short: data.Attachment.Media.Short})
	}
	slices.SortStableFunc(links, func(a, b link) int { return cmp.Compare(len(b.Short), len(a.Short)) }) // one may begin with another
	var pairs []string
	for _, l := range links {
		if webAddress(l.Short) && (l.Long == "" || webAddress(l.Long)) {
			pairs = append(pairs, l.Short, l.Long)
		}
	}
	return clean(strings.NewReplacer(pairs...).Replace(unescape.Replace(data.Text)))
}

// webAddress reports whether s is an address that a browser opens.
func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(s, " \r\n\x00")
}
