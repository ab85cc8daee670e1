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
	"time"
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
	ID          string       `json:"message_id"`
	Direction   string       `json:"direction"`
	Type        string       `json:"type"`
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
	Timestamp   string       `json:"timestamp"`
}

type attachment struct {
	URL     string `json:"url"`
	Name    string `json:"name,omitempty"`
	MIME    string `json:"mime_type,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Caption string `json:"caption,omitempty"`
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

// refusal is an answer other than 200.
type refusal struct {
	status int
	what   string
}

func (e *refusal) Error() string { return e.what }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

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
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, BodyLimit))
	if err != nil {
		s.writeEnvelope(w, http.StatusRequestEntityTooLarge, "Request is too large", nil)
		return
	}
	f, faulty := s.faults.take(verb)
	if faulty && !f.After {
		f.serve(w, r)
		return
	}
	response, err := s.call(r, verb, id, body)
	if faulty {
		f.serve(w, r)
		return
	}
	s.opts.Log.Debug("call", "verb", verb, "bytes", len(body), "err", err)
	var no *refusal
	if errors.As(err, &no) {
		s.writeEnvelope(w, no.status, no.what, nil)
		return
	}
	s.writeEnvelope(w, http.StatusOK, "Success", response)
}

// call carries one call out.
func (s *Sim) call(r *http.Request, verb, id string, body []byte) (any, error) {
	if len(s.opts.Secrets) > 0 && !slices.Contains(s.opts.Secrets, r.Header.Get("key")) {
		return nil, refuse(http.StatusUnauthorized, "Invalid key")
	}
	method, known := methodOf[verb]
	switch {
	case !known:
		return nil, refuse(http.StatusNotFound, "No such resource")
	case r.Method != method:
		return nil, refuse(http.StatusMethodNotAllowed, "%s wants %s", verb, method)
	}
	if method != http.MethodGet {
		mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || mt != "application/json" {
			return nil, refuse(http.StatusUnsupportedMediaType, "want application/json")
		}
	}
	if verb == "create" {
		return s.create(body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[id]
	if c == nil {
		return nil, refuse(http.StatusNotFound, "Chat %q does not exist", id)
	}
	defer s.touch()
	return s.calls(c, verb, body)
}

// calls carries out a call about chat c. s.mu is held.
func (s *Sim) calls(c *chat, verb string, body []byte) (any, error) {
	if verb == "chat" {
		return c.object(), nil
	}
	if c.state == stateClosed && verb != "reopen" {
		if verb == "close" {
			return nil, refuse(http.StatusConflict, "Chat is closed")
		}
		return nil, refuse(http.StatusGone, "Chat is closed")
	}
	if verb == "append" {
		var m messageBody
		if err := strict(body, &m); err != nil {
			return nil, err
		}
		if err := m.check(); err != nil {
			return nil, err
		}
		s.schedule(c, c.heard(s.opts.Now(), m).Text)
		return map[string]any{"chat_id": c.id, "message_id": m.ID}, nil
	}
	var b callBody
	if err := strict(body, &b); err != nil {
		return nil, err
	}
	switch verb {
	case "typing":
		if b.Typing == nil {
			return nil, refuse(http.StatusBadRequest, "typing is missing")
		}
		c.typing = *b.Typing
	case "close":
		c.state, c.typing = stateClosed, false
		s.mark(c, "The customer's side closed the chat.")
	case "reopen":
		if c.state != stateClosed {
			return nil, refuse(http.StatusConflict, "Chat is not closed")
		}
		c.state = stateQueued
		s.mark(c, "Opened again.")
	case "transfer":
		return nil, s.transferCall(c, b)
	case "event":
		if b.EventName == "" {
			return nil, refuse(http.StatusBadRequest, "event_name is missing")
		}
		c.note(Entry{At: s.opts.Now(), From: "customer", Kind: "event", Text: b.EventName, Params: b.Params})
	}
	return c.object(), nil
}

// transferCall: only chats that are queued or picked can be transferred.
func (s *Sim) transferCall(c *chat, b callBody) error {
	if c.state == stateHeld {
		return refuse(http.StatusConflict, "Chat is on hold")
	}
	team, err := b.TeamID.Int64()
	if b.SkillID == "" && err != nil {
		return refuse(http.StatusBadRequest, "neither team_id nor skill_id")
	}
	if b.SkillID == "" && !s.hasTeam(team) {
		return refuse(http.StatusBadRequest, "No team %d", team)
	}
	if b.SkillID == "" {
		c.create.TeamID = team
	}
	c.state, c.agent = stateQueued, ""
	s.mark(c, "Transferred from outside.")
	return nil
}

func (s *Sim) hasTeam(id int64) bool {
	return len(s.opts.Teams) == 0 || slices.Contains(s.opts.Teams, id)
}

func (s *Sim) create(body []byte) (any, error) {
	var b createBody
	if err := strict(body, &b); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(channelNames, b.Channel):
		return nil, refuse(http.StatusBadRequest, "channel %q is not one of %v", b.Channel, channelNames)
	case b.AliasID == "" || b.Customer.ID == "" || b.Asset.ID == "":
		return nil, refuse(http.StatusBadRequest, "alias_id, customer.id or asset.id is missing")
	case !s.hasTeam(b.TeamID):
		return nil, refuse(http.StatusBadRequest, "No team %d", b.TeamID)
	}
	for _, m := range b.Messages {
		if err := m.check(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &chat{id: newID(), create: b, state: stateQueued, opened: s.opts.Now()}
	if !s.add(c) {
		return nil, refuse(http.StatusServiceUnavailable, "%d chats are open", maxChats)
	}
	defer s.touch()
	s.tell(c, "chat_opened", member{"team_name", "Team " + strconv.FormatInt(b.TeamID, 10)})
	for _, m := range b.Messages {
		s.schedule(c, c.heard(s.opts.Now(), m).Text)
	}
	return c.object(), nil
}

func (m messageBody) check() error {
	switch {
	case m.Direction != "inbound":
		return refuse(http.StatusBadRequest, "direction %q is not inbound", m.Direction)
	case m.Type != "text" && m.Type != "attachment":
		return refuse(http.StatusBadRequest, "type %q is neither text nor attachment", m.Type)
	case m.Text == "" && len(m.Attachments) == 0:
		return refuse(http.StatusBadRequest, "neither text nor attachments")
	}
	if _, err := time.Parse(time.RFC3339, m.Timestamp); err != nil && m.Timestamp != "" {
		return refuse(http.StatusBadRequest, "timestamp is not of RFC 3339")
	}
	return nil
}

// object is the documented chat object.
func (c *chat) object() map[string]any {
	return map[string]any{
		"team_id": c.create.TeamID, "chat_id": c.id, "alias_id": c.create.AliasID, "status": c.state,
		"channel": c.create.Channel, "customer": c.create.Customer, "asset": c.create.Asset, "assignee": c.agent,
		"created_at": c.opened.UTC().Format(time.RFC3339), "route_params": c.create.RouteParams,
	}
}

// writeEnvelope writes the code as a number or as a text: both are seen.
func (s *Sim) writeEnvelope(w http.ResponseWriter, status int, description string, response any) {
	var code any = status
	if s.opts.Now().UnixNano()/1000%2 == 0 {
		code = strconv.Itoa(status)
	}
	writeJSON(w, status, map[string]any{"status_code": code, "description": description, "response": response})
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

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone
}
