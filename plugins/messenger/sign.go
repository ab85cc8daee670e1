package main

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Meta's old signature, if the operator allows it
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
)

const (
	signature     = "X-Hub-Signature-256"
	signatureSHA1 = "X-Hub-Signature"
)

// authentic reports whether body, as it came, is signed with one of the keys.
// How long it takes says nothing of them.
func (c config) authentic(h http.Header, body []byte) bool {
	if len(h.Values(signature)) > 0 || !c.AllowSHA1 {
		return signed(c.keys, sha256.New, "sha256=", h.Values(signature), body)
	}
	return signed(c.keys, sha1.New, "sha1=", h.Values(signatureSHA1), body)
}

// signed takes lower-case hex only, in one header: two could mean two things.
func signed(keys [][]byte, algorithm func() hash.Hash, prefix string, header []string, body []byte) bool {
	if len(header) != 1 {
		return false
	}
	text, ok := strings.CutPrefix(header[0], prefix)
	mac, err := hex.DecodeString(text)
	if !ok || err != nil || strings.ToLower(text) != text {
		return false
	}
	found := false
	for _, key := range keys {
		m := hmac.New(algorithm, key)
		m.Write(body)
		found = hmac.Equal(m.Sum(nil), mac) || found
	}
	return found
}

// proof is the appsecret_proof of a token.
func proof(secret, token string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(token))
	return hex.EncodeToString(m.Sum(nil))
}

// same reports whether two texts are equal. How long it takes says nothing of
// them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
