package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// reader is a connector whose chats are read, and what it reports of them.
type reader struct {
	*connector
	t    *testing.T
	host *plugintest.Host
	far  *answering
	out  []sdk.Event
	fail error // of emitting
	mark []byte
}

func newReader(t *testing.T, change ...func(*settings)) *reader {
	t.Helper()
	r := &reader{t: t, far: &answering{status: 200}}
	r.connector, r.host = dial(t, r.far, change...)
	r.host.Set(noon)
	emit := emitter(func(_ context.Context, all ...sdk.Event) error {
		if r.fail == nil {
			r.out = append(r.out, all...)
		}
		return r.fail
	})
	r.emit.Store(&emit)
	return r
}

// read reads the chat, which answers this, and names what is reported.
func (r *reader) read(body string) (names []string, err error) {
	r.far.body, r.out = body, nil
	r.lives.change(string(chat.Ref), func(l *life) { l.read = noon })
	res, err := r.Poll(r.t.Context(), chat, r.mark)
	if err == nil {
		r.mark = res.Cursor
	}
	for _, e := range r.out {
		name := e.Type + " " + e.Text
		if e.Private {
			name = "private " + name
		}
		names = append(names, strings.TrimSpace(name))
	}
	return names, err
}

func agentSaid(id, text, more string) string {
	return fmt.Sprintf(`{"message_id":%q,"direction":"outbound","text":%q%s}`, id, text, more)
}

func object1(status string, messages ...string) string {
	return `{"status_code":200,"response":{"chat_id":"CSR1","status":"` + status + `","messages":[` + strings.Join(messages, ",") + `]}}`
}

// TestReadings: what a chat's object means, in every shape it may have.
func TestReadings(t *testing.T) {
	one := agentSaid("1", "a", "")
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"new, nothing said", object1("queued"), nil},
		{"picked", object1("picked"), []string{"chat_assigned"}},
		{"on hold", object1("onhold"), []string{"chat_held"}},
		{"ON HOLD", object1("On Hold"), []string{"chat_held"}},
		{"closed, for the first time", object1("closed", one), []string{"incoming_message a"}},
		{"a status that nobody knows", object1("snoozed", one), []string{"incoming_message a"}},
		{"a status that is a number", `{"response":{"status":3,"messages":[` + one + `]}}`, []string{"incoming_message a"}},
		{"before what was said", object1("picked", one), []string{"chat_assigned", "incoming_message a"}},
		{"no envelope", `{"chat_id":"CSR1","status":"picked"}`, []string{"chat_assigned"}},
		{"a list of one", `{"response":[{"chat_id":"CSR1","status":"picked"}]}`, []string{"chat_assigned"}},
		{"in a string", `{"response":"{\"chat_id\":\"CSR1\",\"status\":\"picked\"}"}`, []string{"chat_assigned"}},
		{"messages in a string", `{"response":{"messages":"[{\"id\":1,\"direction\":\"outbound\",\"message\":\"a\"}]"}}`, []string{"incoming_message a"}},
		{"one message", `{"response":{"messages":` + one + `}}`, []string{"incoming_message a"}},
		{"messages null", `{"response":{"messages":null,"status":null}}`, nil},
		{"messages of other kinds", object1("queued", `null`, `7`, `"x"`, `[]`, `{}`, one), []string{"incoming_message a"}},
		{"the customer's", object1("queued", `{"message_id":"1","direction":"inbound","text":"mine"}`), nil},
		{"nobody's", object1("queued", `{"message_id":"1","text":"mine?"}`), nil},
		{"an announcement", object1("queued", `{"message_id":"1","direction":"Announcement","text":"x"}`), nil},
		{"the bot's", object1("queued", agentSaid("1", "x", `,"author":"bot"`)), nil},
		{"the system's", object1("queued", agentSaid("1", "x", `,"sender":{"type":"System"}`)), nil},
		{"of a transcript, by its id", object1("queued", agentSaid("0123-2.1", "x", "")), nil},
		{"without an id", object1("queued", agentSaid("", "x", "")), nil},
		{"without anything", object1("queued", agentSaid("1", "", "")), nil},
		{"a note", object1("queued", agentSaid("1", "psst", `,"visibility":"agent"`)), []string{"private incoming_message psst"}},
		{"a file", object1("queued", agentSaid("1", "", `,"attachments":[{"url":"https://e.com/a"}]`)), []string{"incoming_message"}},
		{"by time", object1("queued", agentSaid("b", "2", `,"timestamp":"2026-01-02T12:00:02Z"`), agentSaid("a", "1", `,"timestamp":1767355201`)),
			[]string{"incoming_message 1", "incoming_message 2"}},
		{"by number", object1("queued", agentSaid("10", "2", ""), agentSaid("9", "1", "")), []string{"incoming_message 1", "incoming_message 2"}},
		{"as they are", object1("queued", agentSaid("b", "1", ""), agentSaid("a", "2", "")), []string{"incoming_message 1", "incoming_message 2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t)
			got, err := r.read(tt.body)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			for _, e := range r.out {
				if e.ID == "" || e.Ref != "CSR1" {
					t.Errorf("%+v has no id or chat", e)
				}
			}
			if tt.name == "closed, for the first time" {
				return
			}
			if again, err := r.read(tt.body); len(again) > 0 || err != nil {
				t.Errorf("read again: %q, %v", again, err)
			}
		})
	}
}

