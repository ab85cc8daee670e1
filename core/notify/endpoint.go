package notify

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core/outbound"
)

// Format is what a request to an endpoint looks like.
type Format string

// The formats. Whatever the format, a secret signs what is sent after Standard
// Webhooks.
const (
	Standard         Format = "standard"           // Standard Webhooks: {"type":…,"timestamp":…,"data":…}
	CloudEvents      Format = "cloudevents"        // CloudEvents 1.0, structured: one JSON with the attributes
	CloudEventsPlain Format = "cloudevents_binary" // the same, binary: attributes in ce- headers, the data as the body
)

// Formats are all there are, the default first.
var Formats = []string{string(Standard), string(CloudEvents), string(CloudEventsPlain)}

// Endpoint is where notifications go.
type Endpoint struct {
	URL          string            // http or https, without user and password
	Secret       string            // signs the requests; "": they are not signed. See Key
	Previous     string            // the secret before: requests have both signatures while receivers change over
	Bearer       string            // token for the header Authorization; "": none
	Format       Format            // "": Standard
	Headers      map[string]string // sent beside those of the format
	Validate     bool              // it is asked first whether it wants notifications; not with Standard
	AllowPrivate bool              // it may be on this machine or in a private network
	Rate         float64           // requests per second; 0: no limit
	Timeout      time.Duration     // of one attempt; 0: the notifier's
	DisableAfter time.Duration     // of failures alone it gets nothing more; 0: DisableAfter
}

// DisableAfter is how long an endpoint may fail without one success, by default.
const DisableAfter = 5 * 24 * time.Hour

// endpoint is a checked Endpoint.
type endpoint struct {
	Endpoint
	name string
	keys []signer
	gate *gate
}

func newEndpoint(name string, c Endpoint, origin string, most int) (*endpoint, error) {
	if err := outbound.CheckURL(c.URL); err != nil {
		return nil, err
	}
	c.Format = cmp.Or(c.Format, Standard)
	if !slices.Contains(Formats, string(c.Format)) {
		return nil, fmt.Errorf("there is no format %q", c.Format)
	}
	switch {
	case c.Validate && c.Format == Standard:
		return nil, errors.New("only CloudEvents can be validated")
	case c.Validate && origin == "":
		return nil, errors.New("to be validated the gateway needs a name")
	}
	c.DisableAfter = cmp.Or(c.DisableAfter, DisableAfter)
	c.Headers = maps.Clone(c.Headers)
	e := &endpoint{Endpoint: c, name: name, gate: newGate(c.Rate, c.Validate, most)}
	for _, secret := range []string{c.Secret, c.Previous} {
		key, err := newSigner(secret)
		if err != nil {
			return nil, err
		}
		if key != nil {
			e.keys = append(e.keys, key)
		}
	}
	if strings.ContainsAny(c.Bearer, "\r\n") {
		return nil, errors.New("the bearer token has a line break in it")
	}
	return e, nil
}

// host is as much of the URL as may be shown: the rest may hold a token.
func (e *endpoint) host() string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
