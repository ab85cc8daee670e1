package twiliotest

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

// Form is a request of Twilio's, signed with token, at a path below the public
// address of the hook.
func Form(token, publics, path string, form url.Values) *sdk.WebhookRequest {
	at, query, _ := strings.Cut(path, "?")
	return &sdk.WebhookRequest{Method: http.MethodPost, Path: at, Query: query, URL: publics + path, Body: []byte(form.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, signature: {twilio.Sign(token, publics+path, form)}}}
}

// mangled changes some bytes of b.
func mangled(rnd *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + rnd.IntN(8) {
		at := rnd.IntN(len(b) + 1)
		switch rnd.IntN(4) {
		case 0:
			b = append(b[:at], b[min(len(b), at+rnd.IntN(20)):]...)
		case 1:
			b = slices.Insert(b, at, []byte{'%', '&', '=', 0, 0xff, '+', ';'}[rnd.IntN(7)])
		case 2:
			b = slices.Insert(b, at, b[at:min(len(b), at+rnd.IntN(200))]...)
		default:
			if at < len(b) {
				b[at] = byte(rnd.IntN(256))
			}
		}
	}
	return b
}
