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
