package httpd

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

// Conversations reads and changes conversations.
type Conversations interface {
	// Conversations lists those that match f, in the order in which they were
	// last opened, closed or changed otherwise than by a message, the last
	// first. UpdatedMS counts messages too.
	Conversations(ctx context.Context, f store.Filter, after string, limit int) (store.Page[store.Listed], error)
	// Conversation returns the document and the commands that have not ended.
	Conversation(ctx context.Context, id core.ConversationID) (*state.Document, []*state.Pending, error)
	// History returns entries, the newest first; store.ErrNotFound if there is
	// no such conversation.
	History(ctx context.Context, id core.ConversationID, after string, limit int) (store.Page[*state.Entry], error)
	// BindOrphan gives the chat that nobody knew to a customer, and returns
	// the customer's conversation. The same again is a no-op.
	BindOrphan(ctx context.Context, o Orphan) (core.ConversationID, error)
	// CloseConversation asks for the open chat to be closed; core.Conflict if
	// there is none. It returns when the wish is durable.
	CloseConversation(ctx context.Context, id core.ConversationID, reason string) error
	// ControlConversation asks for a change of who has the conversation. It
	// returns when the wish is durable; the history says what became of it.
	ControlConversation(ctx context.Context, id core.ConversationID, c Control) error
}

// Control is a change of who has a conversation.
type Control struct {
	Action string            `json:"action"` // offer, accept, pass, release
	To     string            `json:"to"`     // ccsp, bot; "" for release
	Reason string            `json:"reason"`
	Params map[string]string `json:"params"`
}

// Orphan is a chat without a customer, and the customer it is to have.
type Orphan struct {
	Integration string `json:"integration"`
	ChatID      string `json:"chatid"`
	Channel     string `json:"channel"`
	Customer    string `json:"customer"` // address on the channel
}

