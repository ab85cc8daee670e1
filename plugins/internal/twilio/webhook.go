package twilio

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxBody   = 256 << 10 // bytes of a webhook
	maxParams = 500       // parameters of one
)

// Webhook is an authentic request of Twilio's. What tells a repetition is in it: the
// ids of messages and calls. The header I-Twilio-Idempotency-Token would, too, but
// it is not signed: who copies a request could change it, and make it news.
type Webhook struct {
	Form  url.Values      // without values that stand in the query
	JSON  json.RawMessage // of a request that has no form
	Query url.Values      // of its address
}

// Get returns a parameter.
func (w Webhook) Get(name string) string { return w.Form.Get(name) }

// Payload is the form as a JSON object, for rules.
func (w Webhook) Payload() json.RawMessage {
	flat := make(map[string]string, len(w.Form))
	for name := range w.Form {
		flat[name] = w.Form.Get(name)
	}
	b, err := json.Marshal(flat)
	if err != nil {
		return nil
	}
	return b
}

// Receiver checks requests to the hook of an instance.
type Receiver struct {
	Account   Account
	PublicURL string // of the hook; "": as the request says
}

// refusedError is a request that is answered with a status and no event.
type refusedError struct {
	status     int
	why        string
	quarantine bool // it is authentic
}

func (e *refusedError) Error() string { return e.why }

// Read returns what an authentic request says.
func (v *Receiver) Read(r *sdk.WebhookRequest) (Webhook, error) {
	switch {
	case r.Method != http.MethodPost:
		return Webhook{}, &refusedError{status: http.StatusMethodNotAllowed, why: "only POST is taken"}
	case len(r.Body) > maxBody:
		return Webhook{}, &refusedError{status: http.StatusRequestEntityTooLarge, why: fmt.Sprintf("more than %d bytes", maxBody)}
	case len(r.Header.Values("Content-Encoding")) > 0:
		return Webhook{}, &refusedError{status: http.StatusUnsupportedMediaType, why: "compressed bodies are not taken"}
	}
	var w Webhook
	var malformed error
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded":
		w.Form, malformed = parseForm(string(r.Body))
	case "application/json":
		w.JSON = r.Body
	default:
		return Webhook{}, &refusedError{status: http.StatusUnsupportedMediaType, why: "neither a form nor JSON"}
	}
	signatures := r.Header.Values("X-Twilio-Signature")
	if len(signatures) != 1 || !signed(v.Account.AuthToken, signatures[0], v.address(r), v.Account.CallbackOptions, w.Form) ||
		w.Form == nil && !hashed(r.Query, r.Body) {
		return Webhook{}, &refusedError{status: http.StatusUnauthorized, why: "not signed by the account"}
	}
	if malformed != nil {
		return Webhook{}, &refusedError{http.StatusBadRequest, malformed.Error(), true}
	}
	var err error
	if w.Query, err = url.ParseQuery(r.Query); err != nil {
		return Webhook{}, &refusedError{http.StatusBadRequest, "the query cannot be read", true}
	}
	return w, v.own(w)
}

// own refuses what is not about the account, such as one of its subaccounts.
func (v *Receiver) own(w Webhook) error {
	if w.Form == nil && !json.Valid(w.JSON) {
		return &refusedError{http.StatusBadRequest, "the body is no JSON", true}
	}
	if ids := w.Form["AccountSid"]; w.Form != nil && (len(ids) != 1 || ids[0] != v.Account.AccountSID) {
		return &refusedError{http.StatusForbidden, "AccountSid is not the one of the settings", true}
	}
	return nil
}

// address is what Twilio called, byte by byte.
func (v *Receiver) address(r *sdk.WebhookRequest) string {
	if r.URL != "" || v.PublicURL == "" {
		return r.URL
	}
	a := v.PublicURL + r.Path
	if r.Query != "" {
		a += "?" + r.Query
	}
	return a
}

// parseForm reads parameters. What can be read is returned beside the error, so
// that the signature is checked first.
func parseForm(body string) (url.Values, error) {
	if n := strings.Count(body, "&"); n >= maxParams {
		return url.Values{}, fmt.Errorf("more than %d parameters", maxParams)
	}
	form, err := url.ParseQuery(body)
	if form == nil {
		form = url.Values{}
	}
	if err != nil {
		return form, errors.New("the form cannot be read")
	}
	for name, values := range form {
		for _, v := range values {
			if !utf8.ValidString(name) || !utf8.ValidString(v) {
				return form, errors.New("the form is not UTF-8")
			}
		}
	}
	return form, nil
}

// Refusal is the answer to what Read did not take.
func Refusal(err error) sdk.WebhookResponse {
	e, ok := errors.AsType[*refusedError](err)
	if !ok {
		e = &refusedError{status: http.StatusBadRequest, why: err.Error(), quarantine: true}
	}
	res := sdk.WebhookResponse{Status: e.status, Body: []byte(e.why + "\n"), Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}
	if e.status == http.StatusMethodNotAllowed {
		res.Header.Set("Allow", http.MethodPost)
	}
	if e.quarantine {
		res.Quarantine = e.why
	}
	return res
}

// NotFound is the answer at a path that no driver has.
func NotFound() sdk.WebhookResponse {
	return Refusal(&refusedError{status: http.StatusNotFound, why: "nothing is here"})
}

// Malformed is an authentic request without what it should have.
func Malformed(why string) sdk.WebhookResponse {
	return Refusal(&refusedError{http.StatusBadRequest, why, true})
}

// Answer is TwiML, and the events that are to be durable before it goes out.
func Answer(twiml string, events ...sdk.Event) sdk.WebhookResponse {
	return sdk.WebhookResponse{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Body: []byte(twiml), Events: events}
}

// Silence is the answer that says and does nothing.
const Silence = xml.Header + "<Response/>"
