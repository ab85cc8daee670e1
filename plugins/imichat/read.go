package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

// incoming reads the agent's message. What is not said to be for the customer is
// for nobody but agents.
func incoming(e *sdk.Event, f fields) error {
	m, nested := f, bytes.HasPrefix(f["message"], []byte("{"))
	if nested {
		m, _ = object(f["message"])
	}
	if strings.EqualFold(cmp.Or(m.word("direction"), f.word("direction")), inbound) {
		e.Type, e.EventName = sdk.CustomEvent, "message_echo" // the customer's own
		return nil
	}
	e.Text = f.text("message", "text")
	if nested {
		e.Text = m.text("text", "message", "body")
	}
	e.Attachments = attachments(m["attachments"], f["attachments"], m["attachment"], f["attachment"])
	if e.Text == "" && len(e.Attachments) == 0 {
		return invalidError("neither a text nor an attachment")
	}
	e.Agent = agent(f)
	e.MessageID = clip(cmp.Or(f.word("messageid"), m.word("messageid", "id")), maxRef)
	e.Private = private(f) || nested && private(m)
	return nil
}

func private(f fields) bool {
	if f.yes("private", "isprivate", "internal", "note") {
		return true
	}
	switch strings.ToLower(f.word("visibility")) {
	case "", "all", "customer", "public":
	default:
		return true
	}
	switch fold(f.word("messagetype", "type")) {
	case "note", "privatenote", "internalnote", "whisper":
		return true
	}
	return false
}

// attachments reads a list of objects, or of addresses.
func attachments(lists ...json.RawMessage) (out []sdk.Attachment) {
	for _, l := range lists {
		for _, raw := range list(l) {
			a := sdk.Attachment{URL: scalar(raw)}
			if f, ok := object(raw); ok {
				a = sdk.Attachment{
					URL: f.word("url", "fileurl", "link", "href"), MIME: f.word("mimetype", "mime", "contenttype"),
					Name: f.word("name", "filename"), Caption: f.text("caption"),
				}
				a.Bytes, _ = strconv.ParseInt(f.word("size", "bytes", "filesize"), 10, 64)
				a.Bytes = max(a.Bytes, 0)
			}
			if a.URL != "" && len(out) < maxFiles {
				out = append(out, a)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// agent reads who acted: a name, an object, or members of their own.
func agent(f fields) sdk.Agent {
	if a, ok := object(f["agent"]); ok {
		return sdk.Agent{ID: a.word("id", "agentid", "loginid", "login"), Name: a.word("name", "agentname", "displayname")}
	}
	return sdk.Agent{ID: f.word("agentid", "assignee", "loginid"), Name: f.word("agentname", "agent")}
}

// closed: the chat ended at the far side, or timed out there.
func closed(e *sdk.Event, f fields) {
	e.Status, e.Reason = cmp.Or(f.word("status"), statusClosed), f.word("reason", "closereason")
	e.By, e.ReasonCode = strings.ToLower(f.word("closedby", "by")), f.word("reasoncode")
	e.TimedOut = f.yes("timedout") || timeout(e.Status) || timeout(e.Reason)
	if e.Reason == "" {
		e.Reason = e.Status
		if e.TimedOut {
			e.Reason = "timed_out"
		}
	}
	e.Agent = agent(f)
}

func timeout(text string) bool {
	switch fold(text) {
	case "timedout", "timeout":
		return true
	}
	return false
}

// queued reads where a chat waits, and how long that will take.
func queued(e *sdk.Event, f fields) {
	e.Queue, e.Agent = f.word("queue", "teamname", "team", "teamid"), agent(f)
	if n, err := strconv.Atoi(f.word("position", "queueposition")); err == nil && n > 0 {
		e.Position = &n
	}
	if d, ok := f.minutes("estwait", "estimatedwait", "estimatedwaittime"); ok {
		e.EstWait = &d
	}
}

func transferred(e *sdk.Event, f fields) {
	e.From = f.word("from", "fromagent", "fromteam", "fromqueue", "fromskill")
	e.Agent = agent(f)
	for _, to := range []struct{ kind, name string }{
		{"agent", "toagent"}, {"queue", "toteam"}, {"queue", "toqueue"}, {"skill", "toskill"},
		{"", "to"}, {"queue", "teamname"}, {"queue", "teamid"}, {"skill", "skillid"},
	} {
		if e.To == "" {
			e.Kind, e.To = to.kind, f.word(to.name)
		}
	}
	switch kind := strings.ToLower(f.word("kind", "transfertype")); kind {
	case "":
	case "team", "group":
		e.Kind = "queue"
	default:
		e.Kind = clip(kind, maxName)
	}
	e.Kind = cmp.Or(e.Kind, "queue")
}

func rated(e *sdk.Event, f fields) error {
	score, err := strconv.ParseFloat(f.word("score", "rating"), 64)
	if err != nil || math.IsNaN(score) || math.Abs(score) > 1e6 {
		return invalidError("score is not a number")
	}
	e.Score, e.Comment, e.Agent = &score, f.text("comment", "feedback"), agent(f)
	return nil
}

// controls are the events that say who has the conversation.
var controls = map[string]bool{
	sdk.ControlOffered: true, sdk.ControlAccepted: true, sdk.ControlPassed: true, sdk.ControlReleased: true,
}

// control reads who gets the conversation: members of the event, or of its params.
func control(e *sdk.Event, f fields) error {
	e.Params = namedParams(f)
	e.Agent = agent(f)
	said := func(name string) string { return strings.TrimSpace(cmp.Or(f.word(name), e.Params[name])) }
	e.Reason = said("reason")
	switch to := fold(said("to")); to {
	case "":
	case sdk.ToBot, sdk.ToCCSP:
		e.To = to
	case "agent", "agents":
		e.To = sdk.ToCCSP
	default:
		return invalidError("to is neither bot nor ccsp")
	}
	e.Params = maps.Clone(e.Params)
	delete(e.Params, "to")
	delete(e.Params, "reason")
	if len(e.Params) == 0 {
		e.Params = nil
	}
	return nil
}
