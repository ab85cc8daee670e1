package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	signatureWindow = 300 * time.Second // how far a signature's timestamp may be from now
	maxToken        = 4096              // bytes
	maxSeen         = 100_000           // signatures remembered against replay
)

var (
	errToken     = errors.New("token is not valid")
	errSignature = errors.New("signature is not valid")
	errTooMuch   = errors.New("profile does not fit into a token")
)

// profile is what somebody says of the customer.
type profile struct {
	Name       string            `json:"name,omitempty"`
	FirstName  string            `json:"firstName,omitempty"`
	LastName   string            `json:"lastName,omitempty"`
	Locale     string            `json:"locale,omitempty"`
	Timezone   string            `json:"timezone,omitempty"`
	Addresses  map[string]string `json:"addresses,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// claims are those of an access token, and of a JWT of the app's backend. The
// subject is the user id, the audience the app id.
type claims struct {
	jwt.RegisteredClaims
	identity
	Addresses map[string]string `json:"addresses,omitempty"` // of the backend's JWT alone
}

// identity is what is known of a user beside the id. It travels in the access
// token, so that the driver keeps nothing.
type identity struct {
	Profile profile `json:"profile,omitzero"` // the customer's own word: anybody can say anything there
	Vouched profile `json:"vouched,omitzero"` // the word of the app's backend
}

// signer issues and checks all proofs of who a user is. It is safe for
// concurrent use.
//
// Access tokens have a key of their own, derived from the app's secret: a JWT
// that the app's backend made is no access token, and the reverse.
type signer struct {
	appID     string
	secret    []byte
	accessKey []byte
	ttl       time.Duration
	now       func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time // signatures that were used, and when they lose force
}

func newSigner(appID, secret string, ttl time.Duration, now func() time.Time) *signer {
	return &signer{
		appID:     appID,
		secret:    []byte(secret),
		accessKey: mac([]byte(secret), "openccsp rtm access token"),
		ttl:       ttl,
		now:       now,
		seen:      map[string]time.Time{},
	}
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// issue makes an access token for user.
func (s *signer) issue(user string, known identity) (token string, expires time.Time, err error) {
	now := s.now()
	expires = now.Add(s.ttl).Truncate(time.Second)
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   user,
			Audience:  jwt.ClaimStrings{s.appID},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		identity: known,
	}).SignedString(s.accessKey)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign access token: %w", err)
	}
	if len(token) > maxToken {
		return "", time.Time{}, errTooMuch
	}
	return token, expires, nil
}

// access checks an access token. The error is errToken, whatever is wrong.
func (s *signer) access(token string) (claims, error) {
	c, err := s.parse(token, s.accessKey)
	if err != nil || !slices.Contains(c.Audience, s.appID) {
		return claims{}, errToken
	}
	return c, nil
}

// backend checks a JWT that the app's backend signed with the app's secret:
// HS256, sub is the user id, exp is required, aud, if there is one, is the app.
// What it says in profile, it vouches for, and addresses may stand beside that.
func (s *signer) backend(token string) (claims, error) {
	c, err := s.parse(token, s.secret)
	if err != nil || (len(c.Audience) > 0 && !slices.Contains(c.Audience, s.appID)) {
		return claims{}, errToken
	}
	c.identity = identity{Vouched: c.Profile}
	for typ, address := range c.Addresses {
		c.Vouched.Addresses = with(c.Vouched.Addresses, typ, address)
	}
	return c, nil
}

// with returns m with one more.
func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

func (s *signer) parse(token string, key []byte) (claims, error) {
	var c claims
	if token == "" || len(token) > maxToken {
		return c, errToken
	}
	_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(s.now))
	if err != nil || !idPattern.MatchString(c.Subject) {
		return claims{}, errToken
	}
	return c, nil
}

// signature checks a proof that the app's backend gave for user: lower-case
// hex of HMAC-SHA256 by the app's secret over "<appId>\n<userId>\n<timestamp>".
// The timestamp counts seconds or milliseconds since 1970, and is at most
// signatureWindow away. Each signature counts once.
func (s *signer) signature(user, timestamp, signature string) error {
	want := hex.EncodeToString(mac(s.secret, s.appID+"\n"+user+"\n"+timestamp))
	if !hmac.Equal([]byte(want), []byte(signature)) {
		return errSignature
	}
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errSignature
	}
	at := time.Unix(n, 0)
	if n > 100_000_000_000 {
		at = time.UnixMilli(n)
	}
	if age := s.now().Sub(at); age > signatureWindow || age < -signatureWindow {
		return errSignature
	}
	return s.once(signature, at.Add(signatureWindow))
}

// once remembers signature until it has no force.
func (s *signer) once(signature string, until time.Time) error {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.seen[signature]; used {
		return errSignature
	}
	if len(s.seen) >= maxSeen {
		for k, t := range s.seen {
			if t.Before(now) {
				delete(s.seen, k)
			}
		}
	}
	if len(s.seen) >= maxSeen {
		return errSignature
	}
	s.seen[signature] = until
	return nil
}

// randomID returns prefix and 128 random bits.
func randomID(prefix string) string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}
