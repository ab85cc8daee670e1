package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
)

// keyPair writes a certificate and its key.
func keyPair(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestSettingsProblems(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*settings)
		want   string // part of the error, "" for none
	}{
		{"defaults", func(*settings) {}, ""},
		{"no address", func(s *settings) { s.BaseURL = "" }, "base_url is not an http or https address"},
		{"a password in it", func(s *settings) { s.BaseURL = "http://u:p@a" }, "base_url has more than scheme and host"},
		{"path", func(s *settings) { s.Path = "a?b" }, `path "a?b" is not a path`},
		{"poll.active", func(s *settings) { s.Poll.Active = "1" }, `poll.active "1" is not a duration`},
		{"poll.idle", func(s *settings) { s.Poll.Idle = "10h" }, `poll.idle "10h" is not a duration from 100ms to 5m0s`},
		{"poll order", func(s *settings) { s.Poll.Active, s.Poll.Idle = "5s", "1s" }, "is shorter than poll.active"},
		{"timeout", func(s *settings) { s.Timeout = "-1s" }, `timeout "-1s" is not a duration`},
		{"left_grace", func(s *settings) { s.LeftGrace = "1h" }, `left_grace "1h" is not a duration from 0s to 10m0s`},
		{"attachments", func(s *settings) { s.Attachments = "mail" }, `attachments "mail" is neither "link" nor "upload"`},
		{"upload.url", func(s *settings) { s.Upload.URL = "save" }, `upload.url is neither a path nor an http or https address`},
		{"upload.url of a disk", func(s *settings) { s.Upload.URL = "file:///a" }, `upload.url is neither a path`},
		{"upload.url with a password", func(s *settings) { s.Upload.URL = "https://u:canary@a/b" }, `upload.url is neither a path`},
		{"upload.url elsewhere", func(s *settings) { s.Upload.URL = "https://helper.example.com/a?b=c" }, ""},
		{"upload.max_bytes", func(s *settings) { s.Upload.MaxBytes = 1 << 40 }, "upload.max_bytes 1099511627776 is not from 1 to 104857600"},
		{"poll.connections", func(s *settings) { s.Poll.Connections = -1 }, "poll.connections -1 is not from 1 to 4096"},
		{"poll.max_per_second", func(s *settings) { s.Poll.MaxPerSecond = -1 }, "poll.max_per_second -1 is less than 1"},
		{"priority", func(s *settings) { s.Priority = "high" }, `priority "high": it is not a whole number`},
		{"a service", func(s *settings) { s.Services = map[string]serviceSettings{"bank": {TQOS: "x"}} }, `services.bank.tqos "x": it is not a whole number`},
		{"a queue", func(s *settings) { s.Queue = "a\nb" }, `queue "a\nb": it has control characters`},
		{"basic_auth", func(s *settings) { s.BasicAuth = "canary" }, "basic_auth is not user:password"},
		{"header", func(s *settings) { s.ExtraHeaders = map[string]string{"a b": "c"} }, `extra_headers: "a b" is not a header`},
		{"header value", func(s *settings) { s.ExtraHeaders = map[string]string{"a": "c\r\nd: e"} }, `extra_headers: "a" is not`},
		{"our header", func(s *settings) { s.ExtraHeaders = map[string]string{"host": "c"} }, `extra_headers: "host" is not`},
		{"ca", func(s *settings) { s.TLS.CA = "missing.pem" }, "tls.ca: open missing.pem"},
		{"cert alone", func(s *settings) { s.TLS.Cert = "c.pem" }, "tls.cert and tls.key go together"},
		{"cert", func(s *settings) { s.TLS.Cert, s.TLS.Key = "c.pem", "k.pem" }, "tls.cert: open c.pem"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := settings{BaseURL: "https://ccsp.example.com"}
			tt.change(&s)
			_, err := s.check()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v, want no error", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "canary"):
				t.Errorf("%v shows a secret", err)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := settings{Timeout: "x", Poll: pollSettings{Active: "y"}}.check()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"base_url", "timeout", "poll.active"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name string
		desk *plugintest.Far
		want string
	}{
		{"an answer", &plugintest.Far{Body: "{}"}, ""},
		{"an unknown chat", &plugintest.Far{Status: 404}, ""},
		{"credentials", &plugintest.Far{Status: 401}, "HTTP 401; set basic_auth, extra_headers or tls"},
		{"a redirect", &plugintest.Far{Status: 301, Header: http.Header{"Location": {"https://b.example.com"}}},
			`the server redirects to "https://b.example.com"; set base_url`},
		{"a broken server", &plugintest.Far{Status: 502}, "the server answers HTTP 502"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := dial(t, tt.desk)
			err := c.cfg.Validate(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	if err := (settings{BaseURL: "http://127.0.0.1:1"}).Validate(t.Context()); err == nil {
		t.Error("nobody listens, and no error")
	}
	if err := (settings{}).Validate(t.Context()); err == nil {
		t.Error("no address, and no error")
	}
}

func TestReadmeNamesSettings(t *testing.T) {
	plugintest.Readme(t, settings{}, pollSettings{}, tlsSettings{}, uploadSettings{}, serviceSettings{})
}
