package conform

import (
	"errors"
	"fmt"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// unknownBytes is field 1011 of a message, which nobody knows yet.
func unknownBytes() []byte { return []byte{0x9a, 0x3f, 0x03, 'n', 'e', 'w'} }

var unknownCases = []oneCase{
	{"unknown/fields", "fields that it does not know are ignored", (*trial).unknownFields},
	{"unknown/frames", "frames of a kind that it does not know are ignored", (*trial).unknownFrames},
	{"unknown/op", "a call that it does not know is UNSUPPORTED", (*trial).unknownOp},
	{"unknown/instance", "a call for an instance that is not open is answered: RETRY", (*trial).unknownInstance},
}

func (t *trial) unknownFields() error {
	if t.blocked != nil {
		return t.blocked
	}
	s, err := t.start()
	if err != nil {
		return err
	}
	plain, secrets := t.settings()
	spec := &pluginv1.InstanceSpec{Revision: 1, Settings: plain, Secrets: secrets}
	spec.ProtoReflect().SetUnknown(unknownBytes())
	state, err := s.openWith(spec)
	if err != nil {
		return err
	}
	if !state.Ok {
		return fmt.Errorf("an instance with an unknown field in its specification: %s", state.Message)
	}
	if err := s.activate(); err != nil {
		return err
	}
	batch := &pluginv1.HostBatch{}
	batch.ProtoReflect().SetUnknown(unknownBytes())
	s.link.batch(batch)
	f := t.message(0, "newer", "from a newer gateway")
	f.ProtoReflect().SetUnknown(unknownBytes())
	f.GetCall().ProtoReflect().SetUnknown(unknownBytes())
	f.GetCall().Message.ProtoReflect().SetUnknown(unknownBytes())
	_, err = s.ask(f)
	return err
}

func (t *trial) unknownFrames() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	for range 3 {
		f := &pluginv1.HostFrame{Instance: instance, Conversation: conversation(0)}
		f.ProtoReflect().SetUnknown(unknownBytes())
		s.link.tell(f)
	}
	s.link.batch(&pluginv1.HostBatch{})
	s.link.ack(&pluginv1.PluginFrame{Seq: 4711, Instance: instance}, &pluginv1.Ack{Ok: true})
	s.link.tell(&pluginv1.HostFrame{Instance: instance, Body: &pluginv1.HostFrame_Reply{Reply: &pluginv1.HostReply{Seq: 4711}}})
	_, err = s.ask(t.message(0, "after", "hello"))
	return err
}

func (t *trial) unknownOp() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	return s.unsupported(&pluginv1.Call{Op: 999})
}

func (t *trial) unknownInstance() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	f := t.message(0, "lost", "hello")
	f.Instance = "surely_unknown"
	r, err := s.result(f)
	if err != nil {
		return err
	}
	if r.Outcome != pluginv1.Outcome_RETRY {
		return fmt.Errorf("the outcome is %v, want RETRY: nothing has happened", r.Outcome)
	}
	return nil
}

var abilityCases = []oneCase{
	{"ability/calls", "calls are answered, and those that it did not claim to know are UNSUPPORTED", (*trial).abilityCalls},
	{"ability/webhook", "requests of strangers are answered, and become no events", (*trial).abilityWebhook},
	{"ability/poll", "polls are answered, also with a cursor that makes no sense", (*trial).abilityPoll},
}

// unsupported checks that a call is refused as unknown.
func (s *session) unsupported(c *pluginv1.Call) error {
	r, err := s.result(s.t.call(0, c))
	if err != nil {
		return fmt.Errorf("%v: %w", c.Op, err)
	}
	if r.Outcome != pluginv1.Outcome_UNSUPPORTED {
		return fmt.Errorf("%v had the outcome %v, want UNSUPPORTED", c.Op, r.Outcome)
	}
	return nil
}

