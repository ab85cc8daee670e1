package sim

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Fault is one way to misbehave in answer to a call.
//
//	{"verb":"messages","kind":"hang","count":1,"after":true}
//
// Verb is messages, node, take_thread_control and so on, "" for all. Kind can also
// be code and subcode of an error, such as 613/0.
type Fault = faults.Fault

func misbehaviour() *faults.List {
	return &faults.List{Half: `{"recipient_id":"20`, More: []string{"CODE/SUBCODE"}, Refuse: refuseFault,
		Own: func(kind string) bool { return coded(kind) != nil }}
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error { return s.faults.Add(f) }

// ClearFaults ends all misbehaviour.
func (s *Sim) ClearFaults() { s.faults.Clear() }

// coded is the error that a kind is, or nil.
func coded(kind string) *graphError {
	code, subcode, ok := strings.Cut(kind, "/")
	n, err := strconv.Atoi(code)
	m, err2 := strconv.Atoi(subcode)
	if !ok || err != nil || err2 != nil {
		return nil
	}
	return no(n, m, "made to fail")
}

func refuseFault(w http.ResponseWriter, _ *http.Request, f Fault) {
	if e := coded(f.Kind); e != nil {
		refuse(w, e)
		return
	}
	w.WriteHeader(f.Status())
}
