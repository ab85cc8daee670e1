package sim

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// The bodies of the verbs but joinchat.
type (
	textBody struct {
		ID   *string `json:"Connection_ID"`
		Text *string `json:"Message_Text"`
	}
	typingBody struct {
		ID     *string         `json:"Connection_ID"`
		Status json.RawMessage `json:"typing_status"`
	}
	eventBody struct {
		ID     *string         `json:"Connection_ID"`
		Name   string          `json:"Fire_Event_Name"`
		Params json.RawMessage `json:"OptionalParameterCount"`
	}
	leaveBody struct {
		ID *string `json:"Connection_ID"`
	}
)

// Where the protocol is spoken.
const (
	dllPath    = "/scripts/ChatExtension.DLL"
	uploadPath = "/SocialConnectorHelperAPI/api/helper/saveFile"
)

// errUnknown: what the real server says is not documented.
func errUnknown(id string) error {
	return desk.Late(http.StatusNotFound, "unknown Connection_ID %q", id)
}

// isWire reports whether path is the server's, not the agent's page. IIS does
// not mind the case.
func isWire(path string) bool {
	return hasPrefix(path, "/scripts/") || hasPrefix(path, "/SocialConnectorHelperAPI/")
}

func hasPrefix(path, prefix string) bool {
	return len(path) >= len(prefix) && strings.EqualFold(path[:len(prefix)], prefix)
}

// serveWire answers one call of the chat protocol.
func (s *Sim) serveWire(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case strings.EqualFold(path, dllPath):
		verb := verbOf(r)
		s.Call(w, r, verb, func(body []byte) (any, error) { return s.call(r, verb, body) })
	case strings.EqualFold(path, uploadPath):
		s.CallUpTo(uploadLimit, w, r, "saveFile", func(body []byte) (any, error) { return s.saveFile(r, body) })
	default:
		s.Call(w, r, path, func([]byte) (any, error) {
			return nil, desk.Refuse(http.StatusNotFound, "nothing is at %s", path)
		})
	}
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
		return nil, s.sendMsg(body)
	case "typingmsg":
		return nil, s.typingMsg(body)
	case "fireevent":
		return nil, s.fireEvent(body)
	case "leavechat":
		return nil, s.leaveChat(body)
	}
	return nil, desk.Refuse(http.StatusBadRequest, "unknown verb %q", verb)
}

// with finds the chat of a call, which must be alive, and calls do with it.
func (s *Sim) with(id *string, do func(*chat)) error {
	if id == nil {
		return desk.Refuse(http.StatusBadRequest, "Connection_ID is missing")
	}
	s.Lock()
	defer s.Unlock()
	c, ok := s.Find(*id)
	if !ok || c.State == desk.Closed {
		return errUnknown(*id)
	}
	defer s.Touch()
	do(c)
	return nil
}

func (s *Sim) sendMsg(body []byte) error {
	var b textBody
	if err := desk.Strict(body, &b); err != nil {
		return err
	}
	if b.Text == nil {
		return desk.Refuse(http.StatusBadRequest, "Message_Text is missing")
	}
	return s.with(b.ID, func(c *chat) { s.Heard(c, desk.Entry{Text: *b.Text, Request: "sendmsg"}) })
}

func (s *Sim) typingMsg(body []byte) error {
	var b typingBody
	if err := desk.Strict(body, &b); err != nil {
		return err
	}
	status := strings.Trim(string(b.Status), `"`)
	if status != "1" && status != "2" {
		return desk.Refuse(http.StatusBadRequest, "typing_status is neither 1 nor 2")
	}
	return s.with(b.ID, func(c *chat) { c.Typing = status == "1" })
}

func (s *Sim) fireEvent(body []byte) error {
	var b eventBody
	if err := desk.Strict(body, &b); err != nil {
		return err
	}
	params, err := pairs(b.Params)
	if err != nil {
		return err
	}
	if b.Name == "" {
		return desk.Refuse(http.StatusBadRequest, "Fire_Event_Name is missing")
	}
	return s.with(b.ID, func(c *chat) {
		e := desk.Entry{From: "customer", Kind: "event", Name: c.Name, Text: b.Name, Request: "fireevent"}
		if len(params) > 0 {
			e.Params = params
		}
		if b.Name == attachmentEvent {
			e.Attachments = files(params)
		}
		s.Note(c, e)
	})
}

// By this convention a customer's file reaches the agent's desk.
const (
	attachmentEvent = "SC_ATTACHMENT"
	attachmentURL   = "SC_URL"
)

func files(params []pair) (list []desk.Attachment) {
	for _, p := range params {
		if p.Key == attachmentURL {
			list = append(list, desk.Attachment{URL: p.Value})
		}
	}
	return list
}

func (s *Sim) leaveChat(body []byte) error {
	var b leaveBody
	if err := desk.Strict(body, &b); err != nil {
		return err
	}
	return s.with(b.ID, func(c *chat) {
		c.left = true
		s.Move(c, desk.Closed)
		s.Note(c, desk.Entry{From: "system", Kind: "status", Text: "The customer left.", Request: "leavechat"})
	})
}

// nothing is the answer to a poll that has no news.
var nothing = json.RawMessage(`{}`)

// getEvents answers with the events above Last_Event_ID, and {} if there are none.
func (s *Sim) getEvents(r *http.Request) (any, error) {
	if r.Method != http.MethodGet {
		return nil, desk.Refuse(http.StatusMethodNotAllowed, "getevents wants GET")
	}
	q := r.URL.Query()
	id := q.Get("Connection_ID")
	if id == "" {
		return nil, desk.Refuse(http.StatusBadRequest, "Connection_ID is missing")
	}
	last, err := strconv.Atoi(q.Get("Last_Event_ID"))
	if err != nil || last < 0 {
		return nil, desk.Refuse(http.StatusBadRequest, "Last_Event_ID is not a number")
	}
	s.Lock()
	defer s.Unlock()
	c, ok := s.Find(id)
	if !ok || c.left {
		return nil, errUnknown(id)
	}
	news := slices.Clone(c.after(last))
	if len(news) == 0 {
		return nothing, nil
	}
	return struct{ Events []event }{news}, nil
}
