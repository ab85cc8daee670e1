package phone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/openccsp/gateway/sdk"
)

// Call is what is to be done.
type Call struct {
	ID      string // Call-ID
	To      string // number
	Samples []int16
	Repeat  int           // how often it is played; 0: once
	Digits  int           // how many keys are awaited, 0: none are
	Wait    time.Duration // for the first key, and for each next one
}

// Event is what happened to a call.
type Event struct {
	ID       string
	To       string
	At       time.Time
	Answered bool
	Digits   string        // that were pressed, "" if it is no such event
	Ended    string        // why, "" if it goes on
	Duration time.Duration // of a call that ended, from its answer
}

// patience is how long a call may stay without any answer by default. Then nobody
// knows whether a telephone rings.
const patience = 15 * time.Second

// call is one that is under way.
type call struct {
	Call
	p       *Phone
	ctx     context.Context // ends when we end the call
	end     context.CancelFunc
	audio   *audio
	offer   []byte
	dialog  *sipgo.DialogClientSession
	pressed chan byte // by INFO
	over    chan struct{}
	done    chan struct{}

	hang   sync.Once
	placed chan error // gets what became of placing it, once
	once   sync.Once
}

// Place places a call. It returns when the other side has taken it on: a telephone
// rings, or is busy, or has answered; what follows comes as events. An error says
// that no call was placed; one that is ambiguous, that nobody knows.
func (p *Phone) Place(ctx context.Context, what Call) error {
	to, err := number(what.To)
	if err != nil {
		return err
	}
	if err := p.reachable(ctx); err != nil {
		return err
	}
	c := &call{
		Call: what, p: p, pressed: make(chan byte, 16), over: make(chan struct{}), done: make(chan struct{}),
		placed: make(chan error, 1),
	}
	c.ctx, c.end = context.WithCancel(p.ctx)
	if c.audio, err = listenAudio(p.Listen, p.Audio[0], p.Audio[1]); err != nil {
		c.end()
		return sdk.Retry(fmt.Errorf("audio: %w", err), time.Second)
	}
	if c.offer, err = offer(netip.AddrPortFrom(p.told(), c.audio.port()), uint64(time.Now().UnixNano())); err != nil {
		c.audio.close()
		c.end()
		return err
	}
	if !p.add(c) {
		c.audio.close()
		c.end()
		return sdk.Retry(errors.New("the telephone is being closed, or has this call already"), time.Second)
	}
	p.tasks.Go(func() { c.run(to) })
	return <-c.placed
}

func (p *Phone) add(c *call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil || p.calls[c.ID] != nil {
		return false
	}
	p.calls[c.ID] = c
	return true
}

func (p *Phone) remove(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.ID)
}

// settle says what became of placing the call; only the first word counts.
func (c *call) settle(err error) (first bool) {
	c.once.Do(func() {
		first = true
		c.placed <- err
	})
	return first
}

// hungUp: the other side has ended the call.
func (c *call) hungUp() { c.hang.Do(func() { close(c.over) }) }

// run is the life of a call.
func (c *call) run(to string) {
	defer close(c.done)
	defer c.p.remove(c)
	defer c.end()
	var reading sync.WaitGroup
	reading.Go(c.audio.read)
	defer reading.Wait()
	defer c.audio.close()

	if err := c.invite(to); err != nil {
		if !c.settle(err) {
			c.tell(Event{Ended: Failed})
		}
		return
	}
	defer func() { _ = c.dialog.Close() }()
	reason, err := c.ring()
	switch {
	case err != nil && c.settle(err):
		return
	case err != nil:
		c.p.Log.Warn("a call did not succeed", "call", c.ID, "err", err)
		c.tell(Event{Ended: cmp.Or(reason, Failed)})
		return
	case reason != "":
		c.settle(nil)
		c.tell(Event{Ended: reason})
		return
	}
	c.settle(nil)
	began := time.Now()
	c.tell(Event{Answered: true})
	reason = c.talk()
	c.tell(Event{Ended: reason, Duration: time.Since(began)})
}

func (c *call) tell(e Event) {
	e.ID, e.To, e.At = c.ID, c.To, time.Now()
	c.p.Tell(e)
}

// invite sends the INVITE.
func (c *call) invite(to string) error {
	p := c.p
	req := p.request(sip.INVITE, p.target(to))
	id := sip.CallIDHeader(c.ID)
	req.AppendHeader(&id)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.AppendHeader(sip.NewHeader("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY"))
	req.SetBody(c.offer)
	var err error
	if c.dialog, err = p.dialogs.WriteInvite(c.ctx, req); err != nil {
		return sdk.Retry(fmt.Errorf("invite: %w", err), 0) // it never left
	}
	return nil
}

