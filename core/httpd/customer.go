package httpd

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/profile"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

const customersPath = "/v1/customers"

// Customers reads and changes what is known of customers. A customer is an address
// on a channel.
type Customers interface {
	// Customers lists those whose conversations match f, in the order of
	// Conversations. A page may have fewer than limit, even none, and a next one.
	Customers(ctx context.Context, f store.Filter, after string, limit int) (store.Page[Customer], error)
	// Customer returns one; core.NotFound if there is no such channel or customer.
	Customer(ctx context.Context, channel, address string) (Customer, error)
	// ChangeCustomer makes the changes, in their order, or none of them, and
	// returns the customer with them once they are durable. create is for one who
	// is not there yet; core.Conflict if they are.
	ChangeCustomer(ctx context.Context, channel, address string, changes []*state.ProfileChange, create bool) (Customer, error)
}

// Customer is a customer and their conversation.
type Customer struct {
	Conversation core.ConversationID
	Channel      string
	Profile      *pluginv1.Customer
}

type profileBody struct {
	Conversation string            `json:"conversation"`
	Channel      string            `json:"channel"`
	Address      string            `json:"address"`
	Name         string            `json:"name,omitempty"`
	FirstName    string            `json:"first_name,omitempty"`
	LastName     string            `json:"last_name,omitempty"`
	Locale       string            `json:"locale,omitempty"`
	Timezone     string            `json:"timezone,omitempty"`
	Addresses    map[string]string `json:"addresses,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"`
}

func showProfile(c Customer) profileBody {
	p := c.Profile
	return profileBody{
		c.Conversation.String(), c.Channel, p.GetAddress(), p.GetName(), p.GetFirstName(), p.GetLastName(),
		p.GetLocale(), p.GetTimezone(), p.GetAddresses(), p.GetAttributes(),
	}
}

// listCustomers answers GET /v1/customers?channel&address&limit&after.
//
//	200 {"items":[{"conversation":"0f…","channel":"webshop","address":"ada","name":"Ada",…}],"next":"…"}
func (a *Admin) listCustomers(ctx context.Context, r *fasthttp.RequestCtx) error {
	w, q, err := listQuery(r, "channel", "address")
	if err != nil {
		return err
	}
	page, err := a.gateway.Customers(ctx, store.Filter{Channel: q["channel"], Customer: q["address"]}, w.after, w.limit)
	if err != nil {
		return err
	}
	return writeList(r, page, showProfile)
}

// getCustomer answers GET /v1/customers/{channel}/{address}.
//
//	200 {"conversation":"0f…","channel":"webshop","address":"ada","name":"Ada","attributes":{"tier":"gold"}}
func (a *Admin) getCustomer(ctx context.Context, r *fasthttp.RequestCtx) error {
	channel, address, err := customerIn(r)
	if err != nil {
		return err
	}
	c, err := a.gateway.Customer(ctx, channel, address)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, showProfile(c))
	return nil
}

// patchCustomer answers PATCH /v1/customers/{channel}/{address}: null takes a
// field away, what is not named stays.
//
//	{"name":"Ada Lovelace","locale":null,"attributes":{"tier":"gold","old":null}}
//	200 as getCustomer
func (a *Admin) patchCustomer(ctx context.Context, r *fasthttp.RequestCtx) error {
	return a.changeCustomer(ctx, r, false, fasthttp.StatusOK)
}

// putCustomer answers PUT /v1/customers/{channel}/{address}: a customer who has
// not written yet. The body may be absent.
//
//	{"name":"Ada Lovelace","addresses":{"sms":"+41791111111"}}
//	201 as getCustomer
//	409 {"error":{"code":"conflict","message":"channel \"webshop\" has this customer already"}}
func (a *Admin) putCustomer(ctx context.Context, r *fasthttp.RequestCtx) error {
	return a.changeCustomer(ctx, r, true, fasthttp.StatusCreated)
}

func (a *Admin) changeCustomer(ctx context.Context, r *fasthttp.RequestCtx, create bool, status int) error {
	channel, address, err := customerIn(r)
	if err != nil {
		return err
	}
	var body patch
	if hasBody(r) || !create {
		if err := decode(r, &body); err != nil {
			return err
		}
	}
	changes, err := body.changes()
	if err != nil {
		return err
	}
	c, err := a.gateway.ChangeCustomer(ctx, channel, address, changes, create)
	if err != nil {
		return err
	}
	writeJSON(r, status, showProfile(c))
	return nil
}

func customerIn(r *fasthttp.RequestCtx) (channel, address string, err error) {
	if channel, err = param(r, "channel"); err != nil {
		return "", "", err
	}
	address, err = param(r, "address")
	return channel, address, err
}

// patch is a change of a profile, by JSON merge.
type patch struct {
	Name       text  `json:"name"`
	FirstName  text  `json:"first_name"`
	LastName   text  `json:"last_name"`
	Locale     text  `json:"locale"`
	Timezone   text  `json:"timezone"`
	Addresses  table `json:"addresses"`
	Attributes table `json:"attributes"`
}

// text is a text or null, or not given.
type text struct {
	given bool
	value string
}

// UnmarshalJSON implements json.Unmarshaler; it is called for null too.
func (t *text) UnmarshalJSON(b []byte) error {
	t.given = true
	return json.Unmarshal(b, &t.value)
}

// table has texts or nulls by name, or is null itself, or not given.
type table struct {
	null   bool
	values map[string]text
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *table) UnmarshalJSON(b []byte) error {
	t.null = string(b) == "null"
	return json.Unmarshal(b, &t.values)
}

// changes are those that p asks for, sorted: a table is emptied before it is
// filled.
func (p *patch) changes() (list []*state.ProfileChange, err error) {
	add := func(field, value string) { list = append(list, &state.ProfileChange{Field: field, Value: value}) }
	for field, t := range map[string]text{
		"name": p.Name, "first_name": p.FirstName, "last_name": p.LastName, "locale": p.Locale, "timezone": p.Timezone,
	} {
		if t.given {
			add(field, t.value)
		}
	}
	for name, t := range map[string]table{profile.Addresses: p.Addresses, profile.Attributes: p.Attributes} {
		if t.null {
			add(name, "")
		}
		for key, v := range t.values {
			add(name+"."+key, v.value)
		}
	}
	slices.SortFunc(list, func(a, b *state.ProfileChange) int { return strings.Compare(a.Field, b.Field) })
	return list, checkChanges(list)
}

func checkChanges(list []*state.ProfileChange) error {
	for _, c := range list {
		if c.Field == profile.Addresses || c.Field == profile.Attributes {
			continue // all of it is taken away
		}
		if what, hint := profile.Problem(c.Field, c.Value); what != "" {
			return core.Errorf(core.Invalid, "%s; %s", what, hint)
		}
	}
	return nil
}
