package conform

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// drainTime is the deadline of drains that should end long before.
const drainTime = 30 * time.Second

var drainCases = []oneCase{
	{"drain/open-frames", "Drain returns when all that was open is answered", (*trial).drainOpen},
	{"drain/deadline", "Drain gives up at its deadline and says how much is unanswered", (*trial).drainDeadline},
	{"drain/after", "a drained plugin answers calls with RETRY; Activate undoes it", (*trial).drainAfter},
	{"drain/silent", "a drained plugin receives nothing", (*trial).drainSilent},
	{"drain/deactivate", "Deactivate stops receiving and not sending, and Activate undoes it", (*trial).drainDeactivate},
}

func (t *trial) drainOpen() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	if t.reaches {
		t.vendor.holdBack()
	}
	all := s.postAll(8, 2, 1)
	if t.reaches && !t.vendor.await(t.ctx, 8, t.o.Patience) {
		return errors.New("the messages of 8 conversations did not reach the vendor")
	}
	drained := make(chan error, 1)
	go func() {
		n, err := s.drain(drainTime, false)
		if err == nil && n > 0 {
			err = fmt.Errorf("the drain left %d frames unanswered, and its deadline had not come", n)
		}
		drained <- err
	}()
	if t.reaches {
		timer := time.NewTimer(quiet)
		defer timer.Stop()
		select {
		case err := <-drained:
			return errors.Join(errors.New("the drain returned while calls were open"), err)
		case <-timer.C:
		}
		seq, answer := s.link.post(t.message(0, "late", "while it drains")) // not to be refused before its turn
		all = append(all, pending{0, seq, answer})
		t.vendor.release()
	}
	if err := <-drained; err != nil {
		return err
	}
	return s.awaitAll(all)
}

func (t *trial) drainDeadline() error {
	if err := t.needVendor(); err != nil {
		return err
	}
	s, err := t.opened()
	if err != nil {
		return err
	}
	t.vendor.holdBack()
	all := s.postAll(3, 1, 1)
	if !t.vendor.await(t.ctx, 3, t.o.Patience) {
		return errors.New("the messages of 3 conversations did not reach the vendor")
	}
	n, err := s.drain(quiet, false)
	if err != nil {
		return err
	}
	if n != 3 {
		err = fmt.Errorf("the drain says that %d frames are unanswered, and 3 are", n)
	}
	t.vendor.release()
	return errors.Join(err, s.awaitAll(all))
}

func (t *trial) drainAfter() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	if _, err := s.drain(drainTime, false); err != nil {
		return err
	}
	r, err := s.result(t.message(0, "late", "hello"))
	if err != nil {
		return fmt.Errorf("a call after the drain: %w", err)
	}
	if r.Outcome != pluginv1.Outcome_RETRY {
		err = fmt.Errorf("a call after the drain had the outcome %v, want RETRY: nothing has happened", r.Outcome)
	}
	before := t.vendor.seen()
	if wrong := s.activate(); wrong != nil {
		return errors.Join(err, wrong)
	}
	if wrong := s.answersAs("back", 0); wrong != nil {
		return errors.Join(err, fmt.Errorf("after Activate undid the drain: %w", wrong))
	}
	if t.reaches && t.vendor.seen() == before {
		err = errors.Join(err, errors.New("it is not undone by Activate: a send does not reach the vendor"))
	}
	return err
}

func (t *trial) drainSilent() error {
	if t.blocked == nil && !t.has(pluginv1.AbilityWebhook) {
		if err := t.needEvents(); err != nil {
			return err
		}
	}
	var s *session
	var out *outside
	var err error
	if t.needEvents() == nil {
		s, out, err = t.emitting()
	} else {
		s, err = t.opened()
	}
	if err != nil {
		return err
	}
	if _, err := s.drain(drainTime, false); err != nil {
		return err
	}
	if out != nil {
		t.staysSilent(s, out)
	}
	if !t.has(pluginv1.AbilityWebhook) {
		return nil
	}
	a, err := s.ask(&pluginv1.HostFrame{Instance: instance, DeadlineMs: 10_000,
		Body: &pluginv1.HostFrame_Webhook{Webhook: &pluginv1.WebhookRequest{Method: "POST", Path: "/"}}})
	if err != nil {
		return err
	}
	if a.GetWebhook().GetStatus() != 503 || len(a.GetWebhook().GetEvents()) > 0 {
		return fmt.Errorf("a webhook after the drain had the status %d, want 503", a.GetWebhook().GetStatus())
	}
	return nil
}

func (t *trial) drainDeactivate() error {
	if err := t.needEvents(); err != nil {
		return err
	}
	s, out, err := t.emitting()
	if err != nil {
		return err
	}
	ctx, cancel := s.patience()
	defer cancel()
	_, err = s.plugin.Deactivate(ctx, &pluginv1.ActivateRequest{Generation: 1, Instances: []string{instance}})
	if status.Code(err) == codes.Unimplemented {
		return notApplicable("it does not serve Deactivate; only a drain makes it stop receiving")
	}
	if err != nil {
		return fmt.Errorf("call of Deactivate: %w%s", plain(err), s.died())
	}
	t.staysSilent(s, out)
	if err := s.answersAs("meanwhile", 0); err != nil {
		return fmt.Errorf("after Deactivate: %w", err)
	}
	if err := s.activate(); err != nil {
		return err
	}
	if out, err = t.dial(true); err == nil {
		err = out.provoke(1)
	}
	if err != nil {
		return fmt.Errorf("after Activate undid it: %w", err)
	}
	if _, err = s.nextEvents(); err != nil {
		return fmt.Errorf("after Activate undid it: %w", err)
	}
	return nil
}

// emitting opens an instance that has emitted an event, with who provoked it.
func (t *trial) emitting() (*session, *outside, error) {
	s, err := t.openManual()
	if err != nil {
		return nil, nil, err
	}
	s.link.grant(8)
	out, err := t.dial(true)
	if err == nil {
		err = out.provoke(1)
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := s.nextEvents()
	if err != nil {
		return nil, nil, err
	}
	s.link.ack(f, &pluginv1.Ack{Ok: true})
	return s, out, nil
}

// staysSilent provokes events that must not come now; the link writes down
// those that do.
func (t *trial) staysSilent(s *session, out *outside) {
	s.link.setActive(false)
	_ = out.provoke(3) // the connection may be closed
	if late, err := t.dial(false); err == nil {
		_ = late.provoke(1)
	}
	s.silent(quiet)
}
