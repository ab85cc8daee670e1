package main

import (
	"cmp"
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
	queue  string        // where the chat went
	event  string        // name of the event that tells of a file
	grace  time.Duration // how long a chat may go on after an agent has left
	now    time.Time
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
	for _, e := range list {
		n, ok := e.ID.number()
		if !ok {
			unnumbered++
			// The same name on the next poll, which will bring it again.
			r.take(e, fmt.Sprintf("%d.n%d", base, unnumbered))
			continue
		}
		if n <= base || seen[n] {
			continue
		}
		seen[n] = true
		r.cursor.Last = max(r.cursor.Last, n)
		r.take(e, strconv.FormatInt(n, 10))
	}
}

// take maps one event. id is its number in the chat.
func (r *reading) take(e wireEvent, id string) {
	switch e.Command {
	case "read":
		r.message(e, id)
	case "status":
		r.status(e, id)
	case "typingStatus":
		r.typingStatus(e)
	case "ParticipantDisconnected":
		r.left(e, id)
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
		r.inCall(e, id)
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

func (r *reading) callID(e wireEvent, id string) {
	call := string(e.CallID)
	if call == "" {
		call = string(e.Info)
	}
	call = clip(strings.TrimSpace(call))
	r.emit(e, id, sdk.Event{Type: sdk.CustomEvent, EventName: "call_id", CallID: call,
		Params: map[string]string{"call_id": call}})
}

func (r *reading) failed(e wireEvent, id string) {
	code := strings.TrimSpace(string(e.Code))
	reason := cmp.Or(reasonOf(code), "unknown")
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

// end emits the chat's last event, once.
func (r *reading) end(e wireEvent, id string, last sdk.Event) {
	if r.cursor.Ended {
		return
	}
	r.cursor.Ended = true
	r.cursor.stays() // it no longer matters who left
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
