package sim

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func itoa(n int) string { return strconv.Itoa(n) }

var (
	e164   = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	short  = regexp.MustCompile(`^[0-9]{3,6}$`)
	schema = regexp.MustCompile(`^[a-z]+:\S+$`) // whatsapp:+44…
	alpha  = regexp.MustCompile(`^[0-9A-Za-z ]{1,11}$`)
)

// refusal is one of Twilio's errors.
type refusal struct {
	status, code int
	why          string
	breach       bool // a client should have known
}

func bad(code int, format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, code, fmt.Sprintf(format, args...), true}
}

// magic are the numbers that Twilio keeps for tests.
var magic = map[string]*refusal{
	"+15005550001": {http.StatusBadRequest, 21211, "The 'To' number is not a valid phone number", false},
	"+15005550002": {http.StatusBadRequest, 21612, "The 'To' phone number is not reachable from this number", false},
	"+15005550003": {http.StatusBadRequest, 21408, "Permission to send an SMS has not been enabled for the region", false},
	"+15005550004": {http.StatusBadRequest, 21610, "Attempt to send to unsubscribed recipient", false},
	"+15005550009": {http.StatusBadRequest, 21614, "'To' number is not a valid mobile number", false},
}

// create reads the form of a request that makes something, and checks what all
// such requests have in common; nil: it is answered.
func (s *Sim) create(w http.ResponseWriter, r *http.Request, check func(url.Values) *refusal) url.Values {
	if !s.authorized(w, r) {
		return nil
	}
	if r.PathValue("sid") != s.opts.AccountSID {
		s.breach("account")
		refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	var no *refusal
	switch err := r.ParseForm(); {
	case kind != "application/x-www-form-urlencoded":
		no = bad(20001, "the body is no form")
	case err != nil || r.URL.RawQuery != "":
		no = bad(20001, "the form cannot be read")
	default:
		no = check(r.PostForm)
	}
	if no != nil {
		if no.breach {
			s.breach(itoa(no.code) + " " + no.why)
		}
		refuse(w, no.status, no.code, no.why)
		return nil
	}
	return r.PostForm
}

// known refuses parameters that there are not, and those that come twice.
func known(form url.Values, names []string, lists ...string) *refusal {
	for name, values := range form {
		if !slices.Contains(names, name) && !slices.Contains(lists, name) {
			return bad(20001, "there is no parameter %s", name)
		}
		if len(values) > 1 && !slices.Contains(lists, name) {
			return bad(20001, "%s is there twice", name)
		}
	}
	return nil
}

// within refuses a number that is not from least to most.
func within(form url.Values, name string, least, most int) *refusal {
	if !form.Has(name) {
		return nil
	}
	if n, err := strconv.Atoi(form.Get(name)); err != nil || n < least || n > most {
		return bad(20001, "%s is not from %d to %d", name, least, most)
	}
	return nil
}

// callback refuses an address that could not be called.
func (s *Sim) callback(form url.Values, name string, code int) *refusal {
	text := form.Get(name)
	if !form.Has(name) {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !s.opts.AllowHTTP) || utf8.RuneCountInString(text) > 2048 {
		return bad(code, "%s is not a valid URL", name)
	}
	return nil
}

// to refuses who cannot be reached.
func (s *Sim) to(form url.Values, code int) *refusal {
	to := form.Get("To")
	switch {
	case to == "":
		return bad(21604, "A 'To' phone number is required")
	case !e164.MatchString(to) && !short.MatchString(to) && !schema.MatchString(to):
		return bad(code, "The 'To' number is not a valid phone number")
	}
	if no := magic[to]; no != nil {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped[to] {
		return magic["+15005550004"]
	}
	return nil
}

func first(refusals ...*refusal) *refusal {
	for _, r := range refusals {
		if r != nil {
			return r
		}
	}
	return nil
}

// shown is a form as people read it.
func shown(form url.Values) string {
	var b strings.Builder
	for _, name := range slices.Sorted(keys(form)) {
		for _, v := range form[name] {
			fmt.Fprintf(&b, "\n  %s: %s", name, v)
		}
	}
	return b.String()
}

func keys(form url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range form {
			if !yield(name) {
				return
			}
		}
	}
}
