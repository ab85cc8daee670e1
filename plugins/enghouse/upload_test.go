package main

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// office is a contact center with an upload, and fails where fail says so.
type office struct {
	mu    sync.Mutex
	calls []string
	fail  map[string][]int // statuses to come, by the call
	reply string           // of the upload
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	o.mu.Lock()
	defer o.mu.Unlock()
	verb := r.URL.RawQuery
	if r.URL.Path == defaultUpload {
		verb = "saveFile"
		body = []byte(form(r.Header.Get("Content-Type"), body))
	}
	o.calls = append(o.calls, verb+" "+string(body))
	if next := o.fail[verb]; len(next) > 0 {
		o.fail[verb] = next[1:]
		if next[0] != 0 {
			w.WriteHeader(next[0])
			return
		}
	}
	switch verb {
	case "saveFile":
		_, _ = io.WriteString(w, o.reply)
	case "joinchat":
		_, _ = io.WriteString(w, `{"Connection_ID":"C1"}`)
	}
}

// form is the only part of a form, in short.
func form(contentType string, body []byte) string {
	_, params, _ := mime.ParseMediaType(contentType)
	f, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(1 << 20)
	if err != nil || len(f.File["file"]) != 1 || len(f.Value) != 0 {
		return "no form with one file"
	}
	h := f.File["file"][0]
	r, err := h.Open()
	if err != nil {
		return err.Error()
	}
	content, _ := io.ReadAll(r)
	return h.Filename + " " + h.Header.Get("Content-Type") + " " + string(content)
}

func (o *office) got() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls
}

// shelf serves customers' files.
func shelf(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/cat.png", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "meow")
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2000)) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func uploading() func(*settings) {
	return func(s *settings) {
		s.Attachments = "upload"
		s.Upload = uploadSettings{MaxBytes: 1000}
	}
}