type listedBody struct {
	ID       string    `json:"id"`
	Status   string    `json:"status,omitempty"`
	Service  string    `json:"service,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	ChatID   string    `json:"chatid,omitempty"`
	Customer string    `json:"customer,omitempty"`
	Updated  time.Time `json:"updated,omitzero"`
}

// listConversations answers GET
// /v1/conversations?status&service&channel&customer&chatid&limit&after.
//
//	200 {"items":[{"id":"0f…","status":"open","channel":"webshop",…}],"next":"…"}
func (a *Admin) listConversations(ctx context.Context, r *fasthttp.RequestCtx) error {
	w, q, err := listQuery(r, "status", "service", "channel", "customer", "chatid")
	if err != nil {
		return err
	}
	switch q["status"] {
	case "", "open", "closed", "none":
	default:
		return core.Errorf(core.Invalid, "status %.20q is none of open, closed, none", q["status"])
	}
	page, err := a.gateway.Conversations(ctx, store.Filter{
		Status: q["status"], Service: q["service"], Channel: q["channel"], ChatRef: q["chatid"], Customer: q["customer"],
	}, w.after, w.limit)
	if err != nil {
		return err
	}
	return writeList(r, page, func(l store.Listed) listedBody {
		x := l.Index
		return listedBody{l.ID.String(), x.Status, x.Service, x.Channel, x.ChatRef, x.Customer, utc(x.UpdatedMS)}
	})
}

// bindOrphan answers POST /v1/conversations.
//
//	{"integration":"enghouse","chatid":"4711","channel":"webshop","customer":"ada"}
//	200 {"id":"0f…"}
//	409 {"error":{"code":"conflict","message":"chat \"4711\" has a customer"}}
func (a *Admin) bindOrphan(ctx context.Context, r *fasthttp.RequestCtx) error {
	var o Orphan
	if err := decode(r, &o); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{
		{"integration", o.Integration}, {"chatid", o.ChatID}, {"channel", o.Channel}, {"customer", o.Customer},
	} {
		if f.value == "" || len(f.value) > maxParam {
			return core.Errorf(core.Invalid, "field %q is missing or too long", f.name)
		}
	}
	id, err := a.gateway.BindOrphan(ctx, o)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, map[string]string{"id": id.String()})
	return nil
}

type closeBody struct {
	Reason string `json:"reason"`
}

// closeConversation answers POST /v1/conversations/{id}/close; the body may be
// absent.
//
//	{"reason":"resolved by phone"}
//	202 {}
func (a *Admin) closeConversation(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := conversationID(r)
	if err != nil {
		return err
	}
	var body closeBody
	if hasBody(r) {
		if err := decode(r, &body); err != nil {
			return err
		}
	}
	if len(body.Reason) > maxParam {
		return core.Errorf(core.Invalid, "the reason is longer than %d bytes", maxParam)
	}
	if err := a.gateway.CloseConversation(ctx, id, body.Reason); err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusAccepted, struct{}{})
	return nil
}

// controlConversation answers POST /v1/conversations/{id}/control.
//
//	{"action":"pass","to":"bot","reason":"out of hours"}
//	202 {}
func (a *Admin) controlConversation(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := conversationID(r)
	if err != nil {
		return err
	}
	var c Control
	if err := decode(r, &c); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if err := a.gateway.ControlConversation(ctx, id, c); err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusAccepted, struct{}{})
	return nil
}

// maxControlParams bounds what is told with a change of control.
const maxControlParams = 50

func (c *Control) check() error {
	switch c.Action {
	case "offer", "accept", "pass":
		if c.To != "ccsp" && c.To != "bot" {
			return core.Errorf(core.Invalid, `field "to" must be ccsp or bot`)
		}
	case "release":
		if c.To != "" {
			return core.Errorf(core.Invalid, `field "to" has no meaning for release`)
		}
	default:
		return core.Errorf(core.Invalid, "action %.20q is none of offer, accept, pass, release", c.Action)
	}
	if len(c.Reason) > maxParam || len(c.Params) > maxControlParams {
		return core.Errorf(core.Invalid, "the reason is longer than %d bytes, or there are more than %d params", maxParam, maxControlParams)
	}
	for k, v := range c.Params {
		if k == "" || len(k) > maxParam || len(v) > maxParam {
			return core.Errorf(core.Invalid, "param %.40q is not valid", k)
		}
	}
	return nil
}

type conversationBody struct {
	ID         string            `json:"id"`
	Channel    string            `json:"channel,omitempty"`
	Type       string            `json:"channel_type,omitempty"`
	Service    string            `json:"service,omitempty"`
	Owner      string            `json:"owner"`
	Offered    string            `json:"offered,omitempty"` // the side that may take it
	Customer   *customerBody     `json:"customer,omitempty"`
	Chat       *chatBody         `json:"chat,omitempty"`
	Tags       []string          `json:"tags,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Linked     string            `json:"linked,omitempty"` // where an orphan's events go now
	Commands   uint64            `json:"commands"`         // made so far
	Records    uint64            `json:"records"`          // of history so far
	Open       []pendingBody     `json:"open"`             // commands that have not ended
	Timers     []timerBody       `json:"timers,omitempty"`
	Flow       *flowBody         `json:"flow,omitempty"`
	Created    time.Time         `json:"created,omitzero"`
	FromThem   time.Time         `json:"customer_at,omitzero"`
	FromAgent  time.Time         `json:"agent_at,omitzero"`
	Unanswered time.Time         `json:"unanswered_since,omitzero"`
	Window     *windowBody       `json:"reply_window,omitempty"` // absent: the channel has none
	NextTimer  time.Time         `json:"timer,omitzero"`
}

type customerBody struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
}

