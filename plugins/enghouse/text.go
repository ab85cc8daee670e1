package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// content is what becomes of a message: texts that each fit the limit, and the
// addresses of files that went to the contact center.
type content struct{ texts, files []string }

// content makes what the agent gets of m, and uploads its files if that is set;
// s remembers where they went. The first text of a chat names the uploaded
// files too: their events follow it, and may not arrive.
func (c *connector) content(ctx context.Context, chat sdk.Chat, s *sent, m sdk.Message) (content, error) {
	var what content
	var lines []string
	if m.URLPush != "" && !strings.Contains(m.Text, m.URLPush) {
		lines = append(lines, m.URLPush)
	}
	for i, f := range m.Attachments {
		if f.Caption != "" {
			lines = append(lines, f.Caption)
		}
		address, err := c.uploaded(ctx, chat, s, i, m)
		switch {
		case err != nil:
			return content{}, err
		case address == "":
			lines = append(lines, ccsp.FileLine(f))
			continue
		case chat.Ref == "":
			lines = append(lines, address)
		}
		what.files = append(what.files, address)
	}
	var err error
	what.texts, err = pieces(m, lines, c.host.TextLimit())
	return what, err
}

// pieces returns the message's text and the lines that belong to it in as few
// texts as the limit allows. A text that is over it alone is rejected: the
// gateway splits, and the rest would vanish at the far side.
func pieces(m sdk.Message, lines []string, limit sdk.TextLimit) ([]string, error) {
	text := strings.ReplaceAll(m.Text, "\x00", "") // NUL would end the text over there
	if !ccsp.Fits(text, limit) {
		return nil, sdk.Rejected("too_long", fmt.Sprintf("it is over the limit of %d, where the far side cuts", limit.Limit))
	}
	text = ccsp.Mark(m, text, limit)
	var all []string
	for _, line := range lines {
		line = strings.ReplaceAll(line, "\x00", "")
		if len(all) == 0 && text == "" {
			line = ccsp.Mark(m, line, limit)
		}
		if longer := strings.TrimPrefix(text+"\n"+line, "\n"); ccsp.Fits(longer, limit) {
			text = longer
			continue
		}
		if text != "" {
			all = append(all, text)
		}
		chopped := ccsp.Chop(line, limit)
		all, text = append(all, chopped[:len(chopped)-1]...), chopped[len(chopped)-1]
	}
	if text != "" {
		all = append(all, text)
	}
	return all, nil
}

// uploaded returns where the i-th file of a message is in the contact center,
// "" if the agent is to get its own address.
func (c *connector) uploaded(ctx context.Context, chat sdk.Chat, s *sent, i int, m sdk.Message) (string, error) {
	f := m.Attachments[i]
	if c.cfg.Attachments != "upload" || f.URL == "" && f.MediaID == "" {
		return "", nil
	}
	if address, ok := s.files[i]; ok {
		return address, nil
	}
	address, err := c.upload(ctx, f)
	if isRetry(err) && m.Attempt < uploadTries {
		return "", err
	}
	if err != nil {
		why := err
		if r, ok := errors.AsType[*sdk.RejectedError](err); ok {
			why = errors.New(r.Code + ": " + r.Detail)
		}
		c.host.Log().Warn("file not uploaded, the agent gets its address", "conversation", chat.Conversation, "err", why)
	}
	s.files[i] = address
	return address, nil
}
