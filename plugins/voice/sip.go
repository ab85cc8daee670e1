package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/openccsp/gateway/plugins/voice/phone"
	"github.com/openccsp/gateway/sdk"
)

const (
	maxTold   = 1024             // events that wait to become durable
	farewell  = 4 * time.Second  // for the events of calls that are hung up because the instance ends
	lookAgain = time.Second      // whether the gateway takes events, or the port is free
	saidAgain = 10 * time.Second // that the telephone is not registered
	between   = phone.Rate / 2   // samples of silence between two things that are said
)

// sipProvider places calls over SIP.
type sipProvider struct {
	sipConfig
	host sdk.Host
	told chan phone.Event // has what happens to calls; Listen makes it durable
	news chan struct{}    // of the registration, for Listen

	opening sync.Mutex
	phone   *phone.Phone // nil while an older instance has its port
	closed  bool

	noting sync.Mutex
	own    map[string]bool // calls under way that this process has placed
}

// openSIP makes the provider. It registers, if that is wanted, and calls nobody.
func openSIP(s SIPSettings, h sdk.Host) (*sipProvider, error) {
	c, err := s.check()
	if err != nil {
		return nil, err
	}
	p := &sipProvider{sipConfig: c, host: h, told: make(chan phone.Event, maxTold), news: make(chan struct{}, 1), own: map[string]bool{}}
	if _, err := p.telephone(); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
		return nil, err
	}
	return p, nil
}

