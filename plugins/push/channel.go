package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/openccsp/gateway/sdk"
)

// The platforms, as tokens have them in front.
const (
	onFCM  = "fcm"
	onAPNs = "apns"
)

// platform sends a notice to one app, and returns the platform's id of it. The error
// is a goneError if there is no such app any more.
type platform interface {
	send(ctx context.Context, token string, n notice) (string, error)
}

// channel is one instance: one app on its platforms.
type channel struct {
	cfg       config
	host      sdk.Host
	http      *http.Client
	platforms map[string]platform
	apps      *registry
	done      *lru.Cache[string, map[string]bool] // by message: the apps that need it no more
	fcm       *fcm
}

const maxSending = 10_000 // messages that went out in part

// open opens one instance.
func open(_ context.Context, s Settings, h sdk.Host) (*channel, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	c := &channel{cfg: cfg, host: h, apps: &registry{h, cfg.MaxTokens}, platforms: map[string]platform{}}
	if c.http, err = newHTTP(cfg.CA); err != nil {
		return nil, err
	}
	if cfg.fcm != nil {
		c.fcm = newFCM(cfg, c.http, h.Now)
		c.platforms[onFCM] = c.fcm
	}
	if cfg.apns != nil {
		c.platforms[onAPNs] = newAPNs(cfg, c.http, h.Now)
	}
	if len(c.platforms) > 1 {
		for name, p := range c.platforms {
			c.platforms[name] = &gate{platform: p, name: name, host: h}
		}
	}
	c.done, err = lru.New[string, map[string]bool](maxSending)
	return c, err
}

var (
	fcmToken  = regexp.MustCompile(`^[A-Za-z0-9_:%.-]+$`)
	apnsToken = regexp.MustCompile(`^[0-9a-f]{64,200}$`)
)

const maxToken = 4096 // bytes

// parseToken takes a token apart that has its platform in front. Apple's are hex:
// small letters, so that one app has one token.
func parseToken(s string) (name, token string, err error) {
	name, token, _ = strings.Cut(s, ":")
	switch {
	case len(token) > maxToken:
	case name == onFCM && fcmToken.MatchString(token):
		return name, token, nil
	case name == onAPNs && apnsToken.MatchString(strings.ToLower(token)):
		return name, strings.ToLower(token), nil
	}
	return "", "", sdk.Rejected("token", "it is not fcm: or apns: and a token")
}

// Register implements sdk.TokenRegistrar.
func (c *channel) Register(ctx context.Context, to sdk.Customer, token string) error {
	name, rest, err := c.known(to, token)
	if err != nil {
		return err
	}
	return c.apps.add(ctx, to.Address, name+":"+rest)
}

// Unregister implements sdk.TokenRegistrar.
func (c *channel) Unregister(ctx context.Context, to sdk.Customer, token string) error {
	name, rest, err := c.known(to, token)
	if err != nil {
		return err
	}
	return c.apps.remove(ctx, to.Address, name+":"+rest)
}

func (c *channel) known(to sdk.Customer, token string) (name, rest string, err error) {
	if to.Address == "" {
		return "", "", sdk.Rejected("address", "there is no customer")
	}
	if name, rest, err = parseToken(token); err != nil {
		return "", "", err
	}
	if c.platforms[name] == nil {
		return "", "", sdk.Rejected("platform", fmt.Sprintf("there is no %s in the settings of this channel", name))
	}
	return name, rest, nil
}

// Send implements sdk.Channel: to all apps of the customer, or to the one whose
// token is the address.
func (c *channel) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	n, err := newNotice(m, c.cfg.Background)
	if err != nil {
		return sdk.Receipt{}, err
	}
	if name, rest, err := parseToken(to.Address); err == nil {
		id, err := c.toApp(ctx, name, rest, n)
		return sdk.Receipt{MessageID: id}, c.retire(ctx, name+":"+rest, m.Attempt, err)
	}
	all, err := c.apps.apps(ctx, to.Address)
	if err != nil {
		return sdk.Receipt{}, err
	}
	if len(all) == 0 {
		return sdk.Receipt{}, fmt.Errorf("%w: the customer has no app that is registered", sdk.ErrRecipientGone)
	}
	return c.toAll(ctx, m, n, all)
}

// toAll sends to the apps that did not get the message in an earlier attempt.
func (c *channel) toAll(ctx context.Context, m sdk.Message, n notice, all []app) (sdk.Receipt, error) {
	before, _ := c.done.Get(m.ID)
	got := make([]result, len(all))
	var sending sync.WaitGroup
	for i, a := range all {
		if got[i].earlier = before[a.Token]; got[i].earlier {
			continue
		}
		sending.Go(func() {
			name, token, err := parseToken(a.Token)
			if err == nil {
				got[i].id, err = c.toApp(ctx, name, token, n)
			}
			got[i].err = c.retire(ctx, a.Token, m.Attempt, err)
		})
	}
	sending.Wait()
	done := make(map[string]bool)
	for i, a := range all {
		if got[i].err == nil {
			done[a.Token] = true
		}
	}
	if m.ID != "" {
		c.done.Add(m.ID, done)
	}
	return c.sum(m, got)
}

// retire unregisters an app if err says that it is gone, and returns err. An app
// that came back since its platform saw it go is tried again, a few times.
func (c *channel) retire(ctx context.Context, token string, attempt int, err error) error {
	gone, ok := errors.AsType[*goneError](err)
	if !ok {
		return err
	}
	retired, failed := c.apps.retire(ctx, token, gone.since)
	switch {
	case failed != nil: // the next notice finds the same
		c.host.Log().Warn("app is gone and was not unregistered", "err", failed)
	case retired:
		c.host.Log().Info("app is gone", "reason", gone.reason)
	case attempt >= patience:
		return sdk.Rejected("came_back", "the app was registered again after its platform saw it go, and the platform still does not know it")
	default:
		return sdk.Retry(errors.New("the app was registered again after its platform saw it go"), oneMinute)
	}
	return err
}

// toApp sends to one app.
func (c *channel) toApp(ctx context.Context, name, token string, n notice) (string, error) {
	p := c.platforms[name]
	if p == nil {
		return "", sdk.Rejected("platform", fmt.Sprintf("there is no %s in the settings of this channel", name))
	}
	began := c.host.Now()
	id, err := p.send(ctx, token, n)
	if gone, ok := errors.AsType[*goneError](err); ok && gone.since.IsZero() {
		gone.since = began // what is registered from now on is another matter
	}
	return id, err
}

// CloseInstance implements sdk.Closer.
func (c *channel) CloseInstance(context.Context) error {
	if c.fcm != nil {
		c.fcm.close()
	}
	c.http.CloseIdleConnections()
	return nil
}
