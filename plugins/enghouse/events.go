package main

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// Status codes of the far side.
const (
	statusCalling      = 104
	statusWaiting      = 105
	statusInCall       = 106
	statusDisconnected = 107
	statusConnected    = 133
	statusHeld         = 157
	statusQueue        = 165
	statusCallID       = 166
)

// reasons are the codes that come with status 107 and with Error.
var reasons = map[int64]string{
	6:  "unknown",
	7:  "out_of_memory",
	8:  "no_suitable_agents",
	9:  "invalid_queue",
	10: "no_primary_connection_server",
	11: "no_call_id",
	12: "invalid_external_queue",
	13: "unknown_skill",
	14: "stream_exists",
	15: "call_not_found",
	16: "not_accepted_by_agent",
	17: "no_connection_available",
	18: "agent_refused",
}

// estimates qualify the estimated time of status 165.
var estimates = map[int64]string{1: "less_than", 2: "about", 3: "more_than"}

// chatEvent marks a text that is an event and not for the customer.
const chatEvent = "[ccspChatEvent]"

const (
	maxPayload = 16 << 10 // bytes of raw JSON that go along with an event
	maxName    = 200      // bytes of a participant's or an event's name
)

// reading turns the events of one poll into the gateway's.
type reading struct {
	ref    sdk.ChatRef
	queue  string
	cursor cursor // where it stands
	log    *slog.Logger
	typing func(on bool)

	out []sdk.Event
}

// read takes the events that are new, in their order, and moves the cursor to
// the highest id. An id counts as seen if the poll before had it or a higher one.
func (r *reading) read(list []wireEvent) {
	base := r.cursor.Last
	seen := map[int64]bool{}
	unnumbered := 0
	for i, e := range list {
		n, ok := e.ID.number()
		if !ok {
			unnumbered++
			// The same name on the next poll, which will bring it again.
			r.event(e, fmt.Sprintf("%d.n%d", base, unnumbered), list[i+1:])
			continue
		}
		if n <= base || seen[n] {
			continue
		}
		seen[n] = true
		r.cursor.Last = max(r.cursor.Last, n)
		r.event(e, strconv.FormatInt(n, 10), list[i+1:])
	}
}

// event maps one event. id is its number in the chat, rest what follows it.
func (r *reading) event(e wireEvent, id string, rest []wireEvent) {
	switch e.Command {
	case "read":
		r.message(e, id)
	case "status":
		r.status(e, id)
	case "typingStatus":
		r.typingStatus(e)
	case "ParticipantDisconnected":
		r.left(e, id, rest)
	case "Error":
		r.failed(e, id)
	default:
		r.log.Warn("unknown command skipped", "command", clip(string(e.Command)), "event", id)
	}
}

func (r *reading) status(e wireEvent, id string) {
	code, _ := e.Status.number()
	switch code {
	case statusCalling, statusConnected:
		r.log.Debug("call proceeds", "status", code)
	case statusWaiting, statusQueue:
		r.queued(e, id)
	case statusInCall:
		typ := sdk.ChatAssigned
		if r.cursor.Held {
			typ = sdk.ChatResumed
		}
		r.cursor.Assigned, r.cursor.Held = true, false
		r.emit(e, id, sdk.Event{Type: typ, Agent: agent(e)})
	case statusHeld:
		r.cursor.Held = true
		r.emit(e, id, sdk.Event{Type: sdk.ChatHeld})
	case statusCallID:
		r.callID(e, id)
	case statusDisconnected:
		r.disconnected(e, id)
	default:
		r.log.Warn("unknown status skipped", "status", clip(string(e.Status)), "event", id)
	}
}

// queued also comes when an agent hands the chat back to a queue; the next 106
// is then another agent's, not the end of a hold.
func (r *reading) queued(e wireEvent, id string) {
	r.cursor.Held = false
	q := sdk.Event{Type: sdk.ChatQueued, Queue: r.queue}
	if minutes, err := strconv.ParseFloat(strings.TrimSpace(string(e.Time)), 64); err == nil && minutes >= 0 && minutes < 1e6 {
		d := time.Duration(minutes * float64(time.Minute))
		q.EstWait = &d
		info, _ := e.Info.number()
		q.Kind = estimates[info]
	}
	r.emit(e, id, q)
}

func (r *reading) callID(e wireEvent, id string) {
	call := string(e.CallID)
	if call == "" {
		call = string(e.Info)
	}
	call = clip(strings.TrimSpace(call))
	r.emit(e, id, sdk.Event{Type: sdk.CustomEvent, EventName: "call_id", CallID: call,
		Params: map[string]string{"call_id": call}})
}

