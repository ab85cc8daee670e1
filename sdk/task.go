package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// defaultDeadline is for frames that have none.
const defaultDeadline = 30 * time.Second

// task is one frame that is to be answered.
type task struct {
	l       *link
	f       *pluginv1.HostFrame
	ctx     context.Context
	cancel  context.CancelFunc
	key     conversation
	ordered bool
	refusal string // why the driver is not to be called, "" if it is
	next    *task  // of the same conversation; guarded by work.mu
}

type traceKey struct{}

func newTask(l *link, f *pluginv1.HostFrame) *task {
	t := &task{l: l, f: f}
	if _, call := f.Body.(*pluginv1.HostFrame_Call); call && len(f.Conversation) > 0 {
		t.ordered = true
		t.key.instance = f.Instance
		copy(t.key.id[:], f.Conversation)
	}
	d := time.Duration(f.DeadlineMs) * time.Millisecond
	if d == 0 {
		d = defaultDeadline
	}
	ctx := l.ctx
	if f.Trace != "" {
		ctx = context.WithValue(ctx, traceKey{}, f.Trace)
	}
	t.ctx, t.cancel = context.WithTimeout(ctx, d)
	return t
}

// run calls the driver and queues the answer, whatever the driver does.
func (t *task) run() {
	if t.refusal != "" {
		t.refuse(t.refusal)
		return
	}
	defer t.l.closed(t)
	switch b := t.f.Body.(type) {
	case *pluginv1.HostFrame_Call:
		t.call(b.Call)
	case *pluginv1.HostFrame_Webhook:
		t.webhook(b.Webhook)
	case *pluginv1.HostFrame_Poll:
		t.poll(b.Poll)
	}
}

// refuse answers without calling the driver: nothing has happened.
func (t *task) refuse(code string) {
	defer t.l.closed(t)
	f := &pluginv1.PluginFrame{ReplyTo: t.f.Seq, Instance: t.f.Instance}
	r := &pluginv1.Result{Outcome: pluginv1.Outcome_RETRY, Code: code}
	switch t.f.Body.(type) {
	case *pluginv1.HostFrame_Webhook:
		f.Body = &pluginv1.PluginFrame_Webhook{Webhook: &pluginv1.WebhookAnswer{
			Status: http.StatusServiceUnavailable, Detail: code}}
	case *pluginv1.HostFrame_Poll:
		f.Body = &pluginv1.PluginFrame_Poll{Poll: &pluginv1.PollAnswer{Result: r}}
	default:
		f.Body = &pluginv1.PluginFrame_Result{Result: r}
	}
	t.l.send(f)
}

// begin pins the instance, or says why the driver is not called.
func (t *task) begin() (*instance, string) {
	if t.ctx.Err() != nil {
		return nil, "late"
	}
	in := t.l.s.await(t.ctx, t.f.Instance)
	if in == nil {
		return nil, "no_instance"
	}
	return in, ""
}

// guard calls f and turns a panic into an error. The effect may have happened.
func (in *instance) guard(what string, f func() error) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover()
		if p == nil {
			p = "goroutine ended"
		}
		in.host.log.Error("driver panicked", "call", what, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		err = errPanic
	}()
	err = f()
	returned = true
	return err
}

var errPanic = errors.New("the driver panicked; see the log")

// resultFrame is a frame with its result, in one piece of memory.
type resultFrame struct {
	frame  pluginv1.PluginFrame
	body   pluginv1.PluginFrame_Result
	result pluginv1.Result
}

func (t *task) call(c *pluginv1.Call) {
	in, code := t.begin()
	if in == nil {
		t.refuse(code)
		return
	}
	defer in.pins.drop()
	a := new(resultFrame)
	a.frame.ReplyTo, a.frame.Instance = t.f.Seq, t.f.Instance
	a.body.Result, a.frame.Body = &a.result, &a.body
	// Also when the driver ends the goroutine the answer leaves.
	a.result.Outcome, a.result.Code = pluginv1.Outcome_AMBIGUOUS, "panic"
	defer func() { t.l.send(&a.frame) }()
	err := in.guard(c.GetOp().String(), func() error { return in.effect(t.ctx, c, &a.result) })
	settle(&a.result, err)
}

