package sim

import (
	"crypto/rand"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/examples/internal/desk"
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

func (d joinData) name() string {
	switch {
	case d.FirstName == "":
		return d.LastName
	case d.LastName == "":
		return d.FirstName
	}
	return d.FirstName + " " + d.LastName
}

type wireRequest struct {
	ID        string          `json:"Connection_ID"`
	Text      *string         `json:"Message_Text"`
	Typing    json.RawMessage `json:"typing_status"`
	EventName string          `json:"Fire_Event_Name"`
	Params    json.RawMessage `json:"OptionalParameterCount"`
}

func errUnknown(id string) error {
	return desk.Refuse(http.StatusNotFound, "unknown Connection_ID %q", id)
}

// isWire reports whether path is the DLL's. IIS does not mind the case.
func isWire(path string) bool { return strings.EqualFold(path, "/scripts/ChatExtension.DLL") }

// serveWire answers one call of the chat protocol.
func (s *Sim) serveWire(w http.ResponseWriter, r *http.Request) {
	verb := verbOf(r)
	s.Call(w, r, verb, func(body []byte) (any, error) { return s.call(r, verb, body) })
}

// write answers a call. Verbs with a body answer 200 with nothing in it,
// joinchat excepted.
func write(w http.ResponseWriter, status int, what string, answer any) {
	switch {
	case what != "":
		http.Error(w, what, status)
	case answer == nil:
		w.WriteHeader(status)
	default:
		desk.WriteJSON(w, status, answer)
	}
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
		return nil, desk.Refuse(http.StatusMethodNotAllowed, "%s wants POST", verb)
	}
	mt, p, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mt != "application/json" || !strings.EqualFold(p["charset"], "utf-8") {
		return nil, desk.Refuse(http.StatusUnsupportedMediaType, "want application/json; charset=utf-8")
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
	return nil, desk.Refuse(http.StatusBadRequest, "unknown verb %q", verb)
}

func (s *Sim) joinChat(body []byte) (any, error) {
	var d joinData
	if err := desk.Strict(body, &d); err != nil {
		return nil, err
	}
	params, err := pairs(d.Params)
	if err != nil {
		return nil, err
	}
	s.Lock()
	defer s.Unlock()
	c := &chat{Chat: Chat{Queue: d.Queue, Source: d.URL, Params: params,
		Chat: desk.Chat{ID: rand.Text(), Name: d.name(), State: desk.Queued}}}
	if !s.Add(c) {
		return nil, desk.Refuse(http.StatusServiceUnavailable, "%d chats are open", desk.MaxChats)
	}
	defer s.Touch()
	c.status(codeCalling, event{})
	c.status(codeConnected, event{})
	s.Heard(c, desk.Entry{Text: d.HardMessage, Request: "joinchat"})
	if len(s.queues) > 0 && !slices.Contains(s.queues, d.Queue) {
		s.end(c, reasonInvalidQueue)
	} else {
		s.enqueue(c)
	}
	return map[string]any{"Connection_ID": c.ID}, nil
}

// enqueue tells the customer that c waits, behind how many others.
func (s *Sim) enqueue(c *chat) {
	waiting := max(s.Count(desk.Queued), 1)
	c.State, c.Agent = desk.Queued, ""
	c.status(codeQueue, event{Est: loose(waiting, c.Number%2 == 0), Info: loose(2, c.Number%2 == 1)})
}

func (s *Sim) sendMsg(c *chat, q wireRequest) error {
	if q.Text == nil {
		return desk.Refuse(http.StatusBadRequest, "Message_Text is missing")
	}
	s.Heard(c, desk.Entry{Text: *q.Text, Request: "sendmsg"})
	return nil
}

func (s *Sim) typingMsg(c *chat, q wireRequest) error {
	switch strings.Trim(string(q.Typing), `"`) {
	case "1":
		c.Typing = true
	case "2":
		c.Typing = false
	default:
		return desk.Refuse(http.StatusBadRequest, "typing_status is neither 1 nor 2")
	}
	return nil
}

func (s *Sim) fireEvent(c *chat, q wireRequest) error {
	params, err := pairs(q.Params)
	if err != nil {
		return err
	}
	if q.EventName == "" {
		return desk.Refuse(http.StatusBadRequest, "Fire_Event_Name is missing")
	}
	e := desk.Entry{From: "customer", Kind: "event", Name: c.Name, Text: q.EventName, Request: "fireevent"}
	if len(params) > 0 {
		e.Params = params
	}
	s.Note(c, e)
	return nil
}

func (s *Sim) leaveChat(c *chat, _ wireRequest) error {
	c.State, c.left, c.Typing = desk.Closed, true, false
	s.Note(c, desk.Entry{From: "system", Kind: "status", Text: "The customer left.", Request: "leavechat"})
	return nil
}

// with reads a body and calls do with its chat, which must be alive.
func (s *Sim) with(body []byte, do func(*chat, wireRequest) error) error {
	var q wireRequest
	if err := desk.Strict(body, &q); err != nil {
		return err
	}
	s.Lock()
	defer s.Unlock()
	c, ok := s.Find(q.ID)
	if !ok || c.State == desk.Closed {
		return errUnknown(q.ID)
	}
	defer s.Touch()
	return do(c, q)
}

// getEvents answers with the events above Last_Event_ID, and {} if there are none.
func (s *Sim) getEvents(r *http.Request) (any, error) {
	if r.Method != http.MethodGet {
		return nil, desk.Refuse(http.StatusMethodNotAllowed, "getevents wants GET")
	}
	q := r.URL.Query()
	last, err := strconv.Atoi(q.Get("Last_Event_ID"))
	if err != nil || last < 0 {
		return nil, desk.Refuse(http.StatusBadRequest, "Last_Event_ID is not a number")
	}
	s.Lock()
	defer s.Unlock()
	c, ok := s.Find(q.Get("Connection_ID"))
	if !ok || c.left {
		return nil, errUnknown(q.Get("Connection_ID"))
	}
	news := slices.Clone(c.after(last))
	if len(news) == 0 {
		return struct{}{}, nil
	}
	return map[string]any{"Events": news}, nil
}

// pairs reads OptionalParameterCount.
func pairs(raw json.RawMessage) ([]pair, error) {
	if len(raw) == 0 || string(raw) == `""` {
		return nil, nil
	}
	var ps []pair
	if err := desk.Strict(raw, &ps); err != nil {
		return nil, desk.Refuse(http.StatusBadRequest, "OptionalParameterCount: %v", err)
	}
	return ps, nil
}
