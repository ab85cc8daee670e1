package main

import (
	"maps"

	"github.com/openccsp/gateway/sdk"
)

// claimed is before the channel type in the name of the attribute with an address
// that a customer claims, such as claimed_sms.
const claimed = "claimed_"

// customer is who sent r. Rules send texts to addresses and place calls, at the
// operator's cost: so only those count that the app's backend vouches for. What a
// customer says is there to be read, as an attribute.
func (c *channel) customer(r *request) sdk.Customer {
	p := r.known.Profile
	who := sdk.Customer{
		Address: r.user, Name: p.Name, FirstName: p.FirstName, LastName: p.LastName,
		Locale: p.Locale, Timezone: p.Timezone,
		Addresses: maps.Clone(r.known.Addresses), Attributes: maps.Clone(p.Attributes),
	}
	for typ, address := range p.Addresses {
		_, proven := who.Addresses[typ]
		switch {
		case !c.cfg.TrustAddresses || typ == "push":
			who.Attributes = with(who.Attributes, claimed+typ, address)
		case !proven:
			who.Addresses = with(who.Addresses, typ, address)
		}
	}
	return who
}
