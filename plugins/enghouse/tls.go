package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

// load returns nil if nothing is set.
func (t tlsSettings) load() (*tls.Config, error) {
	if t == (tlsSettings{}) {
		return nil, nil
	}
	return t.Load()
}

// stamp changes when one of the files does.
func (t tlsSettings) stamp() string {
	s := ""
	for _, file := range []string{t.CA, t.Cert, t.Key} {
		if file == "" {
			continue
		}
		if i, err := os.Stat(file); err == nil {
			s += fmt.Sprintln(file, i.Size(), i.ModTime().UnixNano())
		}
	}
	return s
}

const lookEvery = 10 * time.Second // for files that changed

// clients are the HTTP clients of an instance. Certificates are renewed in
// their files while the gateway runs; the next calls use them.
type clients struct {
	cfg config
	now func() time.Time
	log *slog.Logger

	mu          sync.Mutex
	polls, rest *http.Client
	stamp       string
	looked      time.Time
}

func newClients(cfg config, now func() time.Time, log *slog.Logger) (*clients, error) {
	c := &clients{cfg: cfg, now: now, log: log, stamp: cfg.TLS.stamp(), looked: now()}
	t, err := cfg.TLS.load()
	if err != nil {
		return nil, err
	}
	c.make(t)
	return c, nil
}

func (c *clients) make(t *tls.Config) {
	c.polls, c.rest = newHTTP(t, c.cfg.Poll.Connections), newHTTP(t, callConns)
}

// client returns the one for polls or the one for the rest.
func (c *clients) client(polls bool) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.cfg.TLS != (tlsSettings{}) && now.Sub(c.looked) >= lookEvery {
		c.looked = now
		if s := c.cfg.TLS.stamp(); s != c.stamp {
			c.stamp = s // what cannot be read now is read when it changes again
			c.renew()
		}
	}
	if polls {
		return c.polls
	}
	return c.rest
}

// renew takes the files as they are now. Calls under way end on the old
// connections.
func (c *clients) renew() {
	t, err := c.cfg.TLS.load()
	if err != nil {
		c.log.Warn("certificates have changed and cannot be read, the old ones stay", "err", err)
		return
	}
	polls, rest := c.polls, c.rest
	c.make(t)
	polls.CloseIdleConnections()
	rest.CloseIdleConnections()
	c.log.Info("certificates have changed")
}

func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.polls.CloseIdleConnections()
	c.rest.CloseIdleConnections()
}
