package notify

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Key returns the bytes that sign: of "whsec_…" and of any other base64 the
// decoded bytes, as the receivers' libraries read it, and otherwise the bytes
// of the secret itself. No secret is no key. Of "whsk_…", an ed25519 key, it is
// the private key.
func Key(secret string) ([]byte, error) {
	if secret == "" {
		return nil, nil
	}
	if encoded, ok := strings.CutPrefix(secret, "whsk_"); ok {
		return privateKey(encoded)
	}
	encoded, prefixed := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err == nil && len(key) > 0:
		return key, nil
	case prefixed:
		return nil, errors.New("what follows whsec_ in the secret is not base64")
	}
	return []byte(secret), nil
}

// privateKey reads an ed25519 seed, or a seed and its public key, in base64.
func privateKey(encoded string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil:
		return nil, errors.New("what follows whsk_ in the secret is not base64")
	case len(key) == ed25519.SeedSize, len(key) == ed25519.PrivateKeySize:
		return ed25519.NewKeyFromSeed(key[:ed25519.SeedSize]), nil
	}
	return nil, errors.New("what follows whsk_ in the secret is no ed25519 key: want 32 or 64 bytes")
}

// signer makes one of the signatures of a request.
type signer func(signed []byte) string

// newSigner returns the signer of a secret, nil if there is none.
func newSigner(secret string) (signer, error) {
	key, err := Key(secret)
	if err != nil || key == nil {
		return nil, err
	}
	if strings.HasPrefix(secret, "whsk_") {
		return func(signed []byte) string {
			return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(ed25519.PrivateKey(key), signed))
		}, nil
	}
	return func(signed []byte) string {
		mac := hmac.New(sha256.New, key)
		mac.Write(signed)
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}, nil
}

// signature returns the value of the header webhook-signature: one for each key,
// with a space between them.
func (e *endpoint) signature(id string, at time.Time, body []byte) string {
	signed := append([]byte(id+"."+strconv.FormatInt(at.Unix(), 10)+"."), body...)
	all := make([]string, len(e.keys))
	for i, sign := range e.keys {
		all[i] = sign(signed)
	}
	return strings.Join(all, " ")
}

// webhookID makes of the gateway's id one that may stand in a signature, whose
// parts are separated by dots.
func webhookID(id string) string { return strings.ReplaceAll(id, ".", "-") }
