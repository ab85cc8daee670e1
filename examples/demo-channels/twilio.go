package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/twilio-sim/sim"
)

const (
	twilioAccount = "AC00000000000000000000000000000001"
	twilioToken   = "demo-auth-token-0123"
	twilioOwn     = "+441172345678"
	twilioAda     = "+447700900123"
)

const smsHTTPHCL = `channel "sms" "sms_http" {
  settings {
    provider   = "twilio"
    auth_token = %q
    twilio     = { account_sid = %q, from = %q, base_url = %q }
  }
}
`

const voiceHCL = `channel "voice" "voice" {
  settings {
    provider   = "twilio"
    auth_token = %q
    twilio     = { account_sid = %q, from = %q, base_url = %q, greeting = "We call you back.", digits = 1 }
  }
}
`

const voiceRules = `rules:
  - name: call back
    on: custom_event
    event_name: incoming_call
    channel: voice
    do:
      - call: { say: "You rang us. Press 1 & somebody writes to you." }

  - name: wants to be written to
    on: call_digits
    channel: voice
    when: (event.digits ?? "") == "1"
    do:
      - tag: write

  - name: the call is over
    on: call_ended
    channel: voice
    when: (event.reason ?? "") == "completed"
    do:
      - tag: called
`

// startTwilio starts a Twilio, and returns its address.
func startTwilio(s *stage, o sim.Options) (*sim.Sim, string, error) {
	o.AccountSID, o.AuthToken, o.AllowHTTP = twilioAccount, twilioToken, true
	o.Wire = func(in bool, what string) {
		if in {
			s.out.in(what)
		} else {
			s.out.out(what)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	x := sim.New(o)
	srv := &http.Server{Handler: x, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	s.atEnd(func() error {
		x.Close()
		err := srv.Close()
		if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
		return err
	})
	return x, "http://" + l.Addr().String(), nil
}

// smsHTTPScene: a text message through Twilio, an answer whose receipts come in
// disorder and twice, and STOP.
func smsHTTPScene() scene {
	var x *sim.Sim
	return scene{
		name: "sms_http",
		prepare: func(_ context.Context, s *stage) (string, error) {
			var base string
			var err error
			if x, base, err = startTwilio(s, sim.Options{Disorder: true, Duplicate: true}); err != nil {
				return "", err
			}
			x.SetHook("http://"+s.home.Listen+"/hooks/sms_http", base)
			return fmt.Sprintf(smsHTTPHCL, twilioToken, twilioAccount, twilioOwn, base), nil
		},
		play: func(ctx context.Context, s *stage) error { return playSMSHTTP(ctx, s, x) },
	}
}

func playSMSHTTP(ctx context.Context, s *stage, x *sim.Sim) error {
	write := func(_ context.Context, text string) error { return x.Receive(twilioAda, twilioOwn, text) }
	read := func(ctx context.Context, answer string) error {
		return x.Wait(ctx, func(ms []sim.Message, _ []sim.Call) bool {
			return slices.ContainsFunc(ms, func(m sim.Message) bool {
				return m.To == twilioAda && m.Body == answer && len(m.Told) == 6
			})
		})
	}
	a, err := s.talk(ctx, "Where is my parcel & when does it come? 📦", "It is at your neighbour's.", write, read)
	if err != nil {
		return err
	}
	if err := x.Receive(twilioAda, twilioOwn, "STOP"); err != nil {
		return err
	}
	if err := a.Say(ctx, "Are you still there?"); err != nil {
		return err
	}
	var lines []agent.Entry
	err = agent.Until(ctx, "the agent is told that the customer has unsubscribed", func(ctx context.Context) (bool, error) {
		var err error
		_, lines, err = a.Log(ctx)
		return slices.ContainsFunc(lines, func(e agent.Entry) bool { return strings.Contains(e.Text, "not delivered") }), err
	})
	if err != nil {
		return err
	}
	if len(lines) != 2 {
		return fmt.Errorf("the agent sees %d lines, want 2: what the customer wrote, which came twice, and the notice: %+v", len(lines), lines)
	}
	s.out.say("the agent has it once; the receipts came backwards and twice; after STOP Twilio takes nothing, and the agent knows")
	return complaints(x)
}

// voiceScene: a customer rings, and is called back by a rule.
func voiceScene() scene {
	var x *sim.Sim
	return scene{
		name: "voice",
		prepare: func(_ context.Context, s *stage) (string, error) {
			var base string
			var err error
			if x, base, err = startTwilio(s, sim.Options{Disorder: true}); err != nil {
				return "", err
			}
			return fmt.Sprintf(voiceHCL, twilioToken, twilioAccount, twilioOwn, base), s.rule("voice", voiceRules)
		},
		play: func(ctx context.Context, s *stage) error { return playVoice(ctx, s, x) },
	}
}

func playVoice(ctx context.Context, s *stage, x *sim.Sim) error {
	x.SetFate(twilioAda, sim.Fate{Press: "1"})
	if _, err := x.Ring("http://"+s.home.Listen+"/hooks/voice", twilioAda, twilioOwn); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, agent.StepLimit)
	defer cancel()
	err := x.Wait(ctx, func(_ []sim.Message, calls []sim.Call) bool { return len(calls) == 1 && calls[0].Ended })
	if err != nil {
		return fmt.Errorf("the customer is called back: %w", err)
	}
	c := x.Calls()[0]
	s.out.say("the phone did: %s; the customer pressed %s", strings.Join(c.Did, ", "), c.Pressed)
	err = agent.Until(ctx, "rules have tagged the conversation", func(ctx context.Context) (bool, error) {
		tags, err := tagsOf(ctx, s, twilioAda)
		return slices.Contains(tags, "write") && slices.Contains(tags, "called"), err
	})
	if err != nil {
		return err
	}
	return complaints(x)
}

// tagsOf are those of a customer's conversation.
func tagsOf(ctx context.Context, s *stage, address string) ([]string, error) {
	var list struct{ Items []struct{ ID string } }
	err := s.home.Get(ctx, "/v1/conversations?customer="+url.QueryEscape(address), &list)
	for _, i := range list.Items {
		var c struct{ Tags []string }
		if err := s.home.Get(ctx, "/v1/conversations/"+i.ID, &c); err != nil || len(c.Tags) > 0 {
			return c.Tags, err
		}
	}
	return nil, err
}

// complaints are what broke Twilio's contract.
func complaints(x *sim.Sim) error {
	if b := x.Breaches(); len(b) > 0 {
		return fmt.Errorf("Twilio complains: %v", b) //nolint:staticcheck // a name
	}
	return nil
}
