package phone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/emiago/sipgo/sip"

	"github.com/openccsp/gateway/sdk"
)

const (
	expires     = 5 * time.Minute // of a registration, as we ask for it
	askTimeout  = 5 * time.Second // of a request that is no call
	believed    = 30 * time.Second
	leastExpiry = 10 * time.Second
	mostExpiry  = 24 * time.Hour
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
	case errors.Is(s.err, sdk.ErrAuthConfig):
		return s.err
	case s.err != nil:
		return sdk.Retry(fmt.Errorf("not registered: %w", s.err), askTimeout)
	case p.Register && !s.registered:
		return sdk.Retry(errors.New("not registered yet"), askTimeout)
	case !p.Ping || time.Since(s.seen) < believed:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(askTimeout, p.Patience))
	defer cancel()
	req := p.request(sip.OPTIONS, p.target(""))
	err := p.aim(ctx, req)
	if err == nil {
		_, err = p.attempt(ctx, req) // any answer is a sign of life
	}
	if err != nil {
		return sdk.Retry(err, askTimeout)
	}
	return nil
}

// alive notes that the server has answered, and from where.
func (p *Phone) alive(res *sip.Response) {
	p.gate.welcome(res.Source())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.seen = time.Now()
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
// Call-ID, and req is changed. A registrar that finds the time too short is asked for
// as much as it wants.
func (p *Phone) register(ctx context.Context, req *sip.Request, lasts time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, name := range []string{"Expires", "Authorization", "Proxy-Authorization"} {
		req.RemoveHeader(name)
	}
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(lasts.Seconds()))))
	if cseq := req.CSeq(); cseq != nil {
		cseq.SeqNo++
	}
	if err := p.aim(ctx, req); err != nil {
		return 0, err
	}
	res, err := p.ask(ctx, req)
	if err != nil {
		return 0, err
	}
	if least := seconds(res, "Min-Expires"); res.StatusCode == sip.StatusIntervalToBrief && lasts == expires && least > lasts {
		return p.register(ctx, req, min(least, mostExpiry))
	}
	if !res.IsSuccess() {
		return 0, refused(res)
	}
	return max(p.granted(res, lasts), leastExpiry), nil
}

// granted is how long a registration lasts, which the registrar decides: it lists all
// telephones that are registered so, of which one is ours.
func (p *Phone) granted(res *sip.Response, asked time.Duration) time.Duration {
	ours := "sip:" + p.User + "@" + net.JoinHostPort(p.told().String(), strconv.Itoa(int(p.local.Port())))
	for _, h := range res.GetHeaders("Contact") {
		for _, e := range elements(h.Value()) {
			address, params, _ := strings.Cut(e, ">")
			if !strings.Contains(address, ours) {
				continue
			}
			for param := range strings.SplitSeq(params, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
				if n, err := strconv.ParseUint(value, 10, 31); err == nil && strings.EqualFold(name, "expires") {
					return time.Duration(n) * time.Second
				}
			}
		}
	}
	if n := seconds(res, "Expires"); n > 0 {
		return n
	}
	return asked
}

// seconds reads a header that is a number of them, 0 if there is none.
func seconds(res *sip.Response, name string) time.Duration {
	h := res.GetHeader(name)
	if h == nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(h.Value()), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
