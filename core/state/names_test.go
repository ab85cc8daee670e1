package state_test

import (
	"testing"

	"github.com/openccsp/gateway/core/state"
)

// Every value of the enums has a word of its own.
func TestWords(t *testing.T) {
	owners, states := map[string]bool{}, map[string]bool{}
	for n := range state.Owner_name {
		o := state.Owner(n)
		if owners[o.Word()] = true; o.Word() == "" || state.OwnerOf(o.Word()) != o {
			t.Errorf("%v has the word %q, which is %v", o, o.Word(), state.OwnerOf(o.Word()))
		}
	}
	for n := range state.ChatState_name {
		s := state.ChatState(n)
		if states[s.Word()] = true; s.Word() == "" {
			t.Errorf("%v has no word", s)
		}
	}
	kinds := map[string]bool{}
	for n := range state.CommandKind_name {
		k := state.CommandKind(n)
		if kinds[k.Word()] = true; k.Word() == "" {
			t.Errorf("%v has no word", k)
		}
	}
	if len(kinds) != len(state.CommandKind_name) {
		t.Errorf("words are shared: %v", kinds)
	}
	if len(owners) != len(state.Owner_name) || len(states) != len(state.ChatState_name) {
		t.Errorf("words are shared: %v, %v", owners, states)
	}
	if got := state.OwnerOf("nobody"); got != state.Owner_OWNER_NONE {
		t.Errorf("an unknown word is %v", got)
	}
}
