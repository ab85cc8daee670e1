package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestAcceptReturnsWhenDurable(t *testing.T) {
	engine(t, nil, func(r *rig) {
		open := r.disk.gate("commit")
		p := r.start("chan", from("ada", "1", "hi"))
		if n, _ := p.outcome(); n != 0 || r.doc(ada()) != nil {
			t.Fatalf("Accept returned %d times before the commit", n)
		}
		open()
		if n, err := p.outcome(); n != 1 || err != nil {
			t.Fatalf("Accept returned %d times, %v", n, err)
		}
		r.want("desk", "hi")
		r.idle()
	})
}

func TestAcceptOfSeveralConversations(t *testing.T) {
	engine(t, nil, func(r *rig) {
		bob := core.NewConversationID("chan", "bob")
		r.disk.hook(func(op string, c *store.Commit) error {
			if op == "commit" && c.Conversation == bob && len(c.Fresh) > 0 {
				return store.ErrUnavailable
			}
			return nil
		}, nil)
		request := func() []*pluginv1.Event {
			return []*pluginv1.Event{from("ada", "1", "a1"), from("bob", "1", "b1"), from("ada", "2", "a2"), from("bob", "2", "b2")}
		}
		if err := r.tryAccept("chan", request()...); core.CodeOf(err) != core.Unavailable {
			t.Fatalf("Accept = %v, want unavailable", err)
		}
		r.disk.hook(nil, nil)
		r.accept("chan", request()...)
		if got := r.decided(ada(), sdk.CustomerMessage); !slices.Equal(got, []string{"a1", "a2"}) {
			t.Errorf("ada's decided messages = %q", got)
		}
		if got := r.decided(bob, sdk.CustomerMessage); !slices.Equal(got, []string{"b1", "b2"}) {
			t.Errorf("bob's decided messages = %q", got)
		}
		r.idle()
	})
}

func TestAcceptOfDuplicates(t *testing.T) {
	engine(t, nil, func(r *rig) {
		open := r.disk.gate("commit")
		one := r.start("chan", from("ada", "1", "hi"), from("ada", "1", "hi"))
		two := r.start("chan", from("ada", "1", "hi"))
		other := r.start("chan", from("bob", "1", "not the same"))
		for i, p := range []*pending{one, two, other} {
			if n, _ := p.outcome(); n != 0 {
				t.Fatalf("request %d was acknowledged before anything was durable", i)
			}
		}
		open()
		for i, p := range []*pending{one, two, other} {
			if n, err := p.outcome(); n != 1 || err != nil {
				t.Fatalf("request %d was told %d times, %v", i, n, err)
			}
		}
		r.restart()
		r.accept("chan", from("ada", "1", "hi"))
		if got := slices.Sorted(slices.Values(r.texts("desk"))); !slices.Equal(got, []string{"hi", "not the same"}) {
			t.Errorf("desk got %q", got)
		}
		r.wantMetric("gateway_events_duplicate_total", "", 1)
		r.idle()
	})
}

// TestARepetitionAfterDays: an id is known for as long as the driver says.
func TestARepetitionAfterDays(t *testing.T) {
	const day = 24 * time.Hour
	conf := func(r *rig) { r.snap.Instances["chan"].Caps.DedupForMs = uint64((8 * day).Milliseconds()) }
	engine(t, conf, func(r *rig) {
		r.accept("chan", from("ada", "1", "hi"))
		r.after(7 * day)
		r.restart()
		r.accept("chan", from("ada", "1", "hi"))
		r.want("desk", "hi")
		r.after(day + time.Minute)
		r.accept("chan", from("ada", "1", "hi"))
		r.want("desk", "hi", "hi")
		r.idle()
	})
}

func TestAcceptOfADuplicateWhoseOriginalFails(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.disk.hook(func(string, *store.Commit) error { return store.ErrFull }, nil)
		p := r.start("chan", from("ada", "1", "hi"), from("ada", "1", "hi"))
		if n, err := p.outcome(); n != 1 || core.CodeOf(err) != core.Unavailable || !errors.Is(err, store.ErrFull) {
			t.Fatalf("Accept = %d, %v", n, err)
		}
		r.disk.hook(nil, nil)
		r.accept("chan", from("ada", "1", "hi"))
		r.want("desk", "hi")
		r.idle()
	})
}

func TestAcceptWithoutAnIDIsNeverADuplicate(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.accept("chan", from("ada", "", "hi"), from("ada", "", "hi"))
		r.accept("chan", from("ada", "", "hi"))
		r.want("desk", "hi", "hi", "hi")
	})
}

