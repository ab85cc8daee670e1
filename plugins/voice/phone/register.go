package phone

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/openccsp/gateway/sdk"
)

const (
	expires     = 5 * time.Minute // of a registration, as we ask for it
	askTimeout  = 5 * time.Second // of a request that is no call
	believed    = 30 * time.Second
	leastExpiry = 10 * time.Second
)

// reachability is what is known of the server.
type reachability struct {
	registered bool
	err        error     // why not
	seen       time.Time // its last answer
}

// reachable says why no call can be placed now, nil if one can.
func (p *Phone) reachable(ctx context.Context) error {
	p.mu.Lock()
	s := p.state
	p.mu.Unlock()
	switch {
	case p.Register && s.registered, !p.Register && !p.Ping, !p.Register && time.Since(s.seen) < believed:
		return nil
	case p.Register && errors.Is(s.err, sdk.ErrAuthConfig):
		return s.err
	case p.Register && s.err == nil:
		return sdk.Retry(errors.New("not registered yet"), askTimeout)
	case p.Register:
		return sdk.Retry(fmt.Errorf("not registered: %w", s.err), askTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, min(askTimeout, p.Patience))
	defer cancel()
	_, err := p.client.Do(ctx, p.request(sip.OPTIONS, p.target("")))
	if err != nil { // any answer is a sign of life
		return sdk.Retry(fmt.Errorf("the trunk does not answer: %w", err), askTimeout)
	}
	p.mu.Lock()
	p.state.seen = time.Now()
	p.mu.Unlock()
	return nil
}

// Trouble says what an operator must know, "" if all is well.
func (p *Phone) Trouble() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Register && !p.state.registered && p.state.err != nil {
		return p.state.err.Error()
	}
	return ""
}

// keepRegistered registers again and again, and takes the registration back in
// the end.
func (p *Phone) keepRegistered() {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = time.Second, time.Minute
	req := p.request(sip.REGISTER, p.target(""))
	to := sip.Uri{Scheme: "sip", User: p.User, Host: req.Recipient.Host}
	req.AppendHeader(&sip.ToHeader{Address: to, Params: sip.NewParams()})
	req.AppendHeader(sip.HeaderClone(&p.contact))
	for p.ctx.Err() == nil {
		lasts, err := p.register(p.ctx, req, expires)
		p.mu.Lock()
		changed := p.state.registered != (err == nil) || p.state.err == nil && err != nil
		p.state.registered, p.state.err = err == nil, err
		p.mu.Unlock()
		if changed && p.Changed != nil {
			p.Changed()
		}
		next := lasts * 4 / 5
		if err == nil {
			wait.Reset()
		} else if next = wait.NextBackOff(); errors.Is(err, sdk.ErrAuthConfig) {
			next = time.Minute // many registrars lock an account
		}
		if changed && err == nil {
			p.Log.Info("registered", "server", p.Server)
		} else if err != nil && p.ctx.Err() == nil {
			p.Log.Warn("not registered", "server", p.Server, "err", err, "again_in", next.String())
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			timer.Stop()
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), time.Second)
	defer cancel()
	if p.Trouble() == "" {
		_, _ = p.register(ctx, req, 0)
	}
}

// register makes one registration and returns how long it lasts. All have one
// Call-ID, and req is changed.
func (p *Phone) register(ctx context.Context, req *sip.Request, lasts time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, name := range []string{"Expires", "Via", "Authorization", "Proxy-Authorization"} {
		req.RemoveHeader(name)
	}
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(lasts.Seconds()))))
	res, err := p.client.Do(ctx, req, sipgo.ClientRequestRegisterBuild)
	if err == nil && challenged(res) && p.Password != "" {
		res, err = p.client.DoDigestAuth(ctx, req, res, p.digest())
	}
	if err != nil {
		return 0, err
	}
	if !res.IsSuccess() {
		return 0, refused(res)
	}
	return max(granted(res, lasts), leastExpiry), nil
}

func (p *Phone) digest() sipgo.DigestAuth {
	user := p.AuthUser
	if user == "" {
		user = p.User
	}
	return sipgo.DigestAuth{Username: user, Password: p.Password}
}

// granted is how long a registration lasts, which the registrar decides.
func granted(res *sip.Response, asked time.Duration) time.Duration {
	text := ""
	if c := res.Contact(); c != nil {
		text, _ = c.Params.Get("expires")
	}
	if h := res.GetHeader("Expires"); text == "" && h != nil {
		text = h.Value()
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return asked
	}
	return time.Duration(n) * time.Second
}
