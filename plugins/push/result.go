package main

import (
	"errors"
	"fmt"

	"github.com/openccsp/gateway/sdk"
)

// patience is how many attempts are made for the rest of a customer's apps once
// one of them has the message.
const patience = 4

// result is what became of a message to one app.
type result struct {
	id      string
	err     error
	earlier bool // it has the message since an earlier attempt
}

// sum makes one outcome of all. What may pass is tried again, for the apps alone
// that it is about. A message that reached one app has reached the customer, so
// the others are not tried for ever.
func (c *channel) sum(m sdk.Message, all []result) (sdk.Receipt, error) {
	var receipt sdk.Receipt
	var passes, final error
	reached, gone := false, 0
	for _, r := range all {
		switch {
		case r.err == nil:
			reached = true
			if receipt.MessageID == "" {
				receipt.MessageID = r.id
			}
		case passing(r.err):
			passes = later(passes, r.err)
		case errors.Is(r.err, sdk.ErrRecipientGone):
			gone++
		default:
			final = r.err
		}
	}
	switch {
	case passes != nil && (!reached || m.Attempt < patience):
		return sdk.Receipt{}, passes
	case reached:
		if err := errors.Join(passes, final); err != nil {
			c.host.Log().Warn("message did not reach all apps of its customer", "apps", len(all), "err", err)
		}
		return receipt, nil
	case final != nil:
		return sdk.Receipt{}, final
	}
	return sdk.Receipt{}, fmt.Errorf("%w: all %d apps are gone", sdk.ErrRecipientGone, gone)
}

// later returns the error that says more of the next attempt: that somebody must
// act, or the longer wait.
func later(a, b error) error {
	x, ok := errors.AsType[*sdk.RetryError](a)
	if a != nil && !ok {
		return a
	}
	y, ok := errors.AsType[*sdk.RetryError](b)
	if a == nil || !ok || y.After > x.After {
		return b
	}
	return a
}
