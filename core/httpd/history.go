package httpd

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core/state"
)

// entryBody is one of its two fields.
type entryBody struct {
	Record *recordBody `json:"record,omitempty"` // an event that was decided
	Ended  *endedBody  `json:"ended,omitempty"`  // a command that ended
}

type recordBody struct {
	Number      uint64        `json:"number"`
	Decided     time.Time     `json:"decided,omitzero"`
	Event       eventBody     `json:"event"`
	Verdicts    []verdictBody `json:"verdicts,omitempty"`
	Flows       []flowDone    `json:"flows,omitempty"`    // what flows did, in order
	Commands    []uint64      `json:"commands,omitempty"` // their numbers
	Route       string        `json:"route,omitempty"`
	DuplicateOf string        `json:"duplicate_of,omitempty"`
	Dead        string        `json:"dead,omitempty"` // why it could not be decided
	Snap        string        `json:"snap,omitempty"` // hash of the rules and the rest it was decided with
	Engine      string        `json:"engine,omitempty"`
}

// eventBody sums up what the rules saw.
type eventBody struct {
	Type        string            `json:"type"`
	Name        string            `json:"name,omitempty"` // of a custom event
	ID          string            `json:"id,omitempty"`
	At          time.Time         `json:"at,omitzero"`
	LateBy      float64           `json:"late_by,omitempty"` // seconds
	Source      string            `json:"source,omitempty"`
	Instance    string            `json:"instance,omitempty"`
	Service     string            `json:"service,omitempty"`
	Owner       string            `json:"owner"`
	ChatID      string            `json:"chatid,omitempty"`
	Text        string            `json:"text,omitempty"`
	Attachments []attachmentBody  `json:"attachments,omitempty"`
	QuickReply  *quickReplyBody   `json:"quick_reply,omitempty"` // that was chosen, or what digits stand for
	MessageID   string            `json:"message_id,omitempty"`
	CallID      string            `json:"call_id,omitempty"`
	Digits      string            `json:"digits,omitempty"`
	Duration    *float64          `json:"duration,omitempty"` // of a call, seconds
	Agent       string            `json:"agent,omitempty"`
	Queue       string            `json:"queue,omitempty"`
	Position    *int32            `json:"position,omitempty"`
	EstWait     *float64          `json:"est_wait,omitempty"`  // minutes, as the next two
	WaitTime    *float64          `json:"wait_time,omitempty"` // the customer's
	IdleTime    *float64          `json:"idle_time,omitempty"`
	Kind        string            `json:"kind,omitempty"`
	From        string            `json:"from,omitempty"`
	To          string            `json:"to,omitempty"`
	Status      string            `json:"status,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	ReasonCode  string            `json:"reason_code,omitempty"`
	Code        string            `json:"code,omitempty"` // of a message that failed
	By          string            `json:"by,omitempty"`
	TimedOut    bool              `json:"timed_out,omitempty"`
	Score       *float64          `json:"score,omitempty"`
	Comment     string            `json:"comment,omitempty"`
	Params      map[string]string `json:"params,omitempty"`
	Cut         bool              `json:"cut,omitempty"`    // something was longer than rules may see
	Waited      string            `json:"waited,omitempty"` // the rule that looks at it again, its time having come
}

type quickReplyBody struct {
	Title   string `json:"title"`
	Payload string `json:"payload,omitempty"`
}

type verdictBody struct {
	Rule    string `json:"rule"`
	Verdict string `json:"verdict"` // matched, not_matched, error
	Error   string `json:"error,omitempty"`
	Reason  string `json:"reason,omitempty"` // not_matched: why, if not for its condition
	Shadow  bool   `json:"shadow,omitempty"` // matched, and nothing was done
	At      string `json:"at,omitempty"`     // matched: file:line:column of the rule
}

type flowDone struct {
	Flow    string `json:"flow"`
	Version string `json:"version,omitempty"` // hash of the files it was made of
	Place   string `json:"place,omitempty"`   // of the step in its file
	Step    string `json:"step,omitempty"`    // ask, wait, …; none: the flow itself
	What    string `json:"what"`              // what happened
}

type endedBody struct {
	Command   commandBody  `json:"command"`
	Attempts  attemptsBody `json:"attempts"`
	End       string       `json:"end"` // sent, dropped, dead
	Reason    string       `json:"reason,omitempty"`
	MessageID string       `json:"message_id,omitempty"`
	At        time.Time    `json:"at,omitzero"`
}

// listHistory answers GET /v1/conversations/{id}/history?limit&after, the
// newest first.
//
//	200 {"items":[{"ended":{…}},{"record":{…}}],"next":"…"}
func (a *Admin) listHistory(ctx context.Context, r *fasthttp.RequestCtx) error {
	id, err := conversationID(r)
	if err != nil {
		return err
	}
	w, _, err := listQuery(r)
	if err != nil {
		return err
	}
	page, err := a.gateway.History(ctx, id, w.after, w.limit)
	if err != nil {
		return err
	}
	return writeList(r, page, showEntry)
}

func showEntry(e *state.Entry) (b entryBody) {
	if e := e.GetEnded(); e != nil {
		b.Ended = &endedBody{
			showCommand(e.GetCommand()), showEnded(e.GetAttempts()),
			e.GetEnd(), e.GetReason(), e.GetMessageId(), utc(e.GetAtMs()),
		}
	}
	if rec := e.GetRecord(); rec != nil {
		b.Record = showRecord(rec)
	}
	return b
}

func showRecord(rec *state.Record) *recordBody {
	b := &recordBody{
		Number: rec.GetNumber(), Decided: utc(rec.GetNowMs()), Event: showEvent(rec.GetView()),
		Commands: rec.GetCommands(), Route: rec.GetRoute(), DuplicateOf: rec.GetDuplicateOf(),
		Dead: rec.GetDead(), Snap: rec.GetSnap(), Engine: rec.GetEngine(),
	}
	for _, v := range rec.GetVerdicts() {
		b.Verdicts = append(b.Verdicts, verdictBody{
			v.GetRule(), v.GetVerdict().Word(), v.GetError(), v.GetReason(), v.GetShadow(), v.GetAt(),
		})
	}
	for _, f := range rec.GetFlows() {
		b.Flows = append(b.Flows, flowDone{f.GetFlow(), f.GetVersion(), f.GetPlace(), f.GetStep(), f.GetWhat()})
	}
	return b
}

func showEvent(v *state.View) eventBody {
	e := v.GetEvent()
	b := eventBody{
		Type: v.GetType(), Name: e.GetEventName(), ID: v.GetId(), At: utc(v.GetAtMs()), LateBy: v.GetLateBy(),
		Source: v.GetSource(), Instance: v.GetInstance(), Service: v.GetService(), Owner: v.GetOwner().Word(),
		ChatID: v.GetChat().GetRef(), Text: e.GetText(), Attachments: showAttachments(e.GetAttachments()),
		MessageID: e.GetMessageId(), CallID: e.GetCallId(), Digits: e.GetDigits(), Code: e.GetCode(), Agent: e.GetAgent().GetName(), Queue: e.GetQueue(), Kind: e.GetKind(),
		From: e.GetFrom(), To: e.GetTo(), Status: e.GetStatus(), Reason: e.GetReason(), ReasonCode: e.GetReasonCode(),
		By: e.GetBy(), TimedOut: e.GetTimedOut(), Comment: e.GetComment(), Params: e.GetParams(), Cut: v.GetCut(), Waited: v.GetWaited(),
	}
	if e != nil {
		b.Position, b.EstWait, b.WaitTime, b.IdleTime, b.Score = e.Position, e.EstWait, e.WaitTime, e.IdleTime, e.Score
		b.Duration = e.Duration
	}
	if q := e.GetQuickReply(); q != nil {
		b.QuickReply = &quickReplyBody{q.GetTitle(), q.GetPayload()}
	}
	return b
}
