package main

import (
	"cmp"
	"maps"

	"github.com/openccsp/gateway/sdk"
)

// claimed is before the channel type in the name of the attribute with an address
// that a customer claims, such as claimed_sms.
const claimed = "claimed_"

// customer is who sent r. What the app's backend vouches for goes before a
// customer's own word. Rules send texts to addresses and place calls, at the
// operator's cost: so there a customer's word does not count at all, and is an
// attribute for people to read.
func (c *channel) customer(r *request) sdk.Customer {
	own, vouched := r.known.Profile, r.known.Vouched
	who := sdk.Customer{
		Address: r.user,
		Name:    cmp.Or(vouched.Name, own.Name), FirstName: cmp.Or(vouched.FirstName, own.FirstName),
		LastName: cmp.Or(vouched.LastName, own.LastName),
		Locale:   cmp.Or(vouched.Locale, own.Locale), Timezone: cmp.Or(vouched.Timezone, own.Timezone),
		Addresses: maps.Clone(vouched.Addresses), Attributes: maps.Clone(own.Attributes),
	}
	for typ, address := range own.Addresses {
		_, proven := who.Addresses[typ]
		switch {
		case !c.cfg.TrustAddresses || typ == "push":
			who.Attributes = with(who.Attributes, claimed+typ, address)
		case !proven:
			who.Addresses = with(who.Addresses, typ, address)
		}
	}
	for name, v := range vouched.Attributes {
		who.Attributes = with(who.Attributes, name, v)
	}
	return who
}
