package main

import (
	"context"
	"net/url"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxProfiles    = 10_000
	profileFor     = 24 * time.Hour
	noProfileFor   = time.Hour        // of somebody whom Meta does not tell of
	lateProfileFor = 30 * time.Second // where Meta did not answer
)

// profiles are the names of customers, as Meta knows them.
type profiles struct{ known *lru.Cache[string, profile] }

type profile struct {
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Picture   string `json:"profile_pic"`

	until time.Time
}

func newProfiles() (profiles, error) {
	known, err := lru.New[string, profile](maxProfiles)
	return profiles{known}, err
}

// profile looks somebody up. That it fails harms nothing: it is tried again with
// a later message.
func (c *channel) profile(ctx context.Context, psid string) profile {
	now := c.host.Now()
	if p, ok := c.profiles.known.Get(psid); ok && now.Before(p.until) {
		return p
	}
	var p profile
	turn := c.pace.await(ctx, false)
	err := turn
	if turn == nil {
		err = c.graph.get(ctx, psid, "first_name,last_name,profile_pic", &p)
	}
	switch {
	case err == nil:
		p.until = now.Add(profileFor)
	case turn != nil, ctx.Err() != nil:
		p = profile{until: now.Add(lateProfileFor)}
	default:
		p = profile{until: now.Add(noProfileFor)}
		c.host.Log().Info("a customer's profile cannot be had", "err", err)
	}
	c.profiles.known.Add(psid, p)
	return p
}

// fill adds to customer what is known.
func (p profile) fill(customer *sdk.Customer) {
	customer.FirstName, customer.LastName = p.FirstName, p.LastName
	if u, err := url.Parse(p.Picture); err == nil && u.Scheme == "https" {
		customer.Attributes = map[string]string{"profile_pic": p.Picture}
	}
}
