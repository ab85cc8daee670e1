package engine

import "sync"

// pollLine bounds how many polls are under way at one instance: a far side that
// does not answer must not take the places of others' calls in the plugin. The
// zero value has no places.
type pollLine struct {
	mu      sync.Mutex
	places  int
	flying  int
	waiting []func() // first come first served, from head on
	head    int
}

// enter calls send, which does not block, once there is a place.
func (l *pollLine) enter(send func()) {
	l.mu.Lock()
	if l.flying >= l.places {
		l.waiting = append(l.waiting, send)
		l.mu.Unlock()
		return
	}
	l.flying++
	l.mu.Unlock()
	send()
}

// leave gives a place back, to the first who waits for one.
func (l *pollLine) leave() {
	l.mu.Lock()
	if l.head == len(l.waiting) {
		l.flying--
		l.mu.Unlock()
		return
	}
	send := l.waiting[l.head]
	l.waiting[l.head] = nil
	if l.head++; l.head == len(l.waiting) {
		l.waiting, l.head = nil, 0
	} else if l.head >= 1024 {
		l.waiting = append([]func(){}, l.waiting[l.head:]...)
		l.head = 0
	}
	l.mu.Unlock()
	send()
}
