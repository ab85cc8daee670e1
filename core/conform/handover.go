package conform

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

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