func TestAcceptRefuses(t *testing.T) {
	tests := []struct {
		name, instance string
		ev             *pluginv1.Event
		want           core.Code
	}{
		{"unknown instance", "nobody", from("ada", "1", "hi"), core.NotFound},
		{"no address", "chan", &pluginv1.Event{Type: sdk.CustomerMessage, Text: "hi"}, core.Invalid},
		{"no ref", "desk", &pluginv1.Event{Type: sdk.IncomingMessage, Text: "hi"}, core.Invalid},
		{"a customer at an integration", "desk", from("ada", "1", "hi"), core.Invalid},
		{"receipt of an unknown message", "chan", &pluginv1.Event{Type: sdk.MessageRead, MessageId: "what"}, core.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine(t, nil, func(r *rig) {
				if err := r.tryAccept(tt.instance, tt.ev); core.CodeOf(err) != tt.want {
					t.Errorf("Accept = %v, want %s", err, tt.want)
				}
				r.idle()
			})
		})
	}
}

func TestAcceptQuotas(t *testing.T) {
	conf := func(r *rig) { r.opt.MaxInstance, r.opt.MaxWaiting = 3, 4 }
	engine(t, conf, func(r *rig) {
		r.open()
		open := r.disk.gate("commit")
		refused := func(instance string, ev *pluginv1.Event, want core.Code) {
			t.Helper()
			if n, err := r.start(instance, ev).outcome(); n != 1 || core.CodeOf(err) != want {
				t.Fatalf("Accept at %s = %d, %v, want %s", instance, n, err, want)
			}
		}
		var ps []*pending
		for i := range 3 {
			ps = append(ps, r.start("chan", from(fmt.Sprint("c", i), "1", "hi")))
		}
		refused("chan", from("c9", "1", "over the instance's quota"), core.TooMany)
		ps = append(ps, r.start("desk", said("chat-1", "1", "hi")))
		refused("desk", said("chat-1", "2", "over the gateway's"), core.Unavailable)
		r.wantMetric("gateway_events_refused_total", "", 2)
		r.wantMetric("gateway_events_waiting", "", 4)
		open()
		for i, p := range ps {
			if n, err := p.outcome(); n != 1 || err != nil {
				t.Errorf("Accept %d = %d, %v", i, n, err)
			}
		}
		r.accept("chan", from("c9", "1", "again"))
		r.accept("desk", said("chat-1", "2", "again"))
		r.idle()
	})
}

func TestAcceptWhileTheDiskIsFull(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.disk.hook(func(_ string, c *store.Commit) error {
			if c != nil && len(c.Fresh) > 0 {
				return store.ErrFull
			}
			return nil
		}, nil)
		for i := range 5 {
			if err := r.tryAccept("chan", from(fmt.Sprint("c", i), "1", "hi")); core.CodeOf(err) != core.Unavailable {
				t.Fatalf("Accept = %v, want unavailable", err)
			}
		}
		r.idle() // what was refused is not in memory either
		r.disk.hook(nil, nil)
		r.accept("chan", from("c0", "1", "hi"))
		r.want("desk", "hi")
		r.idle()
	})
}

func TestASlowStoreShedsLoad(t *testing.T) {
	engine(t, nil, func(r *rig) {
		open := r.disk.gate("commit")
		p := r.start("chan", from("ada", "1", "hi"))
		r.after(maxAge + time.Second)
		open()
		if n, err := p.outcome(); n != 1 || err != nil {
			t.Fatalf("Accept = %d, %v", n, err)
		}
		if err := r.tryAccept("chan", from("bob", "1", "at once")); core.CodeOf(err) != core.Unavailable {
			t.Errorf("Accept while the store is slow = %v, want unavailable", err)
		}
		r.after(shedFor)
		r.accept("chan", from("bob", "1", "again"))
		r.want("desk", "hi", "again")
		r.idle()
	})
}

func TestAStoreThatSaysNoIsAskedAgain(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.disk.refuse("end", 3, store.ErrUnavailable)
		r.accept("chan", from("ada", "1", "hi"))
		if p := r.stored(r.all()[0].Key); p == nil {
			t.Fatal("the command has ended, but the commit of that was refused")
		}
		r.after(4 * storeRetry)
		r.want("desk", "hi")
		r.idle()
	})
}

func TestABrokenStoreStopsTheEngine(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.disk.hook(func(string, *store.Commit) error { return store.ErrBroken }, nil)
		if err := r.tryAccept("chan", from("ada", "1", "hi")); core.CodeOf(err) != core.Unavailable {
			t.Errorf("Accept = %v, want unavailable", err)
		}
		if err := <-r.ran; !errors.Is(err, store.ErrBroken) {
			t.Errorf("Run = %v, want broken", err)
		}
		r.stop()
		r.stop = nil
		synctest.Wait()
		r.want("desk")
	})
}
