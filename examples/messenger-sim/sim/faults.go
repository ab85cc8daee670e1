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

// Fault is one way to misbehave in answer to a call.
//
//	{"verb":"messages","kind":"hang","count":1,"after":true}
//
// Verb is messages, node, take_thread_control and so on, "" for all. Kind is hang
// (no answer until the client gives up), rst (the connection is reset), html, half
// (JSON cut in the middle), redirect, a status such as 500, or code and subcode of
// an error, such as 613/0. Count is how often, 0 for ever. After has Meta do what
// it is asked first, so that only its answer is lost.
type Fault struct {
	Verb  string `json:"verb"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
	After bool   `json:"after"`
}

const maxFaults = 100

var faultKinds = []string{"hang", "rst", "html", "half", "redirect"}

type faults struct {
	mu   sync.Mutex
	list []Fault
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error {
	if !slices.Contains(faultKinds, f.Kind) && f.status() == 0 && f.error() == nil {
		return fmt.Errorf("kind %q is neither a status, nor code/subcode, nor one of %s", f.Kind, strings.Join(faultKinds, ", "))
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

// serve has a call done, or done badly.
func (fs *faults) serve(verb string, do http.HandlerFunc, w http.ResponseWriter, r *http.Request) {
	f, faulty := fs.take(verb)
	if !faulty {
		do(w, r)
		return
	}
	if f.After {
		do(httptest.NewRecorder(), r)
	} else {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	f.answer(w, r)
}

// status is the one that Kind is, or 0.
func (f Fault) status() int {
	n, err := strconv.Atoi(f.Kind)
	if err != nil || n < 200 || n > 599 {
		return 0
	}
	return n
}

// error is the one that Kind is, or nil.
func (f Fault) error() *graphError {
	code, subcode, ok := strings.Cut(f.Kind, "/")
	n, err := strconv.Atoi(code)
	m, err2 := strconv.Atoi(subcode)
	if !ok || err != nil || err2 != nil {
		return nil
	}
	return no(n, m, "made to fail")
}

func (f Fault) answer(w http.ResponseWriter, r *http.Request) {
	switch f.Kind {
	case "hang":
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // no answer, not an empty one
	case "rst":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Sorry, something went wrong.</body></html>")
	case "half":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"recipient_id":"20`)
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	default:
		if e := f.error(); e != nil {
			refuse(w, e)
			return
		}
		w.WriteHeader(f.status())
	}
}
