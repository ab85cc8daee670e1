package sim

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Fault is one way to misbehave.
//
//	{"verb":"send","kind":"hang","count":1,"after":true}
//
// Verb is token, send, typing, upload or get, "" for all. Kind can also be errcode:
// and a code of WeChat's, such as errcode:45009.
type Fault = faults.Fault

const codePrefix = "errcode:"

func misbehaviour() *faults.List {
	return &faults.List{Half: `{"errcode":0,"errm`, More: []string{codePrefix + "CODE"}, Refuse: refuse,
		Own: func(kind string) bool { return strings.HasPrefix(kind, codePrefix) }}
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error { return s.faults.Add(f) }

func refuse(w http.ResponseWriter, _ *http.Request, f Fault) {
	if code, ok := strings.CutPrefix(f.Kind, codePrefix); ok {
		n, _ := strconv.Atoi(code) // anything else is 0, which says ok
		answer(w, n, "made to fail")
		return
	}
	w.WriteHeader(f.Status())
}
