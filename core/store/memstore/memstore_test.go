package memstore_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/memstore"
	"github.com/openccsp/gateway/core/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memstore.New(time.Now) }, storetest.Options{Reopen: reopen})
}

// reopen carries what a closed store holds over into a new one.
func reopen(t *testing.T, s store.Store) store.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := s.Export(t.Context(), &b, 0); err != nil {
		t.Fatal(err)
	}
	next := memstore.New(time.Now)
	if err := next.Import(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return next
}
