package sim

import (
	"encoding/json"
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
//	{"verb":"rest","kind":"hang","count":1,"after":true}
//
// Verb is rest, callback or json, "" for all. Kind is hang (no answer until the
// client gives up), rst (the connection is reset), slow (one byte a second),
// html, half (JSON cut in the middle), empty (200 and no body), redirect,
// unsigned and stale (a signed answer without its signature, or with an old
// one), or a status such as 500 or 429. Count is how often, 0 for ever. After
// has the bot take the message first, so that only its answer is lost.
type Fault struct {
	Verb       string `json:"verb"`
	Kind       string `json:"kind"`
	Count      int    `json:"count"`
	After      bool   `json:"after"`
	RetryAfter int    `json:"retry_after"` // seconds, with a status
}

const maxFaults = 100

var kinds = []string{"hang", "rst", "slow", "html", "half", "empty", "redirect", kindUnsigned, kindStale}

// These two need the answer that they spoil.
const (
	kindUnsigned = "unsigned"
	kindStale    = "stale"
)

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
	if err != nil || n < 200 || n > 599 {
		return 0
	}
	return n
}

// call is a call of the bot, with the faults that were ordered.
func (s *Sim) call(verb string, do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, faulty := s.faults.take(verb)
		switch {
		case !faulty:
			do(w, r)
		case f.Kind == kindUnsigned, f.Kind == kindStale:
			answer := httptest.NewRecorder()
			do(answer, r)
			s.spoil(w, f.Kind, answer)
		case f.After:
			do(httptest.NewRecorder(), r)
			f.serve(w, r)
		default:
			_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
			f.serve(w, r)
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

func (f Fault) serve(w http.ResponseWriter, r *http.Request) {
	switch f.Kind {
	case "hang":
		untimed(w)
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // no answer, not an empty one
	case "rst":
		reset(w)
	case "slow":
		drip(w, r)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>The bot is being trained.</body></html>")
	case "half":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"recipient_id":"`)
	case "empty":
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		refuse(w, f.status(), "made to fail")
	}
}

// untimed lifts the server's limit for reading a request, which would end what
// is meant to last.
func untimed(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
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

// drip sends an answer without an end, one byte a second.
func drip(w http.ResponseWriter, r *http.Request) {
	untimed(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
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
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	s.listFaults(w, r)
}

func (s *Sim) listFaults(w http.ResponseWriter, _ *http.Request) {
	s.faults.mu.Lock()
	list := append([]Fault{}, s.faults.list...)
	s.faults.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"faults": list})
}

func (s *Sim) clearFaults(w http.ResponseWriter, r *http.Request) {
	s.ClearFaults()
	s.listFaults(w, r)
}