func settle(r *pluginv1.Result, err error) {
	switch {
	case err == nil:
		r.Outcome, r.Code = pluginv1.Outcome_OK, ""
	case errors.Is(err, errPanic):
		r.Outcome, r.Code, r.Detail = pluginv1.Outcome_AMBIGUOUS, "panic", err.Error()
	default:
		r.Code = ""
		fail(r, err)
	}
}

func (t *task) poll(p *pluginv1.Poll) {
	in, code := t.begin()
	if in == nil {
		t.refuse(code)
		return
	}
	defer in.pins.drop()
	a := &pluginv1.PollAnswer{Result: &pluginv1.Result{Outcome: pluginv1.Outcome_AMBIGUOUS, Code: "panic"}}
	f := &pluginv1.PluginFrame{ReplyTo: t.f.Seq, Instance: t.f.Instance,
		Body: &pluginv1.PluginFrame_Poll{Poll: a}}
	defer func() { t.l.send(f) }()
	var got PollResult
	err := in.guard("POLL", func() (err error) {
		got, err = in.poll(t.ctx, p)
		return err
	})
	if err == nil {
		a.Events, a.Cursor, a.NextMs = eventsProto(got.Events), got.Cursor, milliseconds(got.Next)
		if f.SizeVT() > maxFrameBytes {
			a.Events, a.Cursor = nil, nil
			err = Rejected("too_large", "a poll brought more than "+strconv.Itoa(maxFrameBytes)+" bytes")
		}
	}
	settle(a.Result, err)
}

func (t *task) webhook(w *pluginv1.WebhookRequest) {
	in, code := t.begin()
	if in == nil {
		t.refuse(code)
		return
	}
	defer in.pins.drop()
	a := &pluginv1.WebhookAnswer{Status: http.StatusInternalServerError, Detail: "panic"}
	f := &pluginv1.PluginFrame{ReplyTo: t.f.Seq, Instance: t.f.Instance,
		Body: &pluginv1.PluginFrame_Webhook{Webhook: a}}
	defer func() { t.l.send(f) }()
	var got WebhookResponse
	err := in.guard("WEBHOOK", func() (err error) {
		got, err = in.webhook(t.ctx, webhookFrom(w))
		return err
	})
	if err != nil {
		webhookFailed(a, err)
		return
	}
	a.Status, a.Detail = uint32(got.Status), clip(got.Quarantine, maxDetail)
	if got.Status == 0 {
		a.Status = http.StatusOK
	}
	a.Quarantine = got.Quarantine != ""
	a.Headers, a.Body, a.Events = headersProto(got.Header), got.Body, eventsProto(got.Events)
	if f.SizeVT() > maxFrameBytes {
		a.Reset()
		a.Status, a.Detail = http.StatusInternalServerError, "the answer is too large"
	}
}

func webhookFailed(a *pluginv1.WebhookAnswer, err error) {
	if errors.Is(err, errPanic) {
		return // as prepared
	}
	var r pluginv1.Result
	fail(&r, err)
	a.Status, a.Detail = http.StatusInternalServerError, r.Detail
	switch r.Outcome {
	case pluginv1.Outcome_RETRY, pluginv1.Outcome_THROTTLED, pluginv1.Outcome_AMBIGUOUS,
		pluginv1.Outcome_AUTH_CONFIG, pluginv1.Outcome_AUTH_REFRESH:
		a.Status = http.StatusServiceUnavailable
	case pluginv1.Outcome_UNSUPPORTED:
		a.Status = http.StatusNotFound
	}
}
