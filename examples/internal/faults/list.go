package faults

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

const maxFaults = 100

// List has the faults of an API that are still to come. It is safe for concurrent
// use.
type List struct {
	Half     string   // an answer that was cut off
	More     []string // kinds that it has of its own, in words
	Own      func(kind string) bool
	Envelope bool // answers have one, which has a status, too
	// Refuse answers with a status, or with a kind of its own; nil: the status
	// is all there is.
	Refuse func(w http.ResponseWriter, r *http.Request, f Fault)

	mu   sync.Mutex
	list []Fault
}

// Add adds a fault. The oldest that fits a call is used up first.
func (l *List) Add(f Fault) error {
	if !f.common() && (l.Own == nil || !l.Own(f.Kind)) {
		return fmt.Errorf("kind %q is neither a status nor one of %s", f.Kind, strings.Join(slices.Concat(kinds, l.More), ", "))
	}
	if f.Envelope && !l.Envelope {
		return errors.New("answers have no envelope")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) >= maxFaults {
		return fmt.Errorf("%d faults are set already", maxFaults)
	}
	l.list = append(l.list, f)
	return nil
}

// Clear ends all misbehaviour.
func (l *List) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

// All returns those that are set.
func (l *List) All() []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Fault{}, l.list...)
}

// Take returns the fault for a call, if there is one, and counts it.
func (l *List) Take(verb string) (Fault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.list, func(f Fault) bool { return f.Verb == "" || f.Verb == verb })
	if i < 0 {
		return Fault{}, false
	}
	f := l.list[i]
	switch f.Count {
	case 0:
	case 1:
		l.list = slices.Delete(l.list, i, i+1)
	default:
		l.list[i].Count--
	}
	return f, true
}
