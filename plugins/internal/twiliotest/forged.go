package twiliotest

import (
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

const signature = "X-Twilio-Signature" // the header

// Receiver is a plugin, and what its tests know of its requests.
type Receiver struct {
	sdk.WebhookReceiver
	Token   string
	Publics string                 // the address of the hook
	Wrong   func(sdk.Event) string // what is wrong with an event, "" for nothing
}

// Malformed has r take 10,000 malformed bodies at each path, half of them signed: no
// panic, and events of authentic requests alone.
func (r Receiver) Malformed(t *testing.T, form url.Values, paths ...string) {
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same at each run
	for _, path := range paths {
		good := Form(r.Token, r.Publics, path, form)
		for i := range 10_000 {
			q := *good
			q.Header = good.Header.Clone()
			q.Body = mangled(rnd, good.Body)
			authentic := i%2 == 0
			if form, _ := url.ParseQuery(string(q.Body)); authentic {
				q.Header.Set(signature, twilio.Sign(r.Token, q.URL, form))
			}
			res, err := r.Webhook(t.Context(), &q)
			if err != nil || res.Status < 200 || res.Status >= 500 || res.Status != 200 && len(res.Events) > 0 {
				t.Fatalf("%q: %+v, %v", q.Body, res, err)
			}
			if !authentic && res.Status != 401 && covered(q.Body) != covered(good.Body) {
				t.Fatalf("%q, forged: %+v", q.Body, res)
			}
			r.look(t, string(q.Body), res.Events)
		}
	}
}

// Fuzz has r take whatever comes: no panic, nothing of what is forged, and sound events.
func (r Receiver) Fuzz(f *testing.F) {
	f.Add(true, "/status?m=%zz", "%zz")
	f.Fuzz(func(t *testing.T, proven bool, path, body string) {
		form, _ := url.ParseQuery(body)
		q := Form(r.Token, r.Publics, path, form)
		q.Body = []byte(body)
		if !proven {
			q.Header.Set(signature, twilio.Sign("another-token-16", q.URL, form))
		}
		res, err := r.Webhook(t.Context(), q)
		if err != nil || res.Status >= 500 || !proven && (len(res.Events) > 0 || res.Status < 400 || res.Quarantine != "") {
			t.Fatalf("%q: %+v, %v", body, res, err)
		}
		r.look(t, body, res.Events)
	})
}

func (r Receiver) look(t *testing.T, body string, events []sdk.Event) {
	t.Helper()
	for _, e := range events {
		if wrong := r.Wrong(e); wrong != "" {
			t.Fatalf("%q: %s: %+v", body, wrong, e)
		}
	}
}

// covered is what a signature covers of a body: names and values in a row. Two bodies
// of which it covers the same cannot be told apart, by nobody.
func covered(body []byte) string {
	form, _ := url.ParseQuery(string(body))
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, v := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			b.WriteString(name + v)
		}
	}
	return b.String()
}
