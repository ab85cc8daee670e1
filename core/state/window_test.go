package state_test

import (
	"testing"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func TestReply(t *testing.T) {
	of := func(until, agent int64, most, left uint32) *state.Window {
		return &state.Window{Of: &pluginv1.ReplyWindow{Messages: most}, UntilMs: until, AgentUntilMs: agent, Left: left}
	}
	open := func(w ...*state.Window) *state.Windows { return &state.Windows{Open: w} }
	tests := []struct {
		name  string
		w     *state.Windows
		agent bool
		ms    int64
		want  state.Reply
	}{
		{"a channel without windows", nil, false, 5, state.Reply{Open: true, Left: -1}},
		{"nobody wrote", open(), true, 5, state.Reply{}},
		{"open", open(of(10, 20, 0, 0)), false, 9, state.Reply{Open: true, UntilMs: 10, Left: -1}},
		{"closed", open(of(10, 20, 0, 0)), false, 10, state.Reply{}},
		{"open for agents", open(of(10, 20, 0, 0)), true, 10, state.Reply{Open: true, UntilMs: 20, Left: -1}},
		{"some are left", open(of(10, 10, 5, 2)), false, 5, state.Reply{Open: true, UntilMs: 10, Left: 2}},
		{"none are left", open(of(10, 10, 5, 0)), false, 5, state.Reply{}},
		{"two", open(of(10, 10, 5, 2), of(7, 7, 3, 1)), false, 5, state.Reply{Open: true, UntilMs: 10, Left: 3}},
		{"one of them is for any number", open(of(10, 10, 5, 2), of(7, 7, 0, 0)), false, 5, state.Reply{Open: true, UntilMs: 10, Left: -1}},
		{"one of them is without end", open(of(0, 0, 5, 2), of(7, 7, 3, 1)), false, 5, state.Reply{Open: true, Left: 3}},
	}
	for _, tt := range tests {
		if got := tt.w.Reply(tt.agent, tt.ms); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
