package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// joinData is the body of joinchat; all of it is strings but the last, which,
// whatever its name says, is a list of pairs or "".
type joinData struct {
	APIVersion      string          `json:"API_Version"`
	Address         string          `json:"Call_Center_Address"`
	Port            string          `json:"Call_Center_Port"`
	Name            string          `json:"Call_Center_Name"`
	Queue           string          `json:"Call_Center_QueueName"`
	HardMessage     string          `json:"Calling_User_HardMessage"`
	FirstName       string          `json:"Calling_User_FirstName"`
	LastName        string          `json:"Calling_User_LastName"`
	URL             string          `json:"Calling_User_URL"`
	Skills          string          `json:"Calling_User_Skills"`
	Priority        string          `json:"Calling_User_Priority"`
	PhoneType       string          `json:"Calling_User_PhoneType"`
	TQOS            string          `json:"TQOS"`
	RoutingPriority string          `json:"Routing_Priority"`
	AccountID       string          `json:"AccountID"`
	ApplicationID   string          `json:"ApplicationID"`
	TenantID        string          `json:"TenantID"`
	Params          json.RawMessage `json:"OptionalParameterCount"`
}

type wireRequest struct {
	ID        string          `json:"Connection_ID"`
	Text      *string         `json:"Message_Text"`
	Typing    json.RawMessage `json:"typing_status"`
	EventName string          `json:"Fire_Event_Name"`
	Params    json.RawMessage `json:"OptionalParameterCount"`
}

// wireError is a refusal.
type wireError struct {
	status int
	what   string
}

func (e *wireError) Error() string { return e.what }

func refuse(status int, format string, args ...any) error {
	return &wireError{status, fmt.Sprintf(format, args...)}
}

func errUnknown(id string) error { return refuse(http.StatusNotFound, "unknown Connection_ID %q", id) }

// isWire reports whether path is the DLL's. IIS does not mind the case.
func isWire(path string) bool { return strings.EqualFold(path, "/scripts/ChatExtension.DLL") }

// serveWire answers one call of the chat protocol. Verbs with a body answer
// 200 with nothing in it, joinchat excepted.
func (s *Sim) serveWire(w http.ResponseWriter, r *http.Request) {
	verb := verbOf(r)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "body too large or cut off", http.StatusRequestEntityTooLarge)
		return
	}
	f, faulty := s.faults.take(verb)
	if faulty && !f.After {
		f.serve(w, r)
		return
	}
	answer, err := s.call(r, verb, body)
	if faulty {
		f.serve(w, r)
		return
	}
	s.opts.Log.Debug("call", "verb", verb, "bytes", len(body), "err", err)
	var refusal *wireError
	if errors.As(err, &refusal) {
		http.Error(w, refusal.what, refusal.status)
		return
	}
	if answer == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func verbOf(r *http.Request) string {
	if cmd := r.URL.Query().Get("command"); cmd != "" {
		return cmd
	}
	return r.URL.RawQuery
}

// call carries one verb out. A nil answer is an empty body.
func (s *Sim) call(r *http.Request, verb string, body []byte) (any, error) {
	if verb == "getevents" {
		return s.getEvents(r)
	}
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "%s wants POST", verb)
	}
	mt, p, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mt != "application/json" || !strings.EqualFold(p["charset"], "utf-8") {
		return nil, refuse(http.StatusUnsupportedMediaType, "want application/json; charset=utf-8")
	}
	switch verb {
	case "joinchat":
		return s.joinChat(body)
	case "sendmsg":
		return nil, s.with(body, s.sendMsg)
	case "typingmsg":
		return nil, s.with(body, s.typingMsg)
	case "fireevent":
		return nil, s.with(body, s.fireEvent)
	case "leavechat":
		return nil, s.with(body, s.leaveChat)
	}
	return nil, refuse(http.StatusBadRequest, "unknown verb %q", verb)
}

