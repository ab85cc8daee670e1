package desk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Wire is a vendor's protocol.
type Wire struct {
	At      func(path string) bool // whether it is spoken there
	Serve   http.HandlerFunc       // answers by Call
	MaxBody int64                  // bytes of a request
	// Write writes an answer, or with what the reason why there is none.
	Write func(w http.ResponseWriter, status int, what string, answer any)
	// Refuse answers a fault that is a status; nil: Write does.
	Refuse func(w http.ResponseWriter, f Fault)
	Half   string // an answer that was cut off
}

// Refusal is an answer other than 200.
type Refusal struct {
	Status int
	What   string
}

func (e *Refusal) Error() string { return e.What }

// Refuse returns a refusal.
func Refuse(status int, format string, args ...any) error {
	return &Refusal{status, fmt.Sprintf(format, args...)}
}

// Call answers one call of the vendor's protocol: do carries it out, unless a
// fault is set for its verb.
func (d *Desk[C, V, A]) Call(w http.ResponseWriter, r *http.Request, verb string, do func(body []byte) (any, error)) {
	wire := d.vendor.Wire
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxBody))
	if err != nil {
		wire.Write(w, http.StatusRequestEntityTooLarge, "body too large or cut off", nil)
		return
	}
	f, faulty := d.faults.take(verb)
	if faulty && !f.After {
		f.serve(w, r, wire)
		return
	}
	answer, err := do(body)
	if faulty {
		f.serve(w, r, wire)
		return
	}
	d.Log.Debug("call", "verb", verb, "bytes", len(body), "err", err)
	var no *Refusal
	if errors.As(err, &no) {
		wire.Write(w, no.Status, no.What, nil)
		return
	}
	wire.Write(w, http.StatusOK, "", answer)
}

// Strict decodes the one JSON value of body; a field nobody knows is refused,
// so that a client's typing error shows.
func Strict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return Refuse(http.StatusBadRequest, "body: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Refuse(http.StatusBadRequest, "body: more than one value")
	}
	return nil
}

// WriteJSON writes an answer.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone
}

// readJSON reads the body into v; an empty one leaves v as it is.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if r.ContentLength == 0 {
		return true
	}
	if err := d.Decode(v); err != nil {
		fail(w, http.StatusBadRequest, "body: "+err.Error())
		return false
	}
	return true
}

func fail(w http.ResponseWriter, status int, what string) {
	WriteJSON(w, status, map[string]string{"error": what})
}
