package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// How long it is known how far a text has got.
const (
	underwayFor = 48 * time.Hour  // in the state: longer than any message is tried
	hopeFor     = 2 * time.Minute // after the last segment that was taken, for the receipts of those before
)

// progress is how far a text in segments has got.
type progress struct {
	Message string    `json:"message"` // its id for the gateway
	Text    uint64    `json:"text"`    // what is in the segments: [smppConfig.sum]
	Ref     uint16    `json:"ref"`
	IDs     []string  `json:"ids,omitempty"` // of those that the SMSC took, in their order
	At      time.Time `json:"at"`            // of the last change
}

// sum is the same for what a handset joins: the same segments from the same number. A
// link in a text may be another one at the next attempt.
func (c *smppConfig) sum(text string) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, c.source, c.alphabet, c.concat, text)
	return h.Sum64()
}

// underway knows how far texts in segments have got, so that the next attempt goes on
// with the first one that was not taken, under the same reference: a handset that has
// some already puts them together. It is in the instance's state, for the next
// process; what cannot be written there is known as long as the connection lives. It is
// safe for concurrent use, but a message must not be in two calls at a time.
type underway struct {
	host    sdk.Host
	shelves *shelves[progress]
}

func newUnderway(h sdk.Host) *underway {
	return &underway{host: h, shelves: newShelves[progress](h, "underway")}
}

// begin returns how far a message has got; ref makes its reference if it is new.
func (u *underway) begin(ctx context.Context, message string, sum uint64, ref func() uint16) progress {
	s := u.shelves.of(message)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := find(s, message); i >= 0 && s.list[i].Text == sum {
		s.list[i].At = u.host.Now()
		return s.list[i]
	}
	p := progress{Message: message, Text: sum, Ref: ref()}
	u.put(ctx, s, p)
	return p
}

// taken notes that the SMSC took one more segment.
func (u *underway) taken(ctx context.Context, p progress, id string) progress {
	s := u.shelves.of(p.Message)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.IDs = append(slices.Clip(p.IDs), id)
	u.put(ctx, s, p)
	return p
}

// done forgets a message. In the state it stays until the next one is written there:
// an attempt at a message whose end is not known would go on with the last segment.
func (u *underway) done(message string) {
	s := u.shelves.of(message)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := find(s, message); i >= 0 {
		s.list = s.without(i)
	}
}

// hopes says whether a receipt of a segment may be of a text that is still on its way:
// the gateway does not know its ids yet.
func (u *underway) hopes(id string) bool {
	since := u.host.Now().Add(-hopeFor)
	for i := range u.shelves {
		s := &u.shelves[i]
		s.mu.Lock()
		found := s.find(func(p progress) bool { return slices.Contains(p.IDs, id) && p.At.After(since) }) >= 0
		s.mu.Unlock()
		if found {
			return true
		}
	}
	return false
}

func find(s *shelf[progress], message string) int {
	return s.find(func(p progress) bool { return p.Message == message })
}

// put stores one, in place of what was known of the same message, and leaves out what is
// too old or too much.
func (u *underway) put(ctx context.Context, s *shelf[progress], p progress) {
	p.At = u.host.Now()
	list := slices.DeleteFunc(slices.Clone(s.list), func(o progress) bool {
		return o.Message == p.Message || p.At.Sub(o.At) > underwayFor
	})
	list = append(list[max(0, len(list)+1-maxOnShelf):], p)
	if err := s.store(ctx, list); err != nil {
		u.host.Log().Warn("how far a long text has got is not known after a restart", "err", err)
		s.list = list
	}
}
