package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// tlsSettings name PEM files. They are read at every connection, so that a renewed
// certificate counts from the next one.
type tlsSettings struct {
	CA         string `json:"ca,omitempty" jsonschema:"title=Certificates of authorities" jsonschema_description:"PEM file; empty: those of the system."`
	Cert       string `json:"cert,omitempty" jsonschema:"title=Our certificate" jsonschema_description:"PEM file, with key."`
	Key        string `json:"key,omitempty" jsonschema:"title=Its key"`
	ServerName string `json:"server_name,omitempty" jsonschema:"title=Name in the SMSC's certificate" jsonschema_description:"Empty: host."`
}

// load makes a configuration of the files.
func (t tlsSettings) load(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cmp.Or(t.ServerName, host)}
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

// dial connects to the SMSC.
func (c *smppConfig) dial(ctx context.Context) (net.Conn, error) {
	if c.TLS == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", c.addr)
	}
	conf, err := c.TLS.load(c.Host)
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", c.addr)
}

// validate connects and no more: a bind could end the one that is in use.
func (c *smppConfig) validate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.connect)
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect to the SMSC: %w", err)
	}
	return conn.Close()
}
