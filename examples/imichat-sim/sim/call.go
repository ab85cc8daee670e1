package sim

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// calls carries out a call about chat c. The desk is locked.
func (s *Sim) calls(c *chat, verb string, body []byte) (any, error) {
	switch verb {
	case "chat":
		return c.object(), nil
	case "receipt", "reopen":
	default:
		if c.State == desk.Closed {
			return nil, desk.Late(closedStatus(verb), "Chat is closed")
		}
	}
	switch verb {
	case "append":
		return s.append(c, body)
	case "update":
		return s.update(c, body)
	}
	var b callBody
	if err := desk.Strict(body, &b); err != nil {
		return nil, err
	}
	if err := s.callsOf()[verb](c, b); err != nil {
		return nil, err
	}
	return c.object(), nil
}

// closedStatus: nothing can be done with a closed chat, and it is no longer
// there for messages.
func closedStatus(verb string) int {
	if verb == "close" || verb == "transfer" {
		return http.StatusConflict
	}
	return http.StatusGone
}

// callsOf are the calls that are no more than a few words.
func (s *Sim) callsOf() map[string]func(*chat, callBody) error {
	return map[string]func(*chat, callBody) error{
		"typing": s.typingCall, "close": s.closeCall, "reopen": s.reopenCall, "transfer": s.transferCall,
		"event": s.eventCall, "receipt": s.receiptCall, "hold": s.holdCall, "resume": s.resumeCall,
	}
}

func (s *Sim) append(c *chat, body []byte) (any, error) {
	var m messageBody
	if err := desk.Strict(body, &m); err != nil {
		return nil, err
	}
	if err := m.check(false); err != nil {
		return nil, err
	}
	s.Heard(c, m.entry())
	return map[string]any{"chat_id": c.ID, "message_id": m.ID}, nil
}

func (s *Sim) update(c *chat, body []byte) (any, error) {
	var b updateBody
	if err := desk.Strict(body, &b); err != nil {
		return nil, err
	}
	if b == (updateBody{}) {
		return nil, desk.Refuse(http.StatusBadRequest, "nothing to update")
	}
	if b.Customer != nil {
		c.customer = *b.Customer
		c.Name = cmp.Or(c.customer.Name, c.Name)
	}
	if b.Subject != nil {
		c.subject = *b.Subject
	}
	if b.Tag != nil {
		c.tag = *b.Tag
	}
	if b.Flag != nil {
		c.flag = *b.Flag
	}
	if b.RouteParams != nil {
		c.Params = *b.RouteParams
	}
	c.fillProfile()
	s.Mark(c, "The customer's profile was updated.")
	return c.object(), nil
}

func (s *Sim) typingCall(c *chat, b callBody) error {
	if b.Typing == nil {
		return desk.Refuse(http.StatusBadRequest, "typing is missing")
	}
	c.Typing = *b.Typing
	return nil
}

func (s *Sim) closeCall(c *chat, b callBody) error {
	s.shut(c)
	text := "The customer's side closed the chat."
	if b.Reason != "" {
		text = "The customer's side closed the chat: " + b.Reason + "."
	}
	s.Mark(c, text)
	return nil
}

func (s *Sim) reopenCall(c *chat, _ callBody) error {
	if c.State != desk.Closed {
		return desk.Late(http.StatusConflict, "Chat is not closed")
	}
	if other, ok := s.aliases[c.Alias]; ok && c.Alias != "" {
		return s.twice(other)
	}
	s.open(c, desk.Queued)
	c.Agent = ""
	s.Mark(c, "Opened again.")
	return nil
}

// transferCall: only chats that are queued or picked can be transferred.
func (s *Sim) transferCall(c *chat, b callBody) error {
	if c.State == stateHeld {
		return desk.Late(http.StatusConflict, "Chat is on hold")
	}
	team, err := b.TeamID.Int64()
	switch {
	case b.SkillID == "" && err != nil:
		return desk.Refuse(http.StatusBadRequest, "neither team_id nor skill_id")
	case b.SkillID == "" && !s.hasTeam(team):
		return desk.Refuse(http.StatusBadRequest, "No team %d", team)
	case b.SkillID == "":
		c.Team = team
	}
	s.Move(c, desk.Queued)
	c.Agent, c.For = "", ""
	s.Mark(c, "Transferred from outside.")
	return nil
}

func (s *Sim) eventCall(c *chat, b callBody) error {
	if b.EventName == "" {
		return desk.Refuse(http.StatusBadRequest, "event_name is missing")
	}
	s.Note(c, desk.Entry{From: "customer", Kind: "event", Text: b.EventName, Params: shown(b.Params)})
	return nil
}

var receiptStatuses = []string{"sent", "delivered", "read", "failed"}

func (s *Sim) receiptCall(c *chat, b callBody) error {
	switch {
	case b.MessageID == "":
		return desk.Refuse(http.StatusBadRequest, "message_id is missing")
	case !slices.Contains(receiptStatuses, b.Status):
		return desk.Refuse(http.StatusBadRequest, "status %q is not one of %v", b.Status, receiptStatuses)
	}
	if err := checkTime(b.Timestamp); err != nil {
		return err
	}
	if !s.Receipt(c, b.MessageID, b.Status, b.Reason) {
		return desk.Late(http.StatusNotFound, "Chat has no message %q of an agent", b.MessageID)
	}
	return nil
}

func (s *Sim) holdCall(c *chat, _ callBody) error {
	if c.State != statePicked {
		return desk.Late(http.StatusConflict, "Chat is %s", c.State)
	}
	s.Move(c, stateHeld)
	s.Mark(c, "Put on hold from outside.")
	return nil
}

func (s *Sim) resumeCall(c *chat, _ callBody) error {
	if c.State != stateHeld {
		return desk.Late(http.StatusConflict, "Chat is %s", c.State)
	}
	s.Move(c, statePicked)
	s.Mark(c, "Resumed from outside.")
	return nil
}

// twice refuses an alias that an open chat has.
func (s *Sim) twice(other *chat) error {
	return &desk.Refusal{Status: http.StatusConflict, What: "alias_id " + strconv.Quote(other.Alias) + " has an open chat",
		Late: true, Answer: map[string]string{"chat_id": other.ID}}
}
