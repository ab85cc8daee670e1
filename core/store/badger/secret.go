package badger

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

func newSeal(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("key of %d bytes, want 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// sealed returns plain as the value of key: format, nonce, AES-256-GCM. It is
// bound to its key, so that one secret cannot be put in the place of another.
func (s *Store) sealed(key, plain []byte) []byte {
	b := make([]byte, 1+s.seal.NonceSize(), 1+s.seal.NonceSize()+len(plain)+s.seal.Overhead())
	b[0] = state.Format
	_, _ = rand.Read(b[1:]) // never fails
	return s.seal.Seal(b, b[1:], plain, key)
}

// unsealed opens what follows the format of a sealed value.
func (s *Store) unsealed(key, b []byte) ([]byte, error) {
	n := s.seal.NonceSize()
	if len(b) < n {
		return nil, errors.New("too short")
	}
	return s.seal.Open(nil, b[:n], b[n:], key)
}

// errNoKey is the cause of an ErrUnavailable.
var errNoKey = errors.New("the store was opened without a key")

// Secret implements store.Store.
func (s *Store) Secret(_ context.Context, instance, name string) ([]byte, error) {
	if s.seal == nil {
		return nil, fmt.Errorf("secret of %q: %w: %w", instance, store.ErrUnavailable, errNoKey)
	}
	key := hashedKey(kindSecret, instance, name)
	b, err := s.read(key)
	if err != nil {
		return nil, fmt.Errorf("secret of %q: %w", instance, err)
	}
	if b == nil {
		return nil, fmt.Errorf("secret of %q: %w", instance, store.ErrNotFound)
	}
	plain, err := s.unsealed(key, b)
	if err != nil {
		return nil, fmt.Errorf("secret of %q: %w", instance, s.noted(damaged(kindSecret, err)))
	}
	return plain, nil
}

// SetSecret implements store.Store.
func (s *Store) SetSecret(ctx context.Context, instance, name string, value []byte) error {
	if s.seal == nil {
		return fmt.Errorf("secret of %q: %w: %w", instance, store.ErrUnavailable, errNoKey)
	}
	if err := checkBody("secret", value); err != nil {
		return err
	}
	key := hashedKey(kindSecret, instance, name)
	if err := s.putOne(ctx, key, s.sealed(key, value)); err != nil {
		return fmt.Errorf("secret of %q: %w", instance, err)
	}
	return nil
}
