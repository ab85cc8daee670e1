package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/openccsp/gateway/plugins/internal/pemfile"
)

// tlsSettings are read at every connection, so that a renewed certificate counts
// from the next one.
type tlsSettings struct {
	pemfile.TLS
	ServerName string `json:"server_name,omitempty" jsonschema:"title=Name in the SMSC's certificate" jsonschema_description:"Empty: host."`
}

// load makes a configuration of the files.
func (t tlsSettings) load(host string) (*tls.Config, error) {
	c, err := t.Load()
	if err != nil {
		return nil, err
	}
	c.ServerName = cmp.Or(t.ServerName, host)
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
