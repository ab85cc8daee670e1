package main

import (
	"cmp"

	"github.com/openccsp/gateway/sdk"
)

// profile adds what an event says of its customer, in an object of that name.
func profile(known sdk.Customer, f fields) sdk.Customer {
	p, ok := object(f["customer"])
	if !ok {
		return known
	}
	known.Name = cmp.Or(known.Name, clip(p.word("name", "displayname", "customername"), maxName))
	known.FirstName = clip(p.word("firstname"), maxName)
	known.LastName = clip(p.word("lastname"), maxName)
	known.Locale = clip(p.word("locale", "language"), maxName)
	known.Timezone = clip(p.word("timezone"), maxName)
	known.Addresses = params(p["addresses"])
	known.Attributes = params(p["attributes"])
	return known
}

// begun reads a chat that an agent began. If its asset is one of the gateway's
// channels it is a chat there; else nobody knows where the customer is.
func (c *connector) begun(e *sdk.Event, f fields) {
	asset := f.word("assetid", "asset")
	if a, ok := object(f["asset"]); ok {
		asset = c.cfg.names.read("asset", a).word("id", "assetid")
	}
	address := f.word("customerid", "customeraddress", "customernumber", "customer")
	if p, ok := object(f["customer"]); ok {
		address = c.cfg.names.read("customer", p).word("id", "customerid", "address", "number")
	}
	channel := c.cfg.assets[asset]
	if channel == "" || address == "" || len(address) > maxRef {
		custom(e, f, agentChat)
		return
	}
	e.Type, e.By, e.Channel, e.Agent = sdk.ChatOpened, "agent", channel, agent(f)
	e.Customer.Address = address
	e.Queue = f.word("queue", "teamname", "team", "teamid")
}
