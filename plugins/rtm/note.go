package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const maxNote = 64 << 10 // bytes

var errNote = errors.New("note is not valid")

// note is what a client keeps for the driver, which keeps nothing: signed, for
// one user, about one thing. It is a JWT with a key of its own for each thing,
// so that none passes for another or for an access token.
type note struct {
	jwt.RegisteredClaims
	Value json.RawMessage `json:"value"`
}

func (s *signer) noteKey(about string) []byte {
	return mac(s.secret, "openccsp rtm note about "+about)
}

// seal makes a note of v, which is valid so long.
func (s *signer) seal(about, user, id string, v any, ttl time.Duration) (string, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("note about %s: %w", about, err)
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, note{
		RegisteredClaims: jwt.RegisteredClaims{
			ID: id, Subject: user, Audience: jwt.ClaimStrings{s.appID}, ExpiresAt: jwt.NewNumericDate(s.now().Add(ttl)),
		},
		Value: value,
	}).SignedString(s.noteKey(about))
}

// open reads a note of user into v, and returns its id.
func (s *signer) open(about, user, text string, v any) (id string, err error) {
	if text == "" || len(text) > maxNote {
		return "", errNote
	}
	var n note
	_, err = jwt.ParseWithClaims(text, &n, func(*jwt.Token) (any, error) { return s.noteKey(about), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
		jwt.WithAudience(s.appID), jwt.WithSubject(user), jwt.WithTimeFunc(s.now))
	if err != nil || json.Unmarshal(n.Value, v) != nil {
		return "", errNote
	}
	return n.ID, nil
}
