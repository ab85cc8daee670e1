package desk

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
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

// Call answers one call of the vendor's protocol: do carries it out, unless
// there is an outage or a fault is set for its verb.
func (d *Desk[C, V, A]) Call(w http.ResponseWriter, r *http.Request, verb string, do func(body []byte) (any, error)) {
	d.CallUpTo(d.vendor.Wire.MaxBody, w, r, verb, do)
}

// CallUpTo is Call with another limit of the body, in bytes.
func (d *Desk[C, V, A]) CallUpTo(limit int64, w http.ResponseWriter, r *http.Request, verb string, do func(body []byte) (any, error)) {
	if d.serveOutage(w) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		d.reply(w, verb, nil, unread(err))
		return
	}
	f, faulty := d.faults.Take(verb)
	if faulty && !f.After {
		d.faults.Answer(w, r, f)
		return
	}
	answer, err := do(body)
	if faulty {
		_ = d.noteRefusal(verb, err) // it happened, even if nobody hears of it
		d.faults.Answer(w, r, f)
		return
	}
	d.reply(w, verb, answer, err)
}

// unread is what a body that could not be read is answered.
func unread(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return Refuse(http.StatusRequestEntityTooLarge, "body larger than %d bytes", large.Limit)
	}
	return Late(http.StatusBadRequest, "body cut off") // the client gave up
}

func (d *Desk[C, V, A]) reply(w http.ResponseWriter, verb string, answer any, err error) {
	if d.Log.Enabled(d.ctx, slog.LevelDebug) {
		d.Log.Debug("call", "verb", verb, "err", err)
	}
	if no := d.noteRefusal(verb, err); no != nil {
		d.vendor.Wire.Write(w, no.Status, no.What, no.Answer)
		return
	}
	d.vendor.Wire.Write(w, http.StatusOK, "", answer)
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
