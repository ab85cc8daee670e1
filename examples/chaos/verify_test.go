package main

import (
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/internal/rig"
)

// TestCompare shows that the comparison finds each thing that must not happen,
// and no more.
func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name       string
		idempotent bool
		acked      int
		took       []string // id, key, "r" for resent, in the order of arrival
		dead       map[string]string
		want       string // of the violation; "": none
	}{
		{name: "all there", acked: 2, took: []string{"k.c.1 a", "k.c.2 b"}},
		{name: "lost", acked: 2, took: []string{"k.c.1 a"}, want: "k.c.2: acknowledged and lost"},
		{name: "not acknowledged", acked: 1, took: []string{"k.c.1 a", "k.c.2 b"}},
		{name: "out of order", acked: 2, took: []string{"k.c.2 b", "k.c.1 a"}, want: "k.c.2: first delivered before k.c.1"},
		{name: "a flagged repeat", acked: 1, took: []string{"k.c.1 a", "k.c.1 a r"}},
		{name: "a late repeat is not out of order", acked: 2, took: []string{"k.c.1 a", "k.c.2 b", "k.c.1 a r"}},
		{name: "an unflagged repeat", acked: 1, took: []string{"k.c.1 a", "k.c.1 a"}, want: "delivered again and not flagged"},
		{name: "a repeat the far side drops", idempotent: true, acked: 1, took: []string{"k.c.1 a", "k.c.1 a"}},
		{name: "a repeat under a new key", idempotent: true, acked: 1, took: []string{"k.c.1 a", "k.c.1 b r"}, want: "delivered again with another key"},
		{name: "two repeats after one kill", acked: 2, took: []string{"k.c.1 a", "k.c.2 b", "k.c.1 a r", "k.c.2 b r"}, want: "the second repeat in this lane"},
		{name: "ambiguous", acked: 1, dead: map[string]string{"k.c.1": "ambiguous"}},
		{name: "ambiguous where it cannot be", idempotent: true, acked: 1, dead: map[string]string{"k.c.1": "ambiguous"}, want: "although the far side knows ids"},
		{name: "given up", acked: 1, dead: map[string]string{"k.c.1": "expired"}, want: "dead letter, reason expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &far{took: map[string][]arrival{}}
			for _, line := range tt.took {
				w := strings.Fields(line)
				f.order++
				f.took[w[0]] = append(f.took[w[0]], arrival{key: w[1], resent: len(w) > 2, order: f.order})
			}
			dead := map[string]rig.Dead{}
			for id, reason := range tt.dead {
				dead[id] = rig.Dead{Reason: reason}
			}
			c := &conversation{customer: "k", side: side{idempotent: tt.idempotent}, acked: [2]int{tt.acked, 0}}
			v := &verdict{}
			(&load{far: f, conversations: []*conversation{c}, onlyKills: true}).compare(v, dead)
			bad := v.lost + v.disordered + v.wrong
			switch {
			case bad != len(v.violations):
				t.Errorf("%d violations are counted, of %q", bad, v.violations)
			case tt.want == "" && len(v.violations) > 0:
				t.Errorf("violations %q, want none", v.violations)
			case tt.want != "" && (len(v.violations) != 1 || !strings.Contains(v.violations[0], tt.want)):
				t.Errorf("violations %q, want one with %q", v.violations, tt.want)
			}
			if v.acked != tt.acked {
				t.Errorf("acked %d, want %d", v.acked, tt.acked)
			}
		})
	}
}
