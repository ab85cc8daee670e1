package sim

import (
	"cmp"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// wirePath is where the API is.
const wirePath = "/v3.1/chats"

// isWire reports whether path is the API's, of whatever version, not the
// agent's page.
func isWire(path string) bool {
	return len(path) > 2 && path[:2] == "/v" && path[2] >= '0' && path[2] <= '9'
}

// verbOf names a call as faults do: create, chat, update, append, typing,
// close, transfer, reopen, event, receipt, hold, resume. id is the chat's, ""
// for create.
func verbOf(r *http.Request) (verb, id string) {
	rest, ok := strings.CutPrefix(r.URL.Path, wirePath)
	if rest == "" && ok {
		return "create", ""
	}
	if !ok || rest[0] != '/' {
		return r.URL.Path, ""
	}
	id, sub, _ := strings.Cut(rest[1:], "/")
	switch sub {
	case "":
		if r.Method == http.MethodPut {
			return "update", id
		}
		return "chat", id
	case "receipts":
		return "receipt", id
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
	"event": http.MethodPost, "receipt": http.MethodPost, "close": http.MethodPut, "reopen": http.MethodPut,
	"hold": http.MethodPut, "resume": http.MethodPut, "update": http.MethodPut, "chat": http.MethodGet,
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
		return nil, desk.Late(http.StatusNotFound, "Chat %q does not exist", id)
	}
	defer s.Touch()
	return s.calls(c, verb, body)
}

func (s *Sim) hasTeam(id int64) bool {
	return len(s.opts.Teams) == 0 || slices.Contains(s.opts.Teams, id)
}

func (s *Sim) create(body []byte) (any, error) {
	var b createBody
	if err := desk.Strict(body, &b); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	if !s.hasTeam(b.TeamID) {
		return nil, desk.Refuse(http.StatusBadRequest, "No team %d", b.TeamID)
	}
	s.Lock()
	defer s.Unlock()
	if other, ok := s.aliases[b.AliasID]; ok {
		return nil, s.twice(other)
	}
	c := newChat(b)
	if !s.Add(c) {
		return nil, desk.Late(http.StatusServiceUnavailable, "%d chats are open", desk.MaxChats)
	}
	s.aliases[c.Alias] = c
	defer s.Touch()
	s.tell(c, "chat_opened", member{"team_name", c.teamName()})
	for _, m := range b.Messages {
		s.Heard(c, m.entry())
	}
	return c.object(), nil
}

// shut closes c; its alias is free from then on.
func (s *Sim) shut(c *chat) {
	s.Move(c, desk.Closed)
	if s.aliases[c.Alias] == c {
		delete(s.aliases, c.Alias)
	}
}

// open has c open again.
func (s *Sim) open(c *chat, state string) {
	s.Move(c, state)
	if c.Alias != "" {
		s.aliases[c.Alias] = c
	}
}

// object is the documented chat object.
func (c *chat) object() map[string]any {
	return map[string]any{
		"team_id": c.Team, "team_name": c.teamName(), "chat_id": c.ID, "alias_id": c.Alias, "status": c.State,
		"channel": c.Channel, "subject": c.subject, "thread_id": c.thread, "customer": c.customer, "asset": c.asset,
		"assignee": c.Agent, "flag": c.flag, "tag": c.tag, "route_params": c.Params, "messages": c.messages(),
		"created_at": c.Opened.UTC().Format(time.RFC3339), "updated_at": c.updated().UTC().Format(time.RFC3339),
	}
}

const maxMessages = 200 // of a chat's object, the last ones

// messages are those of both sides; an agent's are there again as the webhook
// had them.
func (c *chat) messages() []map[string]any {
	list := []map[string]any{}
	for _, e := range c.Entries() {
		if e.Kind != "text" && e.Kind != "note" {
			continue
		}
		m := map[string]any{"message_id": e.MessageID, "direction": "inbound", "type": "text", "text": e.Text,
			"attachments": []desk.Attachment{}, "timestamp": e.At.UTC().Format(time.RFC3339)}
		if len(e.Attachments) > 0 {
			m["type"], m["attachments"] = "attachment", e.Attachments
		}
		switch {
		case e.From == "agent":
			m["direction"], m["agent"] = "outbound", e.Name
		case e.Earlier:
			m["author"] = map[string]string{"type": e.Author}
			if e.Author != "customer" {
				m["direction"] = "outbound"
			}
		}
		if e.Kind == "note" {
			m["visibility"] = "agent"
		}
		list = append(list, m)
	}
	return list[max(0, len(list)-maxMessages):]
}

func (c *chat) updated() time.Time {
	if all := c.Entries(); len(all) > 0 {
		return all[len(all)-1].At
	}
	return c.Opened
}

func (c *chat) teamName() string {
	return cmp.Or(c.team, "Team "+strconv.FormatInt(c.Team, 10))
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
