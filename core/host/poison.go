package host

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxSuspects is how many calls are remembered that were under way in a crash.
const maxSuspects = 2048

// suspects are the calls and webhooks that a plugin had in hand when it
// crashed. One at a time of them is given to it again. One that it had in hand
// a second time is poison, and is not given to it any more.
type suspects struct {
	n atomic.Int64 // of entries: most of the time there is none

	mu      sync.Mutex
	entries map[string]*suspect
	busy    string // the key that is under way, "" if none
}

// suspect is a key's part in crashes.
type suspect struct {
	crashes []time.Time // see past.Crashes
}

func (s *suspect) poison() bool { return len(s.crashes) > 1 }

// What suspects say to a call.
const (
	innocent = iota
	alone    // it may go; let must be called when it has ended
	wait     // another suspect is under way
	poison
)

// ask says how to treat the call of that key.
func (s *suspects) ask(key string) int {
	if key == "" || s.n.Load() == 0 {
		return innocent
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	switch {
	case e == nil:
		return innocent
	case e.poison():
		return poison
	case s.busy != "":
		return wait
	}
	s.busy = key
	return alone
}

// poisonous says whether the key is poison by now.
func (s *suspects) poisonous(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	return e != nil && e.poison()
}

// let takes the end of a call that went alone. One that was answered is no
// suspect any more.
func (s *suspects) let(key string, fate core.Fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == key {
		s.busy = ""
	}
	if e := s.entries[key]; e != nil && fate == core.Answered && !e.poison() {
		delete(s.entries, key)
		s.n.Add(-1)
	}
}

// crashed notes that the calls were in hand in the crash at that time. It
// returns the crashes that a call is to blame for, if it had been in hand
// before.
func (s *suspects) crashed(frames []*openFrame, at time.Time) (blamed []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = make(map[string]*suspect)
	}
	for _, f := range frames {
		key := f.key()
		e := s.entries[key]
		switch {
		case key == "":
			continue
		case e == nil:
			e = &suspect{}
			s.makeRoom()
			s.entries[key] = e
			s.n.Add(1)
		}
		if e.crashes = append(e.crashes, at); e.poison() {
			blamed = append(blamed, e.crashes...)
		}
	}
	return blamed
}

// makeRoom forgets a suspect, any, if there are too many. The caller holds mu.
func (s *suspects) makeRoom() {
	for key := range s.entries {
		if len(s.entries) < maxSuspects {
			return
		}
		delete(s.entries, key)
		s.n.Add(-1)
	}
}

// clear forgets all: another program may bear what this one did not.
func (s *suspects) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.entries)
	s.n.Store(0)
}

// key is what a call is known by when it comes again, "" if it is not.
func (f *openFrame) key() string {
	switch {
	case f.onResult != nil:
		return f.call.Call.GetKey()
	case f.onWebhook != nil:
		return hookKey(f.frame.Instance, f.hook.Webhook)
	}
	return ""
}

// hookKey is the same for requests that are alike.
func hookKey(instance string, r *pluginv1.WebhookRequest) string {
	h := sha256.New()
	for _, part := range []string{instance, r.GetMethod(), r.GetPath(), r.GetQuery()} {
		_, _ = h.Write([]byte(part + "\x00")) // it never fails
	}
	_, _ = h.Write(r.GetBody())
	return "webhook " + hex.EncodeToString(h.Sum(nil))
}

// suspected has a call that may be poison treated as that. It returns false if
// the call may go; it is answered otherwise.
func (s *slot) suspected(f *openFrame) (fate core.Fate, stop bool) {
	if f.onResult == nil {
		return 0, false
	}
	key := f.key()
	switch s.suspects.ask(key) {
	case wait:
		return core.NotSent, true
	case poison:
		return poisoned, true
	case alone:
		done := f.onResult
		f.onResult = func(r *pluginv1.Result, fate core.Fate) {
			s.suspects.let(key, fate)
			if fate == core.Lost && s.suspects.poisonous(key) { // a person should know, before it is sent again
				r, fate = poisonResult(), core.Answered
			}
			done(r, fate)
		}
	}
	return 0, false
}

func poisonResult() *pluginv1.Result {
	return &pluginv1.Result{Outcome: pluginv1.Outcome_REJECTED, Code: "poison",
		Detail: "the plugin ended twice while it had this in hand"}
}

// poisonAnswer has the request kept, and its sender content: it would only send
// it again.
func poisonAnswer() *pluginv1.WebhookAnswer {
	return &pluginv1.WebhookAnswer{Status: 200, Quarantine: true, Detail: "the plugin ended twice while it had this in hand"}
}
