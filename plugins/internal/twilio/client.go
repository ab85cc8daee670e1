package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// Client makes calls of the API. It is safe for concurrent use.
type Client struct {
	// Once says that what is created must never be created twice, such as a phone
	// call: where Twilio may have done it nobody tries again.
	Once bool

	account checked
	http    *http.Client
	now     func() time.Time
}

// NewClient makes calls with h's transport, which it does not share: redirects
// are not followed, because credentials and texts are for nobody else.
func NewClient(a Account, h *http.Client, now func() time.Time) (*Client, error) {
	c, err := a.check()
	if err != nil {
		return nil, err
	}
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{account: c, http: &own, now: now}, nil
}

// Resource is what Twilio says of a message or a call.
type Resource struct {
	SID    string `json:"sid"`
	Status string `json:"status"`
}

// Create makes a resource of the account, such as Messages. The errors are those
// of [sdk.Channel].
func (c *Client) Create(ctx context.Context, resource string, form url.Values) (Resource, error) {
	a, err := c.do(ctx, http.MethodPost, "/"+resource+".json", form)
	if err != nil {
		return Resource{}, ccsp.Resend(err)
	}
	if err := c.refused(a); err != nil {
		return Resource{}, ccsp.Resend(err)
	}
	var r Resource
	if a.Err != nil || json.Unmarshal(a.Body, &r) != nil || r.SID == "" {
		return Resource{}, ccsp.Resend(sdk.Ambiguous(errors.New("the answer is not Twilio's, or not whole")))
	}
	return r, nil
}

// Probe asks for the account itself, and says to a person what is wrong.
func (c *Client) Probe(ctx context.Context) error {
	a, err := c.do(ctx, http.MethodGet, ".json", nil)
	switch {
	case err != nil:
		return fmt.Errorf("base_url: %w", err)
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return errors.New("Twilio refuses the credentials; check account_sid, auth_token, api_key and api_secret") //nolint:staticcheck // a name
	case a.Status >= 300 && a.Status < 400:
		return errors.New("base_url: the server redirects; set it to the final address")
	case a.Status == http.StatusTooManyRequests, a.Status >= 500:
		return fmt.Errorf("base_url: the server answers with status %d; try again later", a.Status)
	}
	var account struct{ SID, Status string }
	if a.Status != http.StatusOK || a.Err != nil || json.Unmarshal(a.Body, &account) != nil || account.SID != c.account.AccountSID {
		return fmt.Errorf("base_url: what answers is not Twilio (HTTP %d)", a.Status)
	}
	if account.Status != "" && account.Status != "active" {
		return fmt.Errorf("account_sid: the account is %s", account.Status)
	}
	return nil
}

// do makes a call. The error is sdk.Retry if nothing went out, and sdk.Ambiguous
// if something did and no status came back; any status is an answer.
func (c *Client) do(ctx context.Context, method, path string, form url.Values) (ccsp.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.account.timeout)
	defer cancel()
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	at := *c.account.base
	at.Path = "/2010-04-01/Accounts/" + c.account.AccountSID + path
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, at.String(), body)
	if err != nil {
		return ccsp.Answer{}, sdk.Rejected("address", "the address of the call is not valid")
	}
	r.SetBasicAuth(c.account.user())
	r.Header.Set("Accept", "application/json")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		if !wrote.Load() {
			return ccsp.Answer{}, sdk.Retry(err, 0)
		}
		return ccsp.Answer{}, sdk.Ambiguous(err)
	}
	defer func() { _ = res.Body.Close() }()
	return ccsp.ReadAnswer(res), nil
}

// MediaHeader is what a file at address is fetched with: the credentials, if it
// is where the API is, and nothing for any other host.
func (c *Client) MediaHeader(address string) http.Header {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != c.account.base.Scheme || u.Host != c.account.base.Host {
		return nil
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(c.account.user())
	return r.Header
}

// PlainHTTP is a client for the time before there is a host.
func PlainHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
	}}
}
