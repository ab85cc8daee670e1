package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// notice is a packet about the conversation, and no message of it: its type is
// receipt or event.
type notice struct {
	PayloadType string            `json:"payload_type"`
	AppID       string            `json:"appId"`
	UserID      string            `json:"userId"`
	TIDs        []string          `json:"tids,omitempty"`
	Status      string            `json:"status,omitempty"` // of the customer's messages tids: delivered, read
	ID          string            `json:"id,omitempty"`     // of an event
	Event       string            `json:"event,omitempty"`
	Params      map[string]string `json:"params,omitempty"`
	CreatedOn   string            `json:"created_on,omitempty"`
}

// ReceiptToCustomer implements sdk.CustomerReceipter.
func (c *channel) ReceiptToCustomer(ctx context.Context, to sdk.Customer, messageID, status string) error {
	switch {
	case messageID == "":
		return sdk.Rejected("message", "has no id")
	case status != "delivered" && status != "read":
		return sdk.Rejected("status", "is neither delivered nor read")
	}
	return c.notify(ctx, to, func() notice {
		r := c.standing.receipt(to.Address, messageID, status)
		return notice{PayloadType: "receipt", TIDs: []string{r.TID}, Status: r.Status}
	})
}

// EventToCustomer implements sdk.CustomerEventSender.
func (c *channel) EventToCustomer(ctx context.Context, to sdk.Customer, name string, params map[string]string) error {
	return c.notify(ctx, to, func() notice { return c.standing.event(to.Address, name, params).notice() })
}

func (h happening) notice() notice {
	return notice{PayloadType: "event", ID: h.ID, Event: h.Event, Params: h.Params, CreatedOn: h.At.UTC().Format(time.RFC3339Nano)}
}

// notify notes something and tells the customer's clients.
func (c *channel) notify(ctx context.Context, to sdk.Customer, of func() notice) error {
	if !idPattern.MatchString(to.Address) {
		return sdk.Rejected("address", "is not the id of an RTM user")
	}
	p, err := c.noticePacket(to.Address, of())
	if err != nil {
		return err
	}
	return c.link.deliver(ctx, to.Address, p)
}

func (c *channel) noticePacket(user string, n notice) (packet, error) {
	n.AppID, n.UserID = c.cfg.AppID, user
	body, err := json.Marshal(n)
	return packet{sure: true, body: body}, err
}

// stands tells a client that comes back how things stand: for each status the
// messages that have it, and the agents who have come and gone.
func (c *channel) stands(user string) (list []packet, err error) {
	of := c.standing.of(user)
	var all []notice
	for _, status := range []string{"delivered", "read"} {
		n := notice{PayloadType: "receipt", Status: status}
		for _, r := range of.Receipts {
			if r.Status == status {
				n.TIDs = append(n.TIDs, r.TID)
			}
		}
		if len(n.TIDs) > 0 {
			all = append(all, n)
		}
	}
	for _, h := range of.Events {
		all = append(all, h.notice())
	}
	for _, n := range all {
		p, err := c.noticePacket(user, n)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func (c *channel) standingFile() string { return filepath.Join(c.host.DataDir(), "standing.json") }
