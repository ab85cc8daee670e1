package main

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/pemfile"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// TestCertificatesAreRenewed: files that change are read while chats go on, and
// a half-written one does no harm.
func TestCertificatesAreRenewed(t *testing.T) {
	var shown string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		shown = string(r.TLS.PeerCertificates[0].Raw)
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, trusted, 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := keyPair(t)
	host := new(plugintest.Host)
	host.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	c, err := open(t.Context(), settings{BaseURL: srv.URL, TLS: tlsSettings{TLS: pemfile.TLS{CA: ca, Cert: cert, Key: key}}}, host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseInstance(t.Context()) }()
	send := func() string {
		t.Helper()
		if _, err := c.Send(t.Context(), chat, sdk.Message{Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
		return shown
	}
	first := send()
	write := func(from, to string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err == nil {
			err = os.Chtimes(to, host.Now(), host.Now()) // also where a clock is coarse
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	newCert, newKey := keyPair(t)
	host.Set(host.Now().Add(lookEvery))
	write(newCert, cert)
	if send() != first {
		t.Error("a certificate without its key was used")
	}
	if !strings.Contains(host.Logged(), "cannot be read, the old ones stay") {
		t.Errorf("log %q does not say that the files do not fit", host.Logged())
	}
	write(newKey, key)
	if send() != first {
		t.Error("the files are looked at for each call")
	}
	host.Set(host.Now().Add(lookEvery))
	if send() == first {
		t.Error("the new certificate is not used")
	}
}
