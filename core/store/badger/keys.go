package badger

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// All keys of the store. Numbers are big-endian, so that keys sort by them.
// conv stands for a shard (2 bytes) and a conversation's id (16 bytes); hash
// for the first 16 bytes of a SHA-256. Whatever users or the outside choose
// (instances, refs, ids, addresses) is in a key only as a hash.
//
//	s conv                   document: StoredDocument
//	r conv                   its revision, where a commit had no document: StoredDocument
//	m conv seq               mail
//	o conv len lane epoch n  command in the outbox
//	t conv                   timer: StoredTimer
//	d conv hash              seen event, expires: (instance, id)
//	h conv n                 history entry, may expire
//	u conv epoch n           sent message without a delivered receipt, expires
//	b hash                   StoredBinding of (instance, ref), may expire
//	i ^updated_ms conv       StoredIndex, the last changed first
//	j field hash conv        conversations by chat ref (1) and customer (2)
//	q id                     dead letter
//	x id                     quarantined input
//	n hash                   state of an instance, may expire: (instance, key)
//	k hash                   secret, sealed: (instance, name)
//	y hash part              StoredBlob: a part of a blob
//	w key                    raw write of the benchmark's floor
//	z name                   meta: format, head, key
//
// Every value begins with its format, one byte.
const (
	kindDoc        = 's'
	kindRev        = 'r'
	kindMail       = 'm'
	kindOut        = 'o'
	kindTimer      = 't'
	kindSeen       = 'd'
	kindHistory    = 'h'
	kindKept       = 'u'
	kindBinding    = 'b'
	kindIndex      = 'i'
	kindFind       = 'j'
	kindDead       = 'q'
	kindQuarantine = 'x'
	kindState      = 'n'
	kindSecret     = 'k'
	kindBlob       = 'y'
	kindRaw        = 'w'
	kindMeta       = 'z'
)

// kinds names the kinds of keys in errors.
var kinds = map[byte]string{
	kindDoc: "document", kindRev: "revision", kindMail: "mail", kindOut: "outbox", kindTimer: "timer",
	kindSeen: "seen event", kindHistory: "history", kindKept: "kept message", kindBinding: "binding",
	kindIndex: "index", kindFind: "index", kindDead: "dead letter", kindQuarantine: "quarantine",
	kindState: "instance state", kindSecret: "secret", kindBlob: "blob", kindRaw: "raw", kindMeta: "meta",
}

// Fields of the secondary index.
const (
	findChatRef  = 1
	findCustomer = 2
)

const (
	hashLen = 16
	convLen = 1 + 2 + 16      // kind, shard, conversation
	maxID   = 256             // of a dead letter or quarantined input
	maxSeq  = ^store.Seq(0)   // sorts last
	maxN    = ^uint64(0)      // sorts last
	seqLen  = 8               // at the end of a mail's key
	idxLen  = 1 + 8 + 2 + 16  // an index key
	findLen = 1 + 1 + hashLen // a secondary index key without its conversation
)

var (
	metaFormat = []byte{kindMeta, 'f', 'o', 'r', 'm', 'a', 't'}
	metaHead   = []byte{kindMeta, 'h', 'e', 'a', 'd'}
	metaKey    = []byte{kindMeta, 'k', 'e', 'y'}
)

// hash16 returns the hash of strings that may hold any bytes.
func hash16(parts ...string) (h [hashLen]byte) {
	var small [128]byte
	b := small[:0]
	for _, p := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	copy(h[:], sum[:])
	return h
}

// appendConv appends the beginning of all keys of one kind and conversation.
func appendConv(b []byte, kind byte, c core.ConversationID) []byte {
	b = binary.BigEndian.AppendUint16(append(b, kind), uint16(store.ShardOf(c)))
	return append(b, c[:]...)
}

// appendNumbered appends the key of a mail or history entry.
func appendNumbered(b []byte, kind byte, c core.ConversationID, n uint64) []byte {
	return binary.BigEndian.AppendUint64(appendConv(b, kind, c), n)
}

// appendLane appends the beginning of the keys of one lane. Lanes carry their
// length so that none is the beginning of another.
func appendLane(b []byte, c core.ConversationID, l store.Lane) []byte {
	b = append(appendConv(b, kindOut, c), byte(len(l)))
	return append(b, l...)
}

func appendOut(b []byte, l store.Lane, id core.CommandID) []byte {
	return appendCommand(appendLane(b, id.Conversation, l), id)
}

func appendKept(b []byte, id core.CommandID) []byte {
	return appendCommand(appendConv(b, kindKept, id.Conversation), id)
}

func appendCommand(b []byte, id core.CommandID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, id.Epoch), id.N)
}

func appendSeen(b []byte, c core.ConversationID, d *store.Dedup) []byte {
	h := hash16(d.Instance, d.ID)
	return append(appendConv(b, kindSeen, c), h[:]...)
}

func appendIndex(b []byte, updatedMS int64, c core.ConversationID) []byte {
	b = binary.BigEndian.AppendUint64(append(b, kindIndex), orderMS(updatedMS))
	b = binary.BigEndian.AppendUint16(b, uint16(store.ShardOf(c)))
	return append(b, c[:]...)
}

// orderMS makes later times sort first, also those before 1970.
func orderMS(ms int64) uint64 { return ^(uint64(ms) ^ 1<<63) }

func appendFind(b []byte, field byte, value string) []byte {
	h := hash16(value)
	return append(append(b, kindFind, field), h[:]...)
}

// hashedKey returns the key of a value named by strings.
func hashedKey(kind byte, parts ...string) []byte {
	h := hash16(parts...)
	return append([]byte{kind}, h[:]...)
}

func blobKey(hashOf string, part int) []byte {
	return binary.BigEndian.AppendUint32(hashedKey(kindBlob, hashOf), uint32(part))
}

func idKey(kind byte, id string) []byte { return append([]byte{kind}, id...) }

// shardPrefix is the beginning of the keys of one kind and shard.
func shardPrefix(kind byte, shard int) []byte {
	return binary.BigEndian.AppendUint16([]byte{kind}, uint16(shard))
}

// convOf reads the conversation of a key made by appendConv.
func convOf(key []byte) (c core.ConversationID) {
	copy(c[:], key[3:convLen])
	return c
}

// putNumber overwrites the number at the end of a key.
func putNumber(key []byte, n uint64) { binary.BigEndian.PutUint64(key[len(key)-8:], n) }

// lastNumber reads the number at the end of a key.
func lastNumber(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// outOf reads the key of a command in the outbox.
func outOf(key []byte) store.OutRef {
	n := int(key[convLen])
	return store.OutRef{
		Lane: store.Lane(key[convLen+1 : convLen+1+n]),
		ID:   commandOf(key),
	}
}

// commandOf reads the command of a key that ends with its epoch and number.
func commandOf(key []byte) core.CommandID {
	return core.CommandID{
		Conversation: convOf(key),
		Epoch:        binary.BigEndian.Uint64(key[len(key)-16:]),
		N:            lastNumber(key),
	}
}
