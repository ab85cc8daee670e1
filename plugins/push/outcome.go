package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	leastPause = 10 * time.Second // the least that FCM and APNs want between two attempts
	oneMinute  = time.Minute
)

// errStale says that a token of ours, not the app's, has ended.
var errStale = errors.New("the access token is not valid")

// goneError says that an app cannot be reached any more. Since is when the platform
// saw that, or when it was asked if it does not say.
type goneError struct {
	reason string
	since  time.Time
}

// Error returns the platform's reason.
func (e *goneError) Error() string { return "app gone: " + e.reason }

// Unwrap makes it what the gateway knows.
func (e *goneError) Unwrap() error { return sdk.ErrRecipientGone }

func authConfig(err error) error { return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err) }

// passing reports whether an error may pass by itself.
func passing(err error) bool {
	_, ok := errors.AsType[*sdk.RetryError](err)
	return ok || errors.Is(err, sdk.ErrAuthConfig)
}
