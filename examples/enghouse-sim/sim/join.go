package sim

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// joinData is the body of joinchat. All of it is strings, also what is a number,
// but the last, which, whatever its name says, is a list of pairs or "".
type joinData struct {
	APIVersion      *string         `json:"API_Version"`
	Address         *string         `json:"Call_Center_Address"`
	Port            *string         `json:"Call_Center_Port"`
	Queue           *string         `json:"Call_Center_QueueName"`
	HardMessage     *string         `json:"Calling_User_HardMessage"`
	FirstName       *string         `json:"Calling_User_FirstName"`
	LastName        *string         `json:"Calling_User_LastName"`
	URL             *string         `json:"Calling_User_URL"`
	Skills          *string         `json:"Calling_User_Skills"`
	Priority        *string         `json:"Calling_User_Priority"`
	TQOS            *string         `json:"TQOS"`
	RoutingPriority *string         `json:"Routing_Priority"`
	AccountID       *string         `json:"AccountID"`
	ApplicationID   *string         `json:"ApplicationID"`
	TenantID        *string         `json:"TenantID"`
	Params          json.RawMessage `json:"OptionalParameterCount"`

	// Some installations have these as well.
	Name       string `json:"Call_Center_Name"`
	PhoneType  string `json:"Calling_User_PhoneType"`
	TenantName string `json:"TenantName"`
}

// fields are those that the vendor's own client always sends.
func (d *joinData) fields() []joinField {
	return []joinField{
		{"API_Version", d.APIVersion, false}, {"Call_Center_Address", d.Address, false}, {"Call_Center_Port", d.Port, true},
		{"Call_Center_QueueName", d.Queue, false}, {"Calling_User_HardMessage", d.HardMessage, false},
		{"Calling_User_FirstName", d.FirstName, false}, {"Calling_User_LastName", d.LastName, false},
		{"Calling_User_URL", d.URL, false}, {"Calling_User_Skills", d.Skills, false},
		{"Calling_User_Priority", d.Priority, true}, {"TQOS", d.TQOS, true}, {"Routing_Priority", d.RoutingPriority, true},
		{"AccountID", d.AccountID, false}, {"ApplicationID", d.ApplicationID, false}, {"TenantID", d.TenantID, false},
	}
}

type joinField struct {
	name   string
	value  *string
	number bool
}

// check refuses what lacks a field, or has a word for a number.
func (d *joinData) check() error {
	for _, f := range d.fields() {
		if f.value == nil {
			return desk.Refuse(http.StatusBadRequest, "%s is missing", f.name)
		}
		if _, err := strconv.Atoi(*f.value); f.number && err != nil {
			return desk.Refuse(http.StatusBadRequest, "%s %q is not a number in a string", f.name, *f.value)
		}
	}
	if *d.APIVersion != "1.0" {
		return desk.Refuse(http.StatusBadRequest, "API_Version is %q, want 1.0", *d.APIVersion)
	}
	return nil
}

func (d *joinData) chat(params []pair) *chat {
	profile := desk.Facts("First name", *d.FirstName, "Last name", *d.LastName, "Source", *d.URL)
	call := desk.Facts("Queue", *d.Queue, "Skills", *d.Skills, "Priority", *d.Priority,
		"Routing priority", *d.RoutingPriority, "TQOS", *d.TQOS, "Phone type", d.PhoneType, "Tenant", *d.TenantID,
		"Tenant name", d.TenantName, "Application", *d.ApplicationID, "Account", *d.AccountID,
		"Call center", strings.TrimSpace(d.Name+" "+*d.Address), "Port", *d.Port)
	return &chat{Chat: Chat{Queue: *d.Queue, Source: *d.URL, Skills: *d.Skills, Priority: *d.Priority, Params: params,
		Chat: desk.Chat{ID: rand.Text(), State: desk.Queued, Profile: append(profile, call...),
			Name: strings.TrimSpace(*d.FirstName + " " + *d.LastName)}}}
}

func (s *Sim) joinChat(body []byte) (any, error) {
	var d joinData
	if err := desk.Strict(body, &d); err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	params, err := pairs(d.Params)
	if err != nil {
		return nil, err
	}
	s.Lock()
	defer s.Unlock()
	c := d.chat(params)
	if !s.Add(c) {
		return nil, desk.Late(http.StatusServiceUnavailable, "%d chats are open", desk.MaxChats)
	}
	defer s.Touch()
	c.status(codeCalling, event{})
	c.status(codeConnected, event{})
	if *d.HardMessage != "" {
		s.Heard(c, desk.Entry{Text: *d.HardMessage, Request: "joinchat"})
	}
	switch unknown := s.unknownSkill(*d.Skills); {
	case len(s.queues) > 0 && !slices.Contains(s.queues, *d.Queue):
		s.end(c, reasonInvalidQueue)
	case unknown != "":
		s.end(c, reasonUnknownSkill)
	default:
		s.enqueue(c)
	}
	return map[string]any{"Connection_ID": c.ID}, nil
}

// unknownSkill returns the first of a list of skills that there is not.
func (s *Sim) unknownSkill(list string) string {
	if len(s.skills) == 0 {
		return ""
	}
	split := func(r rune) bool { return r == ',' || r == ';' }
	for _, skill := range strings.FieldsFunc(list, split) {
		if skill = strings.TrimSpace(skill); skill != "" && !slices.Contains(s.skills, skill) {
			return skill
		}
	}
	return ""
}

// pairs reads OptionalParameterCount.
func pairs(raw json.RawMessage) ([]pair, error) {
	switch string(raw) {
	case "":
		return nil, desk.Refuse(http.StatusBadRequest, "OptionalParameterCount is missing")
	case `""`:
		return nil, nil
	}
	var ps []pair
	if err := desk.Strict(raw, &ps); err != nil || ps == nil {
		return nil, desk.Refuse(http.StatusBadRequest, "OptionalParameterCount is neither a list of keys and values nor an empty string")
	}
	for _, p := range ps {
		if p.Key == "" {
			return nil, desk.Refuse(http.StatusBadRequest, "OptionalParameterCount has a pair without a key")
		}
	}
	return ps, nil
}
