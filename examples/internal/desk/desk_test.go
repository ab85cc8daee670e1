package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// chat is the smallest chat that a vendor can have.
type chat struct{ desk.Chat }

func (c *chat) View() desk.Chat { return c.Chat }

type vendor struct {
	*desk.Desk[*chat, desk.Chat, struct{}]
}

// newVendor is a vendor whose protocol answers every call under /wire with 200.
func newVendor(t *testing.T, o desk.Options) *vendor {
	t.Helper()
	v := new(vendor)
	v.Desk = desk.New(o, desk.Vendor[*chat, desk.Chat, struct{}]{
		Page: desk.Page{Vendor: "Acme"},
		Acts: map[string]desk.Act[*chat, struct{}]{
			"close": {From: []string{desk.Queued, "open"}, Do: func(c *chat, _ struct{}) error { v.Move(c, desk.Closed); return nil }},
			"take":  {From: []string{desk.Queued}, Do: func(c *chat, _ struct{}) error { v.Move(c, "open"); return c.TakenBy("Ann") }},
		},
		Wire: desk.Wire{
			At: func(path string) bool { return path == "/wire" },
			Serve: func(w http.ResponseWriter, r *http.Request) {
				v.Call(w, r, "call", func([]byte) (any, error) { return "done", nil })
			},
			MaxBody: 10,
			Write: func(w http.ResponseWriter, status int, what string, answer any) {
				desk.WriteJSON(w, status, map[string]any{"what": what, "answer": answer})
			},
		},
	})
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) add(t *testing.T, id string) *chat {
	t.Helper()
	v.Lock()
	defer v.Unlock()
	c := &chat{desk.Chat{ID: id, Name: "Ada", State: desk.Queued}}
	if !v.Add(c) {
		t.Fatal("no room")
	}
	return c
}

// ask makes a request without a port.
func (v *vendor) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	v.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestAuthors(t *testing.T) {
	for text, want := range map[string]string{
		"Hello":                        "",
		"[bot] Hello":                  "bot",
		"[system] Ada was here before": "system",
		"[agent Ann] Hi":               "agent",
		"[automatic] We are closed.":   "automatic",
		"[automatic sms] On its way.":  "automatic",
		"[robot] Hello":                "",
		"[bot]Hello":                   "",
		"[bot":                         "",
	} {
		v := newVendor(t, desk.Options{})
		c := v.add(t, "C1")
		v.Lock()
		v.Heard(c, desk.Entry{Text: text})
		v.Unlock()
		view, list, err := v.Messages("C1", 0)
		if err != nil || list[0].Author != want || list[0].Text != text {
			t.Errorf("%q is by %q (%v), want %q", text, list[0].Author, err, want)
		}
		if waits := view.Unanswered != nil; waits != (want == "") {
			t.Errorf("%q waits for an answer: %t", text, waits)
		}
	}
}

// TestWaiting: since when a chat is in its state, and a customer without an answer.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, desk.Options{})
		c := v.add(t, "C1")
		first := time.Now()
		hear := func(text string) {
			v.Lock()
			defer v.Unlock()
			v.Heard(c, desk.Entry{Text: text})
		}
		hear("Hello")
		time.Sleep(time.Minute)
		hear("Hello?")
		if got := v.Chats()[0]; !got.Since.Equal(first) || got.Unanswered == nil || !got.Unanswered.Equal(first) {
			t.Errorf("since %v, unanswered %v; want both %v", got.Since, got.Unanswered, first)
		}
		if err := v.Act("C1", "take", struct{}{}); err != nil {
			t.Fatal(err)
		}
		v.Lock()
		v.Said(c, "psst", desk.Entry{Kind: "note", Text: "psst"})
		noted := c.Unanswered != nil
		v.Said(c, "Hi", desk.Entry{Kind: "text", Text: "Hi"})
		v.Unlock()
		if got := v.Chats()[0]; !noted || got.Unanswered != nil || !got.Since.Equal(time.Now()) || got.Heard != 2 {
			t.Errorf("after an answer: %+v; want nothing unanswered, a state from now on, 2 heard", got)
		}
	})
}

