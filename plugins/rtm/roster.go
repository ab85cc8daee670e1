package main

import "slices"

// admit takes a connection in, unless there are too many, in all or of its
// network. Those of this machine are not counted: they are a proxy's.
func (b *broker) admit(c *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	counted := c.from.IsValid() && !c.from.Addr().IsLoopback()
	switch {
	case b.closed:
		return false
	case len(b.conns) >= maxConnections:
		b.c.refusals.count("connections")
		return false
	case counted && b.crowds[c.from] >= b.c.cfg.ConnectionsPerAddress:
		b.c.refusals.count("connections_per_address")
		return false
	}
	b.conns[c] = struct{}{}
	b.crowds[c.from]++
	b.wg.Add(1)
	return true
}

func (b *broker) dismiss(c *conn) {
	if s := c.session.Load(); s != nil {
		s.close()
		b.exit(s)
		// The library forgets to, if the client left before its CONNACK.
		if known, ok := b.srv.Clients.Get(s.cl.ID); ok && known == s.cl {
			b.srv.Clients.Delete(s.cl.ID)
		}
	}
	b.mu.Lock()
	delete(b.conns, c)
	if b.crowds[c.from]--; b.crowds[c.from] == 0 {
		delete(b.crowds, c.from)
	}
	b.mu.Unlock()
	b.wg.Done()
}

// enter counts a session of its user, and returns the one that has to go for it,
// if any. The one whose place it takes does not count any more.
func (b *broker) enter(s *session) (surplus *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.DeleteFunc(b.sessions[s.user], func(o *session) bool { return o.cl.ID == s.cl.ID })
	list = append(list, s)
	if len(list) > b.c.cfg.ConnectionsPerUser {
		surplus, list = list[0], list[1:]
	}
	b.sessions[s.user] = list
	return surplus
}

func (b *broker) exit(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.DeleteFunc(b.sessions[s.user], func(o *session) bool { return o == s })
	b.sessions[s.user] = list
	if len(list) == 0 {
		delete(b.sessions, s.user)
	}
}

// join lets s have what is sent to its user from now on.
func (b *broker) join(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live[s.user] = append(b.live[s.user], s)
	b.c.isHere(s.user, true)
}

func (b *broker) leave(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.DeleteFunc(b.live[s.user], func(o *session) bool { return o == s })
	if len(list) == 0 {
		if _, was := b.live[s.user]; was {
			b.c.isHere(s.user, false)
		}
		delete(b.live, s.user)
		return
	}
	b.live[s.user] = list
}
