package sim

import (
	"encoding/json"
	"net/http"
)

// control has the routes by which a person or a test moves the simulator.
func (s *Sim) control(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/state", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"messages": s.Messages(), "calls": s.Calls(), "breaches": s.Breaches()})
	})
	mux.HandleFunc("POST /sim/receive", order(func(m struct {
		From  string  `json:"from"`
		To    string  `json:"to"`
		Body  string  `json:"body"`
		Media []Media `json:"media"`
	}) error {
		return s.Receive(m.From, m.To, m.Body, m.Media...)
	}))
	mux.HandleFunc("POST /sim/ring", order(func(c struct {
		From string `json:"from"`
		To   string `json:"to"`
		Hook string `json:"hook"`
	}) error {
		_, err := s.Ring(c.Hook, c.From, c.To)
		return err
	}))
	mux.HandleFunc("POST /sim/fate", order(func(f struct {
		To string `json:"to"`
		Fate
	}) error {
		s.SetFate(f.To, f.Fate)
		return nil
	}))
	s.faults.Handle(mux)
}

// order reads JSON and does what it says.
func order[T any](do func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var v T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		d.DisallowUnknownFields()
		err := d.Decode(&v)
		if err == nil {
			err = do(v)
		}
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		answer(w, http.StatusOK, map[string]string{})
	}
}
