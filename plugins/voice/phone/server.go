package phone

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/emiago/sipgo/sip"
)

// routes makes the route that all requests take.
func (p *Phone) routes() (sip.Uri, error) {
	host, port, err := net.SplitHostPort(p.Server)
	if err != nil {
		return sip.Uri{}, fmt.Errorf("server: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return sip.Uri{}, fmt.Errorf("server: %q is no port", port)
	}
	route := sip.Uri{Scheme: "sip", Host: host, Port: int(number), UriParams: sip.NewParams()}
	route.UriParams.Add("lr", "")
	if p.Transport != "udp" {
		route.UriParams.Add("transport", p.Transport)
	}
	return route, nil
}

// address is an address of the server. All of a call goes to one: the other machines
// behind a name do not know of it. It is of the kind that we have ourselves.
func (p *Phone) address(ctx context.Context) (string, error) {
	kind := "ip4"
	if p.told().Is6() {
		kind = "ip6"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, kind, p.route.Host)
	if err != nil {
		return "", err
	}
	for _, a := range addrs {
		p.gate.add(a)
	}
	return net.JoinHostPort(addrs[0].Unmap().String(), strconv.Itoa(p.route.Port)), nil
}

// aim sends a request to the server.
func (p *Phone) aim(ctx context.Context, req *sip.Request) error {
	at, err := p.address(ctx)
	if err == nil {
		req.SetDestination(at)
	}
	return err
}
