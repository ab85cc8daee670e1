package main

import (
	"crypto/sha1" //nolint:gosec // it is what WeChat signs with
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	maxNonce   = 128    // bytes
	maxSeen    = 50_000 // requests remembered
	deliveries = 1 + 3  // of one request: WeChat repeats it three times
)

// sign is what WeChat does: SHA-1 over the sorted parts.
func sign(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

// same compares in constant time.
func same(given, want string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}

// proof is what the query of a request proves itself with.
type proof struct {
	timestamp, nonce string
	at               int64 // timestamp, in seconds
	query            url.Values
}

// prove checks the signature of a query, and its age.
func prove(rawQuery, token string, now time.Time, tolerance time.Duration) (proof, error) {
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return proof{}, errors.New("the query cannot be read")
	}
	for name, values := range q {
		if len(values) != 1 {
			return proof{}, fmt.Errorf("%.32q is there more than once", name)
		}
	}
	p := proof{timestamp: q.Get("timestamp"), nonce: q.Get("nonce"), query: q}
	if p.nonce == "" || len(p.nonce) > maxNonce {
		return proof{}, errors.New("there is no nonce")
	}
	if !same(q.Get("signature"), sign(token, p.timestamp, p.nonce)) {
		return proof{}, errors.New("the signature is not right")
	}
	seconds, err := strconv.ParseUint(p.timestamp, 10, 40)
	if err != nil {
		return proof{}, errors.New("timestamp is not in seconds")
	}
	p.at = int64(seconds)
	if off := now.Sub(time.Unix(p.at, 0)); off > tolerance || off < -tolerance {
		return proof{}, fmt.Errorf("timestamp is more than %v from the time here", tolerance)
	}
	return p, nil
}

// covers reports whether msg_signature is that of the encrypted text.
func (p proof) covers(token, encrypted string) bool {
	return same(p.query.Get("msg_signature"), sign(token, p.timestamp, p.nonce, encrypted))
}

// seen remembers requests, so that nobody can send another body with the
// signature of one: it does not cover the body. It is safe for concurrent use.
type seen struct {
	mu        sync.Mutex
	requests  *lru.Cache[string, request]
	forgotten int64 // the time of the latest request that is not remembered any more
}

type request struct {
	at    int64
	body  [sha256.Size]byte
	times int
}

func newSeen(most int) (*seen, error) {
	s := &seen{}
	requests, err := lru.NewWithEvict(most, func(_ string, r request) { s.forgotten = max(s.forgotten, r.at) })
	s.requests = requests
	return s, err
}

// allow takes a request. The same one may come again as often as WeChat repeats
// it, and no other one with its nonce; nor one that may have been here and is
// forgotten.
func (s *seen) allow(p proof, body []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := p.query.Get("signature") // of time and nonce, however the two were cut
	r, known := s.requests.Get(key)
	sum := sha256.Sum256(body)
	if known && (r.body != sum || r.times >= deliveries) || !known && p.at <= s.forgotten {
		return false
	}
	s.requests.Add(key, request{p.at, sum, r.times + 1})
	return true
}