func TestReceipts(t *testing.T) {
	v := newVendor(t, desk.Options{})
	c := v.add(t, "C1")
	v.Lock()
	v.Said(c, "Hi", desk.Entry{Kind: "text", Text: "Hi", MessageID: "1"})
	for _, tt := range []struct {
		id, status, reason string
		known              bool
		want               string
	}{
		{"1", "delivered", "", true, "delivered"},
		{"1", "read", "", true, "read"},
		{"1", "delivered", "", true, "read"},
		{"1", "failed", "window closed", true, "failed"},
		{"2", "read", "", false, "failed"},
	} {
		if got := v.Receipt(c, tt.id, tt.status, tt.reason); got != tt.known || c.Entries()[0].Status != tt.want {
			t.Errorf("%s %s: %t, status %s; want %t, %s", tt.id, tt.status, got, c.Entries()[0].Status, tt.known, tt.want)
		}
	}
	v.Unlock()
	_, list, err := v.Messages("C1", 4)
	if err != nil || len(list) != 1 || list[0].Kind != "receipt" || list[0].Text != "window closed" {
		t.Errorf("lines after the fourth: %+v (%v), want the failure", list, err)
	}
}

func TestKeptForAnAgent(t *testing.T) {
	v := newVendor(t, desk.Options{})
	c := v.add(t, "C1")
	c.For = "Zoe"
	if err := c.TakenBy("Ann"); err == nil || err.Error() != "cannot take a chat that is kept for Zoe" {
		t.Errorf("Ann takes it: %v", err)
	}
	if err := c.TakenBy("Zoe"); err != nil || c.Agent != "Zoe" {
		t.Errorf("Zoe takes it: %v, agent %q", err, c.Agent)
	}
}

