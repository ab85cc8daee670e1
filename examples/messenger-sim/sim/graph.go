package sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const maxBody = 30 << 20 // bytes of a call

// graphError is an error as the Graph API words it.
type graphError struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    int    `json:"code"`
	Subcode int    `json:"error_subcode,omitempty"`
	Trace   string `json:"fbtrace_id"`

	status int // 0: 400
	breaks bool
}

func (e *graphError) Error() string { return fmt.Sprintf("(#%d/%d) %s", e.Code, e.Subcode, e.Message) }

// wrong is an error that only somebody causes who breaks the contract.
func wrong(code, subcode int, format string, args ...any) *graphError {
	return &graphError{Message: fmt.Sprintf(format, args...), Code: code, Subcode: subcode, breaks: true}
}

// no is a refusal that befalls the best.
func no(code, subcode int, message string) *graphError {
	return &graphError{Message: message, Code: code, Subcode: subcode}
}

// call is a call of the Graph API: its faults, and who may make it.
func (s *Sim) call(verb string, do func(r *http.Request) (any, *graphError)) http.HandlerFunc {
	answer := func(w http.ResponseWriter, r *http.Request) {
		v, err := any(nil), s.allowed(r)
		if err == nil {
			v, err = do(r)
		}
		s.usage(w)
		if err != nil {
			if err.breaks {
				s.mu.Lock()
				s.broke("%s: %v", verb, err)
				s.mu.Unlock()
			}
			refuse(w, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
	return s.faults.Call(verb, answer)
}

// allowed checks token and proof. They stand in the query, and nothing else that
// the calls do not know.
func (s *Sim) allowed(r *http.Request) *graphError {
	q := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains([]string{"access_token", "appsecret_proof", "fields", "recipient"}, name) {
			return wrong(100, 0, "Unknown parameter %s", name)
		}
	}
	m := hmac.New(sha256.New, []byte(s.opts.AppSecret))
	m.Write([]byte(s.opts.Token))
	switch {
	case q.Get("access_token") != s.opts.Token:
		return &graphError{status: http.StatusUnauthorized, Code: 190, breaks: true,
			Message: "Malformed access token " + q.Get("access_token")}
	case q.Get("appsecret_proof") != hex.EncodeToString(m.Sum(nil)):
		return wrong(100, 0, "Invalid appsecret_proof provided in the API argument")
	}
	return nil
}

// usage tells how much of what is allowed is used.
func (s *Sim) usage(w http.ResponseWriter) {
	s.mu.Lock()
	percent, regain := s.opts.Usage, s.opts.Regain
	s.mu.Unlock()
	if percent == 0 {
		return
	}
	w.Header().Set("X-App-Usage", fmt.Sprintf(`{"call_count":%d,"total_time":1,"total_cputime":1}`, percent/2))
	w.Header().Set("X-Business-Use-Case-Usage", fmt.Sprintf(
		`{"%s":[{"type":"messenger","call_count":%d,"total_cputime":1,"total_time":2,"estimated_time_to_regain_access":%d}]}`,
		s.opts.Page, percent, regain))
}

// own checks that a node is the page.
func (s *Sim) own(r *http.Request) *graphError {
	if node := r.PathValue("node"); node != s.opts.Page && node != "me" {
		return wrong(100, 33, "Unsupported request. Object with ID %s does not exist", node)
	}
	return nil
}

// node answers for the page, and for customers who have written.
func (s *Sim) node(r *http.Request) (any, *graphError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("node")
	all := map[string]string{"id": id, "name": "The Shop"}
	if id != s.opts.Page {
		p := s.people[id]
		if p == nil {
			return nil, no(100, 33, "Object does not exist, or lacks permissions")
		}
		all = map[string]string{"id": id, "first_name": p.first, "last_name": p.last, "profile_pic": "https://pics.example.com/" + id}
	}
	out := map[string]string{"id": id}
	for _, name := range strings.Split(r.URL.Query().Get("fields"), ",") {
		if v, ok := all[name]; ok {
			out[name] = v
		} else if name != "" {
			return nil, wrong(100, 0, "Tried accessing nonexisting field (%s)", name)
		}
	}
	return out, nil
}

func (s *Sim) subscribed(r *http.Request) (any, *graphError) {
	if err := s.own(r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]any{"data": []any{map[string]any{
		"id": s.opts.App, "name": "Gateway", "subscribed_fields": s.fields}}}, nil
}

func refuse(w http.ResponseWriter, e *graphError) {
	e.Type, e.Trace = "OAuthException", "Trace123"
	status := e.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	writeJSON(w, status, map[string]any{"error": e})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // v is one of this package's own
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
