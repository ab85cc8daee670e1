package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// stateHost keeps state in memory; before and after are called once around the moment
// in which an app's owner is forgotten.
type stateHost struct {
	plugintest.Host
	state         map[string][]byte
	before, after func()
}

func (h *stateHost) State(_ context.Context, key string) ([]byte, error) { return h.state[key], nil }

func (h *stateHost) SetState(_ context.Context, key string, old, next []byte) error {
	if strings.HasPrefix(key, "owner.") && len(next) == 0 {
		once(&h.before)
		defer once(&h.after)
	}
	if !bytes.Equal(h.state[key], old) {
		return sdk.ErrConflict
	}
	h.state[key] = next
	return nil
}

func once(f *func()) {
	if call := *f; call != nil {
		*f = nil
		call()
	}
}

// TestRegisteredWhileForgotten: an app that is registered just while it is forgotten
// has one owner, who has it in the list.
func TestRegisteredWhileForgotten(t *testing.T) {
	ways := map[string]func(*registry) error{
		"retired":      func(r *registry) error { _, err := r.retire(t.Context(), phone, time.Now()); return err },
		"unregistered": func(r *registry) error { return r.remove(t.Context(), "ada", phone) },
	}
	for way, forget := range ways {
		for _, test := range []struct{ name, before, after, want string }{
			{"before", "ada", "", "ada"},
			{"after", "", "ada", "ada"},
			{"by somebody else before", "bob", "", "bob"},
			{"by somebody else after", "", "bob", "bob"},
			{"by both", "ada", "bob", "bob"},
			{"by nobody", "", "", ""},
		} {
			t.Run(way+" "+test.name, func(t *testing.T) {
				h := &stateHost{state: map[string][]byte{}}
				r := &registry{h, 10}
				sign := func(who string) func() {
					return func() {
						if who == "" {
							return
						}
						if err := r.add(t.Context(), who, phone); err != nil {
							t.Error(err)
						}
					}
				}
				sign("ada")()
				h.before, h.after = sign(test.before), sign(test.after)
				if err := forget(r); err != nil {
					t.Fatal(err)
				}
				for _, who := range []string{"ada", "bob"} {
					listed := strings.Contains(string(h.state[listKey(who)]), phone)
					owns := string(h.state[ownerKey(phone)]) == hash(who)
					if want := who == test.want; listed != want || owns != want {
						t.Errorf("%s has it in the list: %t, owns it: %t, want %t", who, listed, owns, want)
					}
				}
			})
		}
	}
}
