// Package outbound keeps requests to addresses that others chose, such as those
// of endpoints and of files, in the public Internet.
package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// guard lets through what is in the public Internet.
var guard = ssrf.New(
	ssrf.WithAnyPort(),
	ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")), // Azure's metadata, a public address
)

// Control is for [net.Dialer.Control]. It is asked with the address that is
// being connected to, after all names are resolved, so that no name and no later
// answer of a DNS server gets past it. An address that is not in the public
// Internet is an error; see [IsPrivate].
func Control(network, address string, c syscall.RawConn) error {
	return guard.Safe(network, address, c)
}

// credentials is where clouds give credentials to whoever asks from inside.
var credentials = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("100.100.100.200/32"), netip.MustParsePrefix("192.0.0.192/32"), netip.MustParsePrefix("fd00:ec2::/32"),
}

var errCredentials = errors.New("clouds keep credentials there")

// ControlPrivate is Control for what may be in a private network or on this machine.
// Only where clouds keep credentials it lets nobody.
func ControlPrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	for _, p := range credentials {
		if p.Contains(ip) {
			return errCredentials
		}
	}
	return nil
}

// IsCredentials says whether err is ControlPrivate's.
func IsCredentials(err error) bool { return errors.Is(err, errCredentials) }

// IsPrivate says whether err is Control's.
func IsPrivate(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork)
}

// CheckURL returns what is wrong with a URL. The error does not repeat it: it
// may hold a token.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("this is not a URL")
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the URL begins with %q; only http and https can be used", u.Scheme)
	case u.User != nil:
		return errors.New("the URL has a user in it; use a secret")
	case host == "" || u.Opaque != "":
		return errors.New("the URL has no host")
	case u.Fragment != "":
		return errors.New("the URL has a fragment")
	case strings.Contains(host, "%"):
		return errors.New("the host of the URL has a zone or an escape")
	case endsInNumber(host):
		if a, err := netip.ParseAddr(host); err != nil || !a.Is4() {
			return errors.New("the host of the URL is a number but not an IPv4 address")
		}
	}
	return nil
}

// endsInNumber reports whether host would be read as an IPv4 address by some
// (https://url.spec.whatwg.org, section 3.5): 2130706433, 0x7f.1, 0177.0.0.1.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits, set := last, "0123456789"
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		digits, set = hex, "0123456789abcdef"
	}
	return last != "" && !strings.Contains(host, ":") && strings.Trim(digits, set) == ""
}
