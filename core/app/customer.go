package app

import (
	"context"
	"errors"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// Customers implements httpd.Gateway. What has no customer, such as a chat that
// nobody knows, is left out, and so is what cannot be read.
func (g *gateway) Customers(ctx context.Context, f store.Filter, after string, limit int) (store.Page[httpd.Customer], error) {
	page, err := g.store.Reader().List(ctx, f, after, limit)
	if err != nil {
		return store.Page[httpd.Customer]{}, err
	}
	out := store.Page[httpd.Customer]{Next: page.Next}
	for _, l := range page.Items {
		doc, err := g.document(ctx, l.ID)
		if err == nil && doc.GetCustomer().GetAddress() != "" {
			out.Items = append(out.Items, httpd.Customer{Conversation: l.ID, Channel: doc.Channel, Profile: doc.Customer})
		}
	}
	return out, nil
}

// Customer implements httpd.Gateway.
func (g *gateway) Customer(ctx context.Context, channel, address string) (httpd.Customer, error) {
	id := core.NewConversationID(channel, address)
	doc, err := g.document(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && doc.GetCustomer().GetAddress() == "" {
		if in := g.engine.Snap().Instances[channel]; in == nil || !in.Channel {
			return httpd.Customer{}, core.Errorf(core.NotFound, "no channel %q", channel)
		}
		return httpd.Customer{}, core.Errorf(core.NotFound, "channel %q has no such customer", channel)
	}
	if err != nil {
		return httpd.Customer{}, err
	}
	return httpd.Customer{Conversation: id, Channel: channel, Profile: doc.Customer}, nil
}

// ChangeCustomer implements httpd.Gateway.
func (g *gateway) ChangeCustomer(ctx context.Context, channel, address string, changes []*state.ProfileChange, create bool) (httpd.Customer, error) {
	if len(changes) == 0 && !create {
		return g.Customer(ctx, channel, address)
	}
	p, err := g.engine.ChangeCustomer(ctx, &state.CustomerChanged{
		By: "operator", Channel: channel, Address: address, Changes: changes,
	}, create)
	if err != nil {
		return httpd.Customer{}, err
	}
	return httpd.Customer{Conversation: core.NewConversationID(channel, address), Channel: channel, Profile: p}, nil
}
