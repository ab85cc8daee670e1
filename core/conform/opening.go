package conform

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

var settingsCases = []oneCase{
	{"settings/good", "an instance opens with the settings, and a send has the outcome named", (*trial).settingsGood},
	{"settings/garbage", "settings that are no JSON object are refused with a word, and the process lives on", (*trial).settingsGarbage},
	{"settings/schema", "settings that break the schema are refused with a word, and the process lives on", (*trial).settingsSchema},
	{"settings/driver", "an instance of a driver that there is not is refused", (*trial).settingsDriver},
}

func (t *trial) settingsGood() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	r, err := s.result(t.message(0, "first", "hello"))
	if err != nil {
		return err
	}
	if want := t.o.Outcome; want != "" && r.Outcome.String() != want {
		return fmt.Errorf("the send had the outcome %v (%s %s), want %s", r.Outcome, r.Code, clip(r.Detail, 200), want)
	}
	return nil
}

func (t *trial) settingsGarbage() error { return t.refusesSettings(garbage()) }

func (t *trial) settingsSchema() error {
	if t.blocked != nil {
		return t.blocked
	}
	all := t.o.violations(t.driver, t.places)
	if len(all) == 0 {
		return notApplicable("the schema takes everything")
	}
	return t.refusesSettings(all)
}

// refusesSettings checks that no instance opens with such settings, and that
// one with the right settings still does.
func (t *trial) refusesSettings(all []wrong) error {
	if t.blocked != nil {
		return t.blocked
	}
	s, err := t.start()
	if err != nil {
		return err
	}
	var broken error
	for i, w := range all {
		broken = errors.Join(broken, s.validates(w))
		state, err := s.openWith(&pluginv1.InstanceSpec{Revision: uint64(i + 1), Settings: w.settings, Secrets: w.secrets})
		switch {
		case err != nil:
			return errors.Join(broken, fmt.Errorf("%s: %w", w.what, err))
		case state.Ok:
			broken = errors.Join(broken, fmt.Errorf("%s were taken", w.what))
		case state.Message == "" && len(state.Problems) == 0:
			broken = errors.Join(broken, fmt.Errorf("%s were refused without a word", w.what))
		case strings.Contains(state.Message, "panic"):
			broken = errors.Join(broken, fmt.Errorf("%s: %s", w.what, clip(state.Message, 200)))
		}
	}
	if err := s.mustOpen(1000); err != nil {
		return errors.Join(broken, fmt.Errorf("after bad settings: %w", err))
	}
	if err := s.activate(); err != nil {
		return errors.Join(broken, err)
	}
	_, err = s.ask(t.message(0, "after", "hello"))
	return errors.Join(broken, err)
}

// validates checks that the live check answers, whatever it says.
func (s *session) validates(w wrong) error {
	ctx, cancel := s.patience()
	defer cancel()
	_, err := s.plugin.Validate(ctx, &pluginv1.ValidateRequest{
		Driver: s.t.driver.Name, Settings: w.settings, Secrets: w.secrets})
	if err != nil && status.Code(err) != codes.Unimplemented {
		return fmt.Errorf("call of Validate with %s: %w%s", w.what, plain(err), s.died())
	}
	return nil
}

func (t *trial) settingsDriver() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	plain, secrets := t.settings()
	state, err := s.openWith(&pluginv1.InstanceSpec{Instance: "another", Driver: "surely_unknown", Revision: 1, Settings: plain, Secrets: secrets})
	if err == nil && state.Ok {
		return errors.New("an instance of the driver \"surely_unknown\" was opened")
	}
	if died := s.died(); died != "" { // an error of the call is an answer, too
		return errors.Join(err, errors.New("an unknown driver"+died))
	}
	return s.answersAs("after", 0)
}

var openCases = []oneCase{
	{"open/idempotent", "opening the same revision again changes nothing, also while a call is open", (*trial).openIdempotent},
	{"open/revision", "another revision replaces the settings", (*trial).openRevision},
	{"open/close", "closing is idempotent; a closed instance answers that it is not there and opens again", (*trial).openClose},
}

func (t *trial) openIdempotent() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	if t.reaches {
		t.vendor.holdBack()
	}
	seq, open := s.link.post(t.message(0, "open", "hello"))
	if t.reaches && !t.vendor.await(t.ctx, 1, t.o.Patience) {
		return errors.New("a send did not reach the vendor")
	}
	for range 3 {
		if err := s.mustOpen(1); err != nil {
			return fmt.Errorf("the same revision again: %w", err)
		}
	}
	if err := s.activate(); err != nil {
		return fmt.Errorf("a second time: %w", err)
	}
	t.vendor.release()
	if _, err := s.await(seq, open); err != nil {
		return fmt.Errorf("a call that was open meanwhile: %w", err)
	}
	if _, err := s.ask(t.message(1, "after", "hello")); err != nil {
		return err
	}
	return s.healthy()
}

func (t *trial) openRevision() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	for revision := uint64(2); revision <= 4; revision++ {
		seq, open := s.link.post(t.message(int(revision), fmt.Sprint("during ", revision), "hello"))
		if err := s.mustOpen(revision); err != nil {
			return fmt.Errorf("revision %d: %w", revision, err)
		}
		if _, err := s.await(seq, open); err != nil {
			return fmt.Errorf("a call while revision %d was opened: %w", revision, err)
		}
		if err := s.answersAs("hello", int(revision)); err != nil {
			return fmt.Errorf("revision %d: %w", revision, err)
		}
	}
	return nil
}

// answersAs sends a message, and checks its outcome if that is known.
func (s *session) answersAs(text string, who int) error {
	r, err := s.result(s.t.message(who, fmt.Sprintf("%s %d", text, who), text))
	if err != nil {
		return err
	}
	if want := s.t.o.Outcome; want != "" && r.Outcome.String() != want {
		return fmt.Errorf("a send had the outcome %v (%s), want %s", r.Outcome, r.Code, want)
	}
	return nil
}

func (t *trial) openClose() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	for range 2 {
		if err := s.closeInstance(); err != nil {
			return err
		}
	}
	r, err := s.result(t.message(0, "closed", "hello"))
	if err != nil {
		return fmt.Errorf("a call to a closed instance: %w", err)
	}
	if r.Outcome != pluginv1.Outcome_RETRY {
		return fmt.Errorf("a call to a closed instance had the outcome %v, want RETRY: nothing has happened", r.Outcome)
	}
	if err := t.open(s); err != nil {
		return fmt.Errorf("after closing: %w", err)
	}
	return s.answersAs("again", 0)
}
