package main

import (
	"slices"
	"time"
)

const (
	recentFor   = 15 * time.Second
	recentBytes = 8 << 20
)

// recent holds what was sent in the last moments. Between the moment that a
// message was handed to the clients that were there and the moment that the
// gateway lists it as undelivered, a client may connect: it finds it here.
type recent struct {
	now  func() time.Time
	list []sent // oldest first
	size int    // bytes
}

type sent struct {
	at   time.Time
	user string
	packet
}

func (r *recent) add(user string, p packet) {
	r.list = append(r.list, sent{r.now(), user, p})
	r.size += len(p.body)
	old := r.now().Add(-recentFor)
	n := 0
	for n < len(r.list) && (r.list[n].at.Before(old) || r.size > recentBytes) {
		r.size -= len(r.list[n].body)
		n++
	}
	r.list = slices.Delete(r.list, 0, n)
}

// of returns the packets of user, oldest first.
func (r *recent) of(user string) []packet {
	old := r.now().Add(-recentFor)
	var ps []packet
	for _, s := range r.list {
		if s.user == user && !s.at.Before(old) {
			ps = append(ps, s.packet)
		}
	}
	return ps
}

func (r *recent) remove(user string, ids []string) {
	r.list = slices.DeleteFunc(r.list, func(s sent) bool {
		gone := s.user == user && slices.Contains(ids, s.id)
		if gone {
			r.size -= len(s.body)
		}
		return gone
	})
}
