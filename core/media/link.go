package media

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Links makes and reads the tokens of links to kept files. A token says which file
// and until when, to whoever has the key and to nobody else: who has a link does
// not learn the file's id, and cannot make the link last longer. It is safe for
// concurrent use.
type Links struct{ sign, hide []byte }

const (
	idBytes   = idDigits / 2
	timeBytes = 4
	macBytes  = 16
)

// NewLinks returns links whose keys are derived from the gateway's key.
func NewLinks(key []byte) *Links {
	derive := func(use string) []byte {
		k, err := hkdf.Key(sha256.New, key, nil, "gateway media links: "+use, sha256.Size)
		if err != nil {
			panic(err) // the length is a constant
		}
		return k
	}
	return &Links{derive("sign"), derive("hide")}
}

// Token returns the token of a link to the file of that id, valid until then, to
// the minute. It is "" if id is none.
func (l *Links) Token(id string, until time.Time) string {
	raw, err := hex.DecodeString(id)
	if err != nil || !IsID(id) {
		return ""
	}
	body := binary.BigEndian.AppendUint32(raw, uint32(until.Unix()/60))
	mac := l.mac(l.sign, body)
	return base64.RawURLEncoding.EncodeToString(append(l.hidden(body, mac), mac...))
}

// ID returns the id of the file that a token leads to at that time; "" if the
// token is not one of Token's, or is too old.
func (l *Links) ID(token string, now time.Time) string {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != idBytes+timeBytes+macBytes {
		return ""
	}
	mac := b[idBytes+timeBytes:]
	body := l.hidden(b[:idBytes+timeBytes], mac)
	if !hmac.Equal(mac, l.mac(l.sign, body)) { // in constant time
		return ""
	}
	if until := int64(binary.BigEndian.Uint32(body[idBytes:])) * 60; now.Unix() >= until {
		return ""
	}
	return hex.EncodeToString(body[:idBytes])
}

func (l *Links) mac(key, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(body)
	return h.Sum(nil)[:macBytes]
}

// hidden returns body under a pad that follows from its MAC, and body again if it
// was under it.
func (l *Links) hidden(body, mac []byte) []byte {
	h := hmac.New(sha256.New, l.hide)
	h.Write(mac)
	pad := h.Sum(nil)
	out := make([]byte, len(body))
	for i := range body {
		out[i] = body[i] ^ pad[i]
	}
	return out
}
