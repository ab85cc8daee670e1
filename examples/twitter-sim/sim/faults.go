package sim

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is what happens to one call.
type Fault struct {
	Path   string // of calls that it hits begins so; "": of any
	Status int    // answered with
	Body   string
	Header http.Header
	Hang   bool // no answer until the caller goes
	Lose   bool // carried out, and then no answer
}

// Fail has the next calls that fit fail, each fault once.
func (s *Sim) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

func (s *Sim) fault(r *http.Request) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if strings.HasPrefix(r.URL.Path, f.Path) {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			return f, true
		}
	}
	return Fault{}, false
}

// fail carries out a fault.
func (s *Sim) fail(w http.ResponseWriter, r *http.Request, f Fault) bool {
	switch {
	case f.Hang:
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case f.Lose:
		s.mux.ServeHTTP(&lost{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	default:
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
	}
	return true
}

// lost is an answer that nobody gets.
type lost struct{ header http.Header }

func (l *lost) Header() http.Header         { return l.header }
func (l *lost) Write(b []byte) (int, error) { return len(b), nil }
func (l *lost) WriteHeader(int)             {}

// window is how many calls of a route may be made until a point in time.
type window struct {
	left  int
	until time.Time
}

const windowLength = 15 * time.Minute

// within counts a call, states the limits, and refuses one too many.
func (s *Sim) within(w http.ResponseWriter, route string, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	win := s.windows[route]
	if win == nil || !now.Before(win.until) {
		win = &window{limit, now.Add(windowLength)}
		s.windows[route] = win
	}
	over := win.left == 0
	win.left = max(0, win.left-1)
	for name, v := range map[string]int64{"Limit": int64(limit), "Remaining": int64(win.left), "Reset": win.until.Unix()} {
		w.Header().Set("X-Rate-Limit-"+name, strconv.FormatInt(v, 10))
	}
	if !over {
		return true
	}
	s.breaks = append(s.breaks, fmt.Sprintf("%s: called although the window is closed", route))
	refuse(w, http.StatusTooManyRequests, "too-many-requests", "Too Many Requests", "Too Many Requests")
	return false
}
