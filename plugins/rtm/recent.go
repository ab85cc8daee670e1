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
	now    func() time.Time
	byUser map[string][]sent // oldest first
	order  []added           // oldest first; some are removed already
	count  uint64
	size   int // bytes
}

type sent struct {
	n uint64
	packet
}

type added struct {
	at   time.Time
	user string
	n    uint64
}

func newRecent(now func() time.Time) recent {
	return recent{now: now, byUser: map[string][]sent{}}
}

func (r *recent) add(user string, p packet) {
	r.count++
	r.byUser[user] = append(r.byUser[user], sent{r.count, p})
	r.order = append(r.order, added{r.now(), user, r.count})
	r.size += len(p.body)
	r.expire()
}

// expire drops what is too old or too much. It costs the same however much is
// held.
func (r *recent) expire() {
	old := r.now().Add(-recentFor)
	for len(r.order) > 0 && (r.order[0].at.Before(old) || r.size > recentBytes) {
		first := r.order[0]
		r.order = r.order[1:] // append moves the rest when the array is full
		if list := r.byUser[first.user]; len(list) > 0 && list[0].n == first.n {
			r.size -= len(list[0].body)
			r.keep(first.user, slices.Delete(list, 0, 1))
		}
	}
}

func (r *recent) keep(user string, list []sent) {
	if len(list) == 0 {
		delete(r.byUser, user)
		return
	}
	r.byUser[user] = list
}

// of returns the packets of user, oldest first.
func (r *recent) of(user string) []packet {
	r.expire()
	var ps []packet
	for _, s := range r.byUser[user] {
		ps = append(ps, s.packet)
	}
	return ps
}

func (r *recent) remove(user string, ids []string) {
	r.keep(user, slices.DeleteFunc(r.byUser[user], func(s sent) bool {
		gone := slices.Contains(ids, s.id)
		if gone {
			r.size -= len(s.body)
		}
		return gone
	}))
}
