package httpd

import (
	"context"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

// Quarantine is bad input that was kept. What there is not is
// store.ErrNotFound.
type Quarantine interface {
	// Quarantined lists it, the newest first.
	Quarantined(ctx context.Context, after string, limit int) (store.Page[*state.Quarantined], error)
	QuarantinedItem(ctx context.Context, id string) (*state.Quarantined, error)
	// ReplayQuarantined gives the input to its instance again, and deletes it
	// if it is read now.
	ReplayQuarantined(ctx context.Context, id string) error
	DeleteQuarantined(ctx context.Context, id string) error
}

type quarantinedBody struct {
	ID           string       `json:"id"`
	Instance     string       `json:"instance,omitempty"`
	Conversation string       `json:"conversation,omitempty"`
	Reason       string       `json:"reason"`
	At           time.Time    `json:"at,omitzero"`
	Bytes        int          `json:"bytes"` // of the body
	Webhook      *webhookBody `json:"webhook,omitempty"`
	Mail         []byte       `json:"mail,omitempty"` // base64 of the stored event
}

type webhookBody struct {
	Method     string       `json:"method"`
	URL        string       `json:"url"`
	RemoteAddr string       `json:"remote_addr,omitempty"`
	Headers    []headerBody `json:"headers"`
	Body       []byte       `json:"body"` // base64 of the raw bytes
}

type headerBody struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// listQuarantine answers GET /v1/quarantine?limit&after, without the raw bytes.
func (a *Admin) listQuarantine(ctx context.Context, r *fasthttp.RequestCtx) error {
	w, _, err := listQuery(r)
	if err != nil {
		return err
	}
	page, err := a.gateway.Quarantined(ctx, w.after, w.limit)
	if err != nil {
		return err
	}
	return writeList(r, page, showQuarantined)
}

// getQuarantined answers GET /v1/quarantine/{id}, with the raw bytes.
func (a *Admin) getQuarantined(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	q, err := a.gateway.QuarantinedItem(ctx, id)
	if err != nil {
		return err
	}
	b := showQuarantined(q)
	b.Webhook = showWebhook(q.GetWebhook())
	if m := q.GetMail(); m != nil {
		if b.Mail, err = m.MarshalVT(); err != nil {
			return err
		}
	}
	writeJSON(r, fasthttp.StatusOK, b)
	return nil
}

func showQuarantined(q *state.Quarantined) quarantinedBody {
	b := quarantinedBody{
		ID: q.GetId(), Instance: q.GetInstance(), Reason: q.GetReason(), At: utc(q.GetAtMs()),
		Bytes: len(q.GetWebhook().GetBody()),
	}
	if m := q.GetMail(); m != nil {
		b.Bytes = m.SizeVT()
	}
	if len(q.GetConversation()) > 0 {
		var id core.ConversationID
		copy(id[:], q.GetConversation())
		b.Conversation = id.String()
	}
	return b
}

// credentials are headers that prove who called; they are not shown.
var credentials = map[string]bool{
	"authorization": true, "proxy-authorization": true, "cookie": true, "x-api-key": true,
	"x-telegram-bot-api-secret-token": true, "x-gitlab-token": true,
}

func showWebhook(w *pluginv1.WebhookRequest) *webhookBody {
	if w == nil {
		return nil
	}
	b := &webhookBody{
		Method: w.GetMethod(), URL: w.GetUrl(), RemoteAddr: w.GetRemoteAddr(), Headers: []headerBody{}, Body: w.GetBody(),
	}
	for _, h := range w.GetHeaders() {
		value := h.GetValue()
		if credentials[strings.ToLower(h.GetName())] {
			value = "(hidden)"
		}
		b.Headers = append(b.Headers, headerBody{h.GetName(), value})
	}
	return b
}

// deleteQuarantined answers DELETE /v1/quarantine/{id} with 204.
func (a *Admin) deleteQuarantined(ctx context.Context, r *fasthttp.RequestCtx) error {
	return remove(ctx, r, a.gateway.DeleteQuarantined)
}

// replayQuarantined answers POST /v1/quarantine/{id}/replay.
//
//	202 {"replayed":1}
func (a *Admin) replayQuarantined(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := param(r, "id")
	if err != nil {
		return err
	}
	if err := a.gateway.ReplayQuarantined(ctx, id); err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusAccepted, replayBody{1})
	return nil
}
