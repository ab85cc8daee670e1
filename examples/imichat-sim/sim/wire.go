package sim

import (
	"cmp"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// createBody is the body of POST /v3.1/chats.
type createBody struct {
	TeamID      int64             `json:"team_id"`
	AliasID     string            `json:"alias_id"`
	Channel     string            `json:"channel"`
	Subject     string            `json:"subject"`
	ThreadID    string            `json:"thread_id"`
	Customer    customer          `json:"customer"`
	Asset       asset             `json:"asset"`
	Messages    []messageBody     `json:"messages"`
	Tag         []string          `json:"tag"`
	Flag        string            `json:"flag"`
	RouteParams map[string]string `json:"route_params"`
}

type asset struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

type customer struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	FirstName  string            `json:"first_name"`
	LastName   string            `json:"last_name"`
	Locale     string            `json:"locale"`
	Timezone   string            `json:"timezone"`
	Addresses  map[string]string `json:"addresses"`
	Attributes map[string]string `json:"attributes"`
}

type messageBody struct {
	ID          string            `json:"message_id"`
	Direction   string            `json:"direction"`
	Type        string            `json:"type"`
	Text        string            `json:"text"`
	Attachments []desk.Attachment `json:"attachments"`
	Timestamp   string            `json:"timestamp"`
}

type callBody struct {
	Direction string            `json:"direction"`
	Typing    *bool             `json:"typing"`
	Status    string            `json:"status"`
	Reason    string            `json:"reason"`
	TeamID    json.Number       `json:"team_id"`
	SkillID   string            `json:"skill_id"`
	EventName string            `json:"event_name"`
	Params    map[string]string `json:"params"`
}

// channelNames are those of the documented chat object.
var channelNames = []string{"sms", "facebook", "twitter", "livechat", "email", "abc", "whatsapp", "api"}

func isWire(path string) bool { return path == "/v3.1" || strings.HasPrefix(path, "/v3.1/") }

// verbOf names a call as faults do: create, chat, append, typing, close,
// transfer, reopen, event. id is the chat's, "" for create.
func verbOf(r *http.Request) (verb, id string) {
	rest := strings.TrimPrefix(r.URL.Path, "/v3.1/chats")
	if rest == "" {
		return "create", ""
	}
	id, sub, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch sub {
	case "":
		return "chat", id
	case "messages":
		return "append", id
	case "events":
		return "event", id
	}
	return sub, id
}

// methodOf is how each call is made.
var methodOf = map[string]string{
	"create": http.MethodPost, "append": http.MethodPost, "typing": http.MethodPost, "transfer": http.MethodPost,
	"event": http.MethodPost, "close": http.MethodPut, "reopen": http.MethodPut, "chat": http.MethodGet,
}

// serveWire answers one call of the REST API.
func (s *Sim) serveWire(w http.ResponseWriter, r *http.Request) {
	verb, id := verbOf(r)
	s.Call(w, r, verb, func(body []byte) (any, error) { return s.call(r, verb, id, body) })
}

// call carries one call out.
func (s *Sim) call(r *http.Request, verb, id string, body []byte) (any, error) {
	if len(s.opts.Secrets) > 0 && !slices.Contains(s.opts.Secrets, r.Header.Get("key")) {
		return nil, desk.Refuse(http.StatusUnauthorized, "Invalid key")
	}
	method, known := methodOf[verb]
	switch {
	case !known:
		return nil, desk.Refuse(http.StatusNotFound, "No such resource")
	case r.Method != method:
		return nil, desk.Refuse(http.StatusMethodNotAllowed, "%s wants %s", verb, method)
	}
	if method != http.MethodGet {
		mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || mt != "application/json" {
			return nil, desk.Refuse(http.StatusUnsupportedMediaType, "want application/json")
		}
	}
	if verb == "create" {
		return s.create(body)
	}
	s.Lock()
	defer s.Unlock()
	c, ok := s.Find(id)
	if !ok {
		return nil, desk.Refuse(http.StatusNotFound, "Chat %q does not exist", id)
	}
	defer s.Touch()
	return s.calls(c, verb, body)
}

// calls carries out a call about chat c. The desk is locked.
func (s *Sim) calls(c *chat, verb string, body []byte) (any, error) {
	if verb == "chat" {
		return c.object(), nil
	}
	if c.State == desk.Closed && verb != "reopen" {
		if verb == "close" {
			return nil, desk.Refuse(http.StatusConflict, "Chat is closed")
		}
		return nil, desk.Refuse(http.StatusGone, "Chat is closed")
	}
	if verb == "append" {
		var m messageBody
		if err := desk.Strict(body, &m); err != nil {
			return nil, err
		}
		if err := m.check(); err != nil {
			return nil, err
		}
		s.heard(c, m)
		return map[string]any{"chat_id": c.ID, "message_id": m.ID}, nil
	}
	var b callBody
	if err := desk.Strict(body, &b); err != nil {
		return nil, err
	}
	switch verb {
	case "typing":
		if b.Typing == nil {
			return nil, desk.Refuse(http.StatusBadRequest, "typing is missing")
		}
		c.Typing = *b.Typing
	case "close":
		c.State, c.Typing = desk.Closed, false
		s.Mark(c, "The customer's side closed the chat.")
	case "reopen":
		if c.State != desk.Closed {
			return nil, desk.Refuse(http.StatusConflict, "Chat is not closed")
		}
		c.State = desk.Queued
		s.Mark(c, "Opened again.")
	case "transfer":
		return nil, s.transferCall(c, b)
	case "event":
		if b.EventName == "" {
			return nil, desk.Refuse(http.StatusBadRequest, "event_name is missing")
		}
		s.Note(c, desk.Entry{From: "customer", Kind: "event", Text: b.EventName, Params: shown(b.Params)})
	}
	return c.object(), nil
}

