// Package vonage checks the signed webhooks of Vonage's Messages API, which speak
// of text messages as Twilio's do in another form.
package vonage

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxAge is how old a webhook may be, or how far in the future by its clock.
const MaxAge = 5 * time.Minute

// Claims are what a webhook's token says.
type Claims struct {
	jwt.RegisteredClaims
	PayloadHash   string `json:"payload_hash"` // hex of the SHA-256 of the body
	APIKey        string `json:"api_key"`
	ApplicationID string `json:"application_id"`
}

// ErrForged says that a webhook is not Vonage's, or not whole, or too old.
var ErrForged = errors.New("not signed by the account")

// Verify returns the claims of a webhook with these headers and this raw body: a
// bearer token, HS256 by the account's signature secret. Its ID names the request,
// so that a copy of it can be told.
func Verify(secret string, header http.Header, body []byte, now time.Time) (Claims, error) {
	bearer := header.Values("Authorization")
	if secret == "" || len(bearer) != 1 {
		return Claims{}, ErrForged
	}
	scheme, token, _ := strings.Cut(bearer[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Claims{}, ErrForged
	}
	var c Claims
	_, err := jwt.ParseWithClaims(strings.TrimSpace(token), &c, func(*jwt.Token) (any, error) { return []byte(secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("Vonage"), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil || c.IssuedAt == nil || c.ID == "" || now.Sub(c.IssuedAt.Time).Abs() > MaxAge {
		return Claims{}, ErrForged
	}
	want := sha256.Sum256(body)
	got, err := hex.DecodeString(c.PayloadHash)
	if err != nil || subtle.ConstantTimeCompare(got, want[:]) != 1 {
		return Claims{}, ErrForged
	}
	return c, nil
}
