package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

// settings are the connection parameters that Enghouse hands to a customer.
// Durations are written as in "1s".
type settings struct {
	BaseURL            string            `json:"base_url" jsonschema:"required,title=Server" jsonschema_description:"Scheme and host of the contact center, such as https://ccsp.example.com."`
	Path               string            `json:"path,omitempty" jsonschema:"title=Path of the chat API,default=/scripts/ChatExtension.DLL"`
	CallCenterAddress  string            `json:"call_center_address,omitempty" jsonschema:"title=Call center address" jsonschema_description:"Address of the Internet Connection Server behind the web server."`
	Port               string            `json:"port,omitempty" jsonschema:"title=Call center port,type=string,default=2324"`
	Queue              string            `json:"queue,omitempty" jsonschema:"title=Queue"`
	TenantID           string            `json:"tenant_id,omitempty" jsonschema:"title=Tenant"`
	ApplicationID      string            `json:"application_id,omitempty" jsonschema:"title=Application"`
	AccountID          string            `json:"account_id,omitempty" jsonschema:"title=Account,default=0"`
	Skills             string            `json:"skills,omitempty" jsonschema:"title=Skills"`
	Priority           string            `json:"priority,omitempty" jsonschema:"title=Priority of the caller,default=-1"`
	RoutingPriority    string            `json:"routing_priority,omitempty" jsonschema:"title=Routing priority,default=0"`
	TQOS               string            `json:"tqos,omitempty" jsonschema:"title=TQOS,default=0"`
	PhoneType          string            `json:"phone_type,omitempty" jsonschema:"title=Phone type" jsonschema_description:"Some installations want CHAT. Empty: not sent."`
	SourceTag          string            `json:"source_tag,omitempty" jsonschema:"title=Source" jsonschema_description:"Where the chat comes from, as the agent sees it. Empty: the type of the channel."`
	OptionalParameters map[string]string `json:"optional_parameters,omitempty" jsonschema:"title=Further parameters" jsonschema_description:"Sent with each new chat."`
	Poll               pollSettings      `json:"poll,omitempty" jsonschema:"title=Polling"`
	Timeout            string            `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=30s"`
	BasicAuth          string            `json:"basic_auth,omitempty" jsonschema:"title=Basic authentication" jsonschema_description:"user:password, if a proxy in front of the server asks for it." jsonschema_extras:"x-secret=true"`
	ExtraHeaders       map[string]string `json:"extra_headers,omitempty" jsonschema:"title=Further HTTP headers"`
	TLS                tlsSettings       `json:"tls,omitempty" jsonschema:"title=TLS"`
}

// pollSettings say how often an open chat is asked for news.
type pollSettings struct {
	Active    string `json:"active,omitempty" jsonschema:"title=While somebody writes,default=1s"`
	Idle      string `json:"idle,omitempty" jsonschema:"title=In a quiet chat,default=5s"`
	MaxErrors int    `json:"max_errors,omitempty" jsonschema:"title=Bad answers in a row that end a chat,default=3,minimum=1"`
}

// tlsSettings name PEM files.
type tlsSettings struct {
	CA   string `json:"ca,omitempty" jsonschema:"title=File of trusted authorities" jsonschema_description:"Empty: those of the system."`
	Cert string `json:"cert,omitempty" jsonschema:"title=File of the client certificate"`
	Key  string `json:"key,omitempty" jsonschema:"title=File of its key"`
}

// config is settings, checked.
type config struct {
	settings
	endpoint     *url.URL
	header       http.Header
	tls          *tls.Config
	timeout      time.Duration
	active, idle time.Duration
}

const (
	defaultPath   = "/scripts/ChatExtension.DLL"
	maxTimeout    = 5 * time.Minute
	minPoll       = 100 * time.Millisecond
	maxPoll       = 5 * time.Minute
	defaultErrors = 3
)

// check reports all that is wrong at once.
func (s settings) check() (config, error) {
	s.fill()
	c := config{settings: s}
	var errs [6]error
	c.endpoint, errs[0] = s.parseURL()
	c.header, errs[1] = s.parseHeaders()
	c.timeout, errs[2] = ccsp.Duration("timeout", s.Timeout, 100*time.Millisecond, maxTimeout)
	c.active, errs[3] = ccsp.Duration("poll.active", s.Poll.Active, minPoll, maxPoll)
	c.idle, errs[4] = ccsp.Duration("poll.idle", s.Poll.Idle, minPoll, maxPoll)
	c.tls, errs[5] = s.TLS.load()
	if err := errors.Join(errs[:]...); err != nil {
		return config{}, err
	}
	if c.idle < c.active {
		return config{}, fmt.Errorf("poll.idle %q is shorter than poll.active %q", s.Poll.Idle, s.Poll.Active)
	}
	return c, nil
}

// fill sets what is empty: a text that is there and empty counts as absent,
// and the wire wants these numbers.
func (s *settings) fill() {
	for _, d := range []struct {
		to      *string
		standby string
	}{
		{&s.Path, defaultPath}, {&s.Port, "2324"}, {&s.AccountID, "0"}, {&s.Priority, "-1"},
		{&s.RoutingPriority, "0"}, {&s.TQOS, "0"}, {&s.Timeout, "30s"}, {&s.Poll.Active, "1s"}, {&s.Poll.Idle, "5s"},
	} {
		if *d.to == "" {
			*d.to = d.standby
		}
	}
	if s.Poll.MaxErrors < 1 {
		s.Poll.MaxErrors = defaultErrors
	}
}

func (s settings) parseURL() (*url.URL, error) {
	u, err := ccsp.Server("base_url", s.BaseURL, "https://ccsp.example.com", "path and basic_auth")
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(s.Path, "/") || strings.ContainsAny(s.Path, "?#") {
		return nil, fmt.Errorf("path %q is not a path; write one such as %q", s.Path, defaultPath)
	}
	u.Path = s.Path
	return u, nil
}

func (s settings) parseHeaders() (http.Header, error) {
	h := http.Header{}
	for name, value := range s.ExtraHeaders {
		if !ccsp.HeaderName(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("extra_headers: %q is not a header with a value of one line", name)
		}
		h.Set(name, value)
	}
	if s.BasicAuth != "" {
		user, password, ok := strings.Cut(s.BasicAuth, ":")
		if !ok {
			return nil, errors.New("basic_auth is not user:password")
		}
		r := http.Request{Header: h}
		r.SetBasicAuth(user, password)
	}
	return h, nil
}

// load returns nil if nothing is set.
func (t tlsSettings) load() (*tls.Config, error) {
	if t == (tlsSettings{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no certificate in PEM form", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("tls.cert and tls.key go together; one is missing")
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
