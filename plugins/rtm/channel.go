package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const typingPerMinute = 120 // of one customer; more are not passed on

// channel is one instance: one RTM app.
type channel struct {
	cfg    config
	host   sdk.Host
	signer *signer
	link   link

	script  *script
	uploads *uploads

	standing *standing

	emitter  atomic.Pointer[emitter] // nil while the channel does not listen
	presence *presence               // nil if nobody wants to know

	refusals                         *refusals
	incoming, receipted, read, typed *limiter // by user
	fileBytes                        *limiter // by user
	registrations                    *limiter // by network
}

// link is the way of a message to a customer's clients. It is safe for
// concurrent use.
type link interface {
	// deliver hands p over to the user's clients. That none is connected is
	// not an error: the gateway keeps the message.
	deliver(ctx context.Context, user string, p packet) error
	// forget says that the user has these messages.
	forget(user string, ids []string)
	// bind opens what clients connect to; listen, which follows, serves them
	// there and closes it when ctx ends.
	bind(ctx context.Context) error
	listen(ctx context.Context) error
	// serveSocket serves one MQTT client over conn, until it leaves or ctx ends. It
	// connects from an IP address.
	serveSocket(ctx context.Context, conn net.Conn, from string) error
	// address is what clients are told of the way to connect.
	address() map[string]string
	close()
}

// secrets are the app secrets that this process made, by instance. The gateway
// has them too; but it may open an instance again with the settings it began with.
type secrets struct {
	mu   sync.Mutex
	made map[string]string
}

// open opens one instance.
func (k *secrets) open(ctx context.Context, s Settings, h sdk.Host) (*channel, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	if cfg.Secret, err = k.secret(ctx, s.Secret, h); err != nil {
		return nil, err
	}
	c := &channel{cfg: cfg, host: h, signer: newSigner(cfg.AppID, cfg.Secret, cfg.tokenTTL, h.Now),
		uploads: newUploads(h.DataDir()), standing: newStanding(h.Now)}
	if err := c.setLimits(); err != nil {
		return nil, err
	}
	switch {
	case cfg.Presence:
		c.presence = newPresence(c.emit, h.Now)
	case cfg.BrokerURL == "": // whoever watches at the broker inside
		c.presence = newPresence(nil, h.Now)
	}
	if c.script, err = newScript(h.Instance()); err != nil {
		return nil, err
	}
	c.link, err = c.newLink()
	return c, err
}

func (c *channel) setLimits() (err error) {
	c.refusals = newRefusals(c.host.Log(), c.host.Now)
	for _, of := range []struct {
		limit   **limiter
		setting string
		n       int
		per     time.Duration
	}{
		{&c.incoming, "messages_per_minute", c.cfg.MessagesPerMinute, time.Minute},
		{&c.receipted, "receipts_per_minute", c.cfg.ReceiptsPerMinute, time.Minute},
		{&c.read, "reads_per_minute", c.cfg.ReadsPerMinute, time.Minute},
		{&c.typed, "typing", typingPerMinute, time.Minute},
		{&c.registrations, "registers_per_minute", c.cfg.RegistersPerMinute, time.Minute},
		{&c.fileBytes, "file_bytes_per_hour", c.cfg.FileBytesPerHour, time.Hour},
	} {
		if *of.limit, err = c.refusals.newLimiter(of.setting, of.n, of.per); err != nil {
			return err
		}
	}
	return nil
}

func (c *channel) newLink() (link, error) {
	if c.cfg.BrokerURL != "" {
		return newExternal(c), nil
	}
	return newBroker(c)
}

// secret is the configured secret, or one that is made once and kept.
func (k *secrets) secret(ctx context.Context, configured string, h sdk.Host) (string, error) {
	if configured != "" {
		return configured, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.made[h.Instance()]; known != "" {
		return known, nil
	}
	made := randomID("")
	if err := h.SaveSecret(ctx, "secret", made); err != nil {
		return "", fmt.Errorf("secret: none is configured, and a new one cannot be kept: %w", err)
	}
	if k.made == nil {
		k.made = map[string]string{}
	}
	k.made[h.Instance()] = made
	return made, nil
}

// Send implements sdk.Channel. Nobody being connected is success: the gateway
// keeps the message until the customer's client has confirmed it.
func (c *channel) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	if !idPattern.MatchString(to.Address) {
		return sdk.Receipt{}, sdk.Rejected("address", "is not the id of an RTM user")
	}
	p, err := c.packet(to.Address, m)
	if err != nil {
		return sdk.Receipt{}, sdk.Rejected("message", err.Error())
	}
	if err := c.link.deliver(ctx, to.Address, p); err != nil {
		return sdk.Receipt{}, err
	}
	return sdk.Receipt{MessageID: m.ID}, nil
}

// TypingToCustomer implements sdk.CustomerTyper.
func (c *channel) TypingToCustomer(ctx context.Context, to sdk.Customer, on bool) error {
	if !idPattern.MatchString(to.Address) {
		return sdk.Rejected("address", "is not the id of an RTM user")
	}
	p, err := c.typingPacket(to.Address, on)
	if err != nil {
		return err
	}
	return c.link.deliver(ctx, to.Address, p)
}

// Bind implements sdk.Binder: it takes the port for MQTT over TCP.
func (c *channel) Bind(ctx context.Context) error { return c.link.bind(ctx) }

// Listen implements sdk.Listener: it serves MQTT over TCP, or is a client of
// another broker, and takes what customers publish.
func (c *channel) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	if err := c.standing.load(c.standingFile()); err != nil {
		c.host.Log().Warn("ticks are forgotten", "err", err)
	}
	defer func() {
		if err := c.standing.save(c.standingFile()); err != nil {
			c.host.Log().Warn("ticks will be forgotten", "err", err)
		}
	}()
	take := emitter(emit)
	c.emitter.Store(&take)
	defer c.emitter.Store(nil)
	return c.link.listen(ctx)
}

// isHere says whether a user has a client that is connected.
func (c *channel) isHere(user string, online bool) {
	if c.presence != nil {
		c.presence.set(user, online)
	}
}

// Subprotocols implements sdk.SocketUpgrader.
func (c *channel) Subprotocols() []string { return []string{"mqtt"} }

// ServeSocket implements sdk.SocketUpgrader: MQTT over WebSocket at
// /hooks/<instance>/mqtt.
func (c *channel) ServeSocket(ctx context.Context, r *sdk.WebhookRequest, conn net.Conn) error {
	if c.path(r.Path) != "/mqtt" || !c.originAllowed(r) {
		return conn.Close()
	}
	return c.link.serveSocket(ctx, conn, r.RemoteAddr)
}

// CloseInstance implements sdk.Closer.
func (c *channel) CloseInstance(context.Context) error {
	if c.presence != nil {
		c.presence.close()
	}
	c.link.close()
	return nil
}
