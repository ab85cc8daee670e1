package phone

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// allowed are the methods that we ask for. An UPDATE is understood, but we do not say
// so: some send it while it rings, before there is a call that it could be about.
const allowed = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY"

// handle says what is done with what the other side asks: the end of a call, keys, a
// new description of the media, a sign of life.
func (p *Phone) handle() {
	p.server.OnBye(p.inside(p.onBye))
	p.server.OnInfo(p.inside(p.onInfo))
	p.server.OnInvite(p.onInvite)
	p.server.OnUpdate(p.inside(p.describe))
	p.server.OnNotify(p.inside(func(_ *call, _ *dialog, req *sip.Request, tx sip.ServerTransaction) {
		p.respond(req, tx, sip.StatusOK, "OK", nil)
	}))
	p.server.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) { p.respond(req, tx, sip.StatusOK, "OK", nil) })
	p.server.OnAck(p.onAck)
	p.server.OnCancel(p.unknown) // of one that is under way: the library answers it
	p.server.OnNoRoute(func(req *sip.Request, tx sip.ServerTransaction) {
		p.respond(req, tx, sip.StatusMethodNotAllowed, "Method Not Allowed", nil)
	})
}

func (p *Phone) byID(id string) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[id]
}

// dialogOf finds the call that a request is about, nil if it is none of ours.
func (p *Phone) dialogOf(req *sip.Request) (*call, *dialog) {
	if req.CallID() == nil {
		return nil, nil
	}
	c := p.byID(req.CallID().Value())
	if c == nil {
		return nil, nil
	}
	d := c.established()
	if d == nil || !d.has(req) {
		return nil, nil
	}
	return c, d
}

// inside hands requests to do that are about a call of ours, each once and in order.
func (p *Phone) inside(do func(*call, *dialog, *sip.Request, sip.ServerTransaction)) func(*sip.Request, sip.ServerTransaction) {
	return func(req *sip.Request, tx sip.ServerTransaction) {
		switch c, d := p.dialogOf(req); {
		case c == nil:
			p.unknown(req, tx)
		case !d.follows(req):
			p.respond(req, tx, sip.StatusInternalServerError, "Out Of Order", nil)
		default:
			do(c, d, req, tx)
		}
	}
}

func (p *Phone) unknown(req *sip.Request, tx sip.ServerTransaction) {
	p.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist", nil)
}

// respond answers a request of the other side.
func (p *Phone) respond(req *sip.Request, tx sip.ServerTransaction, code int, reason string, body []byte) {
	res := sip.NewResponseFromRequest(req, code, reason, body)
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	if req.IsInvite() || req.Method == sip.UPDATE {
		res.AppendHeader(sip.HeaderClone(&p.contact))
	}
	if body != nil {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	if err := tx.Respond(res); err != nil {
		p.Log.Debug("an answer could not be sent", "method", req.Method.String(), "err", err)
	}
}

func (p *Phone) onBye(c *call, _ *dialog, req *sip.Request, tx sip.ServerTransaction) {
	p.respond(req, tx, sip.StatusOK, "OK", nil)
	c.hungUp()
}

func (p *Phone) onInfo(c *call, _ *dialog, req *sip.Request, tx sip.ServerTransaction) {
	p.respond(req, tx, sip.StatusOK, "OK", nil)
	if key, ok := infoKey(req.Body()); ok {
		select {
		case c.pressed <- key:
		default:
		}
	}
}

// onInvite is about a call that is under way: we are called by nobody.
func (p *Phone) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if req.To() != nil && tag(req.To().Params) == "" {
		p.respond(req, tx, sip.StatusTemporarilyUnavailable, "Temporarily Unavailable", nil)
		return
	}
	p.inside(p.describe)(req, tx)
}

// describe answers a new description of the media, as at the beginning and the end of
// a hold, or a request that keeps the call alive. An INVITE without one wants ours;
// the other side's comes with its ACK then.
func (p *Phone) describe(c *call, d *dialog, req *sip.Request, tx sip.ServerTransaction) {
	var ours []byte
	switch {
	case len(req.Body()) > 0:
		body, theirs, err := c.media.answer(req.Body())
		if err != nil {
			p.respond(req, tx, sip.StatusNotAcceptableHere, "Not Acceptable Here", nil)
			return
		}
		ours = body
		c.audio.connect(theirs)
	case req.IsInvite():
		ours = c.media.offer()
	}
	d.refresh(req.Contact())
	p.respond(req, tx, sip.StatusOK, "OK", ours)
	for wait := sip.T1; req.IsInvite(); wait = min(2*wait, sip.T2) { // RFC 3261, section 13.3.1.4
		select {
		case <-time.After(wait):
		case <-tx.Done():
			return
		case <-c.done:
			return
		}
		if d.confirmed(req) {
			return
		}
		p.respond(req, tx, sip.StatusOK, "OK", ours)
	}
}

func (p *Phone) onAck(req *sip.Request, _ sip.ServerTransaction) {
	c, d := p.dialogOf(req)
	if c == nil {
		return
	}
	d.confirm(req)
	if len(req.Body()) == 0 {
		return
	}
	if to, err := readAnswer(req.Body()); err == nil {
		c.audio.connect(to)
	}
}
