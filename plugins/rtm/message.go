package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxMessageID   = 128 // bytes of a client's message id
	maxAttachments = 10
	maxURL         = 2048 // bytes
	maxCaption     = 2048 // bytes
	maxChoice      = 4096 // bytes of the title or payload of a quick reply
	maxReceipts    = 100  // message ids in one deliveryupdate
	maxPage        = 50   // messages that are read from the gateway at once
	maxPageBytes   = 1 << 20
)

// mobileOriginated is the body of POST /mo. The whole body is also the event's
// payload, so rules can read thread and extras.
type mobileOriginated struct {
	TID         string      `json:"tid"`
	Message     string      `json:"message"`
	Media       []mediaItem `json:"media"`
	Attachments []mediaItem `json:"attachments"`
	Thread      threadID    `json:"thread"`
	QuickReply  *struct {
		Title   string `json:"title"`
		Payload string `json:"payload"`
	} `json:"quickReply"`
}

// mediaItem is a file by reference, in both directions: under a URL, or, from
// the customer, one that was uploaded here.
type mediaItem struct {
	URL     string `json:"url,omitempty"`
	Ref     string `json:"ref,omitempty"`
	MIME    string `json:"mime,omitempty"`
	Name    string `json:"name,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Caption string `json:"caption,omitempty"`
}

// message takes a customer's message. The gateway writes the answer once the
// message is durable.
//
//	POST /mo {"tid":"c1","message":"hello"}
//	200 {"tid":"c1"}
//
// tid is the client's own id of the message: one that comes again, from the
// same user, is the same message. Without it nothing is taken for a repetition.
func (c *channel) message(_ context.Context, r *request) (reply, error) {
	if !c.incoming.allow(r.user) {
		return reply{}, throttled("too many messages")
	}
	var in mobileOriginated
	if err := decode(r.Body, &in); err != nil {
		return reply{}, invalid("%s", err)
	}
	e := sdk.Event{
		Type:     sdk.CustomerMessage,
		Customer: c.customer(r),
		Text:     in.Message,
		Payload:  json.RawMessage(r.Body),
	}
	if err := c.fill(&e, &in); err != nil {
		return reply{}, err
	}
	if in.TID != "" {
		if err := checkMessageID(in.TID); err != nil {
			return reply{}, err
		}
		e.ID, e.MessageID = r.user+"/"+in.TID, in.TID
	} else {
		e.MessageID = randomID("m-")
	}
	return reply{body: map[string]string{"tid": e.MessageID}, events: []sdk.Event{e}}, nil
}

// fill checks the content of in and puts it into e.
func (c *channel) fill(e *sdk.Event, in *mobileOriginated) error {
	if len(in.Thread) > maxMessageID {
		return invalid("thread: want an id of at most %d bytes", maxMessageID)
	}
	files := append(in.Media, in.Attachments...)
	if len(files) > maxAttachments {
		return invalid("attachments: at most %d", maxAttachments)
	}
	for i, f := range files {
		a, err := c.attachment(e.Customer.Address, f)
		if err != nil {
			return invalid("attachments[%d].%s", i, err)
		}
		e.Attachments = append(e.Attachments, a)
	}
	if q := in.QuickReply; q != nil {
		if len(q.Title) > maxChoice || len(q.Payload) > maxChoice {
			return invalid("quickReply: title and payload have at most %d bytes", maxChoice)
		}
		e.QuickReply = &sdk.QuickReply{Title: q.Title, Payload: q.Payload}
		if e.Text == "" {
			e.Text = q.Title
		}
	}
	if len(e.Text) > c.cfg.MaxMessage {
		return tooLarge()
	}
	if e.Text == "" && len(e.Attachments) == 0 && e.QuickReply == nil {
		return invalid("message: is empty, and there is no attachment")
	}
	return nil
}

func checkMessageID(id string) error {
	if len(id) > maxMessageID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == 0x7f || r == utf8.RuneError }) {
		return invalid("tid: want at most %d characters without spaces", maxMessageID)
	}
	return nil
}

// receiptBody is the body of POST /deliveryupdate.
type receiptBody struct {
	TID    string   `json:"tid"`
	TIDs   []string `json:"tids"`
	Status flexible `json:"status"`
}

// receipts takes word of what became of messages: 2 is delivered, 3 is read.
//
//	POST /deliveryupdate {"tids":["…"],"status":2}
//	200 {"accepted":1}
func (c *channel) receipts(_ context.Context, r *request) (reply, error) {
	var in receiptBody
	if err := decode(r.Body, &in); err != nil {
		return reply{}, invalid("%s", err)
	}
	var types []string
	switch in.Status {
	case "2", "delivered":
		types = []string{sdk.MessageDelivered}
	case "3", "read": // who has read it, has it
		types = []string{sdk.MessageDelivered, sdk.MessageRead}
	default:
		return reply{}, invalid("status: want 2 for delivered or 3 for read")
	}
	ids := in.TIDs
	if in.TID != "" {
		ids = append(ids, in.TID)
	}
	if len(ids) == 0 || len(ids) > maxReceipts {
		return reply{}, invalid("tids: want 1 to %d", maxReceipts)
	}
	var events []sdk.Event
	for _, id := range ids {
		if !isOurs(id) {
			return reply{}, invalid("tids: one of them is not the id of a message from here")
		}
		for _, t := range types {
			events = append(events, sdk.Event{
				Type: t, ID: t + "/" + id, MessageID: id, Customer: sdk.Customer{Address: r.user},
			})
		}
	}
	if !c.receipted.allowN(r.user, len(ids)) {
		return reply{}, throttled("too many receipts")
	}
	c.link.forget(r.user, ids)
	return reply{body: map[string]int{"accepted": len(ids)}, events: events}, nil
}

// isOurs says whether id has the form of an sdk.Message's id.
func isOurs(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && r != '.'
	})
}

// typing says that the customer is typing, or not any more.
//
//	POST /typing {"on":true}
//	200 {}
func (c *channel) typing(_ context.Context, r *request) (reply, error) {
	var in struct {
		On *bool `json:"on"`
	}
	if err := decode(r.Body, &in); err != nil {
		return reply{}, invalid("%s", err)
	}
	if in.On == nil {
		return reply{}, invalid("on: want true or false")
	}
	if c.typed.allow(r.user) {
		c.host.CustomerTyping(r.user, *in.On)
	}
	return reply{body: struct{}{}}, nil
}

// messages returns what was sent to the customer and has no delivered receipt,
// oldest first, for clients without MQTT.
//
// Without after it is also how things stand beside messages, as over MQTT.
//
//	GET /messages?after=…&limit=50
//	200 {"messages":[…],"state":[{"payload_type":"receipt",…},…]}
func (c *channel) messages(ctx context.Context, r *request) (reply, error) {
	if !c.read.allow(r.user) {
		return reply{}, throttled("too many questions")
	}
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return reply{}, invalid("the query cannot be read")
	}
	after, limit := query.Get("after"), maxPage
	if after != "" && !isOurs(after) {
		return reply{}, invalid("after: is not the id of a message from here")
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return reply{}, invalid("limit: want 1 to %d", maxPage)
		}
		limit = n
	}
	waiting, err := c.host.Undelivered(ctx, r.user, after, limit)
	if err != nil {
		return reply{}, c.unreadable(ctx, r.user, after, err)
	}
	list, size := []json.RawMessage{}, 0
	for _, m := range waiting {
		p, err := c.packet(r.user, m)
		if size += len(p.body); err != nil || size > maxPageBytes && len(list) > 0 {
			break
		}
		list = append(list, p.body)
	}
	body := map[string]any{"messages": list}
	if after == "" {
		if body["state"], err = c.state(r.user); err != nil {
			return reply{}, err
		}
	}
	return reply{body: body}, nil
}

func (c *channel) state(user string) ([]json.RawMessage, error) {
	list := []json.RawMessage{}
	packets, err := c.stands(user)
	for _, p := range packets {
		list = append(list, p.body)
	}
	return list, err
}

// unreadable is the refusal when the gateway did not list messages: if it does
// without the id, the id was wrong.
func (c *channel) unreadable(ctx context.Context, user, after string, cause error) error {
	if after != "" {
		if _, err := c.host.Undelivered(ctx, user, "", 1); err == nil {
			return invalid("after: is not the id of a message to this user")
		}
	}
	c.host.Log().Warn("undelivered messages not readable", "err", cause)
	return &apiError{http.StatusServiceUnavailable, "unavailable", "try again"}
}
