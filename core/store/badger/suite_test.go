package badger_test

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/core/store/storetest"
)

// engine is a store under test with a disk and syncs that a test can spoil.
type engine struct {
	*badger.Store
	o      badger.Options
	full   *atomic.Bool
	broken *atomic.Bool
}

func openEngine(t *testing.T, o badger.Options) *engine {
	t.Helper()
	e := &engine{o: o, full: new(atomic.Bool), broken: new(atomic.Bool)}
	e.o.Key = bytes.Repeat([]byte{1}, 32)
	e.o.Ballast = -1
	e.o.Free = func(string) (uint64, error) {
		if e.full.Load() {
			return 800 << 20, nil
		}
		return 10 << 30, nil
	}
	fault := func() error {
		if e.broken.Load() {
			return errors.New("injected")
		}
		return nil
	}
	s, err := badger.OpenFault(e.o, fault)
	if err != nil {
		t.Fatal(err)
	}
	e.Store = s
	return e
}

func suiteOptions() storetest.Options {
	return storetest.Options{
		Full:  func(s store.Store, full bool) { s.(*engine).full.Store(full) },
		Break: func(s store.Store) { s.(*engine).broken.Store(true) },
	}
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return openEngine(t, badger.Options{InMemory: true})
	}, suiteOptions())
}

func TestDisk(t *testing.T) {
	o := suiteOptions()
	o.Reopen = func(t *testing.T, s store.Store) store.Store {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return openEngine(t, s.(*engine).o)
	}
	storetest.Run(t, func(t *testing.T) store.Store {
		return openEngine(t, badger.Options{Dir: t.TempDir()})
	}, o)
}