// TestSomeChats: a page with many chats behind it gets no more than it shows.
func TestSomeChats(t *testing.T) {
	v := newVendor(t, desk.Options{})
	for _, id := range []string{"C1", "C2", "C3", "C4", "C5"} {
		v.add(t, id)
	}
	for id, act := range map[string]string{"C1": "close", "C2": "close", "C4": "take"} {
		if err := v.Act(id, act, struct{}{}); err != nil {
			t.Fatal(err)
		}
	}
	_, body := v.ask(t, "GET", "/agent/chats?most=1", "")
	var got struct {
		Chats  []desk.Chat
		Counts map[string]int
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range got.Chats {
		ids = append(ids, c.ID)
	}
	if diff := cmp.Diff([]string{"C2", "C3", "C4"}, ids); diff != "" {
		t.Errorf("one of each state, the last that was closed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"queued": 2, "closed": 2, "open": 1}, got.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if status, _ := v.ask(t, "GET", "/agent/chats?most=x", ""); status != 400 {
		t.Errorf("most=x: %d, want 400", status)
	}
}

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, desk.Options{})
		want := func(when string, status int) {
			t.Helper()
			if got, body := v.ask(t, "POST", "/wire", ""); got != status {
				t.Errorf("%s: %d %s, want %d", when, got, body, status)
			}
		}
		want("before", 200)
		if status, body := v.ask(t, "POST", "/sim/outage", `{"seconds":30}`); status != 200 || !strings.Contains(body, `"how":"503"`) || !strings.Contains(body, `"until":`) {
			t.Fatalf("%d %s", status, body)
		}
		want("in it", 503)
		time.Sleep(29 * time.Second)
		want("just before its end", 503)
		up := make(chan bool)
		go func() { up <- v.AwaitUp(t.Context()) }()
		time.Sleep(time.Second)
		if !<-up {
			t.Error("who waited was not told")
		}
		want("after it", 200)
		if err := v.SetOutage(desk.Outage{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		want("an hour into one without an end", 503)
		go func() { up <- v.AwaitUp(t.Context()) }()
		synctest.Wait()
		if status, body := v.ask(t, "DELETE", "/sim/outage", ""); status != 200 || !strings.Contains(body, `"how":""`) {
			t.Errorf("%d %s", status, body)
		}
		if !<-up {
			t.Error("who waited was not told")
		}
		want("ended", 200)
		if n := len(v.Refused(true)); n != 0 {
			t.Errorf("%d calls count as refused, want 0", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.SetOutage(desk.Outage{}); err != nil || v.AwaitUp(ctx) {
			t.Errorf("%v, or a context that ended counts as up", err)
		}
	})
	v := newVendor(t, desk.Options{})
	for body, want := range map[string]string{
		`{"how":"fire"}`:                "write 503, reset or closed",
		`{"seconds":-1}`:                "write 0 to",
		`{"how":"closed"}`:              "nobody could end it",
		`{"how":"closed","seconds":1}`:  "not this program's", // nothing serves it at a port of its own
		`{"how":"reset","second":1}`:    "unknown field",
		`{"how":"reset","seconds":"1"}`: "cannot unmarshal",
	} {
		if status, got := v.ask(t, "POST", "/sim/outage", body); status != 400 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s, want 400 and %q", body, status, got, want)
		}
	}
}

func TestOutageResets(t *testing.T) {
	v := newVendor(t, desk.Options{})
	srv := httptest.NewServer(v)
	defer srv.Close()
	if err := v.SetOutage(desk.Outage{How: "reset"}); err != nil {
		t.Fatal(err)
	}
	if res, err := http.Post(srv.URL+"/wire", "", http.NoBody); err == nil {
		res.Body.Close()
		t.Errorf("answered with %d, want a reset", res.StatusCode)
	}
	res, err := http.Get(srv.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("the page: %d, want 200", res.StatusCode)
	}
}

func TestRefused(t *testing.T) {
	v := newVendor(t, desk.Options{})
	if status, _ := v.ask(t, "POST", "/wire", "more than ten bytes"); status != 413 {
		t.Errorf("%d, want 413", status)
	}
	list := v.Refused(false)
	if len(list) != 1 || list[0].Verb != "call" || list[0].Status != 413 || list[0].Late {
		t.Errorf("remembered %+v", list)
	}
	_, body := v.ask(t, "GET", "/sim/refused", "")
	if !strings.Contains(body, `"wrong":1`) || !strings.Contains(body, `"late":0`) || !strings.Contains(body, "larger than 10 bytes") {
		t.Errorf("GET: %s", body)
	}
	for range 600 {
		v.ask(t, "POST", "/wire", "more than ten bytes")
	}
	if n := len(v.Refused(true)); n != 500 {
		t.Errorf("%d are kept, want 500", n)
	}
	if _, body := v.ask(t, "DELETE", "/sim/refused", ""); strings.TrimSpace(body) != `{"late":0,"refused":[],"wrong":0}` {
		t.Errorf("DELETE: %s", body)
	}
}

func TestFiles(t *testing.T) {
	v := newVendor(t, desk.Options{})
	const gif = "GIF89a\x01\x00\x01\x00"
	for _, tt := range []struct{ name, body, want, mime, how string }{
		{"a%20picture.gif", gif, "a picture.gif", "image/gif", "inline"},
		{"notes.txt", "hello", "notes.txt", "text/plain; charset=utf-8", "inline"},
		{"page.html", "<html><script>alert(1)</script>", "page.html", "text/html; charset=utf-8", "attachment"},
		{"..%2F..%2Fetc%2Fpasswd", "x", "passwd", "text/plain; charset=utf-8", "inline"},
		{"..", "x", "file", "text/plain; charset=utf-8", "inline"},
		{"a%22%0Ab", "x", "a__b", "text/plain; charset=utf-8", "inline"},
	} {
		status, body := v.ask(t, "POST", "/agent/files?name="+tt.name, tt.body)
		var a desk.Attachment
		if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 || a.Name != tt.want || a.Size != int64(len(tt.body)) {
			t.Errorf("%s: %d %s, want name %q", tt.name, status, body, tt.want)
			continue
		}
		w := httptest.NewRecorder()
		v.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", a.URL, nil))
		h := w.Header()
		if w.Body.String() != tt.body || h.Get("Content-Type") != tt.mime || !strings.HasPrefix(h.Get("Content-Disposition"), tt.how) ||
			h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %q %v, want %s as %s", a.URL, w.Code, w.Body, h, tt.mime, tt.how)
		}
	}
	for path, want := range map[string]int{"/agent/files?name=a": 400, "/files/x/a": 404} {
		method := map[int]string{400: "POST", 404: "GET"}[want]
		if status, _ := v.ask(t, method, path, ""); status != want {
			t.Errorf("%s %s: %d, want %d", method, path, status, want)
		}
	}
	if status, _ := v.ask(t, "POST", "/agent/files?name=big", strings.Repeat("x", desk.MaxFile+1)); status != 413 {
		t.Errorf("a file that is too large: %d, want 413", status)
	}
}

