package main

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/openccsp/gateway/sdk"
)

const (
	maxID    = 256  // bytes of a message's id
	maxName  = 200  // bytes of an event's name
	maxSaid  = 100  // things in one answer or webhook
	maxFiles = 50   // attachments of a message
	maxURL   = 4096 // bytes of an attachment's address
)

// said is one thing that a bot said: an event, or that it is typing.
type said struct {
	event   sdk.Event
	typing  *bool
	problem string // what of it could not be used
}

// invalid is a thing that could not be read. Rules can see it.
func invalid(raw json.RawMessage, problem string) said {
	return said{problem: problem, event: sdk.Event{Type: sdk.CustomEvent, EventName: "invalid", Payload: payload(raw),
		Params: map[string]string{"problem": problem}}}
}

// payload is raw as an event carries it, if it is JSON.
func payload(raw json.RawMessage) json.RawMessage {
	if !json.Valid(raw) {
		return nil
	}
	return raw
}

func typing(on bool) said { return said{typing: &on} }

// custom is an event that the gateway has no type for.
func custom(raw json.RawMessage, name string, params map[string]string) said {
	return said{event: sdk.Event{Type: sdk.CustomEvent, EventName: eventName(name), Params: params, Payload: payload(raw)}}
}

// eventName writes the names of IMIconnect's bot events, such as Milestone
// Reached, as the gateway writes its own. Others stay as they are.
func eventName(name string) string {
	switch folded := strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(name)); folded {
	case "milestone_reached", "notify", "unhandled_message", "handover":
		return folded
	}
	return name
}

// message makes an incoming message.
func message(raw json.RawMessage, text string, files []sdk.Attachment, buttons []sdk.QuickReply, problem string) said {
	if strings.TrimSpace(text) == "" && len(files) == 0 && len(buttons) == 0 {
		if problem == "" {
			problem = "neither a text nor an attachment"
		}
		return invalid(raw, problem)
	}
	return said{problem: problem, event: sdk.Event{Type: sdk.IncomingMessage, Text: text, Attachments: files,
		QuickReplies: buttons, Payload: payload(raw)}}
}

// buttons reads a list of them: {title, payload}, or a text each.
func buttons(raw json.RawMessage) (all []sdk.QuickReply) {
	l, _ := list(raw)
	for _, one := range l {
		q := sdk.QuickReply{Title: strings.TrimSpace(scalar(one))}
		if f, ok := object(one); ok {
			q = sdk.QuickReply{Title: f.word("title", "payload"), Payload: f.word("payload")}
		}
		if q.Title != "" && len(all) < maxFiles {
			all = append(all, q)
		}
	}
	return all
}

// httpURL reports whether text is an address that a file can be fetched from.
func httpURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && len(text) <= maxURL && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// controls are the events by what a bot does with its control.
var controls = map[string]string{
	"offer": sdk.ControlOffered, "pass": sdk.ControlPassed, "accept": sdk.ControlAccepted, "release": sdk.ControlReleased,
}

// sides are those that can have a conversation, by what bots call them.
var sides = map[string]string{
	"ccsp": sdk.ToCCSP, "agent": sdk.ToCCSP, "human": sdk.ToCCSP, "bot": sdk.ToBot,
}

// handover makes a control event of {"action", "to", "reason", "params"}.
func handover(raw json.RawMessage, f fields, action string) said {
	typ, ok := controls[strings.ToLower(action)]
	if !ok {
		return invalid(raw, "the hand-over's action is none of offer, pass, accept and release")
	}
	e := sdk.Event{Type: typ, Reason: f.word("reason"), Params: params(f["params"]), Payload: payload(raw)}
	to := strings.ToLower(f.word("to"))
	switch side, known := sides[to]; {
	case known:
		e.To = side
	case to != "":
		return invalid(raw, "the hand-over goes to neither ccsp nor bot")
	case typ == sdk.ControlOffered || typ == sdk.ControlPassed:
		e.To = sdk.ToCCSP
	}
	return said{event: e}
}
