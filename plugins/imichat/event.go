package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	chatStatus  = "chat_status" // its member status says what it is
	typingStart = "typing_start"
	typingStop  = "typing_stop"
)

// knownTypes are the far side's events by their folded names.
func knownTypes() map[string]string {
	types := map[string]string{
		"chatpicked":         sdk.ChatAssigned,
		"chatonhold":         sdk.ChatHeld,
		"chathold":           sdk.ChatHeld,
		"chatoffhold":        sdk.ChatResumed,
		"chatunhold":         sdk.ChatResumed,
		"chatstatuschanged":  chatStatus,
		"chatupdated":        chatStatus,
		"chatrated":          sdk.SurveyRated,
		"agentchatinitiated": agentChat,
	}
	for _, typ := range aliasTypes {
		types[fold(typ)] = typ
	}
	return types
}

// aliasTypes are what event_aliases may make of an event.
var aliasTypes = []string{
	sdk.AgentJoined, sdk.AgentLeft, sdk.ChatAssigned, sdk.ChatClosed, sdk.ChatHeld, sdk.ChatIdle, sdk.ChatOpened,
	sdk.ChatQueued, sdk.ChatRejected, sdk.ChatReopened, sdk.ChatResumed, chatStatus, sdk.ChatTransferred,
	sdk.ControlAccepted, sdk.ControlOffered, sdk.ControlPassed, sdk.ControlReleased, sdk.CustomEvent,
	sdk.CustomerUnattended, sdk.FlowTriggered, sdk.IncomingMessage, sdk.SurveyRated, typingStart, typingStop,
}

// eventTypes returns knownTypes with the aliases of the settings, and these alone.
func eventTypes(names map[string]string) (types, aliases map[string]string, err error) {
	types, aliases = knownTypes(), make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if fold(name) == "" {
			return nil, nil, errors.New("event_aliases has an empty name")
		}
		if !slices.Contains(aliasTypes, names[name]) {
			return nil, nil, fmt.Errorf("event_aliases: %q is no event of the gateway's; known are %s",
				names[name], strings.Join(aliasTypes, ", "))
		}
		types[fold(name)], aliases[fold(name)] = names[name], names[name]
	}
	return types, aliases, nil
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
	typ := c.typeOf(name, f)
	if typ == typingStart || typ == typingStop {
		return news{typing: &typed{sdk.ChatRef(ref), typ == typingStart}}, nil
	}
	sum := short(raw)
	seen := c.told(ref, typ, sum, f)
	e := sdk.Event{Type: seen.typ, Ref: ref, Payload: raw}
	var invalid invalidError
	if err := c.fill(&e, f, name); errors.As(err, &invalid) {
		e = sdk.Event{Type: sdk.CustomEvent, EventName: "invalid", Ref: ref, Payload: raw,
			Params: map[string]string{"event_type": clip(name, maxName), "problem": string(invalid)}}
	}
	e.Customer = profile(e.Customer, f)
	e.ID = eventID(e, f.word("messageid"), sum, seen)
	return news{event: e}, nil
}

// typeOf returns what an event is by its name, "" if nobody knows it. A custom
// event may have a name that passes control, or one that the settings know.
func (c *connector) typeOf(name string, f fields) string {
	typ := c.cfg.types[fold(name)]
	if typ != sdk.CustomEvent {
		return typ
	}
	own := fold(f.word("eventname", "name"))
	if alias := c.cfg.aliases[own]; alias != "" {
		return alias
	}
	if t := c.cfg.types[own]; controls[t] {
		return t
	}
	return typ
}

// told notes what a webhook says of its chat, and returns what it means. What a
// status means depends on the one before; said again, it means the same.
func (c *connector) told(ref, typ, sum string, f fields) seen {
	l := c.lives.get(ref)
	before := l.status
	typ = meaning(typ, before, f.word("status"))
	after := statusAfter(typ, f)
	s := c.repeats.see(sum, c.host.Now(), typ, after != "" && before != "" && before != after, l.talk)
	if after = statusAfter(s.typ, f); after != "" {
		c.lives.set(ref, after)
	}
	if typ == sdk.IncomingMessage {
		c.lives.spoke(ref)
	}
	return s
}

// fill reads the members that belong to an event of e's type.
func (c *connector) fill(e *sdk.Event, f fields, name string) error {
	switch e.Type {
	case sdk.IncomingMessage:
		return incoming(e, f)
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
	case sdk.SurveyRated:
		return rated(e, f)
	case sdk.ControlOffered, sdk.ControlAccepted, sdk.ControlPassed, sdk.ControlReleased:
		return control(e, f)
	case agentChat:
		c.begun(e, f)
	default:
		custom(e, f, name)
	}
	return nil
}

// custom: nobody knows it, so it is custom and keeps its name.
func custom(e *sdk.Event, f fields, name string) {
	if e.Type == sdk.CustomEvent {
		name = cmp.Or(f.word("eventname", "name"), name)
	}
	e.Type, e.EventName, e.Params = sdk.CustomEvent, clip(name, maxName), customParams(e.Payload, f)
}

// customParams are those of an object of that name, else all members but those
// that every event has.
func customParams(raw json.RawMessage, f fields) map[string]string {
	if p := namedParams(f); p != nil {
		return p
	}
	all := params(raw)
	maps.DeleteFunc(all, func(name, _ string) bool {
		return slices.Contains([]string{"chatid", "eventtype", "eventname"}, fold(name))
	})
	return all
}

func namedParams(f fields) map[string]string {
	for _, name := range []string{"params", "parameters", "eventparams", "flowparams"} {
		if p := params(f[name]); p != nil {
			return p
		}
	}
	return nil
}

// eventID names an event for deduplication. A message has its id or none: two
// that read alike may be two. Any other event with a messageid is the same again
// if all of it is; without one, only for a short while, because it can happen
// once more in the same words.
func eventID(e sdk.Event, messageID, sum string, s seen) string {
	switch {
	case e.Type == sdk.IncomingMessage && e.MessageID == "":
		return ""
	case e.Type == sdk.IncomingMessage:
		return messageEventID(e.Ref, e.MessageID)
	case messageID != "":
		return clip(e.Ref, 64) + ":event:" + sum
	}
	return clip(e.Ref, 64) + ":event:" + sum + ":" + s.slot()
}

// messageEventID is the same for a message that a webhook brings and for one
// that is read from the chat.
func messageEventID(ref, id string) string {
	return clip(ref, 64) + ":message:" + short([]byte(ref+"\x00"+id))
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