// transferCall: only chats that are queued or picked can be transferred.
func (s *Sim) transferCall(c *chat, b callBody) error {
	if c.State == stateHeld {
		return desk.Refuse(http.StatusConflict, "Chat is on hold")
	}
	team, err := b.TeamID.Int64()
	if b.SkillID == "" && err != nil {
		return desk.Refuse(http.StatusBadRequest, "neither team_id nor skill_id")
	}
	if b.SkillID == "" && !s.hasTeam(team) {
		return desk.Refuse(http.StatusBadRequest, "No team %d", team)
	}
	if b.SkillID == "" {
		c.Team = team
	}
	c.State, c.Agent = desk.Queued, ""
	s.Mark(c, "Transferred from outside.")
	return nil
}

func (s *Sim) hasTeam(id int64) bool {
	return len(s.opts.Teams) == 0 || slices.Contains(s.opts.Teams, id)
}

func (s *Sim) create(body []byte) (any, error) {
	var b createBody
	if err := desk.Strict(body, &b); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(channelNames, b.Channel):
		return nil, desk.Refuse(http.StatusBadRequest, "channel %q is not one of %v", b.Channel, channelNames)
	case b.AliasID == "" || b.Customer.ID == "" || b.Asset.ID == "":
		return nil, desk.Refuse(http.StatusBadRequest, "alias_id, customer.id or asset.id is missing")
	case !s.hasTeam(b.TeamID):
		return nil, desk.Refuse(http.StatusBadRequest, "No team %d", b.TeamID)
	}
	for _, m := range b.Messages {
		if err := m.check(); err != nil {
			return nil, err
		}
	}
	s.Lock()
	defer s.Unlock()
	c := newChat(b)
	if !s.Add(c) {
		return nil, desk.Refuse(http.StatusServiceUnavailable, "%d chats are open", desk.MaxChats)
	}
	defer s.Touch()
	s.tell(c, "chat_opened", member{"team_name", "Team " + strconv.FormatInt(b.TeamID, 10)})
	for _, m := range b.Messages {
		s.heard(c, m)
	}
	return c.object(), nil
}

func (s *Sim) heard(c *chat, m messageBody) {
	s.Heard(c, desk.Entry{Text: m.Text, MessageID: m.ID, Attachments: m.Attachments})
}

func (m messageBody) check() error {
	switch {
	case m.Direction != "inbound":
		return desk.Refuse(http.StatusBadRequest, "direction %q is not inbound", m.Direction)
	case m.Type != "text" && m.Type != "attachment":
		return desk.Refuse(http.StatusBadRequest, "type %q is neither text nor attachment", m.Type)
	case m.Text == "" && len(m.Attachments) == 0:
		return desk.Refuse(http.StatusBadRequest, "neither text nor attachments")
	}
	if _, err := time.Parse(time.RFC3339, m.Timestamp); err != nil && m.Timestamp != "" {
		return desk.Refuse(http.StatusBadRequest, "timestamp is not of RFC 3339")
	}
	return nil
}

// object is the documented chat object.
func (c *chat) object() map[string]any {
	return map[string]any{
		"team_id": c.Team, "chat_id": c.ID, "alias_id": c.Alias, "status": c.State,
		"channel": c.Channel, "customer": c.customer, "asset": c.asset, "assignee": c.Agent,
		"created_at": c.Opened.UTC().Format(time.RFC3339), "route_params": c.Params,
	}
}

// writeEnvelope writes the code as a number or as a text: both are seen.
func (s *Sim) writeEnvelope(w http.ResponseWriter, status int, what string, response any) {
	var code any = status
	if s.Now().UnixNano()/1000%2 == 0 {
		code = strconv.Itoa(status)
	}
	writeEnvelope(w, status, code, cmp.Or(what, "Success"), response)
}

func writeEnvelope(w http.ResponseWriter, status int, code any, description string, response any) {
	desk.WriteJSON(w, status, map[string]any{"status_code": code, "description": description, "response": response})
}

// refuse answers a fault, in the envelope alone if that is asked for.
func refuse(w http.ResponseWriter, f Fault) {
	status := f.Status()
	if f.Envelope {
		status = http.StatusOK
	}
	writeEnvelope(w, status, f.Kind, "made to fail", nil)
}