// TestOldFilesGo: what is kept is bounded.
func TestOldFilesGo(t *testing.T) {
	v := newVendor(t, desk.Options{})
	big := strings.Repeat("x", desk.MaxFile)
	var urls []string
	for range 5 {
		_, body := v.ask(t, "POST", "/agent/files?name=a", big)
		var a desk.Attachment
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatal(err)
		}
		urls = append(urls, a.URL)
	}
	for i, want := range []int{404, 200, 200, 200, 200} {
		if status, _ := v.ask(t, "GET", urls[i], ""); status != want {
			t.Errorf("file %d: %d, want %d", i+1, status, want)
		}
	}
}

func TestCanned(t *testing.T) {
	v := newVendor(t, desk.Options{})
	if _, body := v.ask(t, "GET", "/agent/canned", ""); !strings.Contains(body, "Hello {name}") {
		t.Errorf("common answers: %s", body)
	}
	v = newVendor(t, desk.Options{Canned: []string{"Yes."}})
	if _, body := v.ask(t, "GET", "/agent/canned", ""); strings.TrimSpace(body) != `{"canned":["Yes."]}` {
		t.Errorf("own answers: %s", body)
	}
}

// TestRoomForChats: closed chats make room, the oldest first.
func TestRoomForChats(t *testing.T) {
	v := newVendor(t, desk.Options{})
	v.Lock()
	defer v.Unlock()
	var first *chat
	for i := range desk.MaxChats {
		c := &chat{desk.Chat{ID: "C" + string(rune('0'+i)), State: desk.Queued}}
		if first == nil {
			first = c
		}
		if !v.Add(c) {
			t.Fatalf("chat %d has no room", i)
		}
	}
	next := &chat{desk.Chat{ID: "next", State: desk.Queued}}
	if v.Add(next) {
		t.Error("there is room beside open chats")
	}
	v.Move(first, desk.Closed)
	if !v.Add(next) || v.Count(desk.Queued) != desk.MaxChats || v.Count(desk.Closed) != 0 {
		t.Errorf("%d wait, %d are closed; want %d and 0", v.Count(desk.Queued), v.Count(desk.Closed), desk.MaxChats)
	}
	if _, ok := v.Find(first.ID); ok {
		t.Error("the closed chat is still there")
	}
}

func TestRefusalIsAnError(t *testing.T) {
	var no *desk.Refusal
	if err := desk.Late(410, "chat %d", 7); !errors.As(err, &no) || no.Status != 410 || !no.Late || err.Error() != "chat 7" {
		t.Errorf("%+v", no)
	}
}
