package sim

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Fault is one way to misbehave.
//
//	{"verb":"rest","kind":"hang","count":1,"after":true}
//
// Verb is rest, callback or json, "" for all. Kind can also be unsigned and stale:
// a signed answer without its signature, or with an old one.
type Fault = faults.Fault

// These two need the answer that they spoil.
const (
	kindUnsigned = "unsigned"
	kindStale    = "stale"
)

func spoils(kind string) bool { return slices.Contains([]string{kindUnsigned, kindStale}, kind) }

func misbehaviour() *faults.List {
	return &faults.List{Half: `[{"recipient_id":"`, More: []string{kindUnsigned, kindStale}, Own: spoils,
		Refuse: func(w http.ResponseWriter, _ *http.Request, f Fault) { refuse(w, f.Status(), "made to fail") }}
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error { return s.faults.Add(f) }

// ClearFaults ends all misbehaviour.
func (s *Sim) ClearFaults() { s.faults.Clear() }

// call is a call of the bot, with the faults that were ordered.
func (s *Sim) call(verb string, do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, faulty := s.faults.Take(verb)
		switch {
		case !faulty:
			do(w, r)
		case spoils(f.Kind):
			answer := httptest.NewRecorder()
			do(answer, r)
			s.spoil(w, f.Kind, answer)
		default:
			s.faults.Fail(w, r, f, do)
		}
	}
}

// spoil writes an answer with its signature taken away or made long ago.
func (s *Sim) spoil(w http.ResponseWriter, kind string, answer *httptest.ResponseRecorder) {
	h, body := answer.Header(), answer.Body.Bytes()
	if id := h.Get("webhook-id"); kind == kindStale && id != "" {
		s.sign(h, id, s.opts.Now().Add(-time.Hour), body)
	} else {
		h.Del("webhook-signature")
	}
	for name, v := range h {
		w.Header()[name] = v
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body)
}
