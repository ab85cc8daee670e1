package sim

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

const (
	maxControl  = 1 << 20
	deliverTime = 30 * time.Second
)

// Control returns the center's page for people and scripts:
//
//	GET  /messages   what was sent to handsets
//	POST /deliver    a customer writes: {"from":"41791234567","to":"12345","text":"hi"}
//	POST /faults     what happens to the next messages: {"status":88,"count":3}
//	GET  /state      counts, how many are bound, and what broke the contract
//	POST /cut        breaks all connections
func (s *SMSC) Control() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /messages", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Messages()) })
	m.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"counts": s.Counts(), "bound": s.Bound(), "breaches": s.Breaches()})
	})
	m.HandleFunc("POST /deliver", func(w http.ResponseWriter, r *http.Request) {
		var p Post
		if !read(w, r, &p) {
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), deliverTime)
		defer cancel()
		if err := s.Deliver(ctx, p); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		answer(w, map[string]bool{"taken": true})
	})
	m.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		if read(w, r, &f) {
			s.Inject(f)
			answer(w, f)
		}
	})
	m.HandleFunc("POST /cut", func(w http.ResponseWriter, _ *http.Request) {
		s.Cut()
		answer(w, map[string]bool{"cut": true})
	})
	return m
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who has gone needs no answer
}

func read(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}