func TestUpload(t *testing.T) {
	files := shelf(t)
	const saved = `{"FilePath":"https://ccsp.example.com/files/7"}`
	at := func(path string) sdk.Attachment { return sdk.Attachment{URL: files.URL + path} }
	cat, big := at("/cat.png"), at("/big")
	const told = `fireevent {"Connection_ID":"C1","Fire_Event_Name":"SC_ATTACHMENT","OptionalParameterCount":[{"key":"SC_URL","value":"https://ccsp.example.com/files/7"}]}`
	text := func(s string) string { return `sendmsg {"Connection_ID":"C1","Message_Text":"` + s + `"}` }
	for _, tt := range []struct {
		name  string
		m     sdk.Message
		reply string
		fail  map[string][]int
		calls []string
		err   string
	}{
		{"a file", sdk.Message{Attachments: []sdk.Attachment{cat}}, saved, nil, []string{"saveFile cat.png image/png meow", told}, "ok"},
		{"a text and a file", sdk.Message{Text: "See", Attachments: []sdk.Attachment{cat}}, saved, nil,
			[]string{"saveFile cat.png image/png meow", text("See"), told}, "ok"},
		{"its name, type and caption", sdk.Message{Attachments: []sdk.Attachment{{URL: cat.URL, Name: "äb.png", MIME: "image/gif", Caption: "me"}}},
			saved, nil, []string{"saveFile äb.png image/png meow", text("me"), told}, "ok"},
		{"a path for an answer", sdk.Message{Attachments: []sdk.Attachment{cat}}, `{"FilePath":"/files/7"}`, nil,
			[]string{"saveFile cat.png image/png meow", strings.ReplaceAll(told, "https://ccsp.example.com", "BASE")}, "ok"},
		{"too large", sdk.Message{Attachments: []sdk.Attachment{big}}, saved, nil, []string{text(big.URL)}, "ok"},
		{"too large, as it says itself", sdk.Message{Attachments: []sdk.Attachment{{URL: cat.URL, Bytes: 1001}}}, saved, nil, []string{text(cat.URL)}, "ok"},
		{"not there", sdk.Message{Attachments: []sdk.Attachment{at("/gone")}}, saved, nil, []string{text(files.URL + "/gone")}, "ok"},
		{"one that the gateway keeps", sdk.Message{Attachments: []sdk.Attachment{{MediaID: "k1", Name: "a.pdf", MIME: "application/pdf", Bytes: 4}}}, saved, nil,
			[]string{"saveFile a.pdf application/pdf kept", told}, "ok"},
		{"one that it keeps no more", sdk.Message{Attachments: []sdk.Attachment{{MediaID: "k2", Name: "a.pdf", URL: "https://gw/media/x"}}}, saved, nil,
			[]string{text("https://gw/media/x")}, "ok"},
		{"without an address", sdk.Message{Attachments: []sdk.Attachment{{MediaID: "7", Name: "a.pdf"}}}, saved, nil, []string{text("[file a.pdf]")}, "ok"},
		{"refused", sdk.Message{Attachments: []sdk.Attachment{cat}}, saved, map[string][]int{"saveFile": {413}},
			[]string{"saveFile cat.png image/png meow", text(cat.URL)}, "ok"},
		{"credentials", sdk.Message{Attachments: []sdk.Attachment{cat}}, saved, map[string][]int{"saveFile": {401}},
			[]string{"saveFile cat.png image/png meow", text(cat.URL)}, "ok"},
		{"a path on a disk", sdk.Message{Attachments: []sdk.Attachment{cat}}, `{"FilePath":"C:\\files\\7"}`, nil,
			[]string{"saveFile cat.png image/png meow", text(cat.URL)}, "ok"},
		{"no path", sdk.Message{Attachments: []sdk.Attachment{cat}}, `{}`, nil, []string{"saveFile cat.png image/png meow", text(cat.URL)}, "ok"},
		{"for the moment", sdk.Message{Attempt: 1, Attachments: []sdk.Attachment{cat}}, saved, map[string][]int{"saveFile": {503}},
			[]string{"saveFile cat.png image/png meow"}, "retry"},
		{"an answer that got lost does no harm", sdk.Message{Attempt: 2, Attachments: []sdk.Attachment{cat}}, saved, map[string][]int{"saveFile": {502}},
			[]string{"saveFile cat.png image/png meow"}, "retry"},
		{"a page for an answer", sdk.Message{Attempt: 1, Attachments: []sdk.Attachment{cat}}, "<html>", nil,
			[]string{"saveFile cat.png image/png meow"}, "retry"},
		{"for too long", sdk.Message{Attempt: 3, Attachments: []sdk.Attachment{cat}}, saved, map[string][]int{"saveFile": {503}},
			[]string{"saveFile cat.png image/png meow", text(cat.URL)}, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &office{reply: tt.reply, fail: tt.fail}
			c, host := dial(t, o, uploading())
			host.Kept = map[string][]byte{"k1": []byte("kept")}
			_, err := c.Send(t.Context(), chat, tt.m)
			for i := range tt.calls {
				tt.calls[i] = strings.ReplaceAll(tt.calls[i], "BASE", c.cfg.BaseURL)
			}
			if diff := cmp.Diff(tt.calls, o.got()); diff != "" || plugintest.Verdict(err) != tt.err {
				t.Errorf("%v, want %s; calls (-want +got):\n%s", err, tt.err, diff)
			}
		})
	}
}

// TestUploadGoesOn: a message that is tried again repeats nothing that the agent
// has seen, and no upload.
func TestUploadGoesOn(t *testing.T) {
	files := shelf(t)
	o := &office{reply: `{"FilePath":"https://e.com/7"}`, fail: map[string][]int{"sendmsg": {503}, "fireevent": {0, 503, 502}}}
	c, _ := dial(t, o, uploading())
	cat := sdk.Attachment{URL: files.URL + "/cat.png"}
	m := sdk.Message{ID: "m1", Text: "See", Attachments: []sdk.Attachment{cat, cat}}
	for m.Attempt = 1; m.Attempt <= 4; m.Attempt++ {
		_, err := c.Send(t.Context(), chat, m)
		if want := []string{"retry", "retry", "ambiguous", "ok"}[m.Attempt-1]; plugintest.Verdict(err) != want {
			t.Fatalf("attempt %d: %v, want %s", m.Attempt, err, want)
		}
	}
	var verbs []string
	for _, call := range o.got() {
		verb, _, _ := strings.Cut(call, " ")
		verbs = append(verbs, verb)
	}
	want := []string{"saveFile", "saveFile", "sendmsg", "sendmsg", "fireevent", "fireevent", "fireevent", "fireevent"}
	if diff := cmp.Diff(want, verbs); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if len(c.progress.messages) != 0 {
		t.Error("a message that ended is remembered")
	}
}

