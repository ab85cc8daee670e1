package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// answer is what came back, in IMIchat's envelope.
type answer struct{ ccsp.Answer }

// envelope returns the members of the answer's object; ok is false if the
// answer is none.
func (a answer) envelope() (f fields, ok bool) {
	if a.Err != nil || !json.Valid(a.Body) || a.HTML() {
		return nil, false
	}
	return object(json.RawMessage(bytes.TrimSpace(a.Body)))
}

// code is the status that counts: HTTP's, or that of the envelope, since
// refusals may come with a 200.
func (a answer) code() int {
	if !a.fine() {
		return a.Status
	}
	f, _ := a.envelope()
	n, err := strconv.Atoi(f.word("statuscode"))
	if err != nil {
		return a.Status
	}
	return n
}

// fine reports whether HTTP says that it went well.
func (a answer) fine() bool { return a.Status >= 200 && a.Status < 300 }

// half reports whether the answer began as JSON and is not whole.
func (a answer) half() bool {
	body := bytes.TrimSpace(a.Body)
	begun := bytes.HasPrefix(body, []byte("{")) || bytes.HasPrefix(body, []byte("["))
	return a.Err != nil || begun && !json.Valid(body)
}

func unauthorized(code int) bool {
	return code == http.StatusUnauthorized || code == http.StatusForbidden
}

// gone reports whether the API itself, and not some web server that has no such
// path, says that it does not know the chat.
func (a answer) gone() bool {
	_, api := a.envelope()
	code := a.code()
	return api && (code == http.StatusNotFound || code == http.StatusGone)
}

// refused says what an answer means, nil if the call was carried out.
func (c *client) refused(name string, a answer) error {
	if a.fine() && (a.HTML() || a.half()) {
		return ccsp.Resend(sdk.Ambiguous(fmt.Errorf("%s: the answer is not the API's", name)))
	}
	code := a.code()
	if success(code) {
		return nil
	}
	err := ccsp.Refused(fmt.Errorf("%s: status %d", name, code), code, a.WaitAsked(c.now()))
	switch {
	case err != nil:
		return ccsp.Resend(err)
	case a.Status >= 300 && a.Status < 400:
		return sdk.Rejected("http_"+strconv.Itoa(code), name+": redirected; set instance_url to the new place")
	case a.Status == http.StatusNotFound && !a.gone():
		return sdk.Rejected("no_endpoint", name+": nothing is at this path; set endpoints."+name)
	}
	return sdk.Rejected("status_"+strconv.Itoa(code), name)
}

// success reports whether a code says that a call was carried out: HTTP's, 0,
// and the thousands with which the platform says that it queued something.
func success(code int) bool {
	return code == 0 || code >= 200 && code < 300 || code >= 1000 && code < 2000
}

// chatObject returns the chat that an answer tells of, or what is in its place.
func (a answer) chatObject() (f fields, ok bool) {
	if f, ok = a.envelope(); !ok {
		return nil, false
	}
	if l := list(f["response"]); len(l) > 0 {
		if r, ok := object(l[0]); ok {
			return r, true
		}
	}
	return f, true
}

// chatID returns the id of the chat that an answer tells of.
func (a answer) chatID() (string, error) {
	chat, ok := a.chatObject()
	if !ok {
		return "", errors.New("the answer is not JSON")
	}
	id := chat.word("chatid", "id")
	if id == "" || len(id) > maxRef || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' }) {
		return "", errors.New("the answer has no chat_id")
	}
	return id, nil
}