// TestReadOfTranscript: what was said before the chat is older than it.
func TestReadOfTranscript(t *testing.T) {
	r := newReader(t)
	got, err := r.read(`{"response":{"created_at":"2026-01-02T12:00:00Z","messages":[` +
		agentSaid("x", "old", `,"timestamp":"2026-01-02T11:59:59Z"`) + "," + agentSaid("y", "new", `,"timestamp":"2026-01-02T12:00:00Z"`) + `]}}`)
	if diff := cmp.Diff([]string{"incoming_message new"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestOnceInEitherOrder: a webhook and a reading name a message alike, and what
// a webhook said of a chat's state is not said again.
func TestOnceInEitherOrder(t *testing.T) {
	r := newReader(t)
	hook := `{"event_type":"incoming_message","chatid":"CSR1","messageid":1,"message":"a"}`
	byHook := r.take([]byte(hook)).Events[0]
	if _, err := r.read(object1("queued", agentSaid("1", "a", ""))); err != nil || len(r.out) != 1 || r.out[0].ID != byHook.ID {
		t.Errorf("read %+v, %v, want the id %s", r.out, err, byHook.ID)
	}
	r.take([]byte(`{"event_type":"chat_picked","chatid":"CSR1"}`))
	if got, err := r.read(object1("picked")); len(got) > 0 || err != nil {
		t.Errorf("%q, %v, want nothing", got, err)
	}
	r.take([]byte(`{"event_type":"chat_on_hold","chatid":"CSR1"}`))
	if got, _ := r.read(object1("picked")); cmp.Diff([]string{"chat_resumed"}, got) != "" {
		t.Errorf("%q, want chat_resumed", got)
	}
}

// TestRestart: the cursor knows what webhooks said, and the first reading is at
// once.
func TestRestart(t *testing.T) {
	r := newReader(t)
	if _, err := r.Open(t.Context(), chat, sdk.Message{Text: "Hi"}); err == nil {
		t.Fatal("no id, no error")
	}
	r.far.body = `{"response":{"chat_id":"CSR1"}}`
	ref, err := r.Open(t.Context(), chat, sdk.Message{Text: "Hi"})
	if err != nil || ref != chat.Ref {
		t.Fatal(ref, err)
	}
	r.far.got.Reset()
	poll := func() sdk.PollResult {
		t.Helper()
		res, err := r.Poll(t.Context(), chat, r.mark)
		if err != nil {
			t.Fatal(err)
		}
		r.mark = res.Cursor
		return res
	}
	if res := poll(); res.Cursor != nil || res.Next != noteEvery || r.far.got.Len() > 0 {
		t.Errorf("a new chat is read: %+v\n%s", res, r.far.got.String())
	}
	r.take([]byte(`{"event_type":"chat_picked","chatid":"CSR1"}`))
	if res := poll(); readMark(res.Cursor).Status != statusPicked || r.far.got.Len() > 0 {
		t.Errorf("the cursor is %s", res.Cursor)
	}
	r.lives, r.repeats = newLives(), newRepeats() // the process is another one
	r.far.body = object1("picked", agentSaid("1", "a", ""))
	poll()
	if len(r.out) != 1 || r.out[0].Text != "a" || !strings.HasPrefix(r.far.got.String(), "-> GET /v3.1/chats/CSR1 ") {
		t.Errorf("after a start: %+v\n%s", r.out, r.far.got.String())
	}
	r.far.got.Reset()
	if res := poll(); r.far.got.Len() > 0 || res.Next != noteEvery {
		t.Errorf("read again at once: %+v", res)
	}
	r.host.Set(noon.Add(7 * time.Minute)) // more than catch_up and its jitter
	if poll(); r.far.got.Len() == 0 {
		t.Error("not read again later")
	}
}

// TestClosedTwice: a chat that reads as closed is closed with the next reading,
// soon, unless the webhook, which says more, has come.
func TestClosedTwice(t *testing.T) {
	r := newReader(t)
	closed := object1("closed", agentSaid("1", "bye", ""))
	r.far.body = closed
	res, err := r.Poll(t.Context(), chat, nil)
	if err != nil || res.Next < closedAgain || res.Next > 2*closedAgain || len(r.out) != 1 {
		t.Fatalf("%+v, %v, %d events", res, err, len(r.out))
	}
	r.mark = res.Cursor
	if got, err := r.read(closed); err != nil || cmp.Diff([]string{"chat_closed"}, got) != "" {
		t.Errorf("%q, %v, want chat_closed", got, err)
	}
	if got, err := r.read(object1("picked")); err != nil || cmp.Diff([]string{"chat_assigned"}, got) != "" {
		t.Errorf("%q, %v: it was opened again", got, err)
	}
	if got, err := r.read(closed); err != nil || len(got) != 0 {
		t.Errorf("%q, %v, want nothing yet", got, err)
	}
	if got, err := r.read(object1("picked")); err != nil || len(got) != 0 {
		t.Errorf("%q, %v: it was not closed after all", got, err)
	}
}

// TestReadAfterGone: when a message finds the chat closed, it is read at once.
func TestReadAfterGone(t *testing.T) {
	r := newReader(t)
	r.far.status, r.far.body = 410, `{"status_code":410}`
	if _, err := r.Send(t.Context(), chat, sdk.Message{Text: "Hi"}); !errors.Is(err, sdk.ErrChatGone) {
		t.Fatal(err)
	}
	r.far.status = 200
	if got, err := r.read(object1("closed", agentSaid("1", "bye", ""))); err != nil ||
		cmp.Diff([]string{"incoming_message bye", "chat_closed"}, got) != "" {
		t.Errorf("%q, %v", got, err)
	}
	for status, gone := range map[int]bool{404: true, 400: true, 500: false, 503: false, 429: false} {
		r := newReader(t)
		r.far.status, r.far.body = 410, `{"status_code":410}`
		_, _ = r.Send(t.Context(), chat, sdk.Message{Text: "Hi"})
		r.far.status = status
		if _, err := r.read("<html>"); errors.Is(err, sdk.ErrChatGone) != gone {
			t.Errorf("read with %d: %v, want gone %t", status, err, gone)
		}
	}
	for _, off := range []bool{false, true} {
		r := newReader(t, func(s *settings) {
			if off {
				s.CatchUp = "off"
			}
		})
		r.far.status, r.far.body = 404, `{"status_code":404}`
		_, _ = r.Send(t.Context(), chat, sdk.Message{Text: "Hi"})
		if _, err := r.read(r.far.body); !errors.Is(err, sdk.ErrChatGone) {
			t.Errorf("off %t: %v, want that the chat is gone", off, err)
		}
	}
}

// TestReadingsThatFail: nothing is lost or closed by an answer that makes no
// sense, and the next reading takes its time.
func TestReadingsThatFail(t *testing.T) {
	missing := `{"status_code":404}`
	for _, tt := range []struct {
		name   string
		status int
		body   string
		header string // Retry-After
	}{
		{"a web page", 200, "<html></html>", ""},
		{"half JSON", 200, object1("picked")[:60], ""},
		{"empty", 200, "", ""},
		{"a text", 200, "OK", ""},
		{"another chat", 200, strings.Replace(object1("picked"), "CSR1", "CSR2", 1), ""},
		{"no such chat", 404, missing, ""},
		{"no such chat with 200", 200, missing, ""},
		{"no such page", 404, "<html>", ""},
		{"unauthorized", 401, "", ""},
		{"a redirect", 302, "", ""},
		{"500", 500, "", ""},
		{"503", 503, "", ""},
		{"429", 429, "", ""},
		{"429 and when", 429, "", "1800"},
		{"too large", 200, `{"a":"` + strings.Repeat("a", ccsp.MaxAnswer) + `"}`, ""},
		{"nested too deep", 200, strings.Repeat("[", 10_000), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t)
			far := &plugintest.Far{Status: tt.status, Body: tt.body}
			if tt.header != "" {
				far.Header = http.Header{"Retry-After": {tt.header}}
			}
			c, host := dial(t, far)
			host.Set(noon)
			c.emit.Store(r.emit.Load())
			for range 2 * missingMost {
				c.lives.change("CSR1", func(l *life) { l.read = noon })
				_, err := c.Poll(t.Context(), chat, nil)
				retry, ok := errors.AsType[*sdk.RetryError](err)
				if !ok || retry.After < 5*time.Minute || errors.Is(err, sdk.ErrChatGone) {
					t.Fatalf("%v, want it tried again, much later", err)
				}
				if tt.header != "" && retry.After != 30*time.Minute {
					t.Errorf("again after %v, want 30m", retry.After)
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%v shows the secret", err)
				}
			}
			if len(r.out) > 0 {
				t.Errorf("it reports %+v", r.out)
			}
		})
	}
}

// TestMissing: a chat that was there and is no more is gone, after a while.
func TestMissing(t *testing.T) {
	r := newReader(t)
	if _, err := r.read(object1("queued")); err != nil {
		t.Fatal(err)
	}
	for i := range missingMost {
		_, err := r.read(`{"status_code":404}`)
		if gone := errors.Is(err, sdk.ErrChatGone); gone != (i == missingMost-1) {
			t.Errorf("reading %d: %v", i+1, err)
		}
	}
}

// TestNotTaken: what is not durable is reported again.
func TestNotTaken(t *testing.T) {
	r := newReader(t)
	body := object1("picked", agentSaid("1", "a", ""))
	r.fail = context.DeadlineExceeded
	soon := func(err error) bool {
		retry, ok := errors.AsType[*sdk.RetryError](err)
		return ok && retry.After <= minCatchUp
	}
	if _, err := r.read(body); !soon(err) || r.mark != nil {
		t.Fatalf("%v, cursor %s, want it again soon", err, r.mark)
	}
	r.fail = nil
	got, err := r.read(body)
	if diff := cmp.Diff([]string{"chat_assigned", "incoming_message a"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	first := r.out[0].ID
	r.mark = nil // the gateway was killed before the cursor was kept
	r.lives = newLives()
	if _, err := r.read(body); err != nil || r.out[0].ID != first {
		t.Errorf("%v: ids %s and %s, want the same", err, first, r.out[0].ID)
	}
	r.mark, r.fail = nil, sdk.Rejected("event", "it names nobody")
	if _, err := r.read(body); err != nil {
		t.Errorf("%v: what is refused for good stops the chat", err)
	}
	r.emit.Store(nil)
	r.far.got.Reset()
	if _, err := r.read(body); !soon(err) || r.far.got.Len() > 0 {
		t.Errorf("%v while nobody takes events, want it again soon", err)
	}
}

// TestOff: nothing is read.
func TestOff(t *testing.T) {
	for name, change := range map[string]func(*settings){
		"catch_up":       func(s *settings) { s.CatchUp = off },
		"endpoints.chat": func(s *settings) { s.Endpoints.Chat = off },
	} {
		r := newReader(t, change)
		res, err := r.Poll(t.Context(), chat, []byte("x"))
		if err != nil || string(res.Cursor) != "x" || res.Next < time.Hour || r.far.got.Len() > 0 {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
}

// TestBounded: a cursor does not grow, whatever was said.
func TestBounded(t *testing.T) {
	r := newReader(t)
	var all []string
	total := 0
	for i := range 3 * maxRead {
		all = append(all, agentSaid(fmt.Sprint(i+1), "a", ""))
		if i%maxRead == maxRead-1 {
			got, err := r.read(object1("picked", all...))
			if err != nil {
				t.Fatal(err)
			}
			total += len(got)
		}
	}
	if total != 3*maxRead+1 { // and chat_assigned
		t.Errorf("%d events, want %d", total, 3*maxRead+1)
	}
	if len(r.mark) > 700 {
		t.Errorf("the cursor has %d bytes", len(r.mark))
	}
	for _, cursor := range []string{"garbage", "{}", `{"v":9}`, `{"v":1,"status":7}`, `null`, `{"v":1,"known":["` + strings.Repeat("x", 99) + `"],"status":"lost"}`} {
		if m := readMark([]byte(cursor)); m.Version != markVersion || m.Status != "" {
			t.Errorf("%s: %+v", cursor, m)
		}
	}
}

// TestFewAtOnce: chats of a start are not all read at the same time.
func TestFewAtOnce(t *testing.T) {
	var now, most atomic.Int32
	let := make(chan struct{})
	c, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-let
		now.Add(-1)
		_, _ = w.Write([]byte(`{"response":{}}`))
	}))
	emit := emitter(func(context.Context, ...sdk.Event) error { return nil })
	c.emit.Store(&emit)
	done := make(chan error)
	for i := range 3 * readAtOnce {
		go func() {
			own := chat
			own.Ref = sdk.ChatRef(fmt.Sprint(i))
			_, err := c.Poll(context.Background(), own, nil)
			done <- err
		}()
	}
	for range 2 * readAtOnce { // those that found no place
		err := <-done
		if retry, ok := errors.AsType[*sdk.RetryError](err); !ok || retry.After < readLater || retry.After > 2*readLater {
			t.Errorf("%v, want it again soon", err)
		}
	}
	close(let)
	for range readAtOnce {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := most.Load(); n != readAtOnce {
		t.Errorf("%d chats were read at once, want %d", n, readAtOnce)
	}
}

// FuzzReading: whatever a chat's object is, events are of that chat, a message
// has an id, and nothing comes twice.
func FuzzReading(f *testing.F) {
	for _, s := range []string{
		object1("picked", agentSaid("1", "a", `,"author":{"type":"agent","name":"Ann"}`), agentSaid("2", "b", `,"timestamp":"1767355201"`)),
		`{"status":"closed","messages":"[{\"id\":1,\"direction\":\"outbound\",\"message\":{\"text\":\"x\"}}]"}`, `{"messages":{}}`, "[]", "{", "<",
	} {
		f.Add([]byte(s), []byte(`{"v":1,"status":"queued","known":["a"]}`))
	}
	c, _ := receiver(f)
	f.Fuzz(func(t *testing.T, body, cursor []byte) {
		o, ok := answer{ccsp.Answer{Status: 200, Header: http.Header{}, Body: body}}.chatObject()
		if !ok {
			return
		}
		r := reading{connector: c, chat: chat, object: o, mark: readMark(cursor)}
		for _, e := range r.read() {
			if e.Ref != "CSR1" || e.ID == "" || e.Type == "" || e.Type == sdk.IncomingMessage && (e.MessageID == "" || !json.Valid(e.Payload)) {
				t.Errorf("%q: %+v", body, e)
			}
		}
		b := r.mark.bytes()
		if len(b) > 4096 || readMark(b).Version != markVersion {
			t.Errorf("cursor %s", b)
		}
		again := reading{connector: c, chat: chat, object: o, mark: readMark(b)}
		for _, e := range again.read() {
			if e.Type != sdk.ChatClosed {
				t.Errorf("%q: %+v comes twice", body, e)
			}
		}
	})
}
