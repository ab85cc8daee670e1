package desk

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is one way to misbehave.
//
//	{"verb":"sendmsg","kind":"hang","count":1,"after":true}
//
// Verb is a call of the vendor's protocol, or "" for all of them. Kind is hang
// (no answer until the client gives up), rst (the connection is reset), slow
// (one byte a second), html, half (JSON cut in the middle), empty (200 and no
// body), redirect, or a status such as 500 or 429. Count is how often, 0 for
// ever. After carries the call out first, so that only the answer is lost.
type Fault struct {
	Verb       string `json:"verb"`
	Kind       string `json:"kind"`
	Count      int    `json:"count"`
	After      bool   `json:"after"`
	RetryAfter int    `json:"retry_after"`        // seconds, with a status
	Envelope   bool   `json:"envelope,omitempty"` // the status stands in the answer alone, and HTTP says 200
}

const maxFaults = 100

type faults struct {
	mu   sync.Mutex
	list []Fault
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (d *Desk[C, V, A]) SetFault(f Fault) error {
	if !f.known() {
		return fmt.Errorf("kind %q is not hang, rst, slow, html, half, empty, redirect or a status", f.Kind)
	}
	if f.Envelope && d.vendor.Wire.Refuse == nil {
		return errors.New("answers have no envelope")
	}
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	if len(d.faults.list) >= maxFaults {
		return fmt.Errorf("%d faults are set already", maxFaults)
	}
	d.faults.list = append(d.faults.list, f)
	return nil
}

// ClearFaults ends all misbehaviour.
func (d *Desk[C, V, A]) ClearFaults() {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.list = nil
}

// take returns the fault for this call, if there is one, and counts it.
func (fs *faults) take(verb string) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i := range fs.list {
		f := fs.list[i]
		if f.Verb != "" && f.Verb != verb {
			continue
		}
		switch f.Count {
		case 0:
		case 1:
			fs.list = slices.Delete(fs.list, i, i+1)
		default:
			fs.list[i].Count--
		}
		return f, true
	}
	return Fault{}, false
}

func (f Fault) known() bool {
	return slices.Contains([]string{"hang", "rst", "slow", "html", "half", "empty", "redirect"}, f.Kind) ||
		f.Status() != 0
}

// Status returns the status that Kind is, or 0.
func (f Fault) Status() int {
	n, err := strconv.Atoi(f.Kind)
	if err != nil || n < 200 || n > 599 {
		return 0
	}
	return n
}

func (f Fault) serve(w http.ResponseWriter, r *http.Request, wire Wire) {
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
		_, _ = fmt.Fprint(w, "<!DOCTYPE html><html><body>The service is being maintained.</body></html>")
	case "half":
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, wire.Half)
	case "empty":
		w.WriteHeader(http.StatusOK)
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		if wire.Refuse != nil {
			wire.Refuse(w, f)
			return
		}
		wire.Write(w, f.Status(), "made to fail", nil)
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

// drip sends an endless answer, one byte a second, until the client gives up.
func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	untimed(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for rest := strings.Repeat(" ", maxBody); rest != ""; rest = rest[1:] {
		if _, err := fmt.Fprint(w, rest[:1]); err != nil {
			return
		}
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

func (d *Desk[C, V, A]) setFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if !readJSON(w, r, &f) {
		return
	}
	if err := d.SetFault(f); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	d.listFaults(w, r)
}

func (d *Desk[C, V, A]) listFaults(w http.ResponseWriter, _ *http.Request) {
	d.faults.mu.Lock()
	list := slices.Clone(d.faults.list)
	d.faults.mu.Unlock()
	if list == nil {
		list = []Fault{}
	}
	WriteJSON(w, http.StatusOK, map[string]any{"faults": list})
}

func (d *Desk[C, V, A]) clearFaults(w http.ResponseWriter, r *http.Request) {
	d.ClearFaults()
	d.listFaults(w, r)
}
