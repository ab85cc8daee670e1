package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// channel is one account on X.
type channel struct {
	cfg     config
	host    sdk.Host
	client  *client
	account *account
	health  health
	recheck time.Duration
	uploads recent[string]         // X's ids of files, by the gateway's
	files   recent[sdk.Attachment] // that were fetched, by the message's id

	walking sync.Mutex // polls of the account
	walk    walk
	started bool // a walk has come to its end

	background sync.WaitGroup // renewals of tokens
	ignored    atomic.Int64   // messages in groups, and of others' conversations
}

func (k *accounts) open(_ context.Context, s settings, h sdk.Host) (*channel, error) {
	cfg, err := s.check()
	if err != nil {
		return nil, err
	}
	return &channel{cfg: cfg, host: h, client: newClient(cfg, h.HTTP(), h.Now),
		account: k.of(h.Instance(), cfg.RefreshToken), recheck: recheckEvery}, nil
}

// CloseInstance implements sdk.Closer. A renewal under way is waited for.
func (c *channel) CloseInstance(ctx context.Context) error {
	done := make(chan struct{})
	go func() { c.background.Wait(); close(done) }()
	defer c.client.http.CloseIdleConnections()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The endpoints of messages, as X counts calls of them.
const (
	sendV2  = "POST /2/dm_conversations/with/:id/messages"
	sendV11 = "POST /1.1/direct_messages/events/new.json"
)

// Send implements sdk.Channel. X keeps no ids of ours: an unanswered message may
// arrive twice.
func (c *channel) Send(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
	if !isID(to.Address) {
		return sdk.Receipt{}, sdk.Rejected("address", "is not the id of a user of X")
	}
	text, err := textOf(m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	q := c.message(to.Address)
	if c.cfg.API == apiV11 || len(m.QuickReplies) > 0 && c.cfg.oauth1() {
		q = c.event()
	}
	if wait := c.client.windows.wait(q.endpoint, c.host.Now()); wait > 0 { // before a file is uploaded
		return sdk.Receipt{}, sdk.Throttled(errors.New("no more messages are taken by X for now"), wait)
	}
	media, err := c.mediaOf(ctx, m)
	if err != nil {
		return sdk.Receipt{}, err
	}
	if text == "" && media == "" {
		return sdk.Receipt{}, sdk.Rejected("empty", "there is nothing in the message that X shows")
	}
	if q.endpoint == sendV11 {
		q.body, err = ccsp.JSON(wireV11(to.Address, text, media, m.QuickReplies))
	} else {
		q.body, err = ccsp.JSON(wireV2(text, media))
	}
	if err != nil {
		return sdk.Receipt{}, sdk.Rejected("message", "cannot be encoded")
	}
	return c.sent(c.call(ctx, q))
}

func (c *channel) message(to string) request {
	return request{method: http.MethodPost, path: "/2/dm_conversations/with/" + to + "/messages", endpoint: sendV2,
		contentType: "application/json"}
}

func (c *channel) event() request {
	return request{method: http.MethodPost, path: "/1.1/direct_messages/events/new.json", endpoint: sendV11,
		contentType: "application/json", by: c.client.oauth1}
}

// sent reads the answer to a message.
func (c *channel) sent(a ccsp.Answer, err error) (sdk.Receipt, error) {
	if err != nil {
		return sdk.Receipt{}, err
	}
	var taken struct {
		Data struct {
			ID id `json:"dm_event_id"`
		} `json:"data"`
		Event struct {
			ID id `json:"id"`
		} `json:"event"`
	}
	_ = json.Unmarshal(a.Body, &taken)
	if number := taken.Data.ID + taken.Event.ID; number != "" {
		c.health.set("")
		return sdk.Receipt{MessageID: string(number)}, nil
	}
	var p problem
	if json.Unmarshal(a.Body, &p) == nil && len(p.Errors) > 0 { // X says 200 and why not
		a.Status = http.StatusBadRequest
		return sdk.Receipt{}, refused(a, c.host.Now())
	}
	return sdk.Receipt{}, ccsp.Resend(sdk.Ambiguous(errors.New("no message is named in the answer of X")))
}

// call makes a call as the account: as q says, or by OAuth 2.0, or, if nobody has
// authorized that, by 1.0a.
func (c *channel) call(ctx context.Context, q request) (ccsp.Answer, error) {
	token := ""
	if q.by == nil && c.cfg.oauth2() && (c.account.authorized() || !c.cfg.oauth1()) {
		var err error
		if token, err = c.account.token(ctx, c); err != nil {
			return ccsp.Answer{}, err
		}
		q.by = bearer(token)
	}
	if q.by == nil {
		q.by = c.client.oauth1
	}
	a, err := c.client.do(ctx, q)
	if err != nil || good(a) {
		return a, err
	}
	err = refused(a, c.host.Now())
	switch {
	case !errors.Is(err, errUnauthorized):
		return a, err
	case token != "":
		return a, c.account.expired(ctx, c, token)
	}
	return a, fmt.Errorf("%w: %w", sdk.ErrAuthConfig, err)
}

// textOf is the text that X gets. A message on X has one file: what else is
// attached goes as links, so that one call is one message.
func textOf(m sdk.Message) (string, error) {
	var b strings.Builder
	b.WriteString(m.Text)
	if m.URLPush != "" && !strings.Contains(m.Text, m.URLPush) {
		ccsp.AddLine(&b, m.URLPush)
	}
	one := slices.IndexFunc(m.Attachments, shown)
	for i, f := range m.Attachments {
		if f.Caption != "" && !strings.Contains(m.Text, f.Caption) {
			ccsp.AddLine(&b, f.Caption)
		}
		if i == one {
			continue
		}
		if f.URL == "" {
			return "", sdk.Rejected("attachments", "X shows one picture or video of a message, and there is no link to the other files")
		}
		ccsp.AddLine(&b, f.URL)
	}
	if n := utf8.RuneCountInString(b.String()); n > maxText {
		return "", sdk.Rejected("too_long", fmt.Sprintf("%d characters with the links; X takes %d", n, maxText))
	}
	return b.String(), nil
}

type mediaV2 struct {
	MediaID string `json:"media_id"`
}

type bodyV2 struct {
	Text        string    `json:"text,omitempty"`
	Attachments []mediaV2 `json:"attachments,omitempty"`
}

func wireV2(text, media string) bodyV2 {
	b := bodyV2{Text: text}
	if media != "" {
		b.Attachments = []mediaV2{{media}}
	}
	return b
}

type optionV11 struct {
	Label    string `json:"label"`
	Metadata string `json:"metadata"`
}

func wireV11(to, text, media string, replies []sdk.QuickReply) any {
	data := map[string]any{"text": text}
	if media != "" {
		data["attachment"] = map[string]any{"type": "media", "media": map[string]any{"id": media}}
	}
	var options []optionV11
	for _, r := range replies {
		options = append(options, optionV11{r.Title, payloadOf(r)})
	}
	if len(options) > 0 {
		data["quick_reply"] = map[string]any{"type": "options", "options": options}
	}
	return map[string]any{"event": map[string]any{"type": "message_create", "message_create": map[string]any{
		"target": map[string]any{"recipient_id": to}, "message_data": data}}}
}

// payloadOf is what X sends back when the customer chooses r.
func payloadOf(r sdk.QuickReply) string {
	if r.Payload != "" {
		return r.Payload
	}
	return r.Title
}
