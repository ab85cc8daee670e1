package outbound_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/openccsp/gateway/core/outbound"
	"github.com/openccsp/gateway/core/outbound/outboundtest"
)

// TestForbidden asks the guard itself with what is an address already.
func TestForbidden(t *testing.T) {
	for _, address := range []string{"127.0.0.1:80", "10.0.0.1:443", "169.254.169.254:80", "168.63.129.16:80", "100.64.0.1:80"} {
		err := outbound.Control("tcp4", address, nil)
		if !outbound.IsPrivate(&net.OpError{Op: "dial", Err: err}) {
			t.Errorf("%s: got %v", address, err)
		}
	}
	if err := outbound.Control("tcp4", "8.8.8.8:443", nil); err != nil {
		t.Errorf("a public address: %v", err)
	}
	if outbound.IsPrivate(errors.New("connection refused")) {
		t.Error("any error is one of the guard's")
	}
}

// TestForbiddenInPrivate: what is in a private network may be reached, what clouds keep
// there may not.
func TestForbiddenInPrivate(t *testing.T) {
	tests := []struct {
		address string
		reached bool
	}{
		{"127.0.0.1:80", true}, {"10.0.0.1:443", true}, {"[fd12::1]:80", true}, {"[::1]:80", true}, {"8.8.8.8:53", true},
		{"169.254.169.254:80", false}, {"169.254.170.2:80", false}, {"168.63.129.16:80", false}, {"100.100.100.200:80", false},
		{"192.0.0.192:80", false}, {"[fd00:ec2::254]:80", false}, {"[::ffff:169.254.169.254]:80", false}, {"[fe80::a9fe:a9fe%lo]:80", false},
	}
	for _, tt := range tests {
		err := outbound.ControlPrivate("tcp", tt.address, nil)
		if (err == nil) != tt.reached || !tt.reached && !outbound.IsCredentials(&net.OpError{Op: "dial", Err: err}) {
			t.Errorf("%s: %v, want it reached: %v", tt.address, err, tt.reached)
		}
	}
}

// No error shows the URL, which may hold a token.
func TestErrorsDoNotRepeat(t *testing.T) {
	if len(outboundtest.Forbidden) < 60 {
		t.Fatalf("only %d vectors", len(outboundtest.Forbidden))
	}
	for _, url := range outboundtest.Forbidden {
		if err := outbound.CheckURL(url); err != nil && len(url) > 4 && strings.Contains(err.Error(), url) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAllowedURLs(t *testing.T) {
	for _, url := range []string{"https://example.com/hook?x=1", "http://example.com:8080", "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://1password.com/", "https://x0.example/"} {
		if err := outbound.CheckURL(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
