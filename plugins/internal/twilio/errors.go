package twilio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// verdict is what an error code means for the gateway.
type verdict int

const (
	rejected verdict = iota
	gone
	operator // the whole channel waits for one
	slower
	later
)

// code is one of Twilio's error codes, https://www.twilio.com/docs/api/errors.
type code struct {
	verdict verdict
	means   string
}

// codes are those that mean more than that the message is refused. What is wrong
// with one destination alone, such as its region, never stops the channel.
var codes = map[int]code{
	10001: {operator, "the account is not active"},
	10002: {operator, "the trial account does not do that"},
	14107: {slower, "too many messages"},
	20003: {operator, "credentials refused"},
	20005: {operator, "the account is not active"},
	20404: {operator, "there is no such account"},
	20429: {slower, "too many requests"},
	20500: {later, "internal error"},
	20503: {later, "unavailable"},
	30001: {later, "queue overflow"},
	30002: {operator, "the account is suspended"},

	13224: {gone, "the number is not valid"},
	21211: {gone, "the number is not valid"},
	21214: {gone, "the number cannot be reached"},
	21217: {gone, "the number is not valid"},
	21610: {gone, "the customer has unsubscribed"},
	21614: {gone, "the number is no mobile number"},
	30005: {gone, "the number is unknown or no longer in use"},
	30006: {gone, "a landline, or a carrier that cannot be reached"},

	21210: {operator, "the number in from is not verified"},
	21212: {operator, "the number in from is not valid"},
	21603: {operator, "from is missing"},
	21606: {operator, "the number in from cannot send messages"},
	21701: {operator, "the messaging service does not exist"},
	21703: {operator, "the messaging service has no numbers"},

	13227: {rejected, "the region is not permitted; permit it in Twilio's console"},
	21215: {rejected, "the region is not permitted; permit it in Twilio's console"},
	21220: {rejected, "the call is not in a state for that"},
	21408: {rejected, "the region is not permitted; permit it in Twilio's console"},
	21602: {rejected, "the message has no body"},
	21608: {rejected, "a trial account writes to verified numbers only"},
	21612: {rejected, "no route from this number to that one"},
	21617: {rejected, "the text is too long"},
	21620: {rejected, "the address of a file is not valid"},
	21623: {rejected, "too many files"},
	30003: {rejected, "the phone cannot be reached; often for a while"},
	30004: {rejected, "the message is blocked"},
	30007: {rejected, "filtered by the carrier"},
	30008: {rejected, "unknown error"},
}

// Meaning says in words what a code of a status callback means, "" if it is not
// known.
func Meaning(number string) string {
	n, err := strconv.Atoi(number)
	if err != nil {
		return ""
	}
	return codes[n].means
}

// refused says what an answer means, nil if Twilio did what it was asked.
func (c *Client) refused(a ccsp.Answer) error {
	if a.Status >= 200 && a.Status < 300 {
		return nil
	}
	var body struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(a.Body, &body) != nil {
		body.Code = 0 // a proxy's page
	}
	err := fmt.Errorf("Twilio answers with status %d, error %d", a.Status, body.Code) //nolint:staticcheck // a name
	wait := a.WaitAsked(c.now())
	known, ok := codes[body.Code]
	switch {
	case a.Status >= 500 && body.Code != 0 && !c.Once: // it is Twilio that says so: nothing was done
		return sdk.Retry(err, wait)
	case a.Status >= 500, !ok:
		return c.byStatus(a, err, body.Code)
	}
	switch known.verdict {
	case gone:
		return fmt.Errorf("%w: %d %s", sdk.ErrRecipientGone, body.Code, known.means)
	case operator:
		return fmt.Errorf("%w: %d %s", sdk.ErrAuthConfig, body.Code, known.means)
	case slower:
		return sdk.Throttled(err, wait)
	case later:
		return sdk.Retry(err, wait)
	}
	return sdk.Rejected(strconv.Itoa(body.Code), known.means)
}

// byStatus judges an answer whose code says nothing.
func (c *Client) byStatus(a ccsp.Answer, err error, number int) error {
	if e := ccsp.Refused(err, a.Status, a.WaitAsked(c.now())); e != nil {
		return e
	}
	switch {
	case number != 0:
		return sdk.Rejected(strconv.Itoa(number), fmt.Sprintf("HTTP %d", a.Status))
	case a.Status >= 300 && a.Status < 400:
		return sdk.Rejected("http_"+strconv.Itoa(a.Status), "redirected; set base_url to the new place")
	case a.Status == http.StatusNotFound:
		return fmt.Errorf("%w: nothing is there; check base_url and account_sid", sdk.ErrAuthConfig)
	}
	return sdk.Rejected("status_"+strconv.Itoa(a.Status), "")
}
