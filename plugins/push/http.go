package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// newHTTP makes a client of HTTP/2, which APNs wants. Its connections live long, so
// it looks whether they still do. It follows no redirect: that would take tokens along.
func newHTTP(ca string) (*http.Client, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		var err error
		if t.RootCAs, err = authorities(ca); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:        t,
			TLSHandshakeTimeout:    5 * time.Second,
			ForceAttemptHTTP2:      true,
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
			MaxConnsPerHost:        64,
			MaxIdleConnsPerHost:    64,
			IdleConnTimeout:        10 * time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}, nil
}

// authorities reads certificates in PEM form, from the text itself or the file of
// that name.
func authorities(ca string) (*x509.CertPool, error) {
	pem := []byte(ca)
	if !strings.HasPrefix(ca, "-----BEGIN ") {
		var err error
		if pem, err = os.ReadFile(ca); err != nil {
			return nil, err
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in PEM form")
	}
	return pool, nil
}

// post makes a call. Whatever became of one without an answer, it can be made
// again: a notice takes the place of its first copy.
func post(ctx context.Context, h *http.Client, address string, header http.Header, body []byte) (ccsp.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return ccsp.Answer{}, sdk.Rejected("address", "the address of the call is not valid")
	}
	r.Header = header
	res, err := h.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address, which holds the device's token
		}
		return ccsp.Answer{}, sdk.Retry(err, 0)
	}
	defer func() { _ = res.Body.Close() }()
	return ccsp.ReadAnswer(res), nil
}
