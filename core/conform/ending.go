package conform

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

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

var handoverCases = []oneCase{
	{"handover/parallel", "an old and a new process live side by side, and the old one is drained", (*trial).handoverParallel},
	{"handover/exclusive", "a second process opens while the first runs, and takes over when that has let go; and back", (*trial).handoverExclusive},
}

func (t *trial) handoverParallel() error {
	if t.blocked == nil && t.manifest.Handover != pluginv1.Handover_PARALLEL {
		return notApplicable("the manifest says EXCLUSIVE")
	}
	one, two, err := t.twoProcesses()
	if err != nil {
		return err
	}
	if err := two.answersAs("beside the old one", 1); err != nil {
		return fmt.Errorf("second process: %w", err)
	}
	if _, err := one.drain(drainTime, false); err != nil {
		return err
	}
	if err := two.takesOver(); err != nil {
		return err
	}
	one.kill()
	return two.answersAs("alone", 2)
}

func (t *trial) handoverExclusive() error {
	if t.blocked == nil && t.manifest.Handover != pluginv1.Handover_EXCLUSIVE {
		return notApplicable("the manifest says PARALLEL")
	}
	one, two, err := t.twoProcesses()
	if err != nil {
		return err
	}
	if n, err := one.drain(drainTime, true); err != nil {
		return err
	} else if n > 0 {
		return fmt.Errorf("the drain left %d frames unanswered, and none were open", n)
	}
	if err := two.takesOver(); err != nil {
		return err
	}
	// The new version is no good: the old one is only drained, and goes on.
	if _, err := two.drain(drainTime, true); err != nil {
		return fmt.Errorf("second process: %w", err)
	}
	if err := one.takesOver(); err != nil {
		return fmt.Errorf("back to the first process: %w", err)
	}
	return nil
}

// twoProcesses opens the instance in a second process while the first runs.
func (t *trial) twoProcesses() (one, two *session, err error) {
	if one, err = t.opened(); err != nil {
		return nil, nil, err
	}
	if err := one.answersAs("before", 0); err != nil {
		return nil, nil, err
	}
	if two, err = t.start(); err == nil {
		err = two.mustOpen(1)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("second process, while the first runs: %w", err)
	}
	if err := one.answersAs("meanwhile", 0); err != nil {
		return nil, nil, fmt.Errorf("first process, after the second has opened: %w", err)
	}
	return one, two, nil
}

// takesOver activates the instance and checks that it works.
func (s *session) takesOver() error {
	if err := s.activate(); err != nil {
		return err
	}
	if err := s.answersAs("taken over", 3); err != nil {
		return err
	}
	if strings.Contains(string(s.t.o.Settings), "{{listen}}") {
		if err := s.t.listens(); err != nil {
			return err
		}
	}
	return s.healthy()
}

// listens waits until somebody listens at {{listen}}.
func (t *trial) listens() error {
	until := time.Now().Add(t.o.Patience)
	for {
		c, err := (&net.Dialer{Timeout: t.o.Patience}).DialContext(t.ctx, "tcp", t.places.listen)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(until) {
			return fmt.Errorf("nobody listens at {{listen}} after Activate: %w", err)
		}
		time.Sleep(5 * time.Millisecond) // another process starts to listen
	}
}

var outputCases = []oneCase{
	{"output/stdout", "standard output carries the handshake line and nothing else", (*trial).outputStdout},
	{"output/lines", "what it writes to standard error are lines that the gateway can log", (*trial).outputLines},
	{"output/secrets", "neither secrets nor texts are written", (*trial).outputSecrets},
	{"output/closed", "it goes on when nobody reads its standard error", (*trial).outputClosed},
}

const canaryText = "a text that is nobody's business"

// talkative makes the plugin do what it may have something to say about.
func (t *trial) talkative(p *process) (*session, error) {
	if t.blocked != nil {
		return nil, t.blocked
	}
	s, err := t.startProcess(p)
	if err != nil {
		return nil, err
	}
	if _, err := s.openWith(&pluginv1.InstanceSpec{Revision: 1, Settings: []byte("garbage")}); err != nil {
		return nil, err
	}
	if err := t.open(s); err != nil {
		return nil, err
	}
	strange := t.message(1, "strange", canaryText)
	strange.Instance = "surely_unknown"
	for _, f := range []*pluginv1.HostFrame{t.message(0, "one", canaryText), t.call(0, &pluginv1.Call{Op: 999}), strange} {
		if _, err := s.ask(f); err != nil {
			return nil, err
		}
	}
	if t.has(pluginv1.AbilityWebhook) {
		if _, err := s.ask(&pluginv1.HostFrame{Instance: instance, DeadlineMs: 10_000,
			Body: &pluginv1.HostFrame_Webhook{Webhook: &pluginv1.WebhookRequest{Method: "POST", Path: "/", Body: []byte("{")}}}); err != nil {
			return nil, err
		}
	}
	if _, err := s.drain(drainTime, false); err != nil {
		return nil, err
	}
	if err := s.closeInstance(); err != nil {
		return nil, err
	}
	return s, nil
}

// said ends the process and returns what it wrote.
func (s *session) said() (stdout, stderr string) {
	_ = s.proc.stdin.Close()
	s.proc.awaitExit(s.t.o.Patience)
	s.proc.kill()
	return s.proc.output()
}

