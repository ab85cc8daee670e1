package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// channel is one instance: one Facebook page.
type channel struct {
	cfg      config
	host     sdk.Host
	graph    *graph
	pace     *pace
	sent     *sent
	asked    asked
	profiles profiles
	uploads  chan struct{} // files in memory

	ctx    context.Context // of what nobody waits for
	cancel context.CancelFunc
	aside  sync.WaitGroup
	asides chan struct{}
}

const maxUploads = 4 // files in memory at a time

// open opens one instance. It calls nobody.
func open(_ context.Context, s settings, h sdk.Host) (*channel, error) {
	cfg, err := s.check()
	if err != nil {
		return nil, err
	}
	p := newPace(cfg.PageID, h.Now)
	c := &channel{cfg: cfg, host: h, pace: p, graph: newGraph(cfg, h.HTTP(), p),
		uploads: make(chan struct{}, maxUploads), asides: make(chan struct{}, besidePerHook)}
	if c.asked, err = newAsked(); err != nil {
		return nil, err
	}
	if c.profiles, err = newProfiles(); err != nil {
		return nil, err
	}
	if c.sent, err = newSent(h); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// CloseInstance implements sdk.Closer.
func (c *channel) CloseInstance(context.Context) error {
	c.cancel()
	c.aside.Wait()
	c.sent.journal.close()
	return nil
}

// Send implements sdk.Channel. A message with files is several calls; what has
// gone is not sent again.
func (c *channel) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	if !addressable(to.Address) {
		return sdk.Receipt{}, sdk.Rejected("address", "is not a page-scoped id")
	}
	pieces, err := c.pieces(m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	l := &letter{channel: c, to: to.Address, m: m, messagingType: "RESPONSE"}
	if m.Author == sdk.AuthorRule || m.Author == sdk.AuthorSystem {
		l.messagingType = "UPDATE"
	}
	var ids []string
	doubt := m.Resent // whether the next piece may have gone before
	for _, p := range pieces {
		mid := c.sent.mid(p.key)
		if mid == "" && doubt {
			if wait := c.sent.unsure(p.key, c.host.Now()); wait > 0 {
				return sdk.Receipt{}, sdk.Retry(errNoEcho, wait)
			}
			doubt = false
		}
		if mid == "" {
			if mid, err = l.send(ctx, p); err != nil {
				return sdk.Receipt{}, err
			}
			c.sent.took(p.key, mid)
		}
		ids = append(ids, mid)
	}
	r := sdk.Receipt{MessageID: ids[len(ids)-1]}
	if len(ids) > 1 {
		r.PartIDs = ids
	}
	return r, nil
}

// errNoEcho says that a piece may have gone before.
var errNoEcho = errors.New("it may have arrived: its echo is awaited before it is sent again")

// letter is one message on its way to one customer.
type letter struct {
	*channel
	to            string
	m             sdk.Message
	messagingType string
	tag           string
	claimed       bool // the thread was taken for it, or could not be
	bytes         bool // Meta could not fetch a file: the bytes are sent
}

// send sends one piece. Meta's refusal is definite, so there is no doubt when the
// piece then goes in the other way that is open to it.
func (l *letter) send(ctx context.Context, p piece) (mid string, err error) {
	for {
		if err := l.pace.await(ctx, p.heavy()); err != nil {
			return "", err
		}
		mid, err = l.post(ctx, p)
		_, lost := errors.AsType[*sdk.AmbiguousError](err)
		switch {
		case err == nil:
			return mid, nil
		case lost:
			return l.lost(ctx, p, err)
		case errors.Is(err, sdk.ErrWindowClosed) && l.tag == "" && l.cfg.HumanAgent && l.m.Author == sdk.AuthorAgent:
			l.messagingType, l.tag = "MESSAGE_TAG", "HUMAN_AGENT"
		case errors.Is(err, errNotOwner):
			if err := l.claim(ctx, err); err != nil {
				return "", err
			}
		case p.file != nil && !l.bytes && notFetched(err):
			l.bytes = true
		default:
			return "", err
		}
	}
}

// lost is what becomes of a piece whose answer was lost: the echo may have told
// already that it went. What was sent twice is not sent a third time, so its echo gets
// some time.
func (l *letter) lost(ctx context.Context, p piece, err error) (mid string, _ error) {
	if p.key == "" {
		return "", err
	}
	l.sent.unsure(p.key, l.host.Now())
	d := time.Duration(0)
	if l.m.Resent {
		d = patience
	}
	if mid := l.sent.settled(ctx, p.key, d); mid != "" {
		return mid, nil
	}
	return "", err
}

// notFetched says whether Meta could not have a file at its address.
func notFetched(err error) bool {
	rejected, ok := errors.AsType[*sdk.RejectedError](err)
	return ok && (rejected.Code == "100/2018008" || rejected.Code == "100/2018047")
}

// post makes the call that sends a piece.
func (l *letter) post(ctx context.Context, p piece) (mid string, err error) {
	out := outgoing{Recipient: recipient{l.to}, Type: l.messagingType, Tag: l.tag}
	out.Message = body{Text: p.text, QuickReplies: p.replies}
	if p.key != "" {
		out.Message.Metadata = metadata(p.key)
	}
	var answer struct {
		MessageID string `json:"message_id"`
	}
	path := l.cfg.PageID + "/messages"
	switch {
	case p.file == nil:
		err = l.graph.post(ctx, path, out, &answer)
	case !l.cfg.Upload && !l.bytes && strings.HasPrefix(p.file.URL, "https://"):
		out.Message.Attachment = &outFile{kindOf(p.file.MIME), outPayload{URL: p.file.URL}}
		err = l.graph.post(ctx, path, out, &answer)
	default:
		err = l.upload(ctx, path, out, *p.file, &answer)
	}
	if err == nil && answer.MessageID == "" {
		return "", sdk.Ambiguous(errors.New("the answer has no message_id"))
	}
	return answer.MessageID, err
}

// TypingToCustomer implements sdk.CustomerTyper.
func (c *channel) TypingToCustomer(ctx context.Context, to sdk.Customer, on bool) error {
	if !addressable(to.Address) {
		return sdk.Rejected("address", "is not a page-scoped id")
	}
	action := "typing_off"
	if on {
		action = "typing_on"
	}
	return c.act(ctx, to.Address, action)
}

// ReceiptToCustomer implements sdk.CustomerReceipter: the customer sees that the
// message was seen, once as much became of it as the operator set.
func (c *channel) ReceiptToCustomer(ctx context.Context, to sdk.Customer, _, status string) error {
	if !addressable(to.Address) {
		return sdk.Rejected("address", "is not a page-scoped id")
	}
	if status != c.cfg.MarkSeen && (status != "read" || c.cfg.MarkSeen != "delivered") {
		return nil
	}
	return c.act(ctx, to.Address, "mark_seen")
}

// act makes a sender action.
func (c *channel) act(ctx context.Context, psid, action string) error {
	if err := c.pace.await(ctx, false); err != nil {
		return err
	}
	var answer struct{}
	return c.graph.post(ctx, c.cfg.PageID+"/messages",
		map[string]any{"recipient": recipient{psid}, "sender_action": action}, &answer)
}

// later does something that nobody waits for, unless much of that is under way.
func (c *channel) later(do func(context.Context)) {
	select {
	case c.asides <- struct{}{}:
	default:
		return
	}
	c.aside.Go(func() {
		defer func() { <-c.asides }()
		do(c.ctx)
	})
}
