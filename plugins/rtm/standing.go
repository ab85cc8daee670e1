package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	maxStanding      = 10_000 // customers
	standingReceipts = 32     // of one customer's messages
	standingAgents   = 8      // of one customer
)

// standing is how things stand for each customer: what became of the last
// messages of hers, and who is there to answer. A client that comes back is told
// again, for the gateway says it once. It is safe for concurrent use.
//
// It is kept in memory, and in a file while no process runs: that it is forgotten
// when the process is killed costs a tick, not a message.
type standing struct {
	now func() time.Time

	mu    sync.Mutex
	users *lru.LRU[string, stand]
}

// stand is how things stand for one customer. Its lists are oldest first, and
// not changed but replaced.
type stand struct {
	Receipts []receipt   `json:"receipts,omitempty"`
	Events   []happening `json:"events,omitempty"` // the last one of each agent
}

// receipt says what became of a message of the customer's.
type receipt struct {
	TID    string    `json:"tid"`
	Status string    `json:"status"` // delivered, read
	At     time.Time `json:"at"`
}

// happening is what happened to the conversation.
type happening struct {
	ID     string            `json:"id"`
	Event  string            `json:"event"`
	Params map[string]string `json:"params,omitempty"`
	At     time.Time         `json:"at"`
}

func newStanding(now func() time.Time) *standing {
	users, _ := lru.NewLRU[string, stand](maxStanding, nil) // fails for sizes below 1 only
	return &standing{now: now, users: users}
}

// receipt notes what became of a message, and returns what now stands: what was
// read is not only delivered any more.
func (s *standing) receipt(user, tid, status string) receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.fresh(user)
	r := receipt{TID: tid, Status: status, At: s.now()}
	same := func(known receipt) bool { return known.TID == tid }
	if i := slices.IndexFunc(of.Receipts, same); i >= 0 && of.Receipts[i].Status == "read" {
		return of.Receipts[i]
	}
	of.Receipts = lastOf(standingReceipts, of.Receipts, same, r)
	s.users.Add(user, of)
	return r
}

// event notes who has come or gone, and returns what happened: the same as
// before, if it is said again.
func (s *standing) event(user, name string, params map[string]string) happening {
	h := happening{ID: randomID("e-"), Event: name, Params: params, At: s.now()}
	if name != "agent_joined" && name != "agent_left" {
		return h
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.fresh(user)
	same := func(known happening) bool { return known.Params["name"] == params["name"] }
	if i := slices.IndexFunc(of.Events, same); i >= 0 && of.Events[i].Event == name {
		return of.Events[i]
	}
	of.Events = lastOf(standingAgents, of.Events, same, h)
	s.users.Add(user, of)
	return h
}

// lastOf returns the last n of list and one more, without those that are the same.
func lastOf[T any](n int, list []T, same func(T) bool, one T) []T {
	list = append(slices.DeleteFunc(slices.Clone(list), same), one)
	return list[max(0, len(list)-n):]
}

// of returns how things stand for user.
func (s *standing) of(user string) stand {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh(user)
}

// fresh leaves out what is older than a message may wait: it is of no use to anybody,
// and an agent who comes a day later is news. The caller holds s.mu.
func (s *standing) fresh(user string) stand {
	of, _ := s.users.Get(user)
	old := s.now().Add(-undeliveredFor)
	return stand{
		Receipts: slices.DeleteFunc(slices.Clone(of.Receipts), func(r receipt) bool { return r.At.Before(old) }),
		Events:   slices.DeleteFunc(slices.Clone(of.Events), func(h happening) bool { return h.At.Before(old) }),
	}
}

// kept is one customer in the file.
type kept struct {
	User string `json:"user"`
	stand
}

// save writes everything to file.
func (s *standing) save(file string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]kept, 0, s.users.Len())
	for _, user := range s.users.Keys() { // longest unused first
		of, _ := s.users.Peek(user)
		list = append(list, kept{user, of})
	}
	b, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep receipts for clients that come back: %w", err)
	}
	return nil
}

// load reads what another process saved, once: after a crash it would be stale.
func (s *standing) load(file string) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var list []kept
	if err = errors.Join(err, os.Remove(file), json.Unmarshal(b, &list)); err != nil {
		return fmt.Errorf("receipts for clients that come back: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range list {
		if !s.users.Contains(k.User) {
			s.users.Add(k.User, k.stand)
		}
	}
	return nil
}
