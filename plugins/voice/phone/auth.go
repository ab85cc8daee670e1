package phone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"github.com/openccsp/gateway/sdk"
)

// proofs are what a request has shown so far of who we are: one for each realm, as a
// proxy may ask, and then who is behind it.
type proofs map[realm]proof

type realm struct{ header, name string }

type proof struct {
	value string
	tries int
}

// ask sends a request that is no INVITE and returns its final answer. Who wants a
// proof of who we are gets one.
func (p *Phone) ask(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	for shown := (proofs{}); ; {
		res, err := p.attempt(ctx, req)
		if err != nil {
			return nil, err
		}
		if !challenged(res) || p.Password == "" {
			return res, nil
		}
		if err := p.prove(req, res, shown); err != nil {
			return nil, err
		}
	}
}

// attempt sends a request once.
func (p *Phone) attempt(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	if req.CallID() == nil {
		id := sip.CallIDHeader(sip.GenerateTagN(32))
		req.AppendHeader(&id)
	}
	if id := req.CallID().Value(); p.byID(id) == nil {
		p.gate.expect(id)
		defer p.gate.forget(id)
	}
	res, err := p.client.Do(ctx, req, renewed)
	switch {
	case err == nil:
		p.alive(res)
	case errors.Is(err, context.DeadlineExceeded):
		err = errors.New("the server does not answer")
	}
	return res, err
}

// renewed makes what each attempt of a request has for itself: a branch, and what
// the library adds to it.
func renewed(c *sipgo.Client, req *sip.Request) error {
	req.RemoveHeader("Via")
	return sipgo.ClientRequestBuild(c, req)
}

func challenged(res *sip.Response) bool {
	return res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired
}

// prove makes the next attempt of a request out of one that was challenged. A realm
// that did not believe us is not asked again: many lock an account after a few
// attempts. A nonce that is stale says nothing of the password.
func (p *Phone) prove(req *sip.Request, res *sip.Response, shown proofs) error {
	asks, answers := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	}
	c, err := challenge(res, asks)
	if err != nil {
		return fmt.Errorf("%w: SIP %d: %w", sdk.ErrAuthConfig, res.StatusCode, err)
	}
	at := realm{answers, c.Realm}
	tries := shown[at].tries
	if tries > 1 || tries == 1 && !c.Stale || len(shown) > 4 {
		return fmt.Errorf("%w: SIP %d %s", sdk.ErrAuthConfig, res.StatusCode, res.Reason)
	}
	made, err := digest.Digest(c, digest.Options{
		Method: req.Method.String(), URI: req.Recipient.String(), Username: p.authUser(), Password: p.Password,
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body())), nil },
	})
	if err != nil {
		return fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
	}
	shown[at] = proof{made.String(), tries + 1}
	for req.RemoveHeader(answers) {
	}
	for at, known := range shown {
		if at.header == answers {
			req.AppendHeader(sip.NewHeader(answers, known.value))
		}
	}
	req.CSeq().SeqNo++
	return nil
}

func (p *Phone) authUser() string {
	if p.AuthUser != "" {
		return p.AuthUser
	}
	return p.User
}

// challenge is the first one that we can meet: who asks puts the best first (RFC
// 8760).
func challenge(res *sip.Response, name string) (*digest.Challenge, error) {
	for _, h := range res.GetHeaders(name) {
		c, err := digest.ParseChallenge(h.Value())
		if err != nil {
			continue
		}
		for i, q := range c.QOP {
			c.QOP[i] = strings.TrimSpace(q)
		}
		if digest.CanDigest(c) {
			return c, nil
		}
	}
	return nil, errors.New("it asks for no proof that we know; digests of MD5 and SHA are known")
}
