package faults

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

const maxBody = 16 << 20 // bytes of a request that is read to be thrown away

// Call is a call of the API: do, with the faults that were ordered.
func (l *List) Call(verb string, do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if f, faulty := l.Take(verb); faulty {
			l.Fail(w, r, f, do)
			return
		}
		do(w, r)
	}
}

// Fail has a call end in f; do is done only if that comes after it.
func (l *List) Fail(w http.ResponseWriter, r *http.Request, f Fault, do http.HandlerFunc) {
	if f.After {
		do(httptest.NewRecorder(), r)
	}
	// Until the body is read the server does not see that the client gives up.
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
	l.Answer(w, r, f)
}

// Answer misbehaves as f says.
func (l *List) Answer(w http.ResponseWriter, r *http.Request, f Fault) {
	switch f.Kind {
	case "hang":
		untimed(w)
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // no answer, not an empty one
	case "rst":
		Reset(w)
	case "slow":
		drip(w, r)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>The service is being maintained.</body></html>")
	case "half":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, l.Half)
	case "empty":
		w.WriteHeader(http.StatusOK)
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	default:
		f.retry(w)
		if l.Refuse == nil {
			w.WriteHeader(f.Status())
			return
		}
		l.Refuse(w, r, f)
	}
}

// untimed lifts the server's limit for reading a request, which would end what
// is meant to last.
func untimed(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// Reset closes the connection so that the client reads a reset, not an end. Of
// HTTP/2 it resets the stream.
func Reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// drip sends an answer without an end, one byte a second.
func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
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