// TestOpenWithFile: the first message names the file, and its event follows.
func TestOpenWithFile(t *testing.T) {
	files := shelf(t)
	o := &office{reply: `{"FilePath":"https://e.com/7"}`, fail: map[string][]int{"fireevent": {503}}}
	c, host := dial(t, o, uploading())
	m := sdk.Message{ID: "m1", Text: "See", Attachments: []sdk.Attachment{{URL: files.URL + "/cat.png"}}}
	if ref, err := c.Open(t.Context(), chat, m); ref != "C1" || err != nil {
		t.Fatal(ref, err)
	}
	var verbs []string
	for _, call := range o.got() {
		verb, body, _ := strings.Cut(call, " ")
		verbs = append(verbs, verb)
		if verb == "joinchat" && !strings.Contains(body, `"Calling_User_HardMessage":"See\nhttps://e.com/7"`) {
			t.Errorf("joinchat %s names no file", body)
		}
	}
	if diff := cmp.Diff([]string{"saveFile", "joinchat", "fireevent", "fireevent"}, verbs); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if log := host.Logged(); strings.Contains(log, "ERROR") {
		t.Errorf("log %s", log)
	}
}

// TestOpenWithMore: what had no room in joinchat follows, and a chat that was
// opened is opened whatever becomes of that.
func TestOpenWithMore(t *testing.T) {
	most := strings.Repeat("a", 1000)
	m := sdk.Message{Text: most, Attachments: []sdk.Attachment{{URL: "https://e.com/" + strings.Repeat("b", 100)}}}
	o := &office{}
	c, _ := dial(t, o)
	if _, err := c.Open(t.Context(), chat, m); err != nil {
		t.Fatal(err)
	}
	calls := o.got()
	if len(calls) != 2 || !strings.Contains(calls[0], most) || !strings.Contains(calls[1], m.Attachments[0].URL) {
		t.Errorf("calls %v, want joinchat and the address", calls)
	}
	o = &office{fail: map[string][]int{"sendmsg": {500}}}
	c, host := dial(t, o)
	if ref, err := c.Open(t.Context(), chat, m); ref != "C1" || err != nil {
		t.Errorf("%q, %v; want the chat", ref, err)
	}
	if log := host.Logged(); !strings.Contains(log, "may not have arrived") {
		t.Errorf("log %q does not say it", log)
	}
}

// TestUploadElsewhere: the credentials are for the contact center's server alone.
func TestUploadElsewhere(t *testing.T) {
	files := shelf(t)
	helper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Tenant") != "" {
			t.Error("the credentials went to another server")
		}
		_, _ = io.WriteString(w, `{"FilePath":"/f/7"}`)
	}))
	defer helper.Close()
	o := &office{}
	c, _ := dial(t, o, uploading(), func(s *settings) {
		s.Upload.URL = helper.URL + "/save?x=1"
		s.BasicAuth, s.ExtraHeaders = "gw:canary", map[string]string{"X-Tenant": "7"}
	})
	if _, err := c.Send(t.Context(), chat, sdk.Message{Attachments: []sdk.Attachment{{URL: files.URL + "/cat.png"}}}); err != nil {
		t.Fatal(err)
	}
	if calls := o.got(); len(calls) != 1 || !strings.Contains(calls[0], helper.URL+"/f/7") {
		t.Errorf("calls %v, want the event with the helper's address", calls)
	}
}

// TestUpdate: a changed profile is an event with what a chat opens with.
func TestUpdate(t *testing.T) {
	d := &plugintest.Far{}
	c, _ := dial(t, d)
	with := chat
	with.Attributes, with.Service = map[string]string{"topic": "billing", "queue": "vip"}, ""
	with.Number, with.Conversation = 0, ""
	if err := c.Update(t.Context(), with); err != nil {
		t.Fatal(err)
	}
	want := `{"Connection_ID":"C1","Fire_Event_Name":"profile_updated","OptionalParameterCount":[{"key":"channel","value":"shop"},` +
		`{"key":"channel_type","value":"sms"},{"key":"customer","value":"+4179"},{"key":"topic","value":"billing"}]}`
	if got := d.Requests(); len(got) != 1 || got[0].Body != want {
		t.Errorf("requests %+v, want %s", got, want)
	}
}

func TestRepeats(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, sdk.Retry(errors.New("x"), 0): true, sdk.Ambiguous(errors.New("x")): true, sdk.ErrAuthConfig: true,
		sdk.ErrChatGone: false, sdk.Rejected("a", "b"): false,
	} {
		if got := repeats(err); got != want {
			t.Errorf("repeats(%v) = %v, want %v", err, got, want)
		}
	}
}