// telephone opens the telephone, if it is not open. An older instance with other
// settings has its port until it ends.
func (p *sipProvider) telephone() (*phone.Phone, error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	switch {
	case p.closed:
		return nil, sdk.Retry(errors.New("the telephone is closed"), lookAgain)
	case p.phone != nil:
		return p.phone, nil
	}
	conf := p.sipConfig.phone()
	if !conf.Listen.IsValid() {
		var err error
		if conf.Listen, err = towards(p.Server); err != nil {
			return nil, sdk.Retry(err, lookAgain)
		}
	}
	conf.Tell, conf.Log = func(e phone.Event) { p.told <- e }, p.host.Log()
	conf.Changed = func() {
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
	opened, err := phone.New(conf)
	if err != nil {
		return nil, sdk.Retry(err, lookAgain)
	}
	p.phone = opened
	return opened, nil
}

// Send implements sdk.Channel. A phone is rung by the action call alone.
func (p *sipProvider) Send(context.Context, sdk.Customer, sdk.Message) (sdk.Receipt, error) {
	return sdk.Receipt{}, fmt.Errorf("%w: messages are not read out; a rule's call is", sdk.ErrUnsupported)
}

// Webhook implements sdk.WebhookReceiver: SIP has no hook.
func (p *sipProvider) Webhook(context.Context, *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	return sdk.WebhookResponse{Status: 404}, nil
}

// Call implements sdk.Caller.
func (p *sipProvider) Call(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	if m.Resent { // nobody does, but nobody's phone rings twice
		return sdk.Receipt{}, sdk.Rejected("ambiguous", "an earlier attempt may have rung")
	}
	if err := p.Allow.number(to.Address); err != nil {
		return sdk.Receipt{}, err
	}
	digits, err := digitsOf(m, p.Digits)
	if err != nil {
		return sdk.Receipt{}, err
	}
	samples, err := p.samples(ctx, to, m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	number := to.Address
	if !p.Plus {
		number = strings.TrimPrefix(number, "+")
	}
	tel, err := p.telephone()
	if err != nil {
		return sdk.Receipt{}, err
	}
	if err := p.begins(ctx, m.ID); err != nil {
		return sdk.Receipt{}, sdk.Retry(fmt.Errorf("note the call: %w", err), 0)
	}
	err = tel.Place(ctx, phone.Call{ID: m.ID, To: number, Samples: samples, Digits: digits, Wait: p.digitsFor, Repeat: p.Repeat})
	if err != nil {
		p.over(ctx, m.ID)
		return sdk.Receipt{}, err
	}
	return sdk.Receipt{MessageID: m.ID}, nil
}

// samples is all that the call says and plays.
func (p *sipProvider) samples(ctx context.Context, to sdk.Customer, m sdk.Message) (all []int16, err error) {
	said, err := spoken(m, p.ChoiceText)
	if err != nil {
		return nil, err
	}
	add := func(samples []int16) error {
		if len(all) > 0 {
			all = append(all, make([]int16, between)...)
		}
		if all = append(all, samples...); len(all) > int(phone.MaxAudio.Seconds())*phone.Rate {
			return sdk.Rejected("too_long", fmt.Sprintf("what the call says is longer than %v", phone.MaxAudio))
		}
		return nil
	}
	for _, part := range said {
		var samples []int16
		if part.file != nil {
			samples, err = p.recording(ctx, *part.file)
		} else {
			samples, err = p.speech(ctx, part.text, to.Locale)
		}
		if err != nil {
			return nil, err
		}
		if err := add(samples); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (p *sipProvider) speech(ctx context.Context, text, locale string) ([]int16, error) {
	if locale == "" {
		locale = p.Language
	}
	samples, err := phone.Speak(ctx, text, locale)
	switch {
	case errors.Is(err, phone.ErrNoSpeech):
		return nil, sdk.Rejected("no_speech", err.Error())
	case ctx.Err() != nil:
		return nil, sdk.Retry(ctx.Err(), 0)
	case err != nil:
		return nil, sdk.Rejected("speech", err.Error())
	}
	return samples, nil
}

func (p *sipProvider) recording(ctx context.Context, a sdk.Attachment) ([]int16, error) {
	r, _, err := p.host.OpenMedia(ctx, a)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	samples, err := phone.ReadWAV(r)
	if err != nil {
		return nil, sdk.Rejected("recording", err.Error())
	}
	return samples, nil
}

// Listen implements sdk.Listener: it makes what happens to calls durable. At its
// end the calls are hung up, and their ends are still told. While the telephone is
// not registered it ends with why, again and again: the instance shows that.
func (p *sipProvider) Listen(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	tel, err := p.telephone()
	if err != nil {
		return err
	}
	if err := p.bury(ctx, emit); err != nil {
		return sdk.Retry(err, lookAgain)
	}
	for {
		if why := tel.Trouble(); why != "" && len(p.told) == 0 {
			return sdk.Retry(fmt.Errorf("not registered: %s", why), saidAgain)
		}
		select {
		case <-p.news:
		case e := <-p.told:
			if p.report(ctx, emit, e) != nil {
				p.goodbye(ctx, emit, tel, e)
				return nil
			}
		case <-ctx.Done():
			p.goodbye(ctx, emit, tel)
			return nil
		}
	}
}

// goodbye hangs up and tells what there is still to tell.
func (p *sipProvider) goodbye(ctx context.Context, emit func(context.Context, ...sdk.Event) error, tel *phone.Phone, first ...phone.Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	hungUp := make(chan struct{})
	go func() {
		defer close(hungUp)
		tel.HangUp()
	}()
	for _, e := range first {
		_ = p.report(ctx, emit, e)
	}
	for {
		select {
		case e := <-p.told:
			_ = p.report(ctx, emit, e)
			continue
		case <-hungUp:
		}
		for len(p.told) > 0 {
			_ = p.report(ctx, emit, <-p.told)
		}
		return
	}
}

// report emits one event of a call, again and again until the gateway has it, or
// will never take it. An error says that ctx has ended before.
func (p *sipProvider) report(ctx context.Context, emit func(context.Context, ...sdk.Event) error, e phone.Event) error {
	for {
		err := emit(ctx, eventOf(e))
		_, never := errors.AsType[*sdk.RejectedError](err)
		if err != nil && ctx.Err() == nil {
			p.host.Log().Warn("the gateway does not take what became of a call", "call", e.ID, "err", err)
		}
		switch {
		case (err == nil || never) && e.Ended != "":
			p.over(ctx, e.ID)
			return nil
		case err == nil || never:
			return nil
		case ctx.Err() != nil:
			return err
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
		}
	}
}

// eventOf is what the gateway is told. Each step of a call happens once.
func eventOf(e phone.Event) sdk.Event {
	out := sdk.Event{CallID: e.ID, Ref: e.ID, At: e.At}
	switch {
	case e.Answered:
		out.Type, out.ID = sdk.CallAnswered, e.ID+".answered"
	case e.Digits != "":
		out.Type, out.ID, out.Digits = sdk.CallDigits, e.ID+".digits", e.Digits
	default:
		out.Type, out.ID, out.Reason = sdk.CallEnded, e.ID+".ended", e.Ended
		if e.Ended == phone.Completed {
			out.Duration = &e.Duration
		}
	}
	return out
}

// CloseInstance implements sdk.Closer.
func (p *sipProvider) CloseInstance(context.Context) error {
	p.opening.Lock()
	defer p.opening.Unlock()
	p.closed = true
	if p.phone == nil {
		return nil
	}
	return p.phone.Close()
}
