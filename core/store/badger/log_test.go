package badger_test

import (
	"errors"
	"testing"

	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
)

// TestSwallowedSync fails the store for a sync that Badger only logs, and for
// nothing else that it logs.
func TestSwallowedSync(t *testing.T) {
	s, err := badger.Open(badger.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	badger.BadgerError(s, "while closing: %v", errors.New("anything"))
	if err := s.WriteRaw(t.Context(), []byte("k"), []byte("v")); err != nil {
		t.Fatalf("write after a harmless error: %v", err)
	}
	badger.BadgerError(s, "Error while curlf sync: %v\n", errors.New("input/output error"))
	select {
	case <-s.Failed():
	default:
		t.Error("the store goes on after a failed sync")
	}
	if err := s.WriteRaw(t.Context(), []byte("k"), []byte("v")); !errors.Is(err, store.ErrBroken) {
		t.Errorf("write after a failed sync: %v, want ErrBroken", err)
	}
}

// TestSwallowedSyncWhileCommitting: the commit whose sync failed is not
// acknowledged, although Badger says it was done.
func TestSwallowedSyncWhileCommitting(t *testing.T) {
	var s *badger.Store
	armed := false
	s, err := badger.OpenFault(badger.Options{InMemory: true}, func() error {
		if armed {
			badger.BadgerError(s, "Error while curlf sync: %v\n", errors.New("input/output error"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	armed = true
	if err := s.WriteRaw(t.Context(), []byte("k"), []byte("v")); !errors.Is(err, store.ErrBroken) {
		t.Errorf("write = %v, want ErrBroken", err)
	}
}
