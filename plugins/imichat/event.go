package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxRef   = 512 // bytes of a chat's or a message's id
	maxName  = 200 // bytes of a custom event's name
	maxFiles = 50  // attachments of a message
)

// What is not among the gateway's own types of events.
const (
	agentChat   = "agent_chat_initiated"
	typingStart = "typing_start"
	typingStop  = "typing_stop"
)

// knownTypes are the far side's events by their folded names.
func knownTypes() map[string]string {
	return map[string]string{
		"chatclosed":         sdk.ChatClosed,
		"chatidle":           sdk.ChatIdle,
		"chatopened":         sdk.ChatOpened,
		"customevent":        sdk.CustomEvent,
		"incomingmessage":    sdk.IncomingMessage,
		"customerunattended": sdk.CustomerUnattended,
		"flowtriggered":      sdk.FlowTriggered,
		"agentchatinitiated": agentChat,
		"chatpicked":         sdk.ChatAssigned,
		"chatreopened":       sdk.ChatReopened,
		"chattransferred":    sdk.ChatTransferred,
		"typingstart":        typingStart,
		"typingstop":         typingStop,
	}
}

// aliasTypes are what event_aliases may make of an event.
var aliasTypes = []string{
	sdk.AgentJoined, sdk.AgentLeft, sdk.ChatAssigned, sdk.ChatClosed, sdk.ChatHeld, sdk.ChatIdle, sdk.ChatOpened,
	sdk.ChatQueued, sdk.ChatRejected, sdk.ChatReopened, sdk.ChatResumed, sdk.ChatTransferred, sdk.CustomEvent,
	sdk.CustomerUnattended, sdk.FlowTriggered, sdk.IncomingMessage, typingStart, typingStop,
}

// eventTypes returns knownTypes with the aliases of the settings.
func eventTypes(aliases map[string]string) (map[string]string, error) {
	types := knownTypes()
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if fold(name) == "" {
			return nil, errors.New("event_aliases has an empty name")
		}
		if !slices.Contains(aliasTypes, aliases[name]) {
			return nil, fmt.Errorf("event_aliases: %q is no event of the gateway's; known are %s",
				aliases[name], strings.Join(aliasTypes, ", "))
		}
		types[fold(name)] = aliases[name]
	}
	return types, nil
}

// typed is what the far side says of typing.
type typed struct {
	ref sdk.ChatRef
	on  bool
}

// news is what one object means: an event, or typing.
type news struct {
	event  sdk.Event
	typing *typed
}

// invalidError is an event that is authentic and makes no sense.
type invalidError string

func (e invalidError) Error() string { return string(e) }

// read makes news of one object of a webhook. The error says why there is none
// to be made.
func (c *connector) read(raw json.RawMessage) (news, error) {
	f, ok := object(raw)
	if !ok {
		return news{}, errors.New("no object")
	}
	ref := f.word("chatid")
	if ref == "" || len(ref) > maxRef {
		return news{}, errors.New("no chatid")
	}
	name := strings.TrimSpace(f.text("eventtype", "event"))
	if name == "" {
		return news{}, errors.New("no event_type")
	}
	typ := c.cfg.types[fold(name)]
	if typ == typingStart || typ == typingStop {
		return news{typing: &typed{sdk.ChatRef(ref), typ == typingStart}}, nil
	}
	e := sdk.Event{Type: typ, Ref: ref, Payload: raw}
	var invalid invalidError
	if err := fill(&e, f, name); errors.As(err, &invalid) {
		e = sdk.Event{Type: sdk.CustomEvent, EventName: "invalid", Ref: ref, Payload: raw,
			Params: map[string]string{"event_type": clip(name, maxName), "problem": string(invalid)}}
	}
	e.ID = c.idOf(e, f)
	return news{event: e}, nil
}