type chatBody struct {
	Number      uint32    `json:"number"`
	Integration string    `json:"integration,omitempty"`
	ID          string    `json:"chatid,omitempty"`
	State       string    `json:"state"`
	Queue       string    `json:"queue,omitempty"`
	Agent       string    `json:"agent,omitempty"`
	Status      string    `json:"status,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	ByAgent     uint32    `json:"agent_messages"`
	ByCustomer  uint32    `json:"customer_messages"`
	Opened      time.Time `json:"opened,omitzero"`
	Closed      time.Time `json:"closed,omitzero"`
}

// windowBody says for how long the customer can be written to. A time that is
// absent while it is open is none: without end.
type windowBody struct {
	Open        bool      `json:"open"` // for anybody
	Until       time.Time `json:"until,omitzero"`
	Agents      bool      `json:"open_for_agents"`
	AgentsUntil time.Time `json:"agents_until,omitzero"`
	Left        *int      `json:"messages_left,omitempty"` // absent: any number
}

type timerBody struct {
	Name string    `json:"name"`
	Due  time.Time `json:"due"`
}

type flowBody struct {
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"` // hash of the files it was made of
	Step    uint32    `json:"step"`              // where it waits
	Due     time.Time `json:"due,omitzero"`      // its time limit
}

// getConversation answers GET /v1/conversations/{id}.
func (a *Admin) getConversation(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := conversationID(r)
	if err != nil {
		return err
	}
	doc, open, err := a.gateway.Conversation(ctx, id)
	if err != nil {
		return err
	}
	writeJSON(r, fasthttp.StatusOK, showConversation(id, doc, open))
	return nil
}

func showConversation(id core.ConversationID, d *state.Document, open []*state.Pending) conversationBody {
	b := conversationBody{
		ID: id.String(), Channel: d.GetChannel(), Type: d.GetChannelType(), Service: d.GetService(),
		Owner: d.GetOwner().Word(), Customer: showCustomer(d.GetCustomer()), Chat: showChat(d.GetChat()),
		Tags: d.GetTags(), Attributes: d.GetAttributes(), Commands: d.GetCommands(), Records: d.GetRecords(),
		Open: []pendingBody{}, Created: utc(d.GetCreatedMs()), FromThem: utc(d.GetCustomerMs()),
		FromAgent: utc(d.GetAgentMs()), Unanswered: utc(d.GetUnansweredMs()), NextTimer: utc(d.GetTimerMs()),
	}
	if o := d.GetOffered(); o != state.Owner_OWNER_NONE {
		b.Offered = o.Word()
	}
	if len(d.GetLinked()) == len(id) {
		b.Linked = core.ConversationID(d.GetLinked()).String()
	}
	for _, p := range open {
		b.Open = append(b.Open, pendingBody{showCommand(p.GetCommand()), showAttempts(p.GetAttempts())})
	}
	for _, t := range d.GetTimers() {
		b.Timers = append(b.Timers, timerBody{t.GetName(), utc(t.GetDueMs())})
	}
	b.Window = showWindow(d.GetWindows(), time.Now())
	if f := d.GetFlow(); f != nil {
		b.Flow = &flowBody{f.GetName(), f.GetVersion(), f.GetStep(), utc(f.GetDueMs())}
	}
	return b
}

func showWindow(w *state.Windows, now time.Time) *windowBody {
	if w == nil {
		return nil
	}
	all, agents := w.Reply(false, now.UnixMilli()), w.Reply(true, now.UnixMilli())
	b := &windowBody{Open: all.Open, Until: utc(all.UntilMs), Agents: agents.Open, AgentsUntil: utc(agents.UntilMs)}
	if agents.Left >= 0 {
		b.Left = &agents.Left
	}
	return b
}

func showCustomer(c *pluginv1.Customer) *customerBody {
	if c == nil {
		return nil
	}
	return &customerBody{c.GetAddress(), c.GetName()}
}

func showChat(c *state.Chat) *chatBody {
	if c == nil {
		return nil
	}
	return &chatBody{
		Number: c.GetNumber(), Integration: c.GetIntegration(), ID: c.GetRef(), State: c.GetState().Word(),
		Queue: c.GetQueue(), Agent: c.GetAgent().GetName(), Status: c.GetStatus(), Reason: c.GetReason(),
		ByAgent: c.GetAgentMessages(), ByCustomer: c.GetCustomerMessages(),
		Opened: utc(c.GetOpenedMs()), Closed: utc(c.GetClosedMs()),
	}
}
