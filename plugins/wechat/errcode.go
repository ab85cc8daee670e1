package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// beijing is where WeChat's quotas of a day begin anew. China has one time zone and
// no summer time.
var beijing = time.FixedZone("CST", 8*60*60)

// verdict says what should happen next.
type verdict int

const (
	rejected verdict = iota // final; what is in no list
	retry
	stale    // the access token is not valid
	operator // somebody must change the settings, here or at WeChat
	closed   // the reply window
	gone     // the customer
	byDay    // the quota of a day is used up
	byMinute // that of a minute
)

// verdicts of WeChat's codes, see
// developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html.
var verdicts = map[int]verdict{
	-1:    retry,
	40001: stale, 40014: stale, 41001: stale, 42001: stale,
	40013: operator, 40125: operator, 40164: operator, 40243: operator,
	41002: operator, 41004: operator, 48001: operator, 48004: operator, 61004: operator, 89503: operator,
	45009: byDay, 45011: byMinute,
	45015: closed, 45047: closed,
	40003: gone, 43004: gone, 50002: gone,
}

// errStale says that the access token is not valid.
var errStale = errors.New("the access token is not valid")

// refused turns a code into what should happen next; 0 is no error.
func refused(code int, message string, now time.Time) error {
	if code == 0 {
		return nil
	}
	err := fmt.Errorf("WeChat: %d %s", code, message)
	switch verdicts[code] {
	case retry:
		return sdk.Retry(err, 0)
	case stale:
		return fmt.Errorf("%w: %w", errStale, err)
	case operator:
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	case closed:
		return fmt.Errorf("%w: %w", sdk.ErrWindowClosed, err)
	case gone:
		return fmt.Errorf("%w: %w", sdk.ErrRecipientGone, err)
	case byDay:
		return sdk.Throttled(err, untilMidnight(now))
	case byMinute:
		return sdk.Throttled(err, time.Minute)
	}
	return sdk.Rejected(strconv.Itoa(code), message)
}

// untilMidnight is how long the day still takes in Beijing.
func untilMidnight(now time.Time) time.Duration {
	y, m, d := now.In(beijing).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, beijing).Sub(now)
}
