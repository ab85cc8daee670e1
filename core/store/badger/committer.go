package badger

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// Names of the points at which Options.Hook is called.
const (
	PointBeforeCommit = "group before commit"
	PointBeforeAnswer = "after commit before answer"
	PointInCompaction = "in compaction" // the keys of a new table are read, it is not written
)

// committer is the one writer of the store. Badger has no group commit of its
// own, so it puts many requests into one transaction. A transaction reads its
// own writes, so requests of one group see each other.
type committer struct {
	s      *Store
	head   state.StoredHead // of the last group
	docs   docCache
	ring   keptRing
	entry  bdb.Entry // of the head
	mailed []store.Ref
	lost   uint64 // groups that were missing at Open
}

// run commits groups until the queue ends.
func (c *committer) run() {
	for {
		g := c.s.queue.take()
		if g == nil {
			return
		}
		c.group(g)
		c.s.queue.answer(g)
	}
}

// group applies g's requests, commits, and sets their answers.
func (c *committer) group(g *group) {
	s := c.s
	if err := s.broken(); err != nil {
		g.fail(err)
		return
	}
	start := time.Now()
	s.space.check()
	if s.space.empty() {
		g.fail(store.ErrFull)
		return
	}
	txn := s.db.NewTransactionAt(c.head.Group, true)
	defer txn.Discard()
	v := &view{txn: txn, now: s.now().Unix()}
	c.mailed = c.mailed[:0]
	n, wrote, seq := 0, false, c.head.Seq
	for _, r := range g.requests {
		if r == nil {
			continue
		}
		w, err := c.apply(v, r)
		r.err = s.noted(err)
		wrote = wrote || w
		n++
		if errors.Is(err, store.ErrBroken) { // a half-applied transaction
			c.head.Seq = seq
			g.fail(s.fail(err))
			return
		}
		s.metrics.count(r)
	}
	if !wrote {
		return
	}
	if err := c.commit(txn, g.size); err != nil {
		g.fail(s.fail(err))
		return
	}
	s.metrics.group(n, time.Since(start))
}

// commit makes the transaction durable and visible, in this order: log, head
// marker, readers. The marker is written after the log was synced, so it can
// be ahead of the log only if the log lost something.
func (c *committer) commit(txn *bdb.Txn, size int) error {
	s := c.s
	next := c.head.Group + 1
	c.head.Kept = c.ring.push(next, size)
	c.head.Group = next
	c.entry = bdb.Entry{Key: metaHead, Value: encode(&c.head)}
	if err := txn.SetEntry(&c.entry); err != nil {
		return err
	}
	s.hook(PointBeforeCommit)
	if s.fault != nil {
		if err := s.fault(); err != nil {
			return err
		}
	}
	if err := txn.CommitAt(next, nil); err != nil {
		return err
	}
	if err := s.broken(); err != nil { // Badger logged a failed sync, and went on
		return err
	}
	if err := s.marker.write(next); err != nil {
		return err
	}
	s.publish(next, c.mailed)
	s.db.SetDiscardTs(s.readers.discard(c.head.Kept))
	s.hook(PointBeforeAnswer)
	return nil
}

// fail answers all requests of g with err.
func (g *group) fail(err error) {
	for _, r := range g.requests {
		if r != nil {
			r.err = err
		}
	}
}

// apply checks r and puts its writes into the transaction. A refused request
// leaves nothing in it. The error is r's answer.
func (c *committer) apply(v *view, r *request) (wrote bool, err error) {
	switch r.op {
	case opAppend:
		return c.append(v, r)
	case opCommit:
		ok, err := c.checkCommit(v, r)
		if !ok || err != nil {
			return false, err
		}
	case opBind, opSwap:
		old, err := v.get(r.key())
		if err != nil {
			return false, err
		}
		free := r.op == opBind && old == nil
		if !free && !bytes.Equal(old, r.want) {
			return false, store.ErrConflict
		}
	case opPut:
		c.head.Seq = max(c.head.Seq, r.seq)
	case opDelete:
		old, err := v.get(r.key())
		if err != nil {
			return false, err
		}
		if old == nil {
			return false, store.ErrNotFound
		}
	}
	return true, c.set(v.txn, r)
}

// set puts all of r into the transaction, puts over deletes.
func (c *committer) set(txn *bdb.Txn, r *request) error {
	for _, k := range r.dels {
		if err := txn.Delete(k); err != nil {
			return broken(err)
		}
	}
	for i := range r.puts {
		if err := txn.SetEntry(&r.puts[i]); err != nil {
			return broken(err)
		}
	}
	return nil
}

func broken(err error) error { return fmt.Errorf("%w: %w", store.ErrBroken, err) }

