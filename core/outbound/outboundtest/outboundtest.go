// Package outboundtest has what every client of outbound must be tested with:
// URLs of places that it must not reach, and a DNS server that lies.
package outboundtest

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Forbidden are URLs that must never be reached, however they are written. Each
// is refused either when it is read or when it is dialled.
var Forbidden = []string{
	"http://127.0.0.1/", "http://127.0.0.1:8081/v1/rules", "http://127.255.255.254/", "http://127.1/", "http://127.0.1/",
	"http://0.0.0.0/", "http://0.1.2.3/", "http://0/", "http://[::]/", "http://[::1]/", "http://[0:0:0:0:0:0:0:1]:80/",
	"http://169.254.169.254/latest/meta-data/", "http://169.254.0.1/", "http://168.63.129.16/", "http://[fd00:ec2::254]/",
	"http://10.0.0.1/", "http://10.255.255.255/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.0.1/", "http://192.168.255.255/",
	"http://100.64.0.1/", "http://100.127.255.254/", "http://100.100.100.200/",
	"http://[fc00::1]/", "http://[fdff::1]/", "http://[fe80::1]/", "http://[fe80::1%25lo]/", "http://[fec0::1]/",
	"http://[64:ff9b::7f00:1]/", "http://[64:ff9b::a00:1]/", "http://[64:ff9b:1::1]/", "http://[2002:7f00:1::]/", "http://[2002:a9fe:a9fe::]/",
	"http://[2001:0:4136:e378::1]/", "http://[2001:db8::1]/", "http://[3fff::1]/",
	"http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:10.0.0.1]/", "http://[::ffff:169.254.169.254]/", "http://[::127.0.0.1]/",
	"http://2130706433/", "http://017700000001/", "http://0177.0.0.1/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0x7f.1/", "http://127.0.0.0x1/", "http://2852039166/",
	"http://127.0.0.1./", "http://%31%32%37.0.0.1/",
	"http://224.0.0.1/", "http://239.255.255.250:1900/", "http://[ff02::1]/", "http://240.0.0.1/", "http://255.255.255.255/", "http://192.0.0.192/", "http://198.18.0.1/", "http://192.88.99.1/",
	"http://user:pass@example.com/", "http://example.com@127.0.0.1/", "http://127.0.0.1@example.com/", "http://:@example.com/",
	"unix:///var/run/docker.sock", "unix://localhost/x", "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "ftp://example.com/", "dict://127.0.0.1:11211/", "data:text/plain,x", "javascript:alert(1)",
	"//127.0.0.1/", "http:127.0.0.1", "http:///x", "http://", "", "http://example.com:port/", "http://exa mple.com/", "http://[::1/", "http://example.com#@127.0.0.1/",
}

// Resolver asks a DNS server on loopback that answers with what addresses
// gives, for no time at all.
func Resolver(t *testing.T, addresses func(name string) []string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
			if q.Type == dnsmessage.TypeA {
				for _, a := range addresses(q.Name.String()) {
					reply.Answers = append(reply.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
						Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
					})
				}
			}
			if b, err := reply.Pack(); err == nil {
				_, _ = conn.WriteTo(b, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
