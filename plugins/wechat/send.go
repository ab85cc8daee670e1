package main

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

const sendPath = "/cgi-bin/message/custom/send"

var errNoOpenID = sdk.Rejected("address", "is not the OpenID of a follower")

// Send implements sdk.Channel. WeChat takes one thing at a time, a text, a file or
// a menu, so a message with several goes out as several; one that failed half way
// goes on where it stopped. WeChat tells no id, and no delivery.
func (c *channel) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	if !openIDPattern.MatchString(to.Address) {
		return sdk.Receipt{}, errNoOpenID
	}
	files, err := c.uploads.all(ctx, m.Attachments)
	if err != nil {
		return sdk.Receipt{}, err // nothing went to the customer yet
	}
	all := c.pieces(m, files)
	if len(all) == 0 {
		return sdk.Receipt{}, sdk.Rejected("empty", "there is nothing in the message")
	}
	for i := c.sending.sent(m.ID); i < len(all); i++ {
		all[i]["touser"] = to.Address
		if err := c.api.post(ctx, sendPath, all[i]); err != nil {
			c.uploads.forgetIf(err, m.Attachments)
			return sdk.Receipt{}, ccsp.Resend(err)
		}
		c.sending.note(m.ID, i+1)
	}
	c.sending.forget(m.ID)
	return sdk.Receipt{}, nil
}

// piece is what one call sends.
type piece map[string]any

// pieces are the calls that m takes. The text stands before the files, or with the
// buttons at the end.
func (c *channel) pieces(m sdk.Message, files []piece) (all []piece) {
	said := texts(plain(m.Text), plain(m.URLPush))
	if last := len(said) - 1; len(m.QuickReplies) > 0 {
		all = append(textPieces(said[:last]), files...)
		all = append(all, menu(said[last], m.QuickReplies))
	} else {
		all = append(textPieces(said), files...)
	}
	if account := c.account(m.Agent); account != "" {
		for _, p := range all {
			p["customservice"] = map[string]string{"kf_account": account}
		}
	}
	return all
}

// texts are what is said, one at least: the page's address is one of its own if it
// does not fit.
func texts(said, page string) []string {
	if both := lines(said, page); len(both) <= maxText || page == "" || said == "" {
		return chop(both)
	}
	return append(chop(said), chop(page)...)
}

// chop cuts what the gateway has not cut, such as what is said of a file.
func chop(s string) []string { return ccsp.Chop(s, sdk.TextLimit{Limit: maxText, Unit: sdk.Byte}) }

// textPieces are the texts that are not empty.
func textPieces(texts []string) (all []piece) {
	for _, s := range texts {
		if strings.TrimSpace(s) != "" {
			all = append(all, textPiece(s))
		}
	}
	return all
}

func textPiece(s string) piece {
	return piece{"msgtype": "text", "text": map[string]string{"content": s}}
}

// menu shows buttons. What the customer chose comes back as bizmsgmenuid.
func menu(head string, choices []sdk.QuickReply) piece {
	type item struct {
		ID      string `json:"id"`
		Content string `json:"content"`
	}
	var list []item
	for _, q := range choices {
		id := plain(q.Payload)
		if id == "" {
			id = plain(q.Title)
		}
		list = append(list, item{id, plain(q.Title)})
	}
	return piece{"msgtype": "msgmenu", "msgmenu": map[string]any{"head_content": head, "list": list, "tail_content": ""}}
}

// account is the customer service account that shows who writes, "" for none.
func (c *channel) account(a sdk.Agent) string {
	for _, key := range []string{a.ID, a.Name} {
		if account := c.cfg.KFAccounts[key]; key != "" && account != "" {
			return account
		}
	}
	return c.cfg.KFAccount
}

// plain takes out of a text what JSON can only have escaped, which WeChat would
// show: control characters, and the two separators of Unicode.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\u2028', r == '\u2029', r == '\r':
			return '\n'
		case unicode.IsControl(r) && r != '\n' && r != '\t':
			return -1
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

// isCode reports whether WeChat refused with that code.
func isCode(err error, code string) bool {
	e, ok := errors.AsType[*sdk.RejectedError](err)
	return ok && e.Code == code
}
