package phone

import (
	"fmt"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/openccsp/gateway/sdk"
)

// Why a call ended. The words are those of the other providers of calls.
const (
	Completed = "completed"
	Busy      = "busy"
	NoAnswer  = "no-answer"
	Rejected  = "rejected" // by the person
	Failed    = "failed"
	Canceled  = "canceled" // by us
)

// reasons are the answers that a person, or the lack of one, gave: the call was
// placed, and that is how it ended.
var reasons = map[int]string{
	486: Busy, 600: Busy, 408: NoAnswer, 480: NoAnswer, 487: NoAnswer, 603: Rejected, 607: Rejected, 608: Rejected,
}

// ended returns why a call ended that this answer refused.
func ended(code int) string {
	if r := reasons[code]; r != "" {
		return r
	}
	return Failed
}

// refused is the answer to an INVITE that did not get as far as a telephone, nil
// if it did: the classes of RFC 3261, section 21.
func refused(res *sip.Response) error {
	code := res.StatusCode
	err := fmt.Errorf("SIP %d %s", code, res.Reason)
	switch {
	case reasons[code] != "":
		return nil
	case code == 404 || code == 410 || code == 484 || code == 604:
		return fmt.Errorf("%w: %w", sdk.ErrRecipientGone, err)
	case code == 401 || code == 403 || code == 407:
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	case code == 500 || code == 502 || code == 503 || code == 504:
		return sdk.Retry(err, retryAfter(res))
	}
	return sdk.Rejected("sip_"+strconv.Itoa(code), err.Error())
}

// maxRetryAfter bounds what a trunk may ask for.
const maxRetryAfter = time.Hour

func retryAfter(res *sip.Response) time.Duration {
	h := res.GetHeader("Retry-After")
	if h == nil {
		return 0
	}
	digits := h.Value()
	for i, r := range digits { // "18000;duration=3600" and "120 (I'm in a meeting)" are allowed
		if r < '0' || r > '9' {
			digits = digits[:i]
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}
