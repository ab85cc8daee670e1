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
//	{"verb":"send","kind":"hang","count":1,"after":true}
//
// Verb is token, send, typing, upload or get, "" for all. Kind is hang (no answer
// until the client gives up), rst (the connection is reset), html, half (JSON cut
// in the middle), empty (200 and no body), a status such as 500, or errcode: and a
// code of WeChat's, such as errcode:45009. Count is how often, 0 for ever. After
// has WeChat do what it was asked to first, so that only its answer is lost.
type Fault struct {
	Verb  string `json:"verb"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
	After bool   `json:"after"`
}

var faultKinds = []string{"hang", "rst", "html", "half", "empty"}

const codePrefix = "errcode:"

type faults struct {
	mu   sync.Mutex
	list []Fault
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error {
	if !slices.Contains(faultKinds, f.Kind) && f.status() == 0 && !strings.HasPrefix(f.Kind, codePrefix) {
		return fmt.Errorf("kind %q is no status, no errcode:, and none of %s", f.Kind, strings.Join(faultKinds, ", "))
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
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

func (f Fault) status() int {
	n, err := strconv.Atoi(f.Kind)
	if err != nil || n < 200 || n > 599 {
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
			_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
		}
		f.serve(w, r)
	}
}

func (f Fault) serve(w http.ResponseWriter, r *http.Request) {
	if code, ok := strings.CutPrefix(f.Kind, codePrefix); ok {
		n, _ := strconv.Atoi(code) // anything else is 0, which says ok
		answer(w, n, "made to fail")
		return
	}
	switch f.Kind {
	case "hang":
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // no answer, not an empty one
	case "rst":
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>maintenance</body></html>")
	case "half":
		_, _ = io.WriteString(w, `{"errcode":0,"errm`)
	case "empty":
	default:
		w.WriteHeader(f.status())
	}
}

func (s *Sim) setFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	err := strictly(r.Body, &f)
	if err == nil {
		err = s.SetFault(f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, map[string]any{})
}