// append gives mails their places. Each event stands alone.
func (c *committer) append(v *view, r *request) (wrote bool, err error) {
	if c.s.space.full() {
		return false, store.ErrFull
	}
	for i := range r.mails {
		m := &r.mails[i]
		if m.seen >= 0 {
			old, err := v.get(r.puts[m.seen].Key)
			if err != nil {
				return wrote, err
			}
			if m.dup = old != nil; m.dup {
				continue
			}
			if err := v.txn.SetEntry(&r.puts[m.seen]); err != nil {
				return wrote, broken(err)
			}
		}
		c.head.Seq++
		m.ref.Seq = store.Seq(c.head.Seq)
		e := &r.puts[m.mail]
		putNumber(e.Key, c.head.Seq)
		if err := v.txn.SetEntry(e); err != nil {
			return wrote, broken(err)
		}
		c.mailed = append(c.mailed, m.ref)
		wrote = true
	}
	return wrote, nil
}

// checkCommit decides on a commit: not at all if it was applied before.
func (c *committer) checkCommit(v *view, r *request) (ok bool, err error) {
	d, err := c.load(v, r.conv)
	if err != nil {
		return false, err
	}
	if r.id != ([16]byte{}) && r.id == d.commit {
		r.rev = d.rev
		return false, nil
	}
	if d.rev != r.expect {
		return false, store.ErrConflict
	}
	if len(r.fresh) > 0 {
		if c.s.space.full() {
			return false, store.ErrFull
		}
		if err := c.checkFresh(v, r); err != nil || len(r.dups) > 0 {
			return false, err
		}
	}
	if r.index != nil {
		if err := c.list(v, r, &d); err != nil {
			return false, err
		}
	}
	d.rev, d.commit = r.expect+1, r.id
	fillListed(r.puts[r.doc].Value, &d)
	c.docs.put(r.conv, d)
	r.rev = d.rev
	return true, nil
}

// checkFresh finds events that were seen before, also earlier in r.
func (c *committer) checkFresh(v *view, r *request) error {
	for i, at := range r.fresh {
		if at < 0 {
			continue
		}
		key := r.puts[at].Key
		old, err := v.get(key)
		if err != nil {
			return err
		}
		dup := old != nil
		for _, before := range r.fresh[:i] {
			dup = dup || before >= 0 && bytes.Equal(r.puts[before].Key, key)
		}
		if dup {
			r.dups = append(r.dups, i)
		}
	}
	return nil
}

// list adds the index keys of r and removes those they replace.
func (c *committer) list(v *view, r *request, d *docState) error {
	x := r.index
	h := findHash(x)
	if d.listedHash != h {
		if err := c.find(v, r, d); err != nil {
			return err
		}
	}
	if d.listedHash != 0 && d.listedMS != x.UpdatedMS {
		start := len(r.buf)
		r.buf = appendIndex(r.buf, d.listedMS, r.conv)
		r.del(r.from(start))
	}
	start := len(r.buf)
	r.buf = appendIndex(r.buf, x.UpdatedMS, r.conv)
	r.putMessage(r.from(start), storedIndex(x), 0)
	d.listedMS, d.listedHash = x.UpdatedMS, h
	return nil
}

// find replaces the secondary index keys of a conversation. It is rare.
func (c *committer) find(v *view, r *request, d *docState) error {
	if d.listedHash != 0 {
		b, err := v.get(appendIndex(nil, d.listedMS, r.conv))
		if err != nil {
			return err
		}
		if b != nil {
			var old state.StoredIndex
			if err := decode(kindIndex, b, &old); err != nil {
				return err
			}
			for _, k := range findKeys(r.conv, old.ChatRef, old.Customer) {
				r.del(k)
			}
		}
	}
	for _, k := range findKeys(r.conv, r.index.ChatRef, r.index.Customer) {
		r.putBody(k, nil, 0)
	}
	return nil
}

func findKeys(conv core.ConversationID, chatRef, customer string) (keys [][]byte) {
	if chatRef != "" {
		keys = append(keys, append(appendFind(nil, findChatRef, chatRef), conv[:]...))
	}
	if customer != "" {
		keys = append(keys, append(appendFind(nil, findCustomer, customer), conv[:]...))
	}
	return keys
}

// load returns what is known of a conversation; the zero value if nothing.
func (c *committer) load(v *view, conv core.ConversationID) (docState, error) {
	if d, ok := c.docs.get(conv); ok {
		return d, nil
	}
	doc, err := v.doc(conv)
	if err != nil || doc == nil {
		return docState{}, err
	}
	d := docState{rev: store.Rev(doc.Rev), listedMS: doc.ListedMs, listedHash: doc.ListedHash}
	copy(d.commit[:], doc.Commit)
	c.docs.put(conv, d)
	return d, nil
}

// docCache holds the states of the conversations committed last: bounded, in
// two generations, the older of which is dropped when the younger is full.
type docCache struct {
	young, old map[core.ConversationID]docState
}

const maxYoung = 1 << 16 // conversations, about 6 MB

func (d *docCache) get(c core.ConversationID) (docState, bool) {
	if s, ok := d.young[c]; ok {
		return s, true
	}
	s, ok := d.old[c]
	if ok {
		d.put(c, s)
	}
	return s, ok
}

func (d *docCache) put(c core.ConversationID, s docState) {
	if d.young == nil || len(d.young) >= maxYoung {
		d.old, d.young = d.young, make(map[core.ConversationID]docState)
	}
	d.young[c] = s
}
