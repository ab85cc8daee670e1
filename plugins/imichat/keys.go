package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// maxKeys is how many secrets may be valid at a time.
const maxKeys = 8

// keys are the secrets that are valid; the first is the current one.
type keys []string

func parseKeys(current, further string) (keys, error) {
	if current == "" {
		return nil, errors.New("team_secret is empty")
	}
	if strings.ContainsFunc(current, notInKey) {
		return nil, errors.New("team_secret has blanks or signs that no header can carry")
	}
	k := keys{current}
	for _, s := range strings.Fields(further) {
		if strings.ContainsFunc(s, notInKey) {
			return nil, errors.New("further_secrets has signs that no header can carry")
		}
		if !slices.Contains(k, s) {
			k = append(k, s)
		}
	}
	if len(k) > maxKeys {
		return nil, fmt.Errorf("further_secrets has more than %d secrets", maxKeys-1)
	}
	return k, nil
}

func notInKey(r rune) bool { return r <= ' ' || r > '~' }

// has reports whether text is one of the secrets. How long it takes says
// nothing of them.
func (k keys) has(text string) bool {
	got, found := sha256.Sum256([]byte(text)), 0
	for _, key := range k {
		want := sha256.Sum256([]byte(key))
		found |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return found == 1
}

// signed reports whether signature, such as sha256=<hex>, was made of body with
// one of the secrets.
func (k keys) signed(signature string, body []byte) bool {
	algorithm, digits, _ := strings.Cut(signature, "=")
	var h func() hash.Hash
	switch strings.ToLower(strings.TrimSpace(algorithm)) {
	case "sha256":
		h = sha256.New
	case "sha512":
		h = sha512.New
	default:
		return false
	}
	got, err := hex.DecodeString(strings.TrimSpace(digits))
	if err != nil {
		return false
	}
	found := 0
	for _, key := range k {
		mac := hmac.New(h, []byte(key))
		_, _ = mac.Write(body) // it never fails
		found |= subtle.ConstantTimeCompare(got, mac.Sum(nil))
	}
	return found == 1
}
