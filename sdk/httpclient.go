package sdk

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// maxConns is how many connections an instance has to one host at most.
const maxConns = 256

// metadata are services of clouds that give credentials away and are not link-local.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"),
}

// newHTTPClient returns the client of Host.HTTP. A call's time is limited by
// its context; connections per host are kept, because drivers talk to one or
// two. Private networks are allowed, since contact centers live there; link-local
// ones (a cloud's metadata service) are not.
func newHTTPClient() *http.Client {
	guard := ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(
			netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"),
			netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
			netip.MustParsePrefix("100.64.0.0/10")),
		ssrf.WithAllowedV6Prefixes(
			netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7")),
	)
	control := func(network, address string, c syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err == nil && slices.Contains(metadata, at.Addr()) {
			return ssrf.ErrProhibitedIP
		}
		return guard.Safe(network, address, c)
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: control}
	return &http.Client{Transport: traced{&http.Transport{
		Proxy:                  nil, // the environment does not decide where messages go
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns,
		MaxIdleConns:           512,
		IdleConnTimeout:        60 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  60 * time.Second, // long polls take up to a minute
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}}}
}

// traced hands the trace of a call on to the far side.
type traced struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	trace, _ := r.Context().Value(traceKey{}).(string)
	if trace != "" && r.Header.Get("Traceparent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("Traceparent", trace)
	}
	return t.Transport.RoundTrip(r)
}
