package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMarketCompare has one customer of a vendor that is bad in turn, and one of
// a vendor that never is.
func TestMarketCompare(t *testing.T) {
	const well = vendorsInAll - 1
	counts := func(x *verdict) [6]int {
		return [6]int{x.delivered, x.lost, x.disordered, x.repeats, x.wrong, x.ambiguous}
	}
	for _, tt := range []struct {
		name   string
		vendor int
		took   map[string][]arrival
		dead   map[string]string
		want   [6]int // delivered, lost, disordered, repeats, wrong, ambiguous
	}{
		{"all there", 0, map[string][]arrival{"k.1": {{order: 1}}, "k.2": {{order: 2}}}, nil, [6]int{2, 0, 0, 0, 0, 0}},
		{"one lost", 0, map[string][]arrival{"k.1": {{order: 1}}}, nil, [6]int{1, 1, 0, 0, 0, 0}},
		{"out of order", 0, map[string][]arrival{"k.1": {{order: 2}}, "k.2": {{order: 1}}}, nil, [6]int{2, 0, 1, 0, 0, 0}},
		{"ambiguous", 0, map[string][]arrival{"k.1": {{order: 1}}}, map[string]string{"k.2": "ambiguous"}, [6]int{1, 0, 0, 0, 0, 1}},
		{"dead for another reason", 0, map[string][]arrival{"k.1": {{order: 1}}}, map[string]string{"k.2": "expired"}, [6]int{1, 1, 0, 0, 0, 0}},
		{"ambiguous at a good one", well, map[string][]arrival{"k.1": {{order: 1}}}, map[string]string{"k.2": "ambiguous"}, [6]int{1, 1, 0, 0, 0, 0}},
		{"twice", 0, map[string][]arrival{"k.1": {{order: 1}, {order: 2}}, "k.2": {{order: 3}}}, nil, [6]int{2, 0, 0, 1, 0, 0}},
		{"three times", 0, map[string][]arrival{"k.1": {{order: 1}, {order: 2}, {order: 3}}, "k.2": {{order: 4}}}, nil, [6]int{2, 0, 0, 2, 1, 0}},
		{"twice at a good one", well, map[string][]arrival{"k.1": {{order: 1}, {order: 2}}, "k.2": {{order: 3}}}, nil, [6]int{2, 0, 0, 1, 1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &market{attacked: &attacked{far: &far{}}, talks: []*talk{{vendor: tt.vendor, customer: "k", acked: 2}}}
			for range vendorsInAll {
				m.vendors = append(m.vendors, &vendor{})
			}
			m.vendors[tt.vendor].took = tt.took
			x := &verdict{}
			m.compare(x, tt.dead)
			if diff := cmp.Diff(tt.want, counts(x)); diff != "" {
				t.Errorf("delivered, lost, disordered, repeats, wrong, ambiguous (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMarketCompareAnswers(t *testing.T) {
	m := &market{attacked: &attacked{far: &far{took: map[string][]arrival{
		"a.answer": {{order: 2, to: "k"}}, "b.answer": {{order: 1, to: "k"}},
	}}}, vendors: []*vendor{{answers: []string{"a.answer", "b.answer", "c.answer"}}}}
	x := &verdict{}
	m.compare(x, nil)
	if x.delivered != 2 || x.disordered != 1 || x.lost != 1 {
		t.Errorf("%d delivered, %d out of order, %d lost; want 2, 1, 1", x.delivered, x.disordered, x.lost)
	}
}
