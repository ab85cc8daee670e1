package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// The waits between binds.
const (
	rebindFirst   = time.Second
	rebindLongest = time.Minute
	authFirst     = time.Minute // a refused password, again and again, locks accounts
	authLongest   = 5 * time.Minute
	steadyAfter   = time.Minute // bound so long, the next failure is the first one
)

// rebind chooses the wait before the next bind.
type rebind struct{ failures int }

// wait returns the wait after err; bound is how long the session before had lasted.
func (r *rebind) wait(err error, bound time.Duration) time.Duration {
	if bound >= steadyAfter {
		r.failures = 0
	}
	first, longest := rebindFirst, rebindLongest
	if isAuth(err) {
		first, longest = authFirst, authLongest
	}
	d := min(first<<min(r.failures, 10), longest)
	r.failures++
	if isAuth(err) { // never less than a minute
		return d + rand.N(d/4)
	}
	return max(d/2+rand.N(d), rebindFirst)
}

// Listen implements sdk.Listener. It is one life of the connection: it binds and
// serves until the session ends, and returns when to bind again; the SDK shows the
// error as the instance's trouble meanwhile.
func (p *smppProvider) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	p.update(func() { p.stopped = false })
	if err := errors.Join(p.joiner.shelves.load(ctx), p.underway.shelves.load(ctx), p.loadIDs(ctx)); err != nil {
		return err
	}
	bound, err := p.live(ctx, emit)
	if ctx.Err() != nil {
		p.update(func() { p.stopped = true })
		return nil
	}
	wait := p.rebind.wait(err, bound)
	if isAuth(err) {
		p.host.Log().Error("the SMSC refuses us: check system_id, password and system_type", "err", err, "wait", wait.String())
	}
	return sdk.Retry(err, wait)
}

// live binds and serves, and returns how long it was bound.
func (p *smppProvider) live(ctx context.Context, emit func(context.Context, ...sdk.Event) error) (time.Duration, error) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	in := newInbox(running, p, emit)
	defer in.wait()
	defer cancel()
	var sessions []*smpp.Session
	var runs sync.WaitGroup
	defer runs.Wait()
	defer func() {
		for _, s := range sessions {
			s.Close()
		}
	}()
	ended := make(chan error, len(p.cfg.binds))
	for _, id := range p.cfg.binds {
		s, err := p.connect(ctx, in)
		if err != nil {
			return 0, err
		}
		sessions = append(sessions, s)
		runs.Go(func() { ended <- s.Run(running) })
		if err := p.bind(ctx, s, id); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	p.update(func() { p.session = sessions[0] })
	p.host.Log().Info("bound to the SMSC", "addr", p.cfg.addr, "system_id", p.cfg.SystemID)
	var err error
	select {
	case err = <-ended:
		p.update(func() { p.session = nil })
		p.repeats.ended()
	case <-ctx.Done():
		p.leave(in, sessions)
	}
	return time.Since(began), err
}

// connect makes a session whose PDUs go to in.
func (p *smppProvider) connect(ctx context.Context, in *inbox) (*smpp.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.connect)
	defer cancel()
	conn, err := p.cfg.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the SMSC: %w", err)
	}
	return p.newSession(conn, in), nil
}

func (p *smppProvider) newSession(conn net.Conn, in *inbox) *smpp.Session {
	var s *smpp.Session
	s = smpp.New(conn, smpp.Options{
		Window: p.cfg.Window, Response: p.cfg.response, Enquire: p.cfg.enquire, Log: p.host.Log(),
		Handle: func(pdu smpp.PDU) { in.take(s, pdu) },
	})
	return s
}

// bind binds a session that runs.
func (p *smppProvider) bind(ctx context.Context, s *smpp.Session, id smpp.ID) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.connect)
	defer cancel()
	_, err := s.Bind(ctx, id, smpp.Bind{
		SystemID: p.cfg.SystemID, Password: p.cfg.password, SystemType: p.cfg.SystemType, Version: smpp.Version})
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// leaveWithin is how long what is in flight may take when the instance stops.
const leaveWithin = 5 * time.Second

// leave waits for the answers that are on their way, and unbinds.
func (p *smppProvider) leave(in *inbox, sessions []*smpp.Session) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	p.update(func() { p.session, p.stopped = nil, true })
	in.stop(ctx)
	p.settle(ctx)
	ctx, cancel = context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, s := range sessions {
		if err := s.Unbind(ctx); err != nil {
			p.host.Log().Debug("unbind was not answered", "err", err)
		}
	}
}
