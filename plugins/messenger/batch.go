package main

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/openccsp/gateway/sdk"
)

// batch collects what one webhook tells of.
type batch struct {
	*channel
	drafts []draft
	kept   int // bytes of events that are kept as they came
}

// draft is an event, and what is still to be fetched for it.
type draft struct {
	sdk.Event
	sorted millis // by this
	files  []*file
	spoken bool // by the customer
}

// add appends an event of one customer, or, if it is nobody's, of the page itself:
// what Meta tells of the page has a conversation under the page's own id.
func (b *batch) add(at millis, psid string, e sdk.Event) *draft {
	if psid == "" {
		psid = b.cfg.PageID
	}
	e.At, e.Customer.Address, e.Payload = at.time(), psid, kept(e.Payload)
	if b.kept += len(e.Payload); b.kept > maxKeptAll {
		e.Payload = nil
	}
	b.drafts = append(b.drafts, draft{Event: e, sorted: at})
	return &b.drafts[len(b.drafts)-1]
}

// finish returns the events in the order in which they happened: Meta promises
// none. Names and files are had side by side, within the time that a webhook has;
// without them the events go all the same.
func (c *channel) finish(ctx context.Context, b *batch) []sdk.Event {
	slices.SortStableFunc(b.drafts, func(x, y draft) int { return cmp.Compare(x.sorted, y.sorted) })
	c.fetch(ctx, b.drafts)
	events := make([]sdk.Event, 0, len(b.drafts))
	for i := range b.drafts {
		d := &b.drafts[i]
		for _, f := range d.files {
			f.put(&d.Event)
		}
		events = append(events, d.Event)
	}
	return events
}

// fetch has files and names fetched.
func (c *channel) fetch(ctx context.Context, drafts []draft) {
	ctx, cancel := limited(ctx)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(besidePerHook)
	who := map[string][]*sdk.Customer{}
	for i := range drafts {
		d := &drafts[i]
		for _, f := range d.files {
			g.Go(func() error { f.fetch(ctx, c.host); return nil })
		}
		if d.spoken {
			who[d.Customer.Address] = append(who[d.Customer.Address], &d.Customer)
		}
	}
	for psid, all := range who {
		if c.cfg.Profiles {
			g.Go(func() error {
				p := c.profile(ctx, psid)
				for _, customer := range all {
					p.fill(customer)
				}
				return nil
			})
		}
		if c.cfg.MarkSeen == seenReceived {
			c.later(func(ctx context.Context) {
				if err := c.act(ctx, psid, "mark_seen"); err != nil {
					c.host.Log().Info("a message cannot be marked as seen", "err", err)
				}
			})
		}
	}
	_ = g.Wait() // nothing in it fails
}
