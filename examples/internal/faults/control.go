package faults

import (
	"encoding/json"
	"net/http"
)

const maxOrder = 64 << 10 // bytes

// Handle adds /sim/faults to a simulator: POST adds a fault, GET lists those that
// are set, DELETE clears them.
func (l *List) Handle(mux *http.ServeMux) {
	mux.HandleFunc("POST /sim/faults", l.add)
	mux.HandleFunc("GET /sim/faults", l.show)
	mux.HandleFunc("DELETE /sim/faults", func(w http.ResponseWriter, r *http.Request) {
		l.Clear()
		l.show(w, r)
	})
}

func (l *List) add(w http.ResponseWriter, r *http.Request) {
	var f Fault
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	d.DisallowUnknownFields()
	err := d.Decode(&f)
	if err == nil {
		err = l.Add(f)
	}
	if err != nil {
		write(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	l.show(w, r)
}

func (l *List) show(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{"faults": l.All()})
}

func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // v is one of this package's own types
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
