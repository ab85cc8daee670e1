package httpd

import (
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

type commandBody struct {
	ID       string       `json:"id"`
	Kind     string       `json:"kind"`
	Lane     string       `json:"lane,omitempty"`
	Instance string       `json:"instance,omitempty"`
	Endpoint string       `json:"endpoint,omitempty"`
	To       string       `json:"to,omitempty"`    // of a call or push: the address; of a transfer: where to
	Event    string       `json:"event,omitempty"` // its name
	Chat     uint32       `json:"chat,omitempty"`
	Rule     string       `json:"rule,omitempty"`
	Group    uint64       `json:"group,omitempty"`
	Record   uint64       `json:"record,omitempty"`
	Message  *messageBody `json:"message,omitempty"`
	Body     string       `json:"body,omitempty"` // of a notification
	Reason   string       `json:"reason,omitempty"`
	Late     bool         `json:"late,omitempty"`
	Created  time.Time    `json:"created,omitzero"`
}

type messageBody struct {
	Text        string           `json:"text,omitempty"`
	Attachments []attachmentBody `json:"attachments,omitempty"`
	Part        uint32           `json:"part,omitempty"`
	Parts       uint32           `json:"parts,omitempty"`
}

type attachmentBody struct {
	URL     string `json:"url,omitempty"`
	MIME    string `json:"mime,omitempty"`
	Name    string `json:"name,omitempty"`
	MediaID string `json:"media_id,omitempty"` // see GET /v1/media/{id}
}

type attemptsBody struct {
	Count     uint32    `json:"count"` // not the one that ended the command
	NotBefore time.Time `json:"not_before,omitzero"`
	UnderWay  bool      `json:"under_way,omitempty"`
	Resent    bool      `json:"resent,omitempty"`
	LastError string    `json:"last_error,omitempty"`
}

type pendingBody struct {
	Command  commandBody  `json:"command"`
	Attempts attemptsBody `json:"attempts"`
}

func showCommand(c *state.Command) commandBody {
	b := commandBody{
		ID: showCommandID(c), Kind: c.GetKind().Word(), Lane: c.GetLane(), Instance: c.GetInstance(),
		Endpoint: c.GetEndpoint(), To: c.GetTo(), Event: c.GetEventName(), Chat: c.GetChat(), Rule: c.GetRule(), Group: c.GetGroup(), Record: c.GetRecord(),
		Message: showMessage(c.GetMessage()), Reason: c.GetReason(), Late: c.GetLate(),
		Created: utc(c.GetCreatedMs()),
	}
	if c.GetKind() == state.CommandKind_NOTIFY {
		b.Body = string(c.GetBody())
	}
	return b
}

func showCommandID(c *state.Command) string {
	id := core.CommandID{Epoch: c.GetEpoch(), N: c.GetNumber()}
	copy(id.Conversation[:], c.GetConversation())
	return id.String()
}

func showMessage(m *pluginv1.Message) *messageBody {
	if m == nil {
		return nil
	}
	return &messageBody{m.GetText(), showAttachments(m.GetAttachments()), m.GetPart(), m.GetParts()}
}

func showAttachments(list []*pluginv1.Attachment) []attachmentBody {
	var b []attachmentBody
	for _, at := range list {
		b = append(b, attachmentBody{at.GetUrl(), at.GetMime(), at.GetName(), at.GetMediaId()})
	}
	return b
}

func showAttempts(a *state.Attempts) attemptsBody {
	return attemptsBody{a.GetCount(), utc(a.GetNotBeforeMs()), a.GetMarked(), a.GetResent(), a.GetLastError()}
}

// showEnded shows the attempts of a command that has ended. Its marker says
// only that the last attempt was made, not that one is under way.
func showEnded(a *state.Attempts) attemptsBody {
	b := showAttempts(a)
	b.UnderWay = false
	return b
}
