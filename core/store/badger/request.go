package badger

import (
	"bytes"
	"sync"
	"time"

	bdb "github.com/dgraph-io/badger/v4"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// op says how the committer treats a request.
type op byte

const (
	opAppend op = iota // mails, each with its dedup
	opCommit
	opBind   // only if unbound or the same
	opSwap   // only if the value is want
	opDelete // only if there is one
	opPut    // always
	opCount
)

var opNames = [opCount]string{"append", "commit", "bind", "swap", "delete", "put"}

// request is one atomic write on its way through the committer. Its caller
// encodes all it can in its own goroutine, so that the committer, which is one
// for all, has little to do: check, fill in, set.
type request struct {
	op   op
	size int // estimate of what it adds to a transaction, bytes

	buf  []byte      // holds keys and values
	puts []bdb.Entry // in order; the committer may leave some out
	dels [][]byte

	// opAppend
	mails []mailOp

	// opCommit
	conv   core.ConversationID
	id     [16]byte
	expect store.Rev
	doc    int   // place of the document or revision in puts
	fresh  []int // places of the dedup keys in puts
	index  *store.Index

	seq uint64 // opPut of an import: the last place that was given out there

	want []byte // opBind, opSwap: the value that may be there, nil: none

	// The answer, valid once the group is done.
	err  error
	rev  store.Rev
	dups []int
}

// mailOp is one event of an Append: places in puts.
type mailOp struct {
	ref  store.Ref
	mail int
	seen int // -1: no dedup
	dup  bool
}

var requests = sync.Pool{New: func() any { return new(request) }}

// maxPooled is the largest buffer that goes back to the pool.
const maxPooled = 64 << 10

func newRequest(o op) *request {
	r := requests.Get().(*request)
	r.op = o
	return r
}

// free gives r back. Nobody may hold parts of its buffer any more.
func (r *request) free() {
	if cap(r.buf) > maxPooled || cap(r.puts) > 256 {
		return
	}
	clear(r.puts)
	clear(r.dels)
	*r = request{buf: r.buf[:0], puts: r.puts[:0], dels: r.dels[:0],
		mails: r.mails[:0], fresh: r.fresh[:0], dups: nil}
	requests.Put(r)
}

// perWrite is about what Badger needs for an entry beside its value.
const perWrite = 96

// from returns what was appended to buf since start.
func (r *request) from(start int) []byte { return r.buf[start:len(r.buf):len(r.buf)] }

// put adds an entry and returns its place.
func (r *request) put(key, value []byte, expires uint64) int {
	r.puts = append(r.puts, bdb.Entry{Key: key, Value: value, ExpiresAt: expires})
	r.size += perWrite + len(value)
	return len(r.puts) - 1
}

// putBody adds an entry with an opaque body.
func (r *request) putBody(key, body []byte, expires uint64) int {
	start := len(r.buf)
	r.buf = append(append(r.buf, state.Format), body...)
	return r.put(key, r.from(start), expires)
}

func (r *request) putMessage(key []byte, m message, expires uint64) int {
	var value []byte
	r.buf, value = appendMessage(r.buf, m)
	return r.put(key, value, expires)
}

func (r *request) del(key []byte) {
	r.dels = append(r.dels, key)
	r.size += perWrite
}

// numbered and the functions below build keys in r's buffer.
func (r *request) numbered(kind byte, c core.ConversationID, n uint64) []byte {
	start := len(r.buf)
	r.buf = appendNumbered(r.buf, kind, c, n)
	return r.from(start)
}

func (r *request) convKey(kind byte, c core.ConversationID) []byte {
	start := len(r.buf)
	r.buf = appendConv(r.buf, kind, c)
	return r.from(start)
}

func (r *request) outKey(l store.Lane, id core.CommandID) []byte {
	start := len(r.buf)
	r.buf = appendOut(r.buf, l, id)
	return r.from(start)
}

func (r *request) keptKey(id core.CommandID) []byte {
	start := len(r.buf)
	r.buf = appendKept(r.buf, id)
	return r.from(start)
}

func (r *request) seenKey(c core.ConversationID, d *store.Dedup) []byte {
	start := len(r.buf)
	r.buf = appendSeen(r.buf, c, d)
	return r.from(start)
}

func (r *request) idKey(kind byte, id string) []byte {
	start := len(r.buf)
	r.buf = append(append(r.buf, kind), id...)
	return r.from(start)
}

// putSeen adds a dedup key and returns its place, -1 if d has no id.
func (r *request) putSeen(c core.ConversationID, d *store.Dedup, now time.Time) int {
	if d.ID == "" {
		return -1
	}
	return r.putBody(r.seenKey(c, d), nil, expiry(now, d.For))
}

// key is the key of a request with one write.
func (r *request) key() []byte {
	if len(r.puts) > 0 {
		return r.puts[0].Key
	}
	return r.dels[0]
}

// find returns the entry of a key, or nil.
func (r *request) find(key []byte) *bdb.Entry {
	for i := range r.puts {
		if bytes.Equal(r.puts[i].Key, key) {
			return &r.puts[i]
		}
	}
	return nil
}

// expiry returns the second at which something kept for d may go, never too
// early; 0, for ever, if d is 0.
func expiry(now time.Time, d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	at := now.Add(d)
	if at.Nanosecond() > 0 {
		at = at.Add(time.Second)
	}
	return uint64(at.Unix())
}

// encodeMail adds an event. Its place in the mailbox is filled in later.
func (r *request) encodeMail(e *store.Event, now time.Time) {
	m := mailOp{ref: store.Ref{Conversation: e.Conversation}}
	m.mail = r.putBody(r.numbered(kindMail, e.Conversation, 0), e.Body, 0)
	m.seen = r.putSeen(e.Conversation, &e.Dedup, now)
	r.mails = append(r.mails, m)
}
