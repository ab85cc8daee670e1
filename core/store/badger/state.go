package badger

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

// read returns one value without its format, nil if there is none.
func (s *Store) read(key []byte) ([]byte, error) {
	v, err := s.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	b, err := v.body(key[0], key)
	return b, s.noted(err)
}

// putOne writes one value.
func (s *Store) putOne(ctx context.Context, key, value []byte) error {
	r := newRequest(opPut)
	defer r.free()
	r.put(key, value, 0)
	return s.submit(ctx, r)
}

// withFormat returns b as a value.
func withFormat(b []byte) []byte {
	return append(append(make([]byte, 0, len(b)+1), state.Format), b...)
}

// State implements store.Store.
func (s *Store) State(_ context.Context, instance, key string) ([]byte, error) {
	b, err := s.read(hashedKey(kindState, instance, key))
	if err != nil {
		return nil, fmt.Errorf("state of %q: %w", instance, err)
	}
	return b, nil
}

// SetState implements store.Store.
func (s *Store) SetState(ctx context.Context, instance, key string, old, new []byte) error {
	return s.SetStateFor(ctx, instance, key, old, new, 0)
}

// SetStateFor implements store.Store.
func (s *Store) SetStateFor(ctx context.Context, instance, key string, old, new []byte, ttl time.Duration) error {
	if err := checkBody("state", new); err != nil {
		return fmt.Errorf("state of %q: %w", instance, err)
	}
	r := newRequest(opSwap)
	defer r.free()
	if old != nil {
		r.want = withFormat(old)
	}
	k := hashedKey(kindState, instance, key)
	if new != nil {
		r.put(k, withFormat(new), expiry(s.now(), ttl))
	} else {
		r.del(k)
	}
	if err := s.submit(ctx, r); err != nil {
		return fmt.Errorf("state of %q: %w", instance, err)
	}
	return nil
}

// Bind implements store.Store.
func (s *Store) Bind(ctx context.Context, instance, ref string, c core.ConversationID, ttl time.Duration) error {
	r := newRequest(opBind)
	defer r.free()
	r.want = encode(&state.StoredBinding{Conversation: c[:]})
	r.put(hashedKey(kindBinding, instance, ref), r.want, expiry(s.now(), ttl))
	if err := s.submit(ctx, r); err != nil {
		return fmt.Errorf("bind a ref of %q: %w", instance, err)
	}
	return nil
}

// Resolve implements store.Store.
func (s *Store) Resolve(_ context.Context, instance, ref string) (c core.ConversationID, err error) {
	v, err := s.view()
	if err != nil {
		return c, err
	}
	defer v.close()
	var m state.StoredBinding
	found, err := v.message(hashedKey(kindBinding, instance, ref), &m)
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return c, fmt.Errorf("ref of %q: %w", instance, s.noted(err))
	}
	copy(c[:], m.Conversation)
	return c, nil
}

// Quarantine implements store.Store.
func (s *Store) Quarantine(ctx context.Context, d store.Dead) error {
	err := checkDead(&d)
	if err == nil {
		err = s.putOne(ctx, idKey(kindQuarantine, d.ID), withFormat(d.Body))
	}
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}

// DeleteDead implements store.Store.
func (s *Store) DeleteDead(ctx context.Context, id string) error {
	return s.deleteOne(ctx, kindDead, id)
}

// DeleteQuarantined implements store.Store.
func (s *Store) DeleteQuarantined(ctx context.Context, id string) error {
	return s.deleteOne(ctx, kindQuarantine, id)
}

func (s *Store) deleteOne(ctx context.Context, kind byte, id string) error {
	err := store.ErrNotFound
	if len(id) <= maxID {
		r := newRequest(opDelete)
		defer r.free()
		r.del(idKey(kind, id))
		err = s.submit(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("delete %s %.40q: %w", kinds[kind], id, err)
	}
	return nil
}

// WriteRaw writes one value under a key of a kind of its own, through the
// committer like every other write and without any logic. It is the floor
// that the benchmark measures the gateway against; nothing else uses it.
func (s *Store) WriteRaw(ctx context.Context, key, value []byte) error {
	if len(key) > maxID {
		return fmt.Errorf("%w: key of %d bytes, limit %d", store.ErrTooLarge, len(key), maxID)
	}
	if err := checkBody("value", value); err != nil {
		return err
	}
	r := newRequest(opPut)
	defer r.free()
	start := len(r.buf)
	r.buf = append(append(r.buf, kindRaw), key...)
	r.putBody(r.from(start), value, 0)
	return s.submit(ctx, r)
}

// Blobs are kept in parts, the first one written last: it says how many there
// are, so a blob is there as a whole or not at all.
const (
	blobPart = 512 << 10
	maxBlob  = 64 << 20
)

// PutBlob implements store.Store. A blob is at most 64 MB.
func (s *Store) PutBlob(ctx context.Context, hash string, b []byte) error {
	if len(b) > maxBlob {
		return fmt.Errorf("blob: %w: %d bytes, limit %d", store.ErrTooLarge, len(b), maxBlob)
	}
	parts := max(1, (len(b)+blobPart-1)/blobPart)
	for i := parts - 1; i >= 0; i-- {
		m := state.StoredBlob{Body: b[i*blobPart : min(len(b), (i+1)*blobPart)]}
		if i == 0 {
			m.Parts = uint32(parts)
		}
		if err := s.putOne(ctx, blobKey(hash, i), encode(&m)); err != nil {
			return fmt.Errorf("blob: %w", err)
		}
	}
	return nil
}

// Blob implements store.Store.
func (s *Store) Blob(_ context.Context, hash string) ([]byte, error) {
	v, err := s.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	var b bytes.Buffer
	for i, parts := 0, 1; i < parts; i++ {
		var m state.StoredBlob
		found, err := v.message(blobKey(hash, i), &m)
		if err == nil && !found {
			err = store.ErrNotFound
		}
		if err != nil {
			return nil, fmt.Errorf("blob: %w", s.noted(err))
		}
		if i == 0 {
			parts = int(m.Parts)
		}
		b.Write(m.Body)
	}
	return b.Bytes(), nil
}
