package badger

import (
	"errors"
	"fmt"

	"github.com/openccsp/gateway/core/state"
)

// openMeta checks the store's format and key against this gateway's, and
// records them in a new store.
func (s *Store) openMeta(c *committer) error {
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.close()
	if err := s.openFormat(c, v); err != nil {
		return err
	}
	if len(s.opt.Key) == 0 {
		return nil
	}
	if s.seal, err = newSeal(s.opt.Key); err != nil {
		return err
	}
	return s.openKey(c, v)
}

// openFormat writes also after a loss that was accepted, so that the log is
// whole again from there on.
func (s *Store) openFormat(c *committer, v *view) error {
	b, err := v.get(metaFormat)
	if err != nil {
		return err
	}
	if len(b) > 0 && int(b[0]) > state.Format {
		return fmt.Errorf("written by a newer gateway: format %d, this one reads up to %d; use the newer one",
			b[0], state.Format)
	}
	if len(b) > 0 && int(b[0]) < oldestFormat {
		return fmt.Errorf("format %d is too old, this gateway reads from %d; upgrade in steps", b[0], oldestFormat)
	}
	if len(b) > 0 && b[0] == state.Format && c.lost == 0 {
		return nil
	}
	return c.alone(metaFormat, []byte{state.Format})
}

// openKey proves with a sealed value that the key is the one of the secrets.
func (s *Store) openKey(c *committer, v *view) error {
	b, err := v.body(kindMeta, metaKey)
	if err != nil {
		return err
	}
	if b == nil {
		return c.alone(metaKey, s.sealed(metaKey, []byte("gateway")))
	}
	if _, err := s.unsealed(metaKey, b); err != nil {
		return errors.New("the secrets were sealed with another key; use that key_file")
	}
	return nil
}

// alone commits one value before the committer runs.
func (c *committer) alone(key, value []byte) error {
	r := newRequest(opPut)
	defer r.free()
	r.put(key, value, 0)
	c.group(&group{requests: []*request{r}, size: r.size})
	return r.err
}
