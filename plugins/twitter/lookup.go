package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// page is a part of X's list of the account's messages of the last 30 days, its own
// among them, the newest first.
type page struct {
	messages []dm
	next     string // token of the part with older ones, "": there are none
}

// errPageTooLarge: fewer messages must be asked for.
var errPageTooLarge = errors.New("the answer is too large")

func (c *channel) list(ctx context.Context, token string, size int) (page, error) {
	q := url.Values{"max_results": {strconv.Itoa(size)}, "event_types": {"MessageCreate"},
		"dm_event.fields": {"id,text,event_type,created_at,dm_conversation_id,sender_id,attachments,entities"},
		"expansions":      {"sender_id,attachments.media_keys"}, "user.fields": {"name,username"}, "media.fields": {"url,type,variants"}}
	if token != "" {
		q.Set("pagination_token", token)
	}
	a, err := c.call(ctx, request{method: http.MethodGet, path: "/2/dm_events", query: q})
	switch {
	case errors.Is(a.Err, ccsp.ErrTooLarge):
		return page{}, errPageTooLarge
	case err != nil:
		return page{}, ccsp.AsRetry(err)
	}
	return c.readPage(a.Body)
}

func (c *channel) readPage(body []byte) (page, error) {
	var list struct {
		Data     []json.RawMessage          `json:"data"`
		Includes map[string]json.RawMessage `json:"includes"`
		Meta     struct {
			Next string `json:"next_token"`
		} `json:"meta"`
	}
	if err := json.Unmarshal(bytes.ToValidUTF8(body, []byte("\uFFFD")), &list); err != nil {
		return page{}, sdk.Retry(errors.New("the list of messages in the answer of X cannot be read"), 0)
	}
	p := page{next: list.Meta.Next}
	who, files := listedUsers(list.Includes["users"]), listedFiles(list.Includes["media"])
	for _, raw := range list.Data {
		m, ok := readListed(item{kind: listMessages, raw: raw, users: who}, files)
		if !ok {
			c.ignore("an unreadable message in X's list")
			continue
		}
		p.messages = append(p.messages, m)
	}
	return p, nil
}

// listed is a message as it stands in X's list.
type listed struct {
	Type         string `json:"event_type"`
	ID           id     `json:"id"`
	At           string `json:"created_at"`
	Conversation string `json:"dm_conversation_id"`
	Sender       id     `json:"sender_id"`
	Text         string `json:"text"`
	Entities     struct {
		URLs []struct {
			link
			File string `json:"media_key"`
		} `json:"urls"`
	} `json:"entities"`
	Attachments struct {
		Files []string `json:"media_keys"`
	} `json:"attachments"`
}

// fileOfMessage is in what the short link to a message's own file stands for.
const fileOfMessage = "/messages/media/"

// readListed makes of it what a webhook would have brought. Of a quick reply X's
// list has the title only. Without a conversation's id nobody knows whether it is a
// group's.
func readListed(it item, files map[string]media) (m dm, ok bool) {
	var l listed
	if json.Unmarshal(it.raw, &l) != nil || l.ID == "" || l.Sender == "" || l.Conversation == "" || l.Type != "MessageCreate" {
		return m, false
	}
	m.item, m.ID, m.Conversation = it, l.ID, l.Conversation
	if at, err := time.Parse(time.RFC3339, l.At); err == nil {
		m.At = millis(strconv.FormatInt(at.UnixMilli(), 10))
	}
	m.Create.Sender, m.Create.Data.Text = l.Sender, l.Text
	var own string
	for _, u := range l.Entities.URLs {
		m.Create.Data.Entities.URLs = append(m.Create.Data.Entities.URLs, u.link)
		if u.File != "" || strings.Contains(u.Long, fileOfMessage) {
			own = u.Short
		}
	}
	if len(l.Attachments.Files) > 0 {
		f := files[l.Attachments.Files[0]] // a message has one
		f.Short = own
		m.Create.Data.Attachment = &attachment{Type: "media", Media: f}
	}
	return m, true
}

// listedUsers reads the profiles beside a list. One that cannot be read is left out.
func listedUsers(raw json.RawMessage) map[string]user {
	all := map[string]user{}
	for _, one := range elements(raw) {
		var u user
		if number := member[id](fields(one), "id"); number != "" && json.Unmarshal(one, &u) == nil {
			all[string(number)] = u
		}
	}
	return all
}

// listedFiles reads the files beside a list, by the key that messages have.
func listedFiles(raw json.RawMessage) map[string]media {
	all := map[string]media{}
	for _, one := range elements(raw) {
		var f struct {
			Key      string `json:"media_key"`
			Type     string `json:"type"`
			URL      string `json:"url"`
			Variants []struct {
				Type    string `json:"content_type"`
				URL     string `json:"url"`
				Bitrate int64  `json:"bit_rate"`
			} `json:"variants"`
		}
		if json.Unmarshal(one, &f) != nil || f.Key == "" {
			continue
		}
		m := media{HTTPS: f.URL, Type: f.Type}
		for _, v := range f.Variants {
			m.Video.Variants = append(m.Video.Variants, variant(v))
		}
		all[f.Key] = m
	}
	return all
}
