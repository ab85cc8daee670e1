package badger

import (
	"context"
	"fmt"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// maxRequest is the largest single write in bytes; a group of requests is at
// most that, and both stay under Badger's limit for a transaction.
const maxRequest = 2 << 20

// checkCommit refuses what is too large, before anything is encoded.
func checkCommit(c *store.Commit) error {
	if err := checkBody("document", c.Doc); err != nil {
		return err
	}
	for i := range c.Out {
		if err := checkBody("command", c.Out[i].Body); err != nil {
			return err
		}
		if err := checkLane(c.Out[i].Lane); err != nil {
			return err
		}
	}
	for i := range c.OutDone {
		if err := checkLane(c.OutDone[i].Lane); err != nil {
			return err
		}
	}
	for i := range c.Keep {
		if err := checkBody("kept message", c.Keep[i].Body); err != nil {
			return err
		}
	}
	for i := range c.History {
		if err := checkBody("history entry", c.History[i].Body); err != nil {
			return err
		}
	}
	for i := range c.Dead {
		if err := checkDead(&c.Dead[i]); err != nil {
			return err
		}
	}
	for i := range c.Quarantine {
		if err := checkDead(&c.Quarantine[i]); err != nil {
			return err
		}
	}
	if x := c.Index; x != nil && len(x.Status)+len(x.Service)+len(x.Channel)+len(x.ChatRef)+len(x.Customer) > store.MaxBody {
		return fmt.Errorf("%w: index", store.ErrTooLarge)
	}
	return nil
}

func checkBody(what string, b []byte) error {
	if len(b) > store.MaxBody {
		return fmt.Errorf("%w: %s of %d bytes, limit %d", store.ErrTooLarge, what, len(b), store.MaxBody)
	}
	return nil
}

func checkLane(l store.Lane) error {
	if len(l) > store.MaxLane {
		return fmt.Errorf("%w: lane of %d bytes, limit %d", store.ErrTooLarge, len(l), store.MaxLane)
	}
	return nil
}

func checkDead(d *store.Dead) error {
	if len(d.ID) > maxID {
		return fmt.Errorf("%w: id of %d bytes, limit %d", store.ErrTooLarge, len(d.ID), maxID)
	}
	return checkBody("dead letter", d.Body)
}

// Commit implements store.Shard.
func (s *shard) Commit(ctx context.Context, c *store.Commit) (store.Rev, error) {
	if err := checkCommit(c); err != nil {
		return 0, fmt.Errorf("commit %s: %w", c.Conversation, err)
	}
	st := s.store
	r := newRequest(opCommit)
	r.encodeCommit(c, st.now())
	if err := st.encodeRetired(r, c); err != nil {
		r.free()
		return 0, fmt.Errorf("commit %s: %w", c.Conversation, err)
	}
	if r.size > maxRequest {
		r.free()
		return 0, fmt.Errorf("commit %s: %w", c.Conversation, store.ErrTooLarge)
	}
	err := st.submit(ctx, r)
	rev, dups := r.rev, r.dups
	r.free()
	if err == nil && len(dups) > 0 {
		return 0, &store.DuplicateError{Fresh: dups}
	}
	if err != nil {
		return 0, fmt.Errorf("commit %s: %w", c.Conversation, err)
	}
	return rev, nil
}

// encodeCommit fills r with all that c writes, in the order that lets a later
// write of a key win.
func (r *request) encodeCommit(c *store.Commit, now time.Time) {
	r.conv, r.id, r.expect, r.index = c.Conversation, c.ID, c.Expect, c.Index
	kind := byte(kindDoc)
	if c.Doc == nil {
		kind = kindRev
	}
	key := r.convKey(kind, c.Conversation)
	var value []byte
	r.buf, value = appendDoc(r.buf, c.Expect+1, c.ID, c.Doc)
	r.doc = r.put(key, value, 0)
	for i := range c.Fresh {
		r.fresh = append(r.fresh, r.putSeen(c.Conversation, &c.Fresh[i], now))
	}
	for _, seq := range c.Consume {
		r.del(r.numbered(kindMail, c.Conversation, uint64(seq)))
	}
	r.encodeOut(c, now)
	if c.Timer.Set {
		r.encodeTimer(c.Conversation, c.Timer.Due)
	}
	for i := range c.History {
		e := &c.History[i]
		r.putBody(r.numbered(kindHistory, c.Conversation, e.N), e.Body, expiry(now, e.Expires))
	}
	for i := range c.Dead {
		r.putBody(r.idKey(kindDead, c.Dead[i].ID), c.Dead[i].Body, 0)
	}
	for i := range c.Quarantine {
		r.putBody(r.idKey(kindQuarantine, c.Quarantine[i].ID), c.Quarantine[i].Body, 0)
	}
}

// encodeOut writes commands and sent messages. Commands are keyed by the
// commit's conversation, whatever their id says.
func (r *request) encodeOut(c *store.Commit, now time.Time) {
	own := func(id core.CommandID) core.CommandID {
		id.Conversation = c.Conversation
		return id
	}
	for i := range c.OutDone {
		r.del(r.outKey(c.OutDone[i].Lane, own(c.OutDone[i].ID)))
	}
	for i := range c.Out {
		r.putBody(r.outKey(c.Out[i].Lane, own(c.Out[i].ID)), c.Out[i].Body, 0)
	}
	for _, id := range c.Unkeep {
		r.del(r.keptKey(own(id)))
	}
	for i := range c.Keep {
		r.putBody(r.keptKey(own(c.Keep[i].ID)), c.Keep[i].Body, expiry(now, c.Keep[i].For))
	}
}

func (r *request) encodeTimer(c core.ConversationID, due time.Time) {
	key := r.convKey(kindTimer, c)
	if due.IsZero() {
		r.del(key)
		return
	}
	r.putMessage(key, &state.StoredTimer{DueMs: due.UnixMilli()}, 0)
}

// encodeRetired puts entries again, now with an end. It reads them here and
// not in the committer: only commits change a conversation's entries, so if
// any came between this read and the commit, the commit is a conflict anyway.
func (s *Store) encodeRetired(r *request, c *store.Commit) error {
	if len(c.Retire) == 0 {
		return nil
	}
	keep := c.Retention
	if keep == 0 {
		keep = s.opt.Retention
	}
	expires := expiry(s.now(), keep)
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.close()
	for _, n := range c.Retire {
		key := r.numbered(kindHistory, c.Conversation, n)
		if e := r.find(key); e != nil {
			e.ExpiresAt = expires
			continue
		}
		b, err := v.body(kindHistory, key)
		if err != nil {
			return err
		}
		if b != nil {
			r.putBody(key, b, expires)
		}
	}
	return nil
}
