package sim

import (
	"net/http"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Fault is one way to misbehave.
//
//	{"verb":"messages","kind":"hang","count":1,"after":true}
//
// Verb is messages or calls, "" for both.
type Fault = faults.Fault

func misbehaviour() *faults.List {
	return &faults.List{Half: `{"sid":"`, Refuse: func(w http.ResponseWriter, _ *http.Request, f Fault) {
		refuse(w, f.Status(), 20000+f.Status(), "made to fail") // 20429, 20500, 20503
	}}
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error { return s.faults.Add(f) }

// call is a call of the API, with the faults that were ordered.
func (s *Sim) call(verb string, do http.HandlerFunc) http.HandlerFunc {
	faulty := s.faults.Call(verb, do)
	return func(w http.ResponseWriter, r *http.Request) {
		s.change(func() { s.started++ })
		faulty(w, r)
	}
}
