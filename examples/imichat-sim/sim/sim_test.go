package sim_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/imichat-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/internal/desk/desktest"
)

const newChat = `{"team_id":17,"alias_id":"%s","channel":"sms","customer":{"id":"+41","name":"Ada"},"asset":{"id":"s"},"messages":[%s]}`

func message(text string) string {
	return `{"message_id":"` + text + `","direction":"inbound","type":"text","text":"` + text + `","attachments":[]}`
}

// far is a simulator on the network.
type far struct {
	*sim.Sim
	url string
}

func start(t *testing.T, o sim.Options) *far {
	t.Helper()
	o.Timeout = time.Minute
	s := sim.New(o)
	t.Cleanup(s.Close)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &far{s, srv.URL}
}

func (f *far) call(t *testing.T, method, path, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("key", key)
	r.Header.Set("Content-Type", "application/json")
	return desktest.Do(t, r)
}

func (f *far) create(t *testing.T, messages string) string {
	t.Helper()
	status, body := f.call(t, "POST", "/v3.1/chats", "k", fmt.Sprintf(newChat, rand.Text(), messages))
	var a struct {
		Response struct {
			ID string `json:"chat_id"`
		}
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 || a.Response.ID == "" {
		t.Fatalf("create: %d %s", status, body)
	}
	return a.Response.ID
}

// TestContract: what the API takes and what it refuses.
func TestContract(t *testing.T) {
	f := start(t, sim.Options{Secrets: []string{"k", "next"}, Teams: []int64{17, 4}})
	create := func(old, new string) string {
		return strings.Replace(fmt.Sprintf(newChat, "a", message("Hi")), old, new, 1)
	}
	id, held, closed := f.create(t, message("Hi")), f.create(t, ""), f.create(t, "")
	for act, id := range map[string]string{"pick": held, "close": closed} {
		if err := f.Act(id, act, sim.Args{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Act(held, "hold", sim.Args{}); err != nil {
		t.Fatal(err)
	}
	said := f.create(t, "")
	for _, act := range []string{"pick", "say"} {
		if err := f.Act(said, act, sim.Args{Text: "Hi"}); err != nil {
			t.Fatal(err)
		}
	}
	const chats = "/v3.1/chats"
	const wrong, late = false, true
	for _, tt := range []struct {
		name, method, path, body string
		want                     int
		late                     bool
	}{
		{"create", "POST", chats, create("", ""), 200, wrong},
		{"the same alias again", "POST", chats, create("", ""), 409, late},
		{"another channel", "POST", chats, create("sms", "fax"), 400, wrong},
		{"no alias", "POST", chats, create(`"a"`, `""`), 400, wrong},
		{"no customer", "POST", chats, create("+41", ""), 400, wrong},
		{"no asset", "POST", chats, create(`{"id":"s"}`, `{}`), 400, wrong},
		{"another team", "POST", chats, create("17", "18"), 400, wrong},
		{"a team that is a text", "POST", chats, create("17", `"17"`), 400, wrong},
		{"a field nobody knows", "POST", chats, create("alias_id", "allias_id"), 400, wrong},
		{"half a body", "POST", chats, create("", "")[:40], 400, wrong},
		{"two bodies", "POST", chats, create("", "") + "{}", 400, wrong},
		{"a message that is none", "POST", chats, create("inbound", "nowhere"), 400, wrong},
		{"a message twice", "POST", chats, create("]", ","+message("Hi")+"]"), 400, wrong},
		{"too large", "POST", chats, create("Hi", strings.Repeat("x", sim.BodyLimit)), 413, wrong},
		{"list", "GET", chats, "", 405, wrong},
		{"another version", "POST", "/v2/chats", create("", ""), 404, wrong},
		{"append", "POST", chats + "/" + id + "/messages", message("Hi"), 200, wrong},
		{"append nothing", "POST", chats + "/" + id + "/messages", message(""), 400, wrong},
		{"append from nowhere", "POST", chats + "/" + id + "/messages", strings.Replace(message("Hi"), "inbound", "outbound", 1), 400, wrong},
		{"append a file", "POST", chats + "/" + id + "/messages", `{"direction":"inbound","type":"attachment","text":"","attachments":[{"url":"https://e.com/a"}]}`, 200, wrong},
		{"append a file without a place", "POST", chats + "/" + id + "/messages", `{"direction":"inbound","type":"attachment","text":"","attachments":[{"name":"a"}]}`, 400, wrong},
		{"append a text with a file", "POST", chats + "/" + id + "/messages", `{"direction":"inbound","type":"text","text":"a","attachments":[{"url":"https://e.com/a"}]}`, 400, wrong},
		{"append, no time", "POST", chats + "/" + id + "/messages", `{"direction":"inbound","type":"text","text":"a","timestamp":"now"}`, 400, wrong},
		{"append to a closed chat", "POST", chats + "/" + closed + "/messages", message("Hi"), 410, late},
		{"append to no chat", "POST", chats + "/CSR0/messages", message("Hi"), 404, late},
		{"append with PUT", "PUT", chats + "/" + id + "/messages", message("Hi"), 405, wrong},
		{"typing", "POST", chats + "/" + id + "/typing", `{"direction":"inbound","typing":true}`, 200, wrong},
		{"typing, neither", "POST", chats + "/" + id + "/typing", `{}`, 400, wrong},
		{"event", "POST", chats + "/" + id + "/events", `{"event_name":"vip","params":{"a":"b"}}`, 200, wrong},
		{"event without a name", "POST", chats + "/" + id + "/events", `{}`, 400, wrong},
		{"receipt", "POST", chats + "/" + said + "/receipts", `{"message_id":"1","status":"delivered"}`, 200, wrong},
		{"receipt for nothing", "POST", chats + "/" + said + "/receipts", `{"message_id":"7","status":"delivered"}`, 404, late},
		{"receipt without an id", "POST", chats + "/" + said + "/receipts", `{"status":"delivered"}`, 400, wrong},
		{"receipt of another kind", "POST", chats + "/" + said + "/receipts", `{"message_id":"1","status":"burnt"}`, 400, wrong},
		{"update", "PUT", chats + "/" + id, `{"customer":{"id":"+41","name":"Ada"},"route_params":{"a":"b"}}`, 200, wrong},
		{"update nothing", "PUT", chats + "/" + id, `{}`, 400, wrong},
		{"update of a closed chat", "PUT", chats + "/" + closed, `{"flag":"red"}`, 410, late},
		{"hold", "PUT", chats + "/" + said + "/hold", `{}`, 200, wrong},
		{"hold twice", "PUT", chats + "/" + said + "/hold", `{}`, 409, late},
		{"hold of one that waits", "PUT", chats + "/" + id + "/hold", `{}`, 409, late},
		{"resume", "PUT", chats + "/" + said + "/resume", `{}`, 200, wrong},
		{"resume twice", "PUT", chats + "/" + said + "/resume", `{}`, 409, late},
		{"transfer", "POST", chats + "/" + id + "/transfer", `{"team_id":4}`, 200, wrong},
		{"transfer to a skill", "POST", chats + "/" + id + "/transfer", `{"skill_id":"fr"}`, 200, wrong},
		{"transfer of one with an agent", "POST", chats + "/" + said + "/transfer", `{"team_id":4}`, 200, wrong},
		{"transfer to no team", "POST", chats + "/" + id + "/transfer", `{"team_id":5}`, 400, wrong},
		{"transfer nowhere", "POST", chats + "/" + id + "/transfer", `{}`, 400, wrong},
		{"transfer on hold", "POST", chats + "/" + held + "/transfer", `{"team_id":4}`, 409, late},
		{"transfer of a closed one", "POST", chats + "/" + closed + "/transfer", `{"team_id":4}`, 409, late},
		{"read", "GET", chats + "/" + id, "", 200, wrong},
		{"read none", "GET", chats + "/0", "", 404, late},
		{"close", "PUT", chats + "/" + id + "/close", `{"status":"closed","reason":"x"}`, 200, wrong},
		{"close again", "PUT", chats + "/" + id + "/close", `{}`, 409, late},
		{"reopen", "PUT", chats + "/" + id + "/reopen", `{}`, 200, wrong},
		{"reopen an open one", "PUT", chats + "/" + id + "/reopen", `{}`, 409, late},
		{"something else", "POST", chats + "/" + id + "/dance", `{}`, 404, wrong},
	} {
		before := len(f.Refused(true))
		status, body := f.call(t, tt.method, tt.path, "next", tt.body)
		if status != tt.want || !strings.Contains(body, `"status_code":`) {
			t.Errorf("%s: %d %.200s, want %d", tt.name, status, body, tt.want)
		}
		news := f.Refused(true)[before:]
		if fits := len(news) == 1 && news[0].Status == tt.want && news[0].Late == tt.late; fits != (tt.want != 200) {
			t.Errorf("%s: remembered %+v, want late %t", tt.name, news, tt.late)
		}
		if status, body := f.call(t, tt.method, tt.path, "guess", tt.body); status != 401 && status != 413 || !strings.Contains(body, `"status_code":`) {
			t.Errorf("%s with a wrong key: %d %s, want 401", tt.name, status, body)
		}
	}
}

// TestAlias: an alias names one open chat. Whoever repeats a create learns which.
func TestAlias(t *testing.T) {
	f := start(t, sim.Options{})
	create := func() (int, string) {
		return f.call(t, "POST", "/v3.1/chats", "", fmt.Sprintf(newChat, "twice", ""))
	}
	if status, body := create(); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	id := f.Chats()[0].ID
	if status, body := create(); status != 409 || !strings.Contains(body, `"chat_id":"`+id+`"`) {
		t.Errorf("again: %d %s, want 409 and chat %s", status, body, id)
	}
	if err := f.Act(id, "close", sim.Args{}); err != nil {
		t.Fatal(err)
	}
	if status, _ := create(); status != 200 {
		t.Errorf("after it was closed: %d, want 200", status)
	}
	if err := f.Act(id, "reopen", sim.Args{}); err == nil {
		t.Error("the closed one can be opened beside the new one")
	}
	if status, _ := f.call(t, "PUT", "/v3.1/chats/"+id+"/reopen", "", "{}"); status != 409 {
		t.Errorf("reopen beside the new one: %d, want 409", status)
	}
}

func TestCut(t *testing.T) {
	f := start(t, sim.Options{})
	id := f.create(t, message(strings.Repeat("a", desk.TextLimit)))
	if status, _ := f.call(t, "POST", "/v3.1/chats/"+id+"/messages", "", message(strings.Repeat("a", desk.TextLimit-1)+"😀")); status != 200 {
		t.Fatalf("status %d, want 200: the far side says nothing", status)
	}
	_, list, err := f.Messages(id, 0)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if e := list[0]; e.Truncated || e.Units != desk.TextLimit {
		t.Errorf("%d units, cut %t, want all %d", e.Units, e.Truncated, desk.TextLimit)
	}
	if e := list[1]; !e.Truncated || e.Units != desk.TextLimit+1 || !strings.HasSuffix(e.Text, "a\uFFFD") {
		t.Errorf("%d units, cut %t, ends %q", e.Units, e.Truncated, e.Text[len(e.Text)-4:])
	}
}

// hooks is a gateway that answers as it is told, and remembers.
type hooks struct {
	mu      sync.Mutex
	answers []int // then 200
	got     chan string
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	status := http.StatusOK
	if len(h.answers) > 0 {
		status, h.answers = h.answers[0], h.answers[1:]
	}
	h.mu.Unlock()
	w.WriteHeader(status)
	h.got <- fmt.Sprintf("%s|%s|%s|%s", r.Header.Get("X-Hub-Signature"), r.Header.Get("Authorization"), r.URL.RawQuery, b)
}

func listen(t *testing.T, h *hooks) string {
	h.got = make(chan string, 100)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestHooks: events come signed, in their order, and again until they are taken.
func TestHooks(t *testing.T) {
	h := &hooks{answers: []int{503, 500, 200, 400, 200}}
	f := start(t, sim.Options{Hook: listen(t, h), HookSecret: "k", Repeat: []time.Duration{0, 0, 0}})
	id := f.create(t, "")
	for _, act := range []string{"pick", "typing", "close"} {
		if err := f.Act(id, act, sim.Args{}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for range 6 {
		signature, rest, _ := strings.Cut(<-h.got, "|")
		body := rest[strings.Index(rest, "{"):]
		if signature != sim.Sign("k", []byte(body)) {
			t.Errorf("signature %s does not fit %s", signature, body)
		}
		var e map[string]string
		_ = json.Unmarshal([]byte(body), &e) // its first member is no string
		if e["chatid"] != id && !strings.Contains(body, id) {
			t.Errorf("%s does not name the chat", body)
		}
		got = append(got, e["event_type"])
	}
	want := []string{"chat_opened", "chat_opened", "chat_opened", "chat_picked", "typing_stop", "chat_closed"}
	if diff := cmp.Diff(want, got); diff != "" { // 400 is final
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestHookProofs(t *testing.T) {
	for auth, want := range map[string]string{"header": "|Bearer k||", "query": "||token=k|", "none": "|||"} {
		h := new(hooks)
		f := start(t, sim.Options{Hook: listen(t, h), HookSecret: "k", HookAuth: auth})
		f.create(t, "")
		if got := <-h.got; !strings.HasPrefix(got, want+"{") {
			t.Errorf("%s: %s, want %s", auth, got, want)
		}
	}
}

// TestTypographic: the manual's way to write is no JSON.
func TestTypographic(t *testing.T) {
	h := new(hooks)
	f := start(t, sim.Options{Hook: listen(t, h), Typographic: true})
	id := f.create(t, "")
	got := <-h.got
	want := "{\n “event_type”: “chat_opened”\n “chatid”: “" + id + "”,\n “team_name”: “Team 17” //as in the manual\n}"
	if body := got[strings.Index(got, "{"):]; body != want || json.Valid([]byte(body)) {
		t.Errorf("%s, want %s", body, want)
	}
}

// TestScript: the automatic agent answers by its script, in order.
func TestScript(t *testing.T) {
	script, err := sim.ReadScript(strings.NewReader("# a comment\nhello => Hello {name}! => !event greeted => !hold\n"+
		"back => !resume => !note odd => !file https://e.com/a => !flow a=1 b=2\nbye => !unattended 15 => !idle 3 => !close timed_out\n"), "bot.txt")
	if err != nil {
		t.Fatal(err)
	}
	h := new(hooks)
	f := start(t, sim.Options{Hook: listen(t, h), HookAuth: "none", Options: desk.Options{Auto: &desk.Auto{Script: script}}})
	f.create(t, message("Hello")+","+message("I am back")+","+message("bye"))
	var got []string
	for range 10 {
		var e struct {
			Type   string `json:"event_type"`
			Text   string `json:"message"`
			Name   string `json:"event_name"`
			Status string `json:"status"`
		}
		line := <-h.got
		if err := json.Unmarshal([]byte(line[strings.Index(line, "{"):]), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, strings.TrimSpace(e.Type+" "+e.Text+e.Name+e.Status))
	}
	want := []string{"chat_opened", "chat_picked", "incoming_message Hello Ada!", "custom_event greeted", "incoming_message odd",
		"incoming_message", "flow_triggered", "customer_unattended", "chat_idle", "chat_closed timed_out"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestScriptProblems(t *testing.T) {
	for text, want := range map[string]string{
		"a => !dance":         "bot.txt:1: unknown act !dance; want hold, resume",
		"a => !idle soon":     "bot.txt:1: !idle soon: no number",
		"a => !transfer east": "bot.txt:1: !transfer east: no number",
	} {
		if _, err := sim.ReadScript(strings.NewReader(text), "bot.txt"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestAgentAPI: what the page can do, curl can do.
func TestAgentAPI(t *testing.T) {
	f := start(t, sim.Options{})
	id := f.create(t, message("Hi"))
	for _, tt := range []struct {
		path, body string
		want       int
	}{
		{id + "/say", `{"text":"a"}`, 409},
		{id + "/pick", `{"agent":"Ann"}`, 200},
		{id + "/pick", ``, 409},
		{id + "/say", `{"text":"a"}`, 200},
		{id + "/say", `{}`, 400},
		{id + "/say", `{"txt":"a"}`, 400},
		{id + "/dance", ``, 400},
		{"CSR0/say", `{"text":"a"}`, 404},
		{"+4179/start", `{"agent":"Ann"}`, 200},
		{id + "/close", ``, 200},
		{id + "/reopen", ``, 200},
	} {
		if status, body := f.call(t, "POST", "/agent/chats/"+tt.path, "", tt.body); status != tt.want {
			t.Errorf("%s %s: %d %s, want %d", tt.path, tt.body, status, body, tt.want)
		}
	}
	status, body := f.call(t, "GET", "/agent/chats/"+id+"/messages?after=1", "", "")
	if status != 200 || strings.Contains(body, `"text":"Hi"`) || !strings.Contains(body, `"text":"a"`) {
		t.Errorf("messages: %d %s", status, body)
	}
	if n := len(f.Chats()); n != 2 {
		t.Errorf("%d chats, want 2", n)
	}
}

func TestDesk(t *testing.T) {
	f := start(t, sim.Options{})
	desktest.Run(t, f, "IMIchat", func(t *testing.T) { f.create(t, "") })
}

func TestFaults(t *testing.T) {
	f := start(t, sim.Options{})
	id := f.create(t, "")
	for _, tt := range []struct {
		fault  sim.Fault
		status int
		body   string
	}{
		{sim.Fault{Kind: "500"}, 500, `{"description":"made to fail","response":null,"status_code":"500"}`},
		{sim.Fault{Kind: "429", Envelope: true}, 200, `{"description":"made to fail","response":null,"status_code":"429"}`},
		{sim.Fault{Kind: "html"}, 200, "<!DOCTYPE html>"},
		{sim.Fault{Kind: "half"}, 200, `{"status_code":200,"response":{"chat_id":"CSR`},
		{sim.Fault{Kind: "empty", After: true}, 200, ""},
	} {
		tt.fault.Verb, tt.fault.Count = "append", 1
		if err := f.SetFault(tt.fault); err != nil {
			t.Fatal(err)
		}
		status, body := f.call(t, "POST", "/v3.1/chats/"+id+"/messages", "", message("Hi"))
		if status != tt.status || !bytes.HasPrefix([]byte(body), []byte(tt.body)) {
			t.Errorf("%+v: %d %s", tt.fault, status, body)
		}
	}
	if _, list, err := f.Messages(id, 0); err != nil || len(list) != 1 {
		t.Errorf("%d messages arrived (%v), want only the one after which the answer was lost", len(list), err)
	}
	if err := f.SetFault(sim.Fault{Kind: "dance"}); err == nil {
		t.Error("an unknown fault was taken")
	}
}
