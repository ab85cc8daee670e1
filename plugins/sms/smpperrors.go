package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// patience is how often a message is tried that the SMSC refuses without saying
// whether that may pass.
const patience = 3

// retryAfter is the wait after a failure that may pass.
const retryAfter = 5 * time.Second

// sendError says what an error of submit_sm means. pause is for how long the sending
// of all messages pauses, if the SMSC asks for that.
func sendError(err error, attempt int, pause time.Duration) error {
	if _, ok := errors.AsType[*smpp.UnansweredError](err); ok {
		return sdk.Ambiguous(err)
	}
	refused, ok := errors.AsType[*smpp.StatusError](err)
	if !ok {
		return sdk.Retry(err, time.Second) // nothing went out
	}
	switch refused.Status {
	case smpp.Throttled, smpp.QueueFull:
		return sdk.Throttled(err, pause)
	case smpp.SystemError, smpp.TemporaryError, smpp.DeliveryFailure:
		return sdk.Retry(err, retryAfter)
	case smpp.SubmitFailed, smpp.UnknownError:
		if attempt < patience {
			return sdk.Retry(err, retryAfter)
		}
	case smpp.InvalidDest:
		return fmt.Errorf("%w: %w", sdk.ErrRecipientGone, err)
	case smpp.InvalidBindState:
		if attempt == 1 {
			return sdk.Retry(err, time.Second) // it binds again
		}
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	case smpp.BindFailed, smpp.InvalidPassword, smpp.InvalidSystemID, smpp.AlreadyBound:
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	}
	return sdk.Rejected(fmt.Sprintf("0x%02X", uint32(refused.Status)), refused.Status.String()+" "+refused.Text)
}

// isThrottle says whether the SMSC asks us to slow down.
func isThrottle(err error) bool {
	refused, ok := errors.AsType[*smpp.StatusError](err)
	return ok && (refused.Status == smpp.Throttled || refused.Status == smpp.QueueFull)
}

// isUnbound says whether the SMSC takes us for not bound.
func isUnbound(err error) bool {
	refused, ok := errors.AsType[*smpp.StatusError](err)
	return ok && refused.Status == smpp.InvalidBindState
}

// isAuth says whether a bind was refused for what only an operator can change.
func isAuth(err error) bool {
	refused, ok := errors.AsType[*smpp.StatusError](err)
	if !ok {
		return false
	}
	switch refused.Status {
	case smpp.BindFailed, smpp.InvalidPassword, smpp.InvalidSystemID, smpp.InvalidSystemTyp:
		return true
	}
	return false
}

// asRejected returns the final refusal that err is.
func asRejected(err error) (*sdk.RejectedError, bool) { return errors.AsType[*sdk.RejectedError](err) }
