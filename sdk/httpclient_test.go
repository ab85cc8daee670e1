package sdk

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"code.dny.dev/ssrf"

	"github.com/openccsp/gateway/sdk/internal/env"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// TestInstancesHaveConnectionsOfTheirOwn: two tenants are at one host, which
// does not answer the first one.
func TestInstancesHaveConnectionsOfTheirOwn(t *testing.T) {
	var hung sync.WaitGroup
	hung.Add(maxConns)
	release := make(chan struct{})
	far := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			hung.Done()
			<-release
		}
	}))
	defer far.Close()
	s := newServer(Plugin{ID: "org.example.tenants", Version: "1.0.0"}, env.Env{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	first, second := newHost(s, &pluginv1.InstanceSpec{Instance: "first"}), newHost(s, &pluginv1.InstanceSpec{Instance: "second"})
	get := func(ctx context.Context, h *host, path string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, far.URL+path, nil)
		if err != nil {
			return err
		}
		resp, err := h.HTTP().Do(r)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	var calls sync.WaitGroup
	for range maxConns {
		calls.Go(func() {
			if err := get(t.Context(), first, "/hang"); err != nil {
				t.Error(err)
			}
		})
	}
	hung.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := get(ctx, second, "/ok"); err != nil {
		t.Errorf("the second tenant: %v", err)
	}
	close(release)
	calls.Wait()
	first.client.CloseIdleConnections()
	second.client.CloseIdleConnections()
}

// TestNoCredentials: private networks are reached, what clouds keep in them is not.
func TestNoCredentials(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, url := range []string{
		"http://169.254.169.254/", "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://168.63.129.16/", "http://[::ffff:168.63.129.16]/",
	} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := newHTTPClient().Do(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, ssrf.ErrProhibitedIP) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
