package main

import (
	"context"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/sms/smpp"
	"github.com/openccsp/gateway/sdk"
)

// stateHost keeps state in memory.
type stateHost struct {
	plugintest.Host
	state map[string][]byte
}

func (h *stateHost) State(_ context.Context, key string) ([]byte, error) { return h.state[key], nil }

func (h *stateHost) SetState(_ context.Context, key string, old, next []byte) error {
	if string(h.state[key]) != string(old) {
		return sdk.ErrConflict
	}
	h.state[key] = next
	return nil
}

// A text of which ever more comes has no more room than others.
func TestShelfIsBounded(t *testing.T) {
	h := &stateHost{state: map[string][]byte{}}
	j := newJoiner(h, 0)
	told := 0
	tell := func(context.Context, string, joined) error { told++; return nil }
	m := smpp.Message{Source: smpp.Address{Addr: "41791234567"}, Octets: make([]byte, 8<<10)}
	for i := range 200 {
		m.Segment = smpp.Segment{Ref: 7, Total: 255, Index: uint8(i + 1)}
		if err := j.add(t.Context(), m, tell); err != nil {
			t.Fatal(err)
		}
		for key, value := range h.state {
			if len(value) > maxShelfSize {
				t.Fatalf("%s has %d octets after %d segments", key, len(value), i+1)
			}
		}
	}
	if told == 0 {
		t.Error("nothing was told")
	}
}
