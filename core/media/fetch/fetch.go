// Package fetch gets files from addresses that others chose: from the public
// Internet only, whole, within a time and a size, and with the headers of a request
// for nobody but the host that it names.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/media"
	"github.com/openccsp/gateway/core/outbound"
)

// Config is what a Fetcher needs. Zero values are the defaults.
type Config struct {
	AllowPrivate bool          // files may be on this machine or in a private network
	Timeout      time.Duration // of a file, with all that it leads to; default 30 s
	AtOnce       int           // files under way, over all, of one instance a quarter; default 64
	PerHost      int           // connections to one host; default 16
	Resolver     *net.Resolver // default the system's
}

// Fetcher fetches files. It is safe for concurrent use.
type Fetcher struct {
	transport *http.Transport
	timeout   time.Duration
	slots     chan struct{}

	mu  sync.Mutex
	own map[string]chan struct{} // slots of an instance
}

const (
	maxHops    = 5 // that an address may lead on
	maxURL     = 8 << 10
	maxHeaders = 32
	maxHead    = 64 << 10 // of an answer
)

// New returns a Fetcher.
func New(c Config) *Fetcher {
	setDefault(&c.Timeout, 30*time.Second)
	setDefault(&c.AtOnce, 64)
	setDefault(&c.PerHost, 16)
	d := &net.Dialer{Timeout: 10 * time.Second, Resolver: c.Resolver, Control: outbound.Control}
	if c.AllowPrivate {
		d.Control = outbound.ControlPrivate
	}
	return &Fetcher{timeout: c.Timeout, slots: make(chan struct{}, c.AtOnce), own: map[string]chan struct{}{}, transport: &http.Transport{
		Proxy:                  nil, // a proxy would reach what the guard forbids
		DialContext:            d.DialContext,
		DisableCompression:     true, // nothing is unpacked
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        c.PerHost,
		MaxIdleConnsPerHost:    4,
		MaxIdleConns:           64,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: maxHead,
	}}
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Close ends idle connections.
func (f *Fetcher) Close() { f.transport.CloseIdleConnections() }

// Body is a file on its way.
type Body struct {
	io.Reader
	Name string // as the far side says, or as the address ends; not clean
	MIME string // as the far side says
	Size int64  // -1: it does not say
}

// Get asks for a file for an instance and has take read it. Errors of its own are
// [core.Invalid] if another try will not help, else [core.Unavailable]; none names
// the address, which may hold a key. Those of take are returned as they are.
func (f *Fetcher) Get(ctx context.Context, instance, raw string, header http.Header, take func(Body) error) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	for _, slots := range []chan struct{}{f.ownSlots(instance), f.slots} { // slow hosts of one keep no other from its files
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return media.Refused(core.Unavailable, media.Unreachable, "too many files are fetched at once")
		}
	}
	at, err := readURL(raw)
	if err != nil {
		return err
	}
	if header, err = cleanHeader(header); err != nil {
		return err
	}
	first := at
	for range maxHops + 1 {
		if !sameHost(first, at) {
			header = nil
		}
		resp, err := f.ask(ctx, at, header)
		if err != nil {
			return err
		}
		next, err := leadsTo(at, resp)
		if err == nil && next == nil {
			err = deliver(resp, at, take)
		}
		_ = resp.Body.Close()
		if err != nil || next == nil {
			return err
		}
		at = next
	}
	return missing("the file's address leads on more than %d times", maxHops)
}

func (f *Fetcher) ownSlots(instance string) chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.own[instance]
	if s == nil {
		s = make(chan struct{}, max(cap(f.slots)/4, 1))
		f.own[instance] = s
	}
	return s
}

// blocked is the error for an address that is not asked.
func blocked(format string, args ...any) error {
	return media.Refused(core.Invalid, media.Blocked, format, args...)
}

// missing is the error for a file that its host does not give.
func missing(format string, args ...any) error {
	return media.Refused(core.Invalid, media.Unreachable, format, args...)
}

func readURL(raw string) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, blocked("the file's address has more than %d bytes", maxURL)
	}
	if err := outbound.CheckURL(raw); err != nil {
		return nil, blocked("the file's address: %s", err)
	}
	return url.Parse(raw)
}

// cleanHeader refuses what could make another request of the one, and leaves out
// what is the gateway's.
func cleanHeader(given http.Header) (http.Header, error) {
	if len(given) > maxHeaders {
		return nil, blocked("a file is asked for with at most %d headers", maxHeaders)
	}
	out := http.Header{}
	for name, values := range given {
		if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }) {
			return nil, blocked("a header for the file cannot be sent")
		}
		switch http.CanonicalHeaderKey(name) {
		case "Accept-Encoding", "Connection", "Content-Length", "Host", "Proxy-Authorization", "Range", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		default:
			out[http.CanonicalHeaderKey(name)] = values
		}
	}
	return out, nil
}

// sameHost says whether what is for one is for the other: they have host, port and
// scheme in common.
func sameHost(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

func (f *Fetcher) ask(ctx context.Context, at *url.URL, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, blocked("the file's address cannot be asked")
	}
	if header != nil {
		r.Header = header.Clone()
	}
	r.Header.Set("Accept-Encoding", "identity")
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "OpenCCSP/"+core.Version)
	}
	resp, err := f.transport.RoundTrip(r) // it follows nothing and keeps no cookies
	if err == nil {
		return resp, nil
	}
	if outbound.IsPrivate(err) {
		return nil, blocked("the file is in a private network; media { allow_private = true } lets the gateway fetch from there")
	}
	if outbound.IsCredentials(err) {
		return nil, blocked("the file is where clouds keep credentials")
	}
	return nil, away(err)
}

// away is the error for a far side that does not answer, or stops.
func away(err error) error {
	message := "the file's host does not answer"
	if errors.Is(err, context.DeadlineExceeded) {
		message = "the file does not come in time"
	}
	return &core.Error{Code: core.Unavailable, Reason: media.Unreachable, Message: message, Err: err}
}

// leadsTo returns where an answer sends whoever asks, nil if it does not.
func leadsTo(at *url.URL, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	to := resp.Header.Get("Location")
	next, err := at.Parse(to)
	if err != nil || to == "" {
		return nil, missing("the file's address leads to one that cannot be read")
	}
	next.Fragment = ""
	return readURL(next.String())
}

func deliver(resp *http.Response, at *url.URL, take func(Body) error) error {
	switch s := resp.StatusCode; {
	case s == http.StatusOK:
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500:
		return media.Refused(core.Unavailable, media.Unreachable, "the file's host answers with status %d", s)
	default:
		return missing("the file's host answers with status %d", s)
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return missing("the file comes packed, which was not asked for")
	}
	body := &reader{r: resp.Body}
	err := take(Body{Reader: body, Name: nameOf(resp, at), MIME: resp.Header.Get("Content-Type"), Size: resp.ContentLength})
	if body.err != nil && err != nil {
		return away(body.err) // take failed because the far side did
	}
	return err
}

// reader notes why the far side stopped.
type reader struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
		return n, fmt.Errorf("fetch: %w", err)
	}
	return n, err
}

func nameOf(resp *http.Response, at *url.URL) string {
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		return params["filename"]
	}
	if name := path.Base(at.Path); name != "/" && name != "." {
		return name
	}
	return ""
}
