package sim

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is one way to misbehave.
//
//	{"verb":"messages","kind":"hang","count":1,"after":true}
//
// Verb is messages or calls, "" for both. Kind is hang (no answer until the client
// gives up), rst (the connection is reset), html, half (JSON cut in the middle),
// redirect, or a status such as 429 or 500. Count is how often, 0 for ever. After
// has the account do what it was asked first, so that only its answer is lost.
type Fault struct {
	Verb       string `json:"verb"`
	Kind       string `json:"kind"`
	Count      int    `json:"count"`
	After      bool   `json:"after"`
	RetryAfter int    `json:"retry_after"` // seconds, with a status
}

const maxFaults = 100

var kinds = []string{"hang", "rst", "html", "half", "redirect"}

type faults struct {
	mu   sync.Mutex
	list []Fault
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error {
	if !slices.Contains(kinds, f.Kind) && f.status() == 0 {
		return fmt.Errorf("kind %q is neither a status nor one of %s", f.Kind, strings.Join(kinds, ", "))
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if len(s.faults.list) >= maxFaults {
		return fmt.Errorf("%d faults are set already", maxFaults)
	}
	s.faults.list = append(s.faults.list, f)
	return nil
}

// ClearFaults ends all misbehaviour.
func (s *Sim) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// take returns the fault for this call, if there is one, and counts it.
func (fs *faults) take(verb string) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	i := slices.IndexFunc(fs.list, func(f Fault) bool { return f.Verb == "" || f.Verb == verb })
	if i < 0 {
		return Fault{}, false
	}
	f := fs.list[i]
	switch f.Count {
	case 0:
	case 1:
		fs.list = slices.Delete(fs.list, i, i+1)
	default:
		fs.list[i].Count--
	}
	return f, true
}

// status is the one that Kind is, or 0.
func (f Fault) status() int {
	n, err := strconv.Atoi(f.Kind)
	if err != nil || n < 300 || n > 599 {
		return 0
	}
	return n
}

// call is a call of the API, with the faults that were ordered.
func (s *Sim) call(verb string, do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, faulty := s.faults.take(verb)
		switch {
		case !faulty:
			do(w, r)
			return
		case f.After:
			do(httptest.NewRecorder(), r)
		default:
			s.change(func() { s.started++ })
			_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
		}
		f.serve(w, r)
	}
}

func (f Fault) serve(w http.ResponseWriter, r *http.Request) {
	switch f.Kind {
	case "hang":
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it would end what is meant to last
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // no answer, not an empty one
	case "rst":
		reset(w)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Maintenance</body></html>")
	case "half":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"sid":"`)
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		code := 20000 + f.status() // 20429, 20500, 20503
		refuse(w, f.status(), code, "made to fail")
	}
}

// reset closes the connection so that the client reads a reset, not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
