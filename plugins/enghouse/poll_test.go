package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// script answers the polls one after the other, then with nothing new.
type script struct {
	mu      sync.Mutex
	answers []string // a body, or a status
	asked   []string // Last_Event_ID of each poll
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.Query().Get("Last_Event_ID"))
	if len(s.answers) == 0 {
		_, _ = fmt.Fprint(w, "{}")
		return
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	var status int
	if _, err := fmt.Sscanf(next, "%d", &status); err == nil {
		w.WriteHeader(status)
		return
	}
	_, _ = fmt.Fprint(w, next)
}

func poll(t *testing.T, c *connector, mark []byte) sdk.PollResult {
	t.Helper()
	res, err := c.Poll(t.Context(), chat, mark)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const (
	saysHi = `{"Events":[{"Event_ID":1,"Command":"status","Status_Code":106},{"Event_ID":2,"Command":"read","Message_Text":"Hi"}]}`
	holds  = `{"Events":[{"Event_ID":3,"Command":"status","Status_Code":157}]}`
	calls1 = `{"Events":[{"Event_ID":4,"Command":"status","Status_Code":106}]}`
	types1 = `{"Events":[{"Event_ID":5,"Command":"typingStatus","Message_Text":"1"}]}`
	byes   = `{"Events":[{"Event_ID":6,"Command":"status","Status_Code":107}]}`
)

func TestPollAcrossRestarts(t *testing.T) {
	s := &script{answers: []string{saysHi, holds, calls1, byes}}
	var mark []byte
	var got []string
	for range 4 {
		c, _ := dial(t, s) // a process of its own each time
		res := poll(t, c, mark)
		got = append(got, types(res.Events))
		mark = res.Cursor
	}
	want := []string{"1 chat_assigned, 2 incoming_message", "3 chat_held", "4 chat_resumed", "6 chat_closed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"0", "2", "3", "4"}, s.asked); diff != "" {
		t.Errorf("Last_Event_ID (-want +got):\n%s", diff)
	}
	c, _ := dial(t, s)
	if res := poll(t, c, mark); res.Events != nil || string(res.Cursor) != string(mark) || len(s.asked) != 4 {
		t.Errorf("a chat that ended was polled: %+v", res)
	}
}

func TestCursorFormat(t *testing.T) {
	s := &script{answers: []string{saysHi}}
	c, _ := dial(t, s)
	if got, want := string(poll(t, c, nil).Cursor), `{"v":1,"last":2,"assigned":true}`; got != want {
		t.Errorf("cursor %s, want %s: a change needs a new version", got, want)
	}
	for _, bad := range []string{"7", "{", `{"v":2}`, `{"v":1,"last":-1}`} {
		if _, err := c.Poll(t.Context(), chat, []byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "cursor: ") {
			t.Errorf("cursor %s: %v, want an error", bad, err)
		}
	}
}

func TestEmptyPollWritesNothing(t *testing.T) {
	s := &script{answers: []string{saysHi, "{}", types1, "{}", byes}}
	c, host := dial(t, s)
	mark := poll(t, c, nil).Cursor
	for i := range 3 {
		if res := poll(t, c, mark); len(res.Events) != 0 || string(res.Cursor) != string(mark) {
			t.Errorf("poll %d moved the cursor to %s for nothing", i, res.Cursor)
		}
	}
	res := poll(t, c, mark)
	if got := types(res.Events); got != "6 chat_closed" {
		t.Errorf("events %s", got)
	}
	if diff := cmp.Diff([]string{"0", "2", "2", "5", "5"}, s.asked); diff != "" {
		t.Errorf("Last_Event_ID (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]plugintest.Typed{{Ref: chat.Ref, On: true}}, host.Typing()); diff != "" {
		t.Errorf("typing (-want +got):\n%s", diff)
	}
}

// TestUncommittedPollIsRepeated: what was skipped as typing must not hide
// events that the gateway could not make durable.
func TestUncommittedPollIsRepeated(t *testing.T) {
	s := &script{answers: []string{saysHi, types1, saysHi}}
	c, _ := dial(t, s)
	poll(t, c, poll(t, c, nil).Cursor)
	if got := types(poll(t, c, nil).Events); got != "1 chat_assigned, 2 incoming_message" || s.asked[2] != "0" {
		t.Errorf("events %s after asking from %s", got, s.asked[2])
	}
}

func TestLostSession(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string
		want    []string
	}{
		{"unknown chat", []string{"404", "404", "404"}, []string{"retry", "retry", "chat gone"}},
		{"pages and halves say nothing of the chat", []string{"<html>", `{"Ev`, "302", "<html>", "{}"}, []string{"retry", "retry", "retry", "retry", "ok"}},
		{"a refusal says it", []string{"400", "405", "400"}, []string{"retry", "retry", "chat gone"}},
		{"a page, then no chat", []string{"<html>", "<html>", "404"}, []string{"retry", "retry", "chat gone"}},
		{"a good one between", []string{"404", "404", "{}", "404", "404", "404"}, []string{"retry", "retry", "ok", "retry", "retry", "chat gone"}},
		{"trouble over there does not count", []string{"500", "503", "502", "429", "401", "500"}, []string{"retry", "retry", "retry", "throttled 0s", "credentials refused", "retry"}},
		{"and does not forgive", []string{"404", "500", "404", "500", "404"}, []string{"retry", "retry", "retry", "retry", "chat gone"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := dial(t, &script{answers: tt.answers})
			var got []string
			for range tt.want {
				_, err := c.Poll(t.Context(), chat, nil)
				got = append(got, plugintest.Verdict(err))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPagesForLong: what answers pages for ever has no chat any more.
func TestPagesForLong(t *testing.T) {
	c, _ := dial(t, &script{answers: []string{"<html>", "<html>", "<html>", "<html>"}})
	now := time.Now()
	c.paces.now = func() time.Time { return now }
	for i, want := range []string{"retry", "retry", "retry", "chat gone"} {
		if _, err := c.Poll(t.Context(), chat, nil); plugintest.Verdict(err) != want {
			t.Fatalf("poll %d: %v, want %s", i+1, err, want)
		}
		now = now.Add(maintenance / 3)
	}
}

func TestMaxErrorsIsASetting(t *testing.T) {
	c, _ := dial(t, &script{answers: []string{"404"}}, func(s *settings) { s.Poll.MaxErrors = 1 })
	if _, err := c.Poll(t.Context(), chat, nil); plugintest.Verdict(err) != "chat gone" {
		t.Errorf("%v, want chat gone at once", err)
	}
}

func event(id int, text string) string {
	return fmt.Sprintf(`{"Event_ID":%d,"Command":"read","Message_Text":%q}`, id, text)
}

// TestAnswerTooLong: an answer above the limit is taken in pieces.
func TestAnswerTooLong(t *testing.T) {
	long := strings.Repeat("a", 300<<10)
	var events []string
	for id := 1; id <= 5; id++ {
		events = append(events, event(id, long))
	}
	s := &script{answers: []string{`{"Events":[` + strings.Join(events, ",") + `]}`, `{"Events":[` + strings.Join(events[3:], ",") + `]}`}}
	c, _ := dial(t, s)
	first := poll(t, c, nil)
	if len(first.Events) != 3 || first.Next > time.Second/10 {
		t.Fatalf("%d events, next after %v; want 3 and at once", len(first.Events), first.Next)
	}
	if first.Events[0].Payload != nil {
		t.Error("the raw JSON of a long event goes along, so a poll could exceed a frame")
	}
	second := poll(t, c, first.Cursor)
	if len(second.Events) != 2 || second.Events[1].Text != long || s.asked[1] != "3" {
		t.Errorf("%d events after asking from %s, want 2 from 3", len(second.Events), s.asked[1])
	}
}

func TestManyEventsAreTakenInPieces(t *testing.T) {
	var events []string
	for id := 1; id <= maxEvents+1; id++ {
		events = append(events, event(id, "a"))
	}
	c, _ := dial(t, &script{answers: []string{`{"Events":[` + strings.Join(events, ",") + `]}`}})
	res := poll(t, c, nil)
	var at cursor
	if err := json.Unmarshal(res.Cursor, &at); err != nil || at.Last != maxEvents || len(res.Events) != maxEvents || res.Next > time.Second/10 {
		t.Errorf("%d events, cursor %s, next after %v", len(res.Events), res.Cursor, res.Next)
	}
}

// TestTypingKeepsAChatLively: whoever types will soon have written.
func TestTypingKeepsAChatLively(t *testing.T) {
	c, host := dial(t, &script{answers: []string{"{}", types1}})
	host.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	poll(t, c, nil)
	host.Set(host.Now().Add(2 * lively))
	if next := poll(t, c, nil).Next; next > 1100*time.Millisecond {
		t.Errorf("next poll after %v, want the active rate", next)
	}
}

func TestPace(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cfg := config{active: time.Second, idle: 5 * time.Second}
	p := newPaces(cfg, func() time.Time { return now })
	check := func(what string, got, want time.Duration) {
		t.Helper()
		if got < want*9/10 || got > want*11/10 {
			t.Errorf("%s: next after %v, want %v give or take a tenth", what, got, want)
		}
	}
	if got := p.next("C0", false); got <= 1080*time.Millisecond || got > 1980*time.Millisecond {
		t.Errorf("opened by a process before: next after %v, want more than the active rate", got)
	}
	p.forget("C0")
	p.traffic("C1")
	check("at first", p.next("C1", false), time.Second)
	now = now.Add(lively - 1)
	check("still lively", p.next("C1", false), time.Second)
	now = now.Add(1)
	for before := time.Duration(0); before < 5*time.Second; {
		p.next("C1", false)
		wait := p.chats["C1"].wait
		if most := max(before*18/10, 1800*time.Millisecond); wait <= before || wait > most || wait > 5*time.Second {
			t.Fatalf("quiet: %v after %v, want more, at most %v", wait, before, most)
		}
		before = wait
	}
	check("idle", p.next("C1", false), 5*time.Second)
	p.traffic("C1")
	check("after the customer wrote", p.next("C1", false), time.Second)
	now = now.Add(lively)
	if got := p.next("C1", false); got <= 1080*time.Millisecond || got > 1980*time.Millisecond {
		t.Errorf("quiet again: next after %v, want more than the active rate", got)
	}
	check("news", p.next("C1", true), time.Second)

	spread := map[time.Duration]bool{}
	for range 20 {
		spread[p.next("C1", true)] = true
	}
	if len(spread) < 2 {
		t.Error("no jitter")
	}

	now = now.Add(paceKept + 1)
	p.next("C2", false)
	if _, kept := p.chats["C1"]; kept || len(p.chats) != 1 {
		t.Errorf("%d chats are remembered, want the one that is polled", len(p.chats))
	}
	p.forget("C2")
	if len(p.chats) != 0 {
		t.Error("a chat that ended is remembered")
	}
}

// TestTenBadMinutes: a server that is broken for long takes no chat with it.
func TestTenBadMinutes(t *testing.T) {
	const polls = 75 // the gateway waits 8 s after each
	s := &script{answers: []string{saysHi}}
	for i := range polls {
		s.answers = append(s.answers, []string{"500", "502", "503", "504", "429"}[i%5])
	}
	s.answers = append(s.answers, byes)
	c, host := dial(t, s)
	host.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	mark := poll(t, c, nil).Cursor
	for i := range polls {
		host.Set(host.Now().Add(8 * time.Second))
		if _, err := c.Poll(t.Context(), chat, mark); plugintest.Verdict(err) != "retry" && plugintest.Verdict(err) != "throttled 0s" {
			t.Fatalf("poll %d: %v, want another try", i+1, err)
		}
	}
	if got := types(poll(t, c, mark).Events); got != "6 chat_closed" {
		t.Errorf("afterwards: %s, want chat_closed", got)
	}
}
