package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// smppProvider sends and receives over SMPP.
type smppProvider struct {
	cfg  *smppConfig
	host sdk.Host

	pace     *pacer
	ids      *ids
	rebind   rebind
	underway *underway
	repeats  *repeats
	joiner   *joiner

	mu      sync.Mutex
	session *smpp.Session // for submit_sm; nil: none
	changed chan struct{} // closed when one of these changes
	stopped bool          // Listen has ended, and none has begun since
	sending int           // calls of Send that have the session
	refs    uint16        // of texts in segments
}

func openSMPP(_ context.Context, cfg *smppConfig, h sdk.Host) (_ *smppProvider, err error) {
	if len(cfg.password) > smpp.StandardPassword {
		h.Log().Warn("the password is longer than the 8 letters of the standard; not every SMSC takes it")
	}
	p := &smppProvider{cfg: cfg, host: h, pace: newPacer(cfg.TPS, time.Now), underway: newUnderway(h),
		changed: make(chan struct{}), refs: randomRef()}
	p.joiner = newJoiner(h, cfg.assemble)
	if p.repeats, err = newRepeats(time.Now); err != nil {
		return nil, err
	}
	p.ids, err = newIDs(cfg.MessageIDs)
	return p, err
}

// Webhook implements sdk.WebhookReceiver: there is none.
func (p *smppProvider) Webhook(context.Context, *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	return sdk.WebhookResponse{Status: http.StatusNotFound}, nil
}

// update changes what mu guards and tells those who wait for it.
func (p *smppProvider) update(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// bindPatience is how long a message waits for a session that is being made.
const bindPatience = 3 * time.Second

var errNotBound = errors.New("not bound to the SMSC")

// acquire returns the session, waiting a little for one. release gives it back.
func (p *smppProvider) acquire(ctx context.Context) (s *smpp.Session, release func(), err error) {
	timer := time.NewTimer(bindPatience)
	defer timer.Stop()
	for {
		p.mu.Lock()
		s, stopped, changed := p.session, p.stopped, p.changed
		if s != nil {
			p.sending++
		}
		p.mu.Unlock()
		switch {
		case s != nil:
			return s, func() { p.update(func() { p.sending-- }) }, nil
		case stopped:
			return nil, nil, sdk.Retry(errNotBound, time.Second)
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil, nil, sdk.Retry(errNotBound, time.Second)
		case <-ctx.Done():
			return nil, nil, sdk.Retry(errNotBound, time.Second)
		}
	}
}

// settle waits until no call has the session any more, or ctx ends.
func (p *smppProvider) settle(ctx context.Context) {
	for {
		p.mu.Lock()
		sending, changed := p.sending, p.changed
		p.mu.Unlock()
		if sending == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// inFlight says whether an answer to submit_sm may be on its way, and when that
// changes.
func (p *smppProvider) inFlight() (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sending > 0, p.changed
}

// ref returns the reference of one more text in segments.
func (p *smppProvider) ref() uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refs++
	return p.refs
}
