package sim

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

// asides in 15 minutes
const asides = 1000

// Aside is what a customer was shown that is no message.
type Aside struct {
	To   string
	Read string // the last message that is marked as seen; "": somebody types
}

// Asides returns what customers were shown beside messages.
func (s *Sim) Asides() []Aside {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Aside(nil), s.asides...)
}

func (s *Sim) indicateTyping(w http.ResponseWriter, r *http.Request) { s.aside(w, r, false) }
func (s *Sim) markRead(w http.ResponseWriter, r *http.Request)       { s.aside(w, r, true) }

// aside takes a call of v1.1 whose body is a form, and which OAuth 1.0a signs.
func (s *Sim) aside(w http.ResponseWriter, r *http.Request, read bool) {
	raw, err := io.ReadAll(r.Body)
	form, bad := url.ParseQuery(string(raw))
	if err != nil || bad != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		s.invalid(w, r, "not a form")
		return
	}
	if _, ok := s.user(w, r, form); !ok {
		return
	}
	a := Aside{To: form.Get("recipient_id"), Read: form.Get("last_read_event_id")}
	if !digits(a.To) || read != (a.Read != "") || read && !digits(a.Read) {
		s.invalid(w, r, "recipient_id or last_read_event_id is missing, or one too many")
		return
	}
	s.opts.Seen("< " + r.Method + " " + r.URL.Path + "\n" + string(raw))
	s.mu.Lock()
	s.asides = append(s.asides, a)
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