func (t *trial) outputStdout() error {
	s, err := t.talkative(t.process())
	if err != nil {
		return err
	}
	stdout, _ := s.said()
	_, rest, _ := strings.Cut(stdout, "\n")
	if rest != "" {
		return fmt.Errorf("standard output goes on with %q; log to standard error", clip(rest, 80))
	}
	return nil
}

func (t *trial) outputLines() error {
	s, err := t.talkative(t.process())
	if err != nil {
		return err
	}
	_, stderr := s.said()
	if len(stderr) >= maxOutput {
		return fmt.Errorf("more than %d MiB in standard error", maxOutput>>20)
	}
	if stderr != "" && !strings.HasSuffix(stderr, "\n") {
		err = errors.New("the last line of standard error does not end")
	}
	for line := range strings.Lines(stderr) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case len(line) > 64<<10:
			err = errors.Join(err, fmt.Errorf("a line of %d bytes in standard error, which the gateway cuts at 64 KiB", len(line)))
		case !utf8.ValidString(line):
			err = errors.Join(err, fmt.Errorf("a line in standard error is not UTF-8: %q", clip(line, 80)))
		case strings.HasPrefix(line, "{") && !json.Valid([]byte(line)):
			err = errors.Join(err, fmt.Errorf("a line in standard error looks like JSON and is not: %q; lines of two threads may be mixed", clip(line, 80)))
		}
	}
	return err
}

func (t *trial) outputSecrets() error {
	s, err := t.talkative(t.process())
	if err != nil {
		return err
	}
	stdout, stderr := s.said()
	if strings.Contains(stdout+stderr, canaryText) {
		err = errors.New("the text of a message is in the output")
	}
	_, secrets := t.settings()
	for name, value := range secrets {
		if len(value) >= 6 && strings.Contains(stdout+stderr, string(value)) {
			err = errors.Join(err, fmt.Errorf("the value of %q, a secret, is in the output", name))
		}
	}
	return err
}

func (t *trial) outputClosed() error {
	p := t.process()
	p.deaf = true
	s, err := t.talkative(p)
	if err != nil {
		return err
	}
	if err := t.open(s); err != nil {
		return err
	}
	return s.answersAs("still here", 0)
}

var endCases = []oneCase{
	{"end/stdin", "the process ends soon after its standard input: the gateway is gone", (*trial).endStdin},
	{"end/sigterm", "SIGTERM lets it answer what is open, and ends it with code 0", (*trial).endTerm},
	{"end/sigint", "SIGINT is ignored: it is meant for the gateway", (*trial).endInterrupt},
	{"end/shutdown", "go-plugin's Shutdown ends it", (*trial).endShutdown},
}

// withOpenCall opens an instance with a call that waits, if one can.
func (t *trial) withOpenCall() (*session, []pending, error) {
	s, err := t.opened()
	if err != nil || !t.reaches {
		return s, nil, err
	}
	t.vendor.holdBack()
	all := s.postAll(1, 1, 1)
	if !t.vendor.await(t.ctx, 1, t.o.Patience) {
		err = errors.New("a send did not reach the vendor")
	}
	return s, all, err
}

func (t *trial) endStdin() error {
	s, _, err := t.withOpenCall()
	if err != nil {
		return err
	}
	began := time.Now()
	_ = s.proc.stdin.Close()
	if s.proc.awaitExit(t.o.StopWithin) {
		return nil
	}
	if s.proc.awaitExit(t.o.Patience) {
		return fmt.Errorf("the process ended after %.1f s, want within %s", time.Since(began).Seconds(), t.o.StopWithin)
	}
	return errors.New("the process lives on")
}

func (t *trial) endTerm() error {
	s, all, err := t.withOpenCall()
	if err != nil {
		return err
	}
	s.proc.signal(syscall.SIGTERM)
	if all != nil {
		if s.proc.awaitExit(quiet) {
			return fmt.Errorf("the process ended at once, with a call open: %s", s.proc.ending())
		}
		t.vendor.release()
		if err := s.awaitAll(all); err != nil {
			return fmt.Errorf("a call that was open: %w", err)
		}
	}
	if !s.proc.awaitExit(t.o.Patience) {
		return fmt.Errorf("the process lives on after %s", t.o.Patience)
	}
	if code := s.proc.cmd.ProcessState.ExitCode(); code != 0 {
		<-s.proc.drained
		return fmt.Errorf("the process ended with %s, want code 0", s.proc.ending())
	}
	return nil
}

func (t *trial) endInterrupt() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	s.proc.signal(syscall.SIGINT)
	if s.proc.awaitExit(quiet) {
		return fmt.Errorf("the process ended: %s", s.proc.ending())
	}
	return s.answersAs("still here", 0)
}

func (t *trial) endShutdown() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	ctx, cancel := s.patience()
	defer cancel()
	err = s.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
	if status.Code(err) == codes.Unimplemented {
		return notApplicable("it does not serve plugin.GRPCController; the gateway uses SIGTERM, a little later")
	}
	if !s.proc.awaitExit(t.o.Patience) {
		return errors.New("the process lives on after Shutdown")
	}
	return nil
}
