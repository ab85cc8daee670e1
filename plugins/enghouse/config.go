package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

// config is settings, checked.
type config struct {
	settings
	endpoint, upload *url.URL
	header           http.Header
	timeout          time.Duration
	active, idle     time.Duration
	grace            time.Duration
}

const (
	defaultPath   = "/scripts/ChatExtension.DLL"
	defaultUpload = "/SocialConnectorHelperAPI/api/helper/saveFile"
	maxTimeout    = 5 * time.Minute
	maxGrace      = 10 * time.Minute
	minPoll       = 100 * time.Millisecond
	maxPoll       = 5 * time.Minute
	maxFileBytes  = 100 << 20

	defaultErrors      = 3
	defaultConnections = 256
	maxConnections     = 4096
	defaultFileBytes   = 25 << 20
)

// Check implements sdk.Checker.
func (s settings) Check() error {
	_, err := s.check()
	return err
}

// check reports all that is wrong at once.
func (s settings) check() (config, error) {
	s.fill()
	c := config{settings: s}
	var errs [11]error
	c.endpoint, errs[0] = s.parseURL()
	c.header, errs[1] = s.parseHeaders()
	c.timeout, errs[2] = ccsp.Duration("timeout", s.Timeout, 100*time.Millisecond, maxTimeout)
	c.active, errs[3] = ccsp.Duration("poll.active", s.Poll.Active, minPoll, maxPoll)
	c.idle, errs[4] = ccsp.Duration("poll.idle", s.Poll.Idle, minPoll, maxPoll)
	c.grace, errs[5] = ccsp.Duration("left_grace", s.LeftGrace, 0, maxGrace)
	c.upload, errs[6] = s.parseUpload()
	_, errs[7] = s.TLS.load()
	errs[8] = s.checkRouting()
	errs[9] = s.checkNumbers()
	if s.Attachments != "link" && s.Attachments != "upload" {
		errs[10] = fmt.Errorf(`attachments %q is neither "link" nor "upload"`, s.Attachments)
	}
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
		{&s.Path, defaultPath}, {&s.APIVersion, "1.0"}, {&s.Port, "2324"}, {&s.AccountID, "0"}, {&s.Priority, "-1"},
		{&s.RoutingPriority, "0"}, {&s.TQOS, "0"}, {&s.Timeout, "30s"}, {&s.Poll.Active, "1s"}, {&s.Poll.Idle, "5s"},
		{&s.LeftGrace, "0s"}, {&s.Attachments, "link"}, {&s.Upload.URL, defaultUpload}, {&s.Upload.Event, "SC_ATTACHMENT"},
		{&s.Upload.Parameter, "SC_URL"}, {&s.UpdateEvent, "profile_updated"},
	} {
		if *d.to == "" {
			*d.to = d.standby
		}
	}
	if s.Poll.MaxErrors < 1 {
		s.Poll.MaxErrors = defaultErrors
	}
	if s.Poll.Connections == 0 {
		s.Poll.Connections = defaultConnections
	}
	if s.Upload.MaxBytes == 0 {
		s.Upload.MaxBytes = defaultFileBytes
	}
}

func (s settings) checkNumbers() error {
	var errs []error
	if s.Poll.MaxPerSecond < 0 {
		errs = append(errs, fmt.Errorf("poll.max_per_second %d is less than 1", s.Poll.MaxPerSecond))
	}
	if n := s.Poll.Connections; n < 1 || n > maxConnections {
		errs = append(errs, fmt.Errorf("poll.connections %d is not from 1 to %d", n, maxConnections))
	}
	if n := s.Upload.MaxBytes; n < 1 || n > maxFileBytes {
		errs = append(errs, fmt.Errorf("upload.max_bytes %d is not from 1 to %d", n, maxFileBytes))
	}
	return errors.Join(errs...)
}

// parseUpload reads a path at base_url or an address.
func (s settings) parseUpload() (*url.URL, error) {
	u, err := url.Parse(s.Upload.URL)
	if err != nil || u.User != nil || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") ||
		u.Host == "" && u.Scheme != "" || u.Host != "" && u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("upload.url is neither a path nor an http or https address; write one such as %q", defaultUpload)
	}
	if u.Host != "" {
		return u, nil
	}
	base, err := url.Parse(s.BaseURL)
	if err != nil {
		return nil, nil // parseURL says so
	}
	return base.ResolveReference(u), nil
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
