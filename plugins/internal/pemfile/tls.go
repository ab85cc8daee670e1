// Package pemfile reads what a TLS connection of a plugin needs from PEM files.
package pemfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS names the files of a connection. Whose settings have them calls them tls.
type TLS struct {
	CA   string `json:"ca,omitempty" jsonschema:"title=File of trusted authorities" jsonschema_description:"Empty: those of the system."`
	Cert string `json:"cert,omitempty" jsonschema:"title=File of the client certificate"`
	Key  string `json:"key,omitempty" jsonschema:"title=File of its key"`
}

// Load makes a configuration of the files.
func (t TLS) Load() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no certificate in PEM form", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("tls.cert and tls.key go together; one is missing")
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
