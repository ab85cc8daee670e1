package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// maxRead is how many messages of a chat are looked at, the newest.
const maxRead = 500

// reading makes events of a chat's object: what differs from its mark and from
// what webhooks said.
type reading struct {
	*connector
	chat   sdk.Chat
	object fields
	mark   mark
	before string // the state that webhooks told, "" if they told none
	sure   bool   // that the chat is closed, if its object says so
}

func (r *reading) read() (all []sdk.Event) {
	r.mark.Read = true
	after := statusOf(r.object.word("status"))
	said := r.messages()
	switch turned := r.turned(after); turned.Type {
	case "":
		return said
	case sdk.ChatAssigned, sdk.ChatResumed, sdk.ChatQueued:
		return append([]sdk.Event{turned}, said...)
	default: // what was said came before the end
		return append(said, turned)
	}
}

// turned is the event of a chat whose state is another than the last one known.
// A closed chat's webhook gets time to come.
func (r *reading) turned(after string) sdk.Event {
	before := cmp.Or(r.before, r.mark.Status)
	if after == "" {
		return sdk.Event{}
	}
	if after == statusClosed && !r.sure && !r.mark.Closing {
		r.mark.Closing = true
		r.mark.Status = before
		return sdk.Event{}
	}
	r.mark.Closing = false
	e := sdk.Event{Type: turn(before, after), Ref: string(r.chat.Ref)}
	if before == "" && after == statusQueued {
		e.Type = "" // so it began
	}
	r.mark.Status = after
	if e.Type == "" {
		return e
	}
	r.mark.Turns++
	e.ID = clip(e.Ref, 64) + ":status:" + short([]byte(e.Ref)) + ":" + strconv.Itoa(r.mark.Turns)
	switch e.Type {
	case sdk.ChatClosed:
		closed(&e, r.object)
	case sdk.ChatQueued:
		queued(&e, r.object)
	default:
		e.Agent = agent(r.object)
	}
	return e
}

// said is a message of the agent with its place in time.
type said struct {
	event sdk.Event
	id    string
	at    time.Time
}

// messages returns the agents' messages that came after those of the mark. One
// without an id could not be told from what a webhook brought: it is left out.
func (r *reading) messages() (out []sdk.Event) {
	all := r.agents()
	first := 0
	for i, s := range all {
		if r.mark.has(s.id) {
			first = i + 1
		}
	}
	for _, s := range all[first:] {
		out = append(out, s.event)
	}
	for _, s := range all {
		r.mark.add(s.id)
	}
	return out
}

// agents are the agents' messages in the order in which they were written, as
// far as that can be found out.
func (r *reading) agents() (all []said) {
	var other int
	for _, raw := range list(r.object["messages"]) {
		f, ok := object(raw)
		if !ok {
			continue
		}
		s, mine := r.message(r.cfg.names.read("message", f), raw)
		if !mine {
			continue
		}
		if s.id == "" {
			other++
			continue
		}
		all = append(all, s)
	}
	if other > 0 {
		r.host.Log().Debug("messages of a chat have no id and are left to the webhooks", "messages", other)
	}
	slices.SortStableFunc(all, order(all))
	return all[max(0, len(all)-maxRead):]
}

// order compares by time if all have one, else by id if all are numbers, else
// it keeps things as they are.
func order(all []said) func(a, b said) int {
	numbers := true
	timed := true
	for _, s := range all {
		_, err := strconv.ParseInt(s.id, 10, 64)
		numbers = numbers && err == nil
		timed = timed && !s.at.IsZero()
	}
	return func(a, b said) int {
		switch {
		case timed:
			return a.at.Compare(b.at)
		case numbers:
			x, _ := strconv.ParseInt(a.id, 10, 64)
			y, _ := strconv.ParseInt(b.id, 10, 64)
			return cmp.Compare(x, y)
		}
		return 0
	}
}

// message reads one message of a chat. Only what is surely an agent's is his:
// nobody shall read his own words, or those of a bot, as an answer.
func (r *reading) message(f fields, raw json.RawMessage) (s said, ok bool) {
	kind := fold(f.word("author", "sender", "authortype", "sendertype"))
	name := ""
	for _, of := range []string{"author", "sender"} {
		if a, nested := object(f[of]); nested {
			a = r.cfg.names.read("author", a)
			kind, name = fold(a.word("type", "kind", "role")), a.word("name")
			break
		}
	}
	if fold(f.word("direction")) != outbound || kind == "bot" || kind == "system" || kind == "customer" {
		return said{}, false
	}
	s.at = moment(f.word("timestamp", "createdat", "time"))
	if began := moment(r.object.word("createdat")); !began.IsZero() && !s.at.IsZero() && s.at.Before(began) {
		return said{}, false // of a transcript
	}
	s.id = clip(f.word("messageid", "id"), maxRef)
	if strings.HasPrefix(s.id, r.aliasOf(r.chat)+".") {
		return said{}, false // likewise
	}
	s.event = sdk.Event{Type: sdk.IncomingMessage, Ref: string(r.chat.Ref), Payload: raw, At: s.at}
	if incoming(&s.event, f) != nil || s.event.Type != sdk.IncomingMessage {
		return said{}, false
	}
	s.event.MessageID = s.id
	s.event.Agent.Name = cmp.Or(s.event.Agent.Name, name)
	s.event.ID = messageEventID(s.event.Ref, s.id)
	return s, true
}

// moment reads a time: RFC 3339, or seconds or milliseconds since 1970. It is
// zero if it is none, or not in this age.
func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if n, nerr := strconv.ParseFloat(text, 64); nerr == nil && n > 0 && n < 1e14 {
		if n > 1e11 {
			n /= 1000
		}
		at, err = time.UnixMilli(int64(n*1000)).UTC(), nil
	}
	if err != nil || at.Year() < 2000 || at.Year() > 2200 {
		return time.Time{}
	}
	return at
}
