package main

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// tell tells the gateway what a customer wrote, durably.
type tell func(ctx context.Context, id string, j joined) error

// joiner puts texts together. An SMSC may wait for our answer to a segment before it
// sends the next one, so each is answered when it is durable: on one of the shelves. A
// complete text is told before the answer to its last segment, and forgotten after it:
// told twice after a crash, it has the same id. It is safe for concurrent use.
type joiner struct {
	host    sdk.Host
	keepFor time.Duration
	shelves *shelves[assembly]
}

func newJoiner(h sdk.Host, keepFor time.Duration) *joiner {
	return &joiner{host: h, keepFor: keepFor, shelves: newShelves[assembly](h, "segments")}
}

// add takes one segment, and returns once it is durable. settled is to be called when
// that has been answered.
func (j *joiner) add(ctx context.Context, m smpp.Message, tell tell) (settled func(context.Context), err error) {
	key := keyOf(m)
	s := j.shelves.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := place(s, key)
	if i >= 0 {
		if _, repeated, other := s.list[i].with(m); repeated {
			return unsettled, nil
		} else if other { // what is there will not become whole any more
			if err := j.giveUp(ctx, s, i, tell); err != nil {
				return unsettled, err
			}
			i = -1
		}
	}
	if i >= 0 {
		if a, _, _ := s.list[i].with(m); a.complete() {
			return func(ctx context.Context) { j.forget(ctx, s, a.ID) }, tell(ctx, a.ID, a.joined())
		}
	}
	return unsettled, j.keep(ctx, s, key, m, tell)
}

// unsettled: there is nothing to be done after the answer.
func unsettled(context.Context) {}

// place returns where the text of a key is.
func place(s *shelf[assembly], key string) int {
	return s.find(func(a assembly) bool { return a.Key == key })
}

// keep stores one more segment. The text that it belongs to may be the one that is
// given up for it.
func (j *joiner) keep(ctx context.Context, s *shelf[assembly], key string, m smpp.Message, tell tell) error {
	if err := j.makeRoom(ctx, s, key, len(m.Octets), tell); err != nil {
		return err
	}
	texts := slices.Clone(s.list)
	i := place(s, key)
	if i < 0 {
		i = len(texts)
		texts = append(texts, assembly{Key: key, ID: "smpp-" + rand.Text(), At: j.host.Now(), Source: m.Source, Dest: m.Dest, Total: m.Segment.Total})
	}
	texts[i], _, _ = texts[i].with(m)
	return s.store(ctx, texts)
}

// makeRoom gives up the oldest texts if there are too many, or too long ones, for one
// more segment.
func (j *joiner) makeRoom(ctx context.Context, s *shelf[assembly], key string, octets int, tell tell) error {
	for len(s.list) > 0 && (place(s, key) < 0 && len(s.list) >= maxOnShelf || len(s.stored)+2*octets > maxShelfSize) {
		j.host.Log().Warn("too many texts wait for their segments, the oldest is told as it is")
		if err := j.giveUp(ctx, s, 0, tell); err != nil {
			return err
		}
	}
	return nil
}

// giveUp tells a text as far as it is there.
func (j *joiner) giveUp(ctx context.Context, s *shelf[assembly], i int, tell tell) error {
	if err := tell(ctx, s.list[i].ID, s.list[i].joined()); err != nil {
		if _, rejected := asRejected(err); !rejected {
			return err
		}
	}
	j.drop(ctx, s, i)
	return nil
}

// forget drops the text with that id.
func (j *joiner) forget(ctx context.Context, s *shelf[assembly], id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(func(a assembly) bool { return a.ID == id }); i >= 0 {
		j.drop(ctx, s, i)
	}
}

// drop forgets a text that was told. If that cannot be stored now, it is with the next
// segment; until then a new process would tell it again, with the same id.
func (j *joiner) drop(ctx context.Context, s *shelf[assembly], i int) {
	texts := s.without(i)
	if err := s.store(ctx, texts); err != nil {
		j.host.Log().Warn("a text that was told is still kept", "err", err)
		s.list = texts
	}
}

// expire gives up texts that have waited too long.
func (j *joiner) expire(ctx context.Context, tell tell) error {
	before := j.host.Now().Add(-j.keepFor)
	for i := range j.shelves {
		if err := j.expireOn(ctx, &j.shelves[i], before, tell); err != nil {
			return err
		}
	}
	return nil
}

func (j *joiner) expireOn(ctx context.Context, s *shelf[assembly], before time.Time, tell tell) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i < len(s.list); {
		if s.list[i].At.After(before) {
			i++
			continue
		}
		j.host.Log().Warn("not all segments of a text have come, it is told as it is",
			"segments", len(s.list[i].Parts), "of", s.list[i].Total)
		if err := j.giveUp(ctx, s, i, tell); err != nil {
			return err
		}
	}
	return nil
}
