package conform

import (
	"errors"
	"fmt"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

var orderCases = []oneCase{
	{"order/conversation", "calls of one conversation are answered in their order, each once", (*trial).orderConversation},
	{"order/one-at-a-time", "calls of one conversation are not handled at the same time", (*trial).orderOne},
	{"order/overlap", "a call that waits holds up no other conversation", (*trial).orderOverlap},
	{"redelivery", "after kill -9 the same calls again are answered, each once", (*trial).redelivery},
}

// pending is a frame that waits for its answer.
type pending struct {
	who    int
	seq    uint64
	answer <-chan *pluginv1.PluginFrame
}

// postAll sends each messages in people conversations, in turn.
func (s *session) postAll(people, each int, attempt uint32) []pending {
	var all []pending
	for i := range people * each {
		who := i % people
		f := s.t.message(who, fmt.Sprintf("m%d", i), fmt.Sprintf("message %d", i))
		f.GetCall().Attempt, f.GetCall().Resent = attempt, attempt > 1
		seq, answer := s.link.post(f)
		all = append(all, pending{who, seq, answer})
	}
	return all
}

// awaitAll waits for all answers and checks their order in each conversation.
func (s *session) awaitAll(all []pending) error {
	whose := make(map[uint64]int)
	for _, p := range all {
		whose[p.seq] = p.who
		if _, err := s.await(p.seq, p.answer); err != nil {
			return err
		}
	}
	last := make(map[int]uint64)
	for _, seq := range s.link.answers() {
		who, asked := whose[seq]
		if !asked {
			continue
		}
		if seq < last[who] {
			return fmt.Errorf("conversation %d: frame %d was answered after frame %d", who, seq, last[who])
		}
		last[who] = seq
	}
	return nil
}

func (t *trial) orderConversation() error {
	s, err := t.opened()
	if err != nil {
		return err
	}
	t.vendor.tremble()
	return s.awaitAll(s.postAll(8, 12, 1))
}

func (t *trial) orderOne() error {
	if err := t.needVendor(); err != nil {
		return err
	}
	s, err := t.opened()
	if err != nil {
		return err
	}
	t.vendor.holdBack()
	all := s.postAll(1, 2, 1)
	if !t.vendor.await(t.ctx, 1, t.o.Patience) {
		return errors.New("a send did not reach the vendor")
	}
	if t.vendor.await(t.ctx, 2, quiet) {
		return errors.New("the second message of a conversation was sent before the first was done")
	}
	t.vendor.release()
	return s.awaitAll(all)
}

func (t *trial) orderOverlap() error {
	if err := t.needVendor(); err != nil {
		return err
	}
	s, err := t.opened()
	if err != nil {
		return err
	}
	t.vendor.holdBack()
	all := s.postAll(4, 1, 1)
	if !t.vendor.await(t.ctx, 4, t.o.Patience) {
		return errors.New("messages of 4 conversations were sent one after the other, want at the same time")
	}
	t.vendor.release()
	return s.awaitAll(all)
}

func (t *trial) redelivery() error {
	one, err := t.opened()
	if err != nil {
		return err
	}
	if t.reaches {
		t.vendor.holdBack()
	}
	one.postAll(4, 4, 1)
	if t.reaches && !t.vendor.await(t.ctx, 1, t.o.Patience) {
		return errors.New("a send did not reach the vendor")
	}
	one.kill()
	t.vendor.release()
	two, err := t.start()
	if err == nil {
		err = t.open(two)
	}
	if err != nil {
		return fmt.Errorf("after kill -9: %w", err)
	}
	return two.awaitAll(two.postAll(4, 4, 2))
}
