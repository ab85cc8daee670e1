package sim

import (
	"encoding/json"
	"fmt"
	"io"
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
//	{"verb":"fcm","kind":"hang","count":1,"after":true}
//
// Verb is oauth, fcm or apns, "" for all. Kind is hang (no answer until the client
// gives up), rst (the connection is broken off), html, half (JSON cut in the
// middle), empty (200 and no body), a status such as 503, or a code or reason of
// the service's with its status, such as 429 QUOTA_EXCEEDED or
// 403 ExpiredProviderToken. Count is how often, 0 for ever. After has the service
// do what it was asked to first, so that only its answer is lost. RetryAfter is in
// seconds.
type Fault struct {
	Verb  string `json:"verb"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
	After bool   `json:"after"`

	RetryAfter int `json:"retry_after"`
}

var faultKinds = []string{"hang", "rst", "html", "half", "empty"}

type faults struct {
	mu   sync.Mutex
	list []Fault
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error {
	if !slices.Contains(faultKinds, f.Kind) && f.status() == 0 {
		return fmt.Errorf("kind %q begins with no status, and is none of %s", f.Kind, strings.Join(faultKinds, ", "))
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
	status, _, _ := strings.Cut(f.Kind, " ")
	n, err := strconv.Atoi(status)
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
	switch f.Kind {
	case "hang":
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // no answer, not an empty one
	case "rst":
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>maintenance</body></html>")
	case "half":
		_, _ = io.WriteString(w, `{"name":"proj`)
	case "empty":
	default:
		f.refuse(w, r)
	}
}

// refuse writes a status, and the code if there is one as the service writes it.
func (f Fault) refuse(w http.ResponseWriter, r *http.Request) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	_, code, _ := strings.Cut(f.Kind, " ")
	switch {
	case code == "":
		w.WriteHeader(f.status())
	case strings.HasPrefix(r.URL.Path, "/3/"):
		apnsRefuse(w, f.status(), code, time.Time{})
	default:
		fcmRefuse(w, f.status(), "REFUSED", fcmCode(code))
	}
}

func (s *Sim) setFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(&f)
	if err == nil {
		err = s.SetFault(f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}
