package main

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// recordKey is where an instance's state has its record.
const recordKey = "oauth2"

// record is what the processes of the plugin tell each other of the tokens: while
// one version takes over from another there are two. It is sealed with a key made
// of the app's secret. The refresh token itself is a secret of the settings, too:
// that one counts, and a record that cannot be read is none.
type record struct {
	Refresh string    `json:"refresh"`
	Access  string    `json:"access"`
	Made    time.Time `json:"made"`
	Until   time.Time `json:"until"`
	Spent   []string  `json:"spent"` // hashes of the refresh tokens before
	Busy    time.Time `json:"busy"`  // a process renews, until then at most
}

// follows reports whether the record's tokens came from this refresh token.
func (r record) follows(refresh string) bool {
	return refresh != "" && r.Refresh != "" && (r.Refresh == refresh || slices.Contains(r.Spent, digest(refresh)))
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// record reads the record. raw is how it stands in the state.
func (c *channel) record(ctx context.Context) (r record, raw []byte, err error) {
	raw, err = c.host.State(ctx, recordKey)
	if err != nil || len(raw) == 0 {
		return record{}, raw, err
	}
	seal, err := c.seal()
	if err != nil || len(raw) < seal.NonceSize() {
		return record{}, raw, err
	}
	n := seal.NonceSize()
	text, err := seal.Open(nil, raw[:n], raw[n:], []byte(c.host.Instance()))
	if err != nil || json.Unmarshal(text, &r) != nil {
		return record{}, raw, nil // of another secret of the app
	}
	return r, raw, nil
}

// setRecord replaces what stands in the state as raw; sdk.ErrConflict if that is
// not there any more.
func (c *channel) setRecord(ctx context.Context, raw []byte, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	seal, err := c.seal()
	if err != nil {
		return err
	}
	nonce := make([]byte, seal.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	return c.host.SetState(ctx, recordKey, raw, seal.Seal(nonce, nonce, text, []byte(c.host.Instance())))
}

func (c *channel) seal() (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, []byte(cmp.Or(c.cfg.ConsumerSecret, c.cfg.ClientSecret)))
	_, _ = mac.Write([]byte("openccsp twitter tokens")) // it never fails
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// claim notes that this process renews. Another one that does is an error that may
// pass, and so is one that was faster.
func (c *channel) claim(ctx context.Context, r record, raw []byte) error {
	now := c.host.Now()
	if wait := r.Busy.Sub(now); wait > 0 {
		return sdk.Retry(errors.New("another process renews the token"), min(wait, time.Second))
	}
	r.Busy = now.Add(renewLimit)
	err := c.setRecord(ctx, raw, r)
	if errors.Is(err, sdk.ErrConflict) {
		return sdk.Retry(errors.New("another process has just renewed the token"), time.Second)
	}
	return err
}

// unclaim ends a claim that came to nothing.
func (c *channel) unclaim(ctx context.Context) {
	c.change(ctx, func(r *record) { r.Busy = time.Time{} })
}

// change changes the record. It does without one if it must: the next renewal has
// the refresh token of the settings.
func (c *channel) change(ctx context.Context, f func(*record)) {
	for range 3 {
		r, raw, err := c.record(ctx)
		if err == nil {
			f(&r)
			if err = c.setRecord(ctx, raw, r); err == nil {
				return
			}
		}
		if !errors.Is(err, sdk.ErrConflict) {
			c.host.Log().Warn("the tokens cannot be told to other processes", "err", err)
			return
		}
	}
}
