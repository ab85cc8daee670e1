package phone

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// dialog is a call that was answered, as the two sides know it (RFC 3261, section
// 12). It is made of the INVITE as it was sent last, and of its answer.
type dialog struct {
	p      *Phone
	invite *sip.Request
	remote *sip.ToHeader // with the other side's tag
	routes []string

	mu     sync.Mutex
	target sip.Uri // where the other side wants requests
	sent   uint32  // the last CSeq of ours
	heard  int64   // and of the other side's; -1: none came
	acked  uint32  // of the last INVITE of the other side whose answer it has
}

func newDialog(p *Phone, invite *sip.Request, res *sip.Response) *dialog {
	d := &dialog{p: p, invite: invite, remote: res.To(), target: invite.Recipient, sent: invite.CSeq().SeqNo, heard: -1}
	if d.remote == nil {
		d.remote = invite.To()
	}
	for _, h := range res.GetHeaders("Record-Route") {
		d.routes = append(d.routes, elements(h.Value())...)
	}
	slices.Reverse(d.routes)
	d.refresh(res.Contact())
	return d
}

// refresh takes over where the other side wants requests.
func (d *dialog) refresh(c *sip.ContactHeader) {
	if c == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.target = *c.Address.Clone()
}

// request makes one inside of the dialog. Without a route it goes to the server, too,
// whatever the other side says its address is: behind a translator that is none.
func (d *dialog) request(method sip.RequestMethod) *sip.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	req := sip.NewRequest(method, *d.target.Clone())
	req.SetTransport(d.invite.Transport())
	req.Laddr = d.invite.Laddr
	for _, r := range d.routes {
		req.AppendHeader(sip.NewHeader("Route", r))
	}
	if len(d.routes) == 0 {
		req.SetDestination(d.invite.Destination())
	}
	number := d.invite.CSeq().SeqNo
	if method != sip.ACK {
		d.sent++
		number = d.sent
	}
	req.AppendHeader(sip.HeaderClone(d.invite.From()))
	req.AppendHeader(sip.HeaderClone(d.remote))
	req.AppendHeader(sip.HeaderClone(d.invite.CallID()))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: number, MethodName: method})
	req.AppendHeader(sip.HeaderClone(&d.p.contact))
	return req
}

// ack confirms the answer. It has the INVITE's proofs (RFC 3261, section 22.1).
func (d *dialog) ack() error {
	ack := d.request(sip.ACK)
	sip.CopyHeaders("Authorization", d.invite, ack)
	sip.CopyHeaders("Proxy-Authorization", d.invite, ack)
	return d.p.client.WriteRequest(ack, sipgo.ClientRequestBuild)
}

// bye ends the dialog.
func (d *dialog) bye() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.p.ctx), askTimeout)
	defer cancel()
	res, err := d.p.ask(ctx, d.request(sip.BYE))
	if err == nil && !res.IsSuccess() && res.StatusCode != sip.StatusCallTransactionDoesNotExists {
		err = fmt.Errorf("SIP %d %s", res.StatusCode, res.Reason)
	}
	return err
}

// has says whether a request of the other side is one of this dialog: who knows the
// Call-ID alone is somebody else.
func (d *dialog) has(req *sip.Request) bool {
	return req.To() != nil && req.From() != nil &&
		tag(req.To().Params) == tag(d.invite.From().Params) && tag(req.From().Params) == tag(d.remote.Params)
}

// follows says whether a request is newer than those that came before.
func (d *dialog) follows(req *sip.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	number := int64(req.CSeq().SeqNo)
	if number <= d.heard {
		return false
	}
	d.heard = number
	return true
}

// confirmed says whether the other side has our answer to its INVITE.
func (d *dialog) confirmed(invite *sip.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.acked == invite.CSeq().SeqNo
}

func (d *dialog) confirm(ack *sip.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acked = ack.CSeq().SeqNo
}

func tag(p sip.HeaderParams) string {
	t, _ := p.Get("tag")
	return t
}

// elements are those of a header's value, which commas separate that stand neither
// in <> nor in quotes.
func elements(value string) (out []string) {
	var inside, quoted bool
	cut := func(r rune) bool {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '<' || r == '>':
			inside = r == '<'
		case r == ',':
			return !inside
		}
		return false
	}
	for _, e := range strings.FieldsFunc(value, cut) {
		if e = strings.TrimSpace(e); e != "" {
			out = append(out, e)
		}
	}
	return out
}
