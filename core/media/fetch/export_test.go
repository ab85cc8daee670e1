package fetch

import (
	"context"
	"net"
	"net/http"

	"github.com/openccsp/gateway/core/outbound"
)

// CleanHeader is cleanHeader.
func CleanHeader(h http.Header) (http.Header, error) { return cleanHeader(h) }

// NewGuardedAfter returns a Fetcher that reaches one address unguarded: the host
// of tests, which is on loopback.
func NewGuardedAfter(address string) *Fetcher {
	f := New(Config{})
	f.transport.DialContext = func(ctx context.Context, network, to string) (net.Conn, error) {
		d := &net.Dialer{Control: outbound.Control}
		if to == address {
			d.Control = nil
		}
		return d.DialContext(ctx, network, to)
	}
	return f
}
