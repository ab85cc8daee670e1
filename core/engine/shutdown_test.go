package engine

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
)

func TestRunEndsWithNothingHalfDone(t *testing.T) {
	engine(t, func(r *rig) { polling(r); unattended(r) }, func(r *rig) {
		held := make(chan *call, 10)
		r.open()
		r.answer(func(c *call) { held <- c })
		r.agentSays("a1")
		free := r.disk.gate("commit")
		p := r.start("chan", from("ada", "2", "last"))
		r.stop()
		r.after(time.Millisecond)
		free() // a write that was under way
		if err := <-r.ran; err != nil {
			t.Fatalf("Run = %v", err)
		}
		r.stop = nil
		r.after(time.Second)
		n, err := p.outcome()
		if n != 1 {
			t.Fatalf("Accept was answered %d times", n)
		}
		durable := slices.Contains(r.decided(ada(), sdk.CustomerMessage), "last")
		if err == nil && !durable {
			t.Error("Accept returned nil for what is not durable")
		}
		(<-held).ok() // an answer that comes after the end changes nothing
		calls, writes := len(r.all()), len(r.disk.made())
		r.after(time.Hour)
		if len(r.all()) != calls || len(r.disk.made()) != writes {
			t.Errorf("%d calls and %d writes after the end of Run", len(r.all())-calls, len(r.disk.made())-writes)
		}
		begin := time.Now()
		if err := r.tryAccept("chan", from("ada", "3", "too late")); core.CodeOf(err) != core.Unavailable {
			t.Errorf("Accept after the end = %v, want unavailable", err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("Accept after the end took %s", took)
		}
	})
}

func TestRunTellsOfABrokenStore(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(*call) {})
		r.agentSays("a1")
		calls := r.all()
		r.disk.hook(func(string, *store.Commit) error { return store.ErrBroken }, nil)
		calls[0].ok()
		if err := <-r.ran; !errors.Is(err, store.ErrBroken) {
			t.Errorf("Run = %v, want broken", err)
		}
		r.stop()
		r.stop = nil
	})
}