// disconnected ends the chat; without a reason the agent ended it.
func (r *reading) disconnected(e wireEvent, id string) {
	code := strings.TrimSpace(string(e.Info))
	if code == "0" {
		code = ""
	}
	reason := reasonOf(code)
	switch {
	case !r.cursor.Assigned:
		if reason == "" {
			reason = "unknown"
		}
		r.end(e, id, sdk.Event{Type: sdk.ChatRejected, Reason: reason, ReasonCode: clip(code)})
	case code == "":
		r.end(e, id, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "disconnected", By: "agent"})
	default:
		r.end(e, id, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: reason, ReasonCode: clip(code), By: "system"})
	}
}

// left is over with the chat, unless what came with it shows that somebody
// else takes it: that is a transfer.
func (r *reading) left(e wireEvent, id string, rest []wireEvent) {
	if r.cursor.Ended {
		return
	}
	r.emit(e, id, sdk.Event{Type: sdk.AgentLeft, Agent: agent(e)})
	for _, next := range rest {
		code, _ := next.Status.number()
		if next.Command == "status" && (code == statusWaiting || code == statusQueue || code == statusInCall) {
			r.cursor.Held = false
			return
		}
	}
	r.end(e, id+".2", sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "disconnected", By: "agent", Agent: agent(e)})
}

func (r *reading) failed(e wireEvent, id string) {
	code := strings.TrimSpace(string(e.Code))
	reason := reasonOf(code)
	if !r.cursor.Assigned {
		r.end(e, id, sdk.Event{Type: sdk.ChatRejected, Reason: reason, ReasonCode: clip(code)})
		return
	}
	r.emit(e, id, sdk.Event{Type: sdk.CustomEvent, EventName: "error", Reason: reason, ReasonCode: clip(code),
		Params: map[string]string{"code": clip(code), "reason": reason}})
}

func (r *reading) typingStatus(e wireEvent) {
	switch strings.TrimSpace(string(e.Text)) {
	case "1":
		r.typing(true)
	case "2":
		r.typing(false)
	}
}

func (r *reading) message(e wireEvent, id string) {
	text, link := plainText(string(e.Text)), strings.TrimSpace(string(e.URL))
	if rest, ok := strings.CutPrefix(strings.TrimSpace(string(e.Text)), chatEvent); ok {
		r.custom(e, id, rest, link)
		return
	}
	if rest, ok := strings.CutPrefix(text, chatEvent); ok { // wrapped in markup
		r.custom(e, id, rest, link)
		return
	}
	if link != "" && !strings.Contains(text, link) {
		text = strings.TrimPrefix(text+"\n"+link, "\n")
	}
	if text == "" {
		r.log.Debug("empty message skipped", "event", id)
		return
	}
	r.emit(e, id, sdk.Event{Type: sdk.IncomingMessage, Text: text, Agent: agent(e), URLPush: link})
}

// custom is an event that the agent's desk hid in a text. Its name is the
// first word.
func (r *reading) custom(e wireEvent, id, rest, link string) {
	name, more, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if name == "" {
		name = "ccspChatEvent"
	}
	params := map[string]string{}
	if more = strings.TrimSpace(more); more != "" {
		params["text"] = more
	}
	if link != "" {
		params["url"] = link
	}
	r.emit(e, id, sdk.Event{Type: sdk.CustomEvent, EventName: clip(name), Params: params, Agent: agent(e), Private: true})
}

// end emits the chat's last event, once.
func (r *reading) end(e wireEvent, id string, last sdk.Event) {
	if r.cursor.Ended {
		return
	}
	r.cursor.Ended = true
	r.emit(e, id, last)
}

func (r *reading) emit(e wireEvent, id string, v sdk.Event) {
	v.ID = string(r.ref) + ":" + id
	v.Ref = string(r.ref)
	if len(e.raw) <= maxPayload {
		v.Payload = e.raw
	}
	r.out = append(r.out, v)
}

func agent(e wireEvent) sdk.Agent {
	return sdk.Agent{Name: clip(strings.Join(strings.Fields(plainText(string(e.Name))), " "))}
}

// reasonOf names a reason code, "" for none.
func reasonOf(code string) string {
	if code == "" {
		return ""
	}
	n, _ := loose(code).number()
	if name, ok := reasons[n]; ok {
		return name
	}
	return "unknown"
}

// clip shortens what goes into names and logs.
func clip(s string) string {
	if len(s) <= maxName {
		return s
	}
	return strings.ToValidUTF8(s[:maxName], "")
}