func (s *Sim) joinChat(body []byte) (any, error) {
	var d joinData
	if err := strict(body, &d); err != nil {
		return nil, err
	}
	params, err := pairs(d.Params)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &chat{id: newID(), join: d, params: params, state: stateQueued, opened: s.opts.Now()}
	if !s.add(c) {
		return nil, refuse(http.StatusServiceUnavailable, "%d chats are open", maxChats)
	}
	defer s.touch()
	c.status(codeCalling, event{})
	c.status(codeConnected, event{})
	first := c.heard(s.opts.Now(), "joinchat", d.HardMessage)
	if len(s.opts.Queues) > 0 && !slices.Contains(s.opts.Queues, d.Queue) {
		s.end(c, reasonInvalidQueue)
		return map[string]any{"Connection_ID": c.id}, nil
	}
	s.enqueue(c)
	s.schedule(c, first.Text)
	return map[string]any{"Connection_ID": c.id}, nil
}

// enqueue tells the customer that c waits, behind how many others.
func (s *Sim) enqueue(c *chat) {
	waiting := 0
	for _, o := range s.order {
		if o.state == stateQueued {
			waiting++
		}
	}
	c.state, c.agent = stateQueued, ""
	c.status(codeQueue, event{Est: loose(max(waiting, 1), c.number%2 == 0), Info: loose(2, c.number%2 == 1)})
}

func (s *Sim) sendMsg(c *chat, q wireRequest) error {
	if q.Text == nil {
		return refuse(http.StatusBadRequest, "Message_Text is missing")
	}
	e := c.heard(s.opts.Now(), "sendmsg", *q.Text)
	s.schedule(c, e.Text)
	return nil
}

func (s *Sim) typingMsg(c *chat, q wireRequest) error {
	switch strings.Trim(string(q.Typing), `"`) {
	case "1":
		c.typing = true
	case "2":
		c.typing = false
	default:
		return refuse(http.StatusBadRequest, "typing_status is neither 1 nor 2")
	}
	return nil
}

func (s *Sim) fireEvent(c *chat, q wireRequest) error {
	params, err := pairs(q.Params)
	if err != nil {
		return err
	}
	if q.EventName == "" {
		return refuse(http.StatusBadRequest, "Fire_Event_Name is missing")
	}
	c.note(Entry{At: s.opts.Now(), From: "customer", Kind: "event", Name: c.name(), Text: q.EventName,
		Params: params, Request: "fireevent"})
	return nil
}

func (s *Sim) leaveChat(c *chat, _ wireRequest) error {
	c.state, c.left, c.typing = stateClosed, true, false
	c.note(Entry{At: s.opts.Now(), From: "system", Kind: "status", Text: "The customer left.", Request: "leavechat"})
	return nil
}

// with reads a body and calls do with its chat, which must be alive.
func (s *Sim) with(body []byte, do func(*chat, wireRequest) error) error {
	var q wireRequest
	if err := strict(body, &q); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[q.ID]
	if c == nil || c.state == stateClosed {
		return errUnknown(q.ID)
	}
	defer s.touch()
	return do(c, q)
}

// getEvents answers with the events above Last_Event_ID, and {} if there are none.
func (s *Sim) getEvents(r *http.Request) (any, error) {
	if r.Method != http.MethodGet {
		return nil, refuse(http.StatusMethodNotAllowed, "getevents wants GET")
	}
	q := r.URL.Query()
	last, err := strconv.Atoi(q.Get("Last_Event_ID"))
	if err != nil || last < 0 {
		return nil, refuse(http.StatusBadRequest, "Last_Event_ID is not a number")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[q.Get("Connection_ID")]
	if c == nil || c.left {
		return nil, errUnknown(q.Get("Connection_ID"))
	}
	news := slices.Clone(c.after(last))
	if len(news) == 0 {
		return struct{}{}, nil
	}
	return map[string]any{"Events": news}, nil
}

// strict decodes the one JSON value of body; a field nobody knows is refused,
// so that a client's typing error shows.
func strict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return refuse(http.StatusBadRequest, "body: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "body: more than one value")
	}
	return nil
}

// pairs reads OptionalParameterCount.
func pairs(raw json.RawMessage) ([]pair, error) {
	if len(raw) == 0 || string(raw) == `""` {
		return nil, nil
	}
	var ps []pair
	if err := strict(raw, &ps); err != nil {
		return nil, refuse(http.StatusBadRequest, "OptionalParameterCount: %v", err)
	}
	return ps, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone
}
