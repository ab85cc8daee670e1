package main

import (
	"context"
	"regexp"

	"github.com/openccsp/gateway/sdk"
)

// channel is one instance: one Official Account.
type channel struct {
	cfg     config
	host    sdk.Host
	api     *api
	seen    *seen
	uploads *uploads
	sending *progress
}

// openIDPattern is what the id of a follower looks like.
var openIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// open opens one instance.
func open(_ context.Context, s Settings, h sdk.Host) (*channel, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	c := &channel{cfg: cfg, host: h, api: newAPI(cfg, h.HTTP(), h.Now, h)}
	if c.seen, err = newSeen(maxSeen); err != nil {
		return nil, err
	}
	if c.uploads, err = newUploads(c); err != nil {
		return nil, err
	}
	c.sending, err = newProgress()
	return c, err
}

// TypingToCustomer implements sdk.CustomerTyper.
func (c *channel) TypingToCustomer(ctx context.Context, to sdk.Customer, on bool) error {
	if !openIDPattern.MatchString(to.Address) {
		return errNoOpenID
	}
	command := "CancelTyping"
	if on {
		command = "Typing"
	}
	return c.api.typing(ctx, to.Address, command)
}

// CloseInstance implements sdk.Closer.
func (c *channel) CloseInstance(context.Context) error {
	c.api.close()
	return nil
}
