package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openccsp/gateway/sdk"
)

var ada = sdk.Customer{Address: "ada"}

// TestOneAtATimePerConversation: calls of one conversation queue, in order;
// those of others go on meanwhile.
func TestOneAtATimePerConversation(t *testing.T) {
	var mu sync.Mutex
	var order []string
	inside := make(chan string)
	leave := make(chan struct{})
	f := &fake{send: func(ctx context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
		mu.Lock()
		order = append(order, m.ID)
		mu.Unlock()
		inside <- m.ID
		<-leave
		return sdk.Receipt{}, nil
	}}
	g := f.start(t)
	var wg sync.WaitGroup
	post := func(address, id string) {
		wg.Go(func() {
			if _, err := g.Send(t.Context(), sdk.Customer{Address: address}, sdk.Message{ID: id}); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	post("ada", "a1")
	if got := <-inside; got != "a1" {
		t.Fatalf("%s began", got)
	}
	post("ada", "a2")
	post("bob", "b1")
	if got := <-inside; got != "b1" {
		t.Fatalf("%s began while a1 is under way", got)
	}
	if _, err := g.PollAccount(t.Context(), nil); err != nil { // does not wait either
		t.Error(err)
	}
	close(leave)
	if got := <-inside; got != "a2" {
		t.Errorf("%s began", got)
	}
	wg.Wait()
	if want := []string{"a1", "b1", "a2"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

// TestErrors: what a driver says is what the gateway hears.
func TestErrors(t *testing.T) {
	var fails error
	f := &fake{send: func(context.Context, sdk.Customer, sdk.Message) (sdk.Receipt, error) {
		return sdk.Receipt{}, fails
	}}
	g := f.start(t)
	refusedConn := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	reset := &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "ok"},
		{sdk.ErrWindowClosed, "window"},
		{fmt.Errorf("send: %w", sdk.ErrRecipientGone), "gone"},
		{sdk.ErrAuthConfig, "auth"},
		{sdk.ErrAuthRefreshed, "refreshed"},
		{sdk.ErrChatGone, "chat"},
		{sdk.ErrUnsupported, "unsupported"},
		{sdk.Retry(errors.New("busy"), time.Second), "retry 1s"},
		{fmt.Errorf("outer: %w", sdk.Throttled(errors.New("429"), 2*time.Second)), "throttled 2s"},
		{sdk.Ambiguous(errors.New("no answer")), "ambiguous 0s"},
		{sdk.Ambiguous(sdk.Retry(errors.New("both"), 0)), "ambiguous 0s"},
		{&sdk.AmbiguousError{Err: errors.New("502"), After: 5 * time.Second}, "ambiguous 5s"},
		{sdk.Rejected("E7", "bad\xffnumber"), "rejected E7 bad\uFFFDnumber"},
		{errors.New("something else"), "rejected error something else"},
		{errors.New(strings.Repeat("x", 1<<20)), "rejected error " + strings.Repeat("x", 1024)},
		{context.DeadlineExceeded, "ambiguous 0s"},
		{sdk.Retry(context.DeadlineExceeded, 0), "retry 0s"},
		{refusedConn, "retry 0s"},
		{&net.DNSError{Err: "no such host"}, "retry 0s"},
		{reset, "ambiguous 0s"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "ambiguous 0s"},
	} {
		fails = test.err
		_, err := g.Send(t.Context(), ada, sdk.Message{})
		if got := kind(err); got != test.want {
			t.Errorf("%.80v: the gateway hears %.80q, want %.80q", test.err, got, test.want)
		}
	}
}

func kind(err error) string {
	if re, ok := errors.AsType[*sdk.RetryError](err); ok {
		if re.Throttled {
			return "throttled " + re.After.String()
		}
		return "retry " + re.After.String()
	}
	if ae, ok := errors.AsType[*sdk.AmbiguousError](err); ok {
		return "ambiguous " + ae.After.String()
	}
	if re, ok := errors.AsType[*sdk.RejectedError](err); ok {
		return "rejected " + re.Code + " " + re.Detail
	}
	for _, s := range []struct {
		err  error
		name string
	}{
		{nil, "ok"}, {sdk.ErrWindowClosed, "window"}, {sdk.ErrRecipientGone, "gone"},
		{sdk.ErrAuthConfig, "auth"}, {sdk.ErrAuthRefreshed, "refreshed"},
		{sdk.ErrChatGone, "chat"}, {sdk.ErrUnsupported, "unsupported"},
	} {
		if errors.Is(err, s.err) {
			return s.name
		}
	}
	return fmt.Sprint(err)
}

// TestPanic: the call is ambiguous, and everything goes on.
func TestPanic(t *testing.T) {
	f := &fake{send: func(_ context.Context, _ sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
		switch m.Text {
		case "panic":
			panic("bad driver")
		case "exit":
			runtime.Goexit()
		}
		return sdk.Receipt{MessageID: "ok"}, nil
	}}
	g := f.start(t)
	for _, text := range []string{"panic", "exit"} {
		for range 3 {
			_, err := g.Send(t.Context(), ada, sdk.Message{Text: text})
			if kind(err) != "ambiguous 0s" || !strings.HasPrefix(err.Error(), "panic:") {
				t.Errorf("%s: %v, want an ambiguous panic", text, err)
			}
		}
		if r, err := g.Send(t.Context(), ada, sdk.Message{Text: "fine"}); err != nil || r.MessageID != "ok" {
			t.Errorf("after %s: %v %v", text, r, err)
		}
	}
}

// TestDeadlineAndCancel: ctx ends with the frame's deadline and when the
// gateway no longer waits.
func TestDeadlineAndCancel(t *testing.T) {
	deadline, began, cancelled := make(chan struct{}, 16), make(chan struct{}), make(chan error, 1)
	f := &fake{send: func(ctx context.Context, _ sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
		if m.ID == "deadline" {
			<-ctx.Done()
			deadline <- struct{}{}
			return sdk.Receipt{}, ctx.Err()
		}
		close(began)
		<-ctx.Done()
		cancelled <- ctx.Err()
		return sdk.Receipt{}, ctx.Err()
	}}
	g := f.start(t)
	for limit := 50 * time.Millisecond; ; limit *= 2 { // a call that comes late is not made
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		g.Send(ctx, ada, sdk.Message{ID: "deadline"})
		cancel()
		select {
		case <-deadline:
		case <-time.After(limit):
			continue
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	g.Send(ctx, ada, sdk.Message{ID: "cancel"})
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v, want %v", err, context.Canceled)
	}
}

// TestLateCallIsNotMade: a call whose time passed in the queue has no effect.
func TestLateCallIsNotMade(t *testing.T) {
	began, leave := make(chan struct{}), make(chan struct{})
	var calls []string // of Ada's, one at a time
	f := &fake{send: func(_ context.Context, to sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
		if to.Address != ada.Address {
			return sdk.Receipt{}, nil
		}
		calls = append(calls, m.ID)
		if m.ID == "first" {
			close(began)
			<-leave
		}
		return sdk.Receipt{}, nil
	}}
	g := f.start(t)
	var wg sync.WaitGroup
	wg.Go(func() { g.Send(t.Context(), ada, sdk.Message{ID: "first"}) })
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	g.Send(ctx, ada, sdk.Message{ID: "late"})
	if _, err := g.Send(t.Context(), sdk.Customer{Address: "bob"}, sdk.Message{}); err != nil {
		t.Error(err) // when it is answered, the plugin knows that nobody waits for the late one
	}
	close(leave)
	wg.Wait()
	if _, err := g.Send(t.Context(), ada, sdk.Message{ID: "last"}); err != nil {
		t.Error(err)
	}
	if want := []string{"first", "last"}; !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
}

// TestDrainWaits: drain ends when what is in hand has been answered. What comes
// meanwhile is refused: at once, or in its turn if its conversation awaits an
// answer.
func TestDrainWaits(t *testing.T) {
	began, leave := make(chan struct{}), make(chan struct{})
	f := &fake{send: func(_ context.Context, _ sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
		close(began)
		<-leave
		return sdk.Receipt{}, nil
	}}
	g := f.start(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := g.Send(t.Context(), ada, sdk.Message{}); err != nil {
			t.Error(err)
		}
	})
	<-began
	if n := g.Drain(t.Context(), 20*time.Millisecond); n != 1 {
		t.Errorf("drain left %d, want 1", n)
	}
	if _, err := g.Send(t.Context(), sdk.Customer{Address: "bob"}, sdk.Message{}); kind(err) != "retry 0s" {
		t.Errorf("a call to a drained plugin: %v", err)
	}
	same := make(chan error, 1)
	wg.Go(func() {
		_, err := g.Send(t.Context(), ada, sdk.Message{ID: "same"})
		same <- err
	})
	for n := 0; n != 2 && len(same) == 0; {
		n = g.Drain(t.Context(), 20*time.Millisecond)
	}
	if len(same) > 0 {
		t.Error("a call overtook an open one of its conversation")
	}
	close(leave)
	if n := g.Drain(t.Context(), time.Minute); n != 0 {
		t.Errorf("drain left %d, want 0", n)
	}
	if err := <-same; kind(err) != "retry 0s" {
		t.Errorf("a call to a drained plugin: %v", err)
	}
	wg.Wait()
}

// hook answers webhooks with what it is told to.
type hook struct {
	fake
	answer func(r *sdk.WebhookRequest) (sdk.WebhookResponse, error)
}

func (h *hook) Webhook(_ context.Context, r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
	return h.answer(r)
}

func (h *hook) plugin() sdk.Plugin {
	return onePlugin(sdk.NewChannel("hook", sdk.Capabilities{ChannelType: "sms"},
		func(context.Context, fakeSettings, sdk.Host) (*hook, error) { return h, nil }))
}

func TestWebhook(t *testing.T) {
	score := 4.5
	h := &hook{}
	g := startHook(t, h)
	h.answer = func(r *sdk.WebhookRequest) (sdk.WebhookResponse, error) {
		if r.Method != http.MethodPost || r.Path != "/in" || r.Header.Get("X-Test") != "1" || string(r.Body) != "\xff" {
			t.Errorf("request %+v", r)
		}
		return sdk.WebhookResponse{Body: []byte("thanks"), Events: []sdk.Event{
			{Type: sdk.SurveyRated, Score: &score, Customer: ada, Text: "bad \xff utf-8"},
			{Type: sdk.CustomEvent, Ref: "4711", Customer: sdk.Customer{Attributes: map[string]string{"tier": "gold"}}}}}, nil
	}
	r, err := g.Webhook(t.Context(), &sdk.WebhookRequest{Method: http.MethodPost, Path: "/in",
		Header: http.Header{"X-Test": {"1"}}, Body: []byte("\xff")})
	if err != nil || r.Status != 200 || string(r.Body) != "thanks" || len(r.Events) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	if e := r.Events[0]; *e.Score != score || e.Customer.Address != "ada" || e.Text != "bad \uFFFD utf-8" {
		t.Errorf("event %+v", e)
	}
	if e := r.Events[1]; e.Ref != "4711" || e.Customer.Attributes["tier"] != "gold" {
		t.Errorf("what is known of a customer without an address is lost: %+v", e)
	}
	for _, test := range []struct {
		err  error
		want int
	}{
		{errors.New("bug"), 500},
		{sdk.Retry(errors.New("not now"), 0), 503},
		{sdk.ErrUnsupported, 404},
	} {
		h.answer = func(*sdk.WebhookRequest) (sdk.WebhookResponse, error) { return sdk.WebhookResponse{}, test.err }
		if r, err := g.Webhook(t.Context(), &sdk.WebhookRequest{}); err != nil || r.Status != test.want {
			t.Errorf("%v: status %d, %v; want %d", test.err, r.Status, err, test.want)
		}
	}
	h.answer = func(*sdk.WebhookRequest) (sdk.WebhookResponse, error) { panic("bad request") }
	if r, err := g.Webhook(t.Context(), &sdk.WebhookRequest{}); err == nil || r.Status != 500 {
		t.Errorf("panic: status %d, %v", r.Status, err)
	}
	h.answer = func(*sdk.WebhookRequest) (sdk.WebhookResponse, error) {
		return sdk.WebhookResponse{Status: 400, Quarantine: "half a message"}, nil
	}
	if r, _ := g.Webhook(t.Context(), &sdk.WebhookRequest{}); r.Quarantine != "half a message" || r.Status != 400 {
		t.Errorf("quarantine: %+v", r)
	}
}

// TestGoexitLetsTheNextIn: the call that waits behind a driver's Goexit is made.
func TestGoexitLetsTheNextIn(t *testing.T) {
	began, leave := make(chan struct{}), make(chan struct{})
	f := &fake{send: func(_ context.Context, _ sdk.Customer, m sdk.Message) (sdk.Receipt, error) {
		if m.ID == "exits" {
			close(began)
			<-leave
			runtime.Goexit()
		}
		return sdk.Receipt{}, nil
	}}
	g := f.start(t)
	var wg sync.WaitGroup
	wg.Go(func() { g.Send(t.Context(), ada, sdk.Message{ID: "exits"}) })
	<-began
	for i := range 3 {
		wg.Go(func() {
			if _, err := g.Send(t.Context(), ada, sdk.Message{ID: fmt.Sprint(i)}); err != nil {
				t.Errorf("behind it: %v", err)
			}
		})
	}
	bob := sdk.Customer{Address: "bob"} // its answer shows that the frames before it have been read
	if _, err := g.Send(t.Context(), bob, sdk.Message{ID: "bob"}); err != nil {
		t.Error(err)
	}
	close(leave)
	wg.Wait()
}
