package engine

import (
	"context"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/profile"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// ChangeCustomer changes the profile of a customer, and returns it as it will be
// once the change, which is durable by then, is decided: as a rule it is. create
// is for a customer who has no conversation yet, and gets one.
//
// Errors: [core.NotFound] for an unknown channel, or, unless create, an unknown
// customer; [core.Conflict] if create and the customer is there or the channel is
// being removed, and if the profile has no room; [core.Invalid] for what a field
// cannot be.
func (e *Engine) ChangeCustomer(ctx context.Context, ch *state.CustomerChanged, create bool) (*pluginv1.Customer, error) {
	conf := e.Snap().Instances[ch.Channel]
	if conf == nil || !conf.Channel {
		return nil, core.Errorf(core.NotFound, "no channel %q", ch.Channel)
	}
	id := core.NewConversationID(ch.Channel, ch.Address)
	doc, err := e.document(ctx, id)
	if err != nil && core.CodeOf(err) != core.NotFound {
		return nil, err
	}
	there := doc.GetCustomer().GetAddress() != ""
	switch {
	case !create && !there:
		return nil, core.Errorf(core.NotFound, "channel %q has no such customer", ch.Channel)
	case create && there:
		return nil, core.Errorf(core.Conflict, "channel %q has this customer already", ch.Channel)
	case create && conf.Removed:
		return nil, core.Errorf(core.Conflict, "channel %q is being removed, it takes no new customers", ch.Channel)
	}
	next := doc.GetCustomer().CloneVT()
	if next == nil {
		next = &pluginv1.Customer{Address: ch.Address}
	}
	if err := changed(next, ch.Changes); err != nil {
		return nil, err
	}
	err = e.submit(ctx, id, &state.Mail{
		AcceptedMs: e.Clock.Now().UnixMilli(), Source: "api", Body: &state.Mail_Customer{Customer: ch},
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

// changed makes the changes in c, or says which of them cannot be.
func changed(c *pluginv1.Customer, changes []*state.ProfileChange) error {
	for _, ch := range changes {
		_, why := profile.Set(c, ch.Field, ch.Value)
		switch why {
		case "":
		case profile.TooManyAddresses, profile.TooManyAttributes:
			return core.Errorf(core.Conflict, "the profile has %d of them; there is no room for %.60s", profile.MaxFields, ch.Field)
		default:
			what, hint := profile.Problem(ch.Field, ch.Value)
			return core.Errorf(core.Invalid, "%s; %s", what, hint)
		}
	}
	return nil
}

// submit hands a mail of the gateway's own to a conversation, and returns when it
// is durable: with its decision, unless too much waits before it.
func (e *Engine) submit(ctx context.Context, id core.ConversationID, m *state.Mail) error {
	done := make(chan error, 1)
	in := &input{fresh: true, mail: m, done: func(err error) { done <- err }}
	if step := e.enter(group{id: id, ins: []*input{in}}); step != nil {
		e.Exec.Do(step)
	}
	return e.wait(ctx, done)
}