// fill reads the members that belong to an event of e's type.
func fill(e *sdk.Event, f fields, name string) error {
	switch e.Type {
	case sdk.IncomingMessage:
		return message(e, f)
	case sdk.ChatClosed, sdk.ChatRejected:
		closed(e, f)
	case sdk.CustomerUnattended:
		d, ok := f.minutes("waittime")
		if !ok {
			return invalidError("wait_time is not a number of minutes")
		}
		e.WaitTime = &d
	case sdk.ChatIdle:
		d, ok := f.minutes("idletime", "waittime")
		if !ok && f.word("idletime", "waittime") != "" {
			return invalidError("idle_time is not a number of minutes")
		}
		e.IdleTime = &d
	case sdk.FlowTriggered:
		e.MessageID = clip(f.word("messageid"), maxRef)
		e.Params = params(f["flowparams"])
	case sdk.ChatAssigned, sdk.AgentJoined, sdk.AgentLeft, sdk.ChatHeld, sdk.ChatResumed:
		e.Agent, e.Reason = agent(f), f.word("reason")
	case sdk.ChatOpened, sdk.ChatReopened, sdk.ChatQueued:
		queued(e, f)
	case sdk.ChatTransferred:
		transferred(e, f)
	case sdk.CustomEvent:
		e.EventName = clip(cmp.Or(f.word("eventname", "name"), name), maxName)
		e.Params = customParams(e.Payload, f)
	default: // nobody knows it, so it is custom and keeps its name
		custom := cmp.Or(e.Type, clip(name, maxName))
		e.Type, e.EventName, e.Params = sdk.CustomEvent, custom, customParams(e.Payload, f)
	}
	return nil
}

// message reads the agent's message. What is not said to be for the customer is
// for nobody but agents.
func message(e *sdk.Event, f fields) error {
	m, nested := f, bytes.HasPrefix(f["message"], []byte("{"))
	if nested {
		m, _ = object(f["message"])
	}
	if strings.EqualFold(cmp.Or(m.word("direction"), f.word("direction")), "inbound") {
		e.Type, e.EventName = sdk.CustomEvent, "message_echo" // the customer's own
		return nil
	}
	e.Text = f.text("message", "text")
	if nested {
		e.Text = m.text("text", "message", "body")
	}
	e.Attachments = attachments(m["attachments"], f["attachments"])
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
	e.Status, e.Reason = cmp.Or(f.word("status"), "closed"), f.word("reason", "closereason")
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

func queued(e *sdk.Event, f fields) {
	e.Queue, e.Agent = f.word("queue", "teamname", "team", "teamid"), agent(f)
	if n, err := strconv.Atoi(f.word("position")); err == nil && n > 0 {
		e.Position = &n
	}
	if d, ok := f.minutes("estwait", "estimatedwait"); ok {
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

// customParams are those of an object of that name, else all members but those
// that every event has.
func customParams(raw json.RawMessage, f fields) map[string]string {
	for _, name := range []string{"params", "parameters", "eventparams", "flowparams"} {
		if p := params(f[name]); p != nil {
			return p
		}
	}
	all := params(raw)
	maps.DeleteFunc(all, func(name, _ string) bool {
		return slices.Contains([]string{"chatid", "eventtype", "eventname"}, fold(name))
	})
	return all
}

// idOf names an event for deduplication. A message has its id or none: two that
// read alike may be two. Any other event with a messageid is the same again if
// all of it is; without one, only for a short while, because it can happen
// once more in the same words.
func (c *connector) idOf(e sdk.Event, f fields) string {
	id := f.word("messageid")
	if e.Type == sdk.IncomingMessage {
		if e.MessageID == "" {
			return ""
		}
		return clip(e.Ref, 64) + ":message:" + short([]byte(e.Ref+"\x00"+e.MessageID))
	}
	sum := short(e.Payload)
	if id != "" {
		return clip(e.Ref, 64) + ":event:" + sum
	}
	slot := c.repeats.slot(sum, c.host.Now())
	return clip(e.Ref, 64) + ":event:" + sum + ":" + strconv.FormatInt(slot, 36)
}

func short(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// clip cuts s to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// repeatFor is how long an event that has no id and comes again is the same.
// It covers a sender's three repetitions a minute apart.
const repeatFor = 5 * time.Minute
