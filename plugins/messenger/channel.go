package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/openccsp/gateway/sdk"
)

// channel is one instance: one Facebook page.
type channel struct {
	cfg      config
	host     sdk.Host
	graph    *graph
	pace     *pace
	sent     sent
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
	if c.sent, err = newSent(); err != nil {
		return nil, err
	}
	if c.profiles, err = newProfiles(); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// CloseInstance implements sdk.Closer.
func (c *channel) CloseInstance(context.Context) error {
	c.cancel()
	c.aside.Wait()
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
	l := &letter{channel: c, to: to.Address, author: m.Author}
	l.messagingType = "RESPONSE"
	if m.Author == sdk.AuthorRule || m.Author == sdk.AuthorSystem {
		l.messagingType = "UPDATE"
	}
	var ids []string
	for _, p := range pieces {
		mid := c.sent.mid(p.key)
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

// letter is one message on its way to one customer.
type letter struct {
	*channel
	to            string
	author        sdk.AuthorKind
	messagingType string
	tag           string
	took          bool // control of the thread, for this message
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
		switch {
		case err == nil:
			return mid, nil
		case errors.Is(err, sdk.ErrWindowClosed) && l.tag == "" && l.cfg.HumanAgent && l.author == sdk.AuthorAgent:
			l.messagingType, l.tag = "MESSAGE_TAG", "HUMAN_AGENT"
		case errors.Is(err, errNotOwner) && l.cfg.TakeControl && !l.took:
			l.took = true
			if err := l.takeControl(ctx, l.to); err != nil {
				return "", err
			}
		case p.file != nil && !l.bytes && notFetched(err):
			l.bytes = true
		default:
			return "", err
		}
	}
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

// takeControl takes a thread from the app that controls it. To do so twice does no
// harm.
func (c *channel) takeControl(ctx context.Context, psid string) error {
	var answer struct{}
	err := c.graph.post(ctx, c.cfg.PageID+"/take_thread_control",
		map[string]any{"recipient": recipient{psid}, "metadata": "openccsp"}, &answer)
	if a, ok := errors.AsType[*sdk.AmbiguousError](err); ok {
		return sdk.Retry(a.Err, a.After)
	}
	return err
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
