package conform

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

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