// opAbilities says which ability a call needs, by the kind of driver.
var opAbilities = []struct {
	op                 pluginv1.Op
	channel, connector string
}{
	{pluginv1.Op_TYPING, pluginv1.AbilityTypingToCustomer, pluginv1.AbilityTypingToChat},
	{pluginv1.Op_RECEIPT, pluginv1.AbilityReceipt, pluginv1.AbilityReceipt},
	{pluginv1.Op_TRANSFER, "", pluginv1.AbilityTransfer},
	{pluginv1.Op_HOLD, "", pluginv1.AbilityHold},
	{pluginv1.Op_REOPEN, "", pluginv1.AbilityReopen},
	{pluginv1.Op_UPDATE, "", pluginv1.AbilityUpdate},
	{pluginv1.Op_EVENT, pluginv1.AbilitySendEvent, pluginv1.AbilitySendEvent},
	{pluginv1.Op_CALL_OUT, pluginv1.AbilityCall, ""},
	{pluginv1.Op_REGISTER, pluginv1.AbilityRegister, ""},
}

func (t *trial) abilityCalls() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	for _, o := range opAbilities {
		c := &pluginv1.Call{Op: o.op, On: true, Target: "somewhere", MessageId: "m", Status: "read", EventName: "e",
			Key: "key " + o.op.String(), Message: &pluginv1.Message{Id: "m", Text: "hello"}}
		ability := o.connector
		if t.channel() {
			ability = o.channel
		}
		if ability == "" || !t.has(ability) {
			err = errors.Join(err, s.unsupported(c))
			continue
		}
		_, wrong := s.result(t.call(0, c))
		err = errors.Join(err, wrong)
	}
	if t.channel() {
		return errors.Join(err, s.unsupported(&pluginv1.Call{Op: pluginv1.Op_OPEN}))
	}
	for _, c := range []*pluginv1.Call{
		{Op: pluginv1.Op_OPEN, Key: "open", Message: &pluginv1.Message{Id: "open", Text: "hello"}},
		{Op: pluginv1.Op_CLOSE, Key: "close", Reason: "customer"},
	} {
		_, wrong := s.result(t.call(1, c))
		err = errors.Join(err, wrong)
	}
	return err
}

func (t *trial) abilityWebhook() error {
	if t.blocked == nil && !t.has(pluginv1.AbilityWebhook) {
		return notApplicable("the driver has no ability " + pluginv1.AbilityWebhook)
	}
	s, err := t.opened()
	if err != nil {
		return err
	}
	for _, r := range []*pluginv1.WebhookRequest{
		{Method: "GET"},
		{Method: "POST", Path: "/"},
		{Method: "POST", Body: []byte("{")},
		{Method: "POST", Body: []byte(`{"a":[null,{}]}`)},
		{Method: "BREW", Path: "/%zz/..", Query: "%zz&=", Body: []byte("\x00\xff\xfe")},
		{Method: "POST", Query: "x=y", Body: make([]byte, 1<<20)},
	} {
		r.RemoteAddr, r.Url = "192.0.2.1", "https://gateway.example.com/hooks/"+instance+r.Path
		a, err := s.ask(&pluginv1.HostFrame{Instance: instance, DeadlineMs: 10_000,
			Body: &pluginv1.HostFrame_Webhook{Webhook: r}})
		what := fmt.Sprintf("%s %q with %.20q", r.Method, r.Path, r.Body)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		case a.GetWebhook() == nil:
			return fmt.Errorf("%s was answered with %T", what, a.Body)
		case len(a.GetWebhook().Events) > 0:
			return fmt.Errorf("%s became events", what)
		}
	}
	return nil
}

func (t *trial) abilityPoll() error {
	account, chat := t.has(pluginv1.AbilityPollAccount), t.has(pluginv1.AbilityPollChat)
	if t.blocked == nil && !account && !chat {
		return notApplicable("the driver is not polled")
	}
	s, err := t.opened()
	if err != nil {
		return err
	}
	var polls []*pluginv1.Poll
	if account {
		polls = append(polls, &pluginv1.Poll{}, &pluginv1.Poll{Cursor: []byte("\xff garbage")})
	}
	if chat {
		polls = append(polls, &pluginv1.Poll{Chat: t.chat(0)}, &pluginv1.Poll{Chat: t.chat(0), Cursor: []byte("\xff garbage")})
	}
	for _, p := range polls {
		a, err := s.ask(&pluginv1.HostFrame{Instance: instance, DeadlineMs: 10_000, Body: &pluginv1.HostFrame_Poll{Poll: p}})
		if err != nil {
			return err
		}
		if a.GetPoll() == nil {
			return fmt.Errorf("a poll was answered with %T", a.Body)
		}
	}
	return nil
}