// ring waits for an answer. reason is how the call ended without one; err, why it
// was not placed, or failed later.
func (c *call) ring() (reason string, err error) {
	p := c.p
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	silence := time.AfterFunc(p.Patience, func() { cancel(sipgo.WaitAnswerForceCancelErr) })
	defer silence.Stop()
	rings := time.AfterFunc(p.Ring, func() { cancel(errRang) })
	defer rings.Stop()
	var last *sip.Response
	auth := p.digest()
	err = c.dialog.WaitAnswer(ctx, sipgo.AnswerOptions{
		Username: auth.Username, Password: auth.Password,
		OnResponse: func(r *sip.Response) error {
			silence.Stop()
			last = r
			if r.IsProvisional() && r.StatusCode > 100 {
				c.settle(nil)
			}
			return nil
		},
	})
	var refusal *sipgo.ErrDialogResponse
	switch {
	case err == nil:
		return c.answered()
	case errors.As(err, &refusal):
		if err := refused(refusal.Res); err != nil {
			return Failed, err
		}
		return ended(refusal.Res.StatusCode), nil
	case errors.Is(context.Cause(ctx), errRang):
		return NoAnswer, nil
	case c.ctx.Err() != nil:
		return Canceled, nil
	case last == nil:
		return Failed, sdk.Ambiguous(fmt.Errorf("the trunk did not answer the call: %w", err))
	}
	return Failed, sdk.Ambiguous(err)
}

var errRang = errors.New("nobody answered")

// answered takes in the other side's description. A call that cannot be heard is
// hung up at once.
func (c *call) answered() (reason string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.p.ctx), askTimeout)
	defer cancel()
	if err := c.dialog.Ack(ctx); err != nil {
		return Failed, nil
	}
	to, err := readAnswer(c.dialog.InviteResponse.Body())
	if err != nil {
		c.p.Log.Warn("the call is hung up", "call", c.ID, "err", err)
		c.bye()
		return Failed, nil
	}
	c.audio.connect(to)
	return "", nil
}

// talk plays and listens until one side ends the call.
func (c *call) talk() (reason string) {
	ctx, cancel := context.WithTimeout(c.ctx, c.p.Most)
	defer cancel()
	played := make(chan struct{})
	var playing sync.WaitGroup
	playing.Go(func() {
		defer close(played)
		c.play(ctx)
	})
	defer playing.Wait()
	defer cancel()
	digits := c.listen(ctx, played)
	if digits != "" {
		c.tell(Event{Digits: digits})
	}
	select {
	case <-c.over: // by the other side
		return Completed
	default:
	}
	c.bye()
	if c.ctx.Err() != nil {
		return Canceled
	}
	return Completed
}

// play plays all there is, with a little silence first: it opens the way through
// translators of addresses, and nobody holds the telephone to the ear at once.
func (c *call) play(ctx context.Context) {
	silence := make([]int16, Rate/2)
	for range max(c.Repeat, 1) {
		if c.audio.play(ctx, silence) != nil || c.audio.play(ctx, c.Samples) != nil {
			return
		}
	}
}

// listen collects keys: as many as are awaited, or until # is pressed, or nothing
// more comes. It returns when the call has had its time.
func (c *call) listen(ctx context.Context, played <-chan struct{}) string {
	var digits strings.Builder
	var wait <-chan time.Time
	byEvents := c.audio.keys
	for {
		var key byte
		select {
		case <-c.over:
			return digits.String()
		case <-ctx.Done():
			return digits.String()
		case <-wait:
			return digits.String()
		case <-played:
			played = nil
			if c.Digits == 0 {
				return ""
			}
			if digits.Len() == 0 {
				wait = time.After(c.Wait)
			}
			continue
		case k, ok := <-byEvents:
			if !ok {
				byEvents = nil
				continue
			}
			key = k
		case key = <-c.pressed:
		}
		if c.Digits == 0 {
			continue
		}
		if key == '#' && digits.Len() > 0 {
			return digits.String()
		}
		digits.WriteByte(key)
		if digits.Len() >= c.Digits {
			return digits.String()
		}
		wait = time.After(c.Wait)
	}
}

// bye ends the call. A trunk may want a proof of that, too.
func (c *call) bye() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.p.ctx), askTimeout)
	defer cancel()
	to := c.p.target(c.To)
	if contact := c.dialog.InviteResponse.Contact(); contact != nil {
		to = contact.Address
	}
	bye := sip.NewRequest(sip.BYE, to)
	res, err := c.dialog.Do(ctx, bye)
	if err == nil && challenged(res) && c.p.Password != "" {
		res, err = c.p.client.DoDigestAuth(ctx, bye, res, c.p.digest())
	}
	if err == nil && !res.IsSuccess() && res.StatusCode != sip.StatusCallTransactionDoesNotExists {
		err = fmt.Errorf("SIP %d %s", res.StatusCode, res.Reason)
	}
	if err != nil {
		c.p.Log.Warn("the end of a call was not confirmed", "call", c.ID, "err", err)
	}
}

func challenged(res *sip.Response) bool {
	return res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired
}
