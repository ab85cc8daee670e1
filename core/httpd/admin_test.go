package httpd_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/diag"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	pluginv1 "github.com/openccsp/gateway/sdk/pluginv1"
)

const token = "s3cret-admin-token"

var (
	convID  = core.NewConversationID("webshop", "ada")
	when    = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	command = &state.Command{
		Conversation: convID[:], Epoch: 7, Number: 3, Kind: state.CommandKind_DELIVER, Lane: "customer", Instance: "webshop",
		Message: &pluginv1.Message{Text: "hello", Attachments: []*pluginv1.Attachment{{Url: "https://x/", Mime: "image/png", Name: "a"}}},
		Rule:    "nobody answers", CreatedMs: when.UnixMilli(),
	}
	attempts = &state.Attempts{Count: 2, NotBeforeMs: when.UnixMilli(), LastError: "connection refused", Marked: true}
)

// gateway is a Gateway with one of everything; it notes what is changed.
type gateway struct {
	changed []string
	filter  store.Filter
	after   string
	limit   int
	err     error
	panics  bool
	feed    error         // ends a stream
	gone    chan struct{} // closed when a stream's client is gone
}

func (g *gateway) note(format string, args ...any) error {
	g.changed = append(g.changed, fmt.Sprintf(format, args...))
	return g.err
}

func (g *gateway) Conversations(_ context.Context, f store.Filter, after string, limit int) (store.Page[store.Listed], error) {
	if g.panics {
		panic("boom")
	}
	g.filter, g.after, g.limit = f, after, limit
	return store.Page[store.Listed]{Next: "n2", Items: []store.Listed{{ID: convID, Index: store.Index{
		UpdatedMS: when.UnixMilli(), Status: "open", Service: "retail", Channel: "webshop", ChatRef: "4711", Customer: "ada"}}}}, g.err
}

func (g *gateway) Conversation(_ context.Context, id core.ConversationID) (*state.Document, []*state.Pending, error) {
	if id != convID {
		return nil, nil, fmt.Errorf("conversation %s: %w", id, store.ErrNotFound)
	}
	ms := when.UnixMilli()
	orphan := core.OrphanID("enghouse", "4711")
	return &state.Document{
		Id: convID[:], Epoch: 7, Commands: 3, Records: 9, Channel: "webshop", ChannelType: "rtm", Service: "retail",
		Customer: &pluginv1.Customer{Address: "ada", Name: "Ada <b>"},
		Chat: &state.Chat{Number: 1, Integration: "enghouse", Ref: "4711", State: state.ChatState_CHAT_OPEN, OpenedMs: ms,
			Agent: &pluginv1.Agent{Name: "Bob"}, AgentMessages: 2, CustomerMessages: 3, Cursor: []byte("secret cursor")},
		Owner: state.Owner_OWNER_BOTH, Tags: []string{"vip"}, Attributes: map[string]string{"k": "v"}, CreatedMs: ms,
		CustomerMs: ms, AgentMs: ms, UnansweredMs: ms, TimerMs: ms, Linked: orphan[:],
		Windows: &state.Windows{Open: []*state.Window{{Of: &pluginv1.ReplyWindow{Messages: 5}, UntilMs: ms,
			AgentUntilMs: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), Left: 2}}},
		Timers: []*state.ScheduledTimer{{Name: "x", DueMs: ms}}, Flow: &state.Flow{Name: "survey", Version: "7f", Step: 1, DueMs: ms},
	}, []*state.Pending{{Command: command, Attempts: attempts}}, g.err
}

func (g *gateway) History(_ context.Context, id core.ConversationID, after string, limit int) (store.Page[*state.Entry], error) {
	if id != convID {
		return store.Page[*state.Entry]{}, store.ErrNotFound
	}
	g.after, g.limit = after, limit
	rec := &state.Record{Number: 9, NowMs: when.UnixMilli(), Snap: "5a", Engine: "dev", Commands: []uint64{3}, Route: "ccsp",
		View: &state.View{Type: "customer_message", Id: "m1", AtMs: when.UnixMilli(), Source: "channel", Instance: "webshop", LateBy: 1.5,
			Event: &pluginv1.Event{Text: "hi", MessageId: "p1", Params: map[string]string{"a": "b"}}, Chat: &state.Chat{Ref: "4711"}, Cut: true},
		Verdicts: []*state.RuleVerdict{{Rule: "r", Verdict: state.Verdict_ERROR, Error: "x"}, {Rule: "s", Verdict: state.Verdict_NOT_MATCHED, Reason: "once"},
			{Rule: "t", Verdict: state.Verdict_MATCHED, Shadow: true, At: "a.yaml:3:5"}},
		Flows: []*state.FlowDone{{Flow: "survey", Version: "7f", Place: "a.yaml:3:5", Step: "ask", What: "accepts the reply"}}}
	minutes, place := 15.0, int32(2)
	timers := &state.Record{Number: 10, View: &state.View{Type: "chat_closed", Waited: "w", Event: &pluginv1.Event{
		Status: "closed", Reason: "timed_out", ReasonCode: "7", By: "system", TimedOut: true, WaitTime: &minutes, IdleTime: &minutes,
		Queue: "retail", Position: &place, EstWait: &minutes, Kind: "about", From: "a", To: "b", Score: &minutes, Comment: "c"}}}
	digits := &state.Record{Number: 11, View: &state.View{Type: "call_digits", Event: &pluginv1.Event{
		CallId: "CA1", Digits: "2", QuickReply: &pluginv1.QuickReply{Title: "No", Payload: "n"}, Duration: &minutes, Code: "busy"}}}
	end := &state.Ended{Command: command, Attempts: attempts, End: "sent", MessageId: "p2", AtMs: when.UnixMilli()}
	return store.Page[*state.Entry]{Items: []*state.Entry{
		{Body: &state.Entry_Ended{Ended: end}}, {Body: &state.Entry_Record{Record: rec}}, {Body: &state.Entry_Record{Record: timers}}, {Body: &state.Entry_Record{Record: digits}}, {Body: &state.Entry_Record{Record: &state.Record{}}}}}, g.err
}

func (g *gateway) BindOrphan(_ context.Context, o httpd.Orphan) (core.ConversationID, error) {
	return convID, g.note("bind %v", o)
}

func (g *gateway) CloseConversation(_ context.Context, id core.ConversationID, reason string) error {
	return g.note("close %s %s", id, reason)
}

func (g *gateway) ControlConversation(_ context.Context, id core.ConversationID, c httpd.Control) error {
	return g.note("control %s %s", id, strings.TrimSpace(fmt.Sprintf("%s %s %s %v", c.Action, c.To, c.Reason, c.Params)))
}

func (g *gateway) Customers(ctx context.Context, f store.Filter, after string, limit int) (store.Page[httpd.Customer], error) {
	g.filter, g.after, g.limit = f, after, limit
	c, err := g.Customer(ctx, "webshop", "ada")
	return store.Page[httpd.Customer]{Next: "n2", Items: []httpd.Customer{c}}, err
}

func (g *gateway) Customer(_ context.Context, channel, address string) (httpd.Customer, error) {
	if channel != "webshop" {
		return httpd.Customer{}, core.Errorf(core.NotFound, "no channel %q", channel)
	}
	return httpd.Customer{Conversation: convID, Channel: channel, Profile: &pluginv1.Customer{
		Address: address, Name: "Ada Lovelace", FirstName: "Ada", LastName: "Lovelace", Locale: "de-CH", Timezone: "Europe/Zurich",
		Addresses: map[string]string{"sms": "+41"}, Attributes: map[string]string{"tier": "gold"},
	}}, g.err
}

func (g *gateway) ChangeCustomer(ctx context.Context, channel, address string, changes []*state.ProfileChange, create bool) (httpd.Customer, error) {
	c, err := g.Customer(ctx, channel, address)
	if err != nil {
		return c, err
	}
	var all []string
	for _, ch := range changes {
		all = append(all, ch.Field+"="+ch.Value)
	}
	return c, g.note("customer %s %q %v", address, all, create)
}

func (g *gateway) Config() httpd.Config {
	at := diag.Pos{File: "gateway.hcl", Line: 3, Column: 12}
	return httpd.Config{File: "gateway.hcl", AppliedAt: when, TriedAt: when, Restart: []httpd.Change{{Setting: "listen", At: at}},
		Problems: []*diag.Problem{{Pos: at, Summary: "bad"}}, Warnings: []*diag.Problem{{Pos: at, Summary: "hm"}}}
}

func (g *gateway) RemoveInstance(_ context.Context, kind, name string) error {
	if name == "webshop" {
		return core.Errorf(core.Conflict, "%s %q stands in gateway.hcl", kind, name)
	}
	return g.note("remove %s %s", kind, name)
}

func (g *gateway) Integrations() []httpd.Instance {
	return []httpd.Instance{{Name: "enghouse", Driver: "enghouse", Plugin: "org.openccsp.enghouse", Provisioned: true, State: "running", OK: true, Since: when},
		{Name: "old", Driver: "enghouse", State: "open", OK: true, Draining: &httpd.Draining{Since: when, Counted: true, Chats: 2, Commands: 1, Forced: true}}}
}

func (g *gateway) Channels() []httpd.Instance {
	return []httpd.Instance{{Name: "webshop", Driver: "rtm", Type: "rtm", Services: []string{"retail"}, Provisioned: true,
		State: "failed", Health: "no broker", HookURL: "https://gw/hooks/webshop"}}
}

func (g *gateway) Endpoints() []httpd.Endpoint {
	return []httpd.Endpoint{{Name: "ops", Host: "https://ops.example.com", Format: "standard", State: "ok"},
		{Name: "crm", Host: "https://crm.example.com", Format: "cloudevents", State: "disabled", Since: when, Reason: "it said 410 Gone"}}
}

func (g *gateway) EnableEndpoint(_ context.Context, name string) error {
	return g.note("enable %s", name)
}

func (g *gateway) Services() []httpd.Service {
	return []httpd.Service{{Name: "retail", Integration: "enghouse", Channels: []string{"webshop"}, Forward: "ccsp", Timezone: "Europe/Zurich",
		IdleAfter: "10m", UnattendedAfter: []string{"15m"}, CloseAfter: "2h", Provisioned: true, OK: true}, {Name: "empty", Forward: "none"}}
}

func (g *gateway) Rules() httpd.RuleSet {
	p := diag.Pos{File: "rules.d/retail.yaml", Line: 3, Column: 5}
	return httpd.RuleSet{Hash: "9c", Snap: "5a", LoadedAt: when, TriedAt: when,
		Rules:    []httpd.Rule{{Name: "nobody answers", On: "customer_unattended", At: p, Matched: 7, LastMatch: when, LastError: "rules.d/a.yaml:1:1: bad"}},
		Problems: []*diag.Problem{{Pos: p, Summary: "unknown name prioritty", Hint: `did you mean "priority"?`}},
		Warnings: []*diag.Problem{{Pos: p, Severity: diag.Warning, Summary: "the condition is never true"}}}
}

func (g *gateway) Snap(_ context.Context, hash string) (httpd.Snap, error) {
	if hash != "5a" {
		return httpd.Snap{}, store.ErrNotFound
	}
	return httpd.Snap{Snap: hash, Engine: "dev", Rules: "9c", Files: []httpd.RuleFile{{Path: "retail.yaml", Text: "rules: []\n"}}, Without: []string{"slow"}}, nil
}

func (g *gateway) Explain(_ context.Context, q httpd.RuleQuestion, try bool) (any, error) {
	if string(q.Event) == `"x/1"` {
		return nil, core.Errorf(core.NotFound, "there is no conversation x")
	}
	at := map[string]any{"file": "a.yaml", "line": 2, "column": 3}
	return map[string]any{
		"at": when, "notes": []string{fmt.Sprintf("%s %d %v %v", q.Event, len(q.Files), q.Test, try)}, "set": "9c", "event": "chat_closed",
		"rules": []any{map[string]any{"rule": "r", "at": at, "verdict": "matched", "line": "yes", "true": 1, "parts": 1,
			"when": map[string]any{"source": "true", "at": at, "value": true, "parts": []any{map[string]any{"source": "x", "at": at, "value": nil}}}}},
		"left_out": []any{}, "other_events": 0, "actions": []any{map[string]any{"rule": "r", "do": "tag", "with": "a"}}, "commands": []any{},
	}, nil
}

func (g *gateway) Backtest(_ context.Context, q httpd.BacktestQuestion) (any, error) {
	return map[string]any{
		"since": when, "conversations": 1, "partial": false, "note": q.Since, "set": q.Files[0].Path, "events": 1, "differences": 0,
		"rules": []any{}, "actions": map[string]int{"send": 1}, "new_actions": map[string]int{}, "messages": 1, "new_messages": 0, "samples": []any{},
	}, nil
}

func (g *gateway) RuleHistory(_ context.Context, q httpd.RuleHistoryQuestion) (any, error) {
	return map[string]any{"rule": q.Rule, "since": when, "partial": false, "more": q.Limit, "items": []any{}}, nil
}

func (g *gateway) ReloadRules(_ context.Context, allowEmpty bool) error {
	return g.note("reload %v", allowEmpty)
}

var dead = &state.DeadLetter{Id: "d1", Command: command, Attempts: attempts, Reason: "too old", AtMs: when.UnixMilli()}

func (g *gateway) DeadLetters(_ context.Context, after string, limit int) (store.Page[*state.DeadLetter], error) {
	g.after, g.limit = after, limit
	return store.Page[*state.DeadLetter]{Items: []*state.DeadLetter{dead}}, g.err
}

func (g *gateway) DeadLetter(_ context.Context, id string) (*state.DeadLetter, error) {
	if id != "d1" {
		return nil, store.ErrNotFound
	}
	return dead, g.err
}

func (g *gateway) ReplayDeadLetters(_ context.Context, ids []string) (int, error) {
	return len(ids), g.note("replay %v", ids)
}

func (g *gateway) DeleteDeadLetter(_ context.Context, id string) error {
	return g.note("delete %s", id)
}

func (g *gateway) Quarantined(context.Context, string, int) (store.Page[*state.Quarantined], error) {
	return store.Page[*state.Quarantined]{Items: []*state.Quarantined{webhookQ, mailQ}}, g.err
}

var (
	webhookQ = &state.Quarantined{Id: "q1", Instance: "webshop", AtMs: when.UnixMilli(), Reason: "not JSON",
		Webhook: &pluginv1.WebhookRequest{Method: "POST", Url: "https://gw/hooks/webshop", RemoteAddr: "9.9.9.9", Body: []byte("\x00\xffraw"),
			Headers: []*pluginv1.Header{{Name: "X-A", Value: "1"}, {Name: "Authorization", Value: "Bearer canary"}, {Name: "Cookie", Value: "canary"}}}}
	mailQ = &state.Quarantined{Id: "q2", Reason: "crashed", Conversation: convID[:], Mail: &state.Mail{AcceptedMs: 1}}
)

func (g *gateway) QuarantinedItem(_ context.Context, id string) (*state.Quarantined, error) {
	switch id {
	case "q1":
		return webhookQ, g.err
	case "q/2":
		return mailQ, g.err
	}
	return nil, store.ErrNotFound
}

func (g *gateway) ReplayQuarantined(_ context.Context, id string) error {
	return g.note("replay quarantined %s", id)
}

func (g *gateway) DeleteQuarantined(_ context.Context, id string) error {
	return g.note("delete quarantined %s", id)
}

// admin is a running admin listener.
type admin struct {
	url    string
	client *http.Client
	log    *syncBuffer
	ready  []string
}

func newAdmin(a *admin, g httpd.Gateway) *httpd.Admin {
	reg := prometheus.NewRegistry()
	a.log = &syncBuffer{}
	return httpd.NewAdmin(httpd.AdminOptions{
		Gateway: g, Token: token, Ready: func() []string { return a.ready }, Gatherer: reg, Metrics: reg,
		Log: slog.New(slog.NewJSONHandler(a.log, nil)),
	})
}

func startAdmin(t testing.TB, g httpd.Gateway) *admin {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &admin{url: "http://" + ln.Addr().String(), client: client(t)}
	serve(t, ln, newAdmin(a, g).Serve)
	return a
}

func (a *admin) do(t testing.TB, method, path, body string, header ...string) reply {
	t.Helper()
	header = append(header, "Authorization", "Bearer "+token)
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	return do(t, a.client, request(t, method, a.url+path, body, header...))
}

func (g *gateway) MediaStore() httpd.MediaStore {
	return httpd.MediaStore{Files: 3, Lost: 1, Bytes: 12288, MaxFile: 100, MaxTotal: 1000, Retention: 720 * time.Hour, LinkTTL: 24 * time.Hour, Types: []string{"image/*"}}
}

func (g *gateway) MediaFile(_ context.Context, id string) (httpd.MediaFile, error) {
	if id != "m1" {
		return httpd.MediaFile{}, core.Errorf(core.NotFound, "no such file")
	}
	return httpd.MediaFile{ID: id, Name: "a.png", MIME: "image/png", SHA256: "2c", Instance: "webshop", Bytes: 5, At: when, URL: "https://gw/media/x"}, g.err
}

func (g *gateway) DeleteMedia(_ context.Context, id string) error {
	return g.note("delete media %s", id)
}

func TestAdminAnswers(t *testing.T) {
	id := convID.String()
	tests := []struct {
		method, path, body string
		code               int
		want               []string // parts of the body
		changed            string
	}{
		{"GET", "/v1/conversations", "", 200, []string{`"id":"` + id + `"`, `"updated":"2026-11-22T10:00:00Z"`, `"next":"n2"`}, ""},
		{"GET", "/v1/conversations/" + id, "", 200, []string{`"reply_window":{"open":false,"open_for_agents":true,"agents_until":"2200-01-01T00:00:00Z","messages_left":2}`,
			`"owner":"bot+ccsp"`, `"state":"open"`, `"name":"Ada \u003cb\u003e"`,
			`"id":"` + id + `.0000000000000007.3"`, `"under_way":true,"last_error":"connection refused"`, `"flow":{"name":"survey","version":"7f"`}, ""},
		{"GET", "/v1/conversations/" + core.OrphanID("a", "b").String(), "", 404, []string{`"not_found"`}, ""},
		{"GET", "/v1/conversations/xyz", "", 400, []string{`is not a conversation id`}, ""},
		{"GET", "/v1/conversations/%ff", "", 400, nil, ""},
		{"GET", "/v1/conversations/" + id + "/history", "", 200, []string{`"verdict":"error"`, `"verdict":"not_matched","reason":"once"`, `"verdict":"matched","shadow":true,"at":"a.yaml:3:5"`, `"text":"hi"`, `"flows":[{"flow":"survey","version":"7f","place":"a.yaml:3:5","step":"ask","what":"accepts the reply"}]`, `"attempts":{"count":2,"not_before":"2026-11-22T10:00:00Z","last_error":"connection refused"},"end":"sent"`, `"route":"ccsp","snap":"5a","engine":"dev"`,
			`"event":{"type":"customer_message","id":"m1","at":"2026-11-22T10:00:00Z","late_by":1.5,"source":"channel","instance":"webshop",` +
				`"owner":"none","chatid":"4711","text":"hi","message_id":"p1","params":{"a":"b"},"cut":true}`,
			`"event":{"type":"chat_closed","owner":"none","queue":"retail","position":2,"est_wait":15,"wait_time":15,"idle_time":15,` +
				`"kind":"about","from":"a","to":"b","status":"closed","reason":"timed_out","reason_code":"7","by":"system","timed_out":true,` +
				`"score":15,"comment":"c","waited":"w"}`,
			`"event":{"type":"call_digits","owner":"none","quick_reply":{"title":"No","payload":"n"},"call_id":"CA1","digits":"2","duration":15,"code":"busy"}`}, ""},
		{"GET", "/v1/conversations/" + core.OrphanID("a", "b").String() + "/history", "", 404, []string{`"not_found"`}, ""},
		{"POST", "/v1/conversations", `{"integration":"enghouse","chatid":"4711","channel":"webshop","customer":"ada"}`, 200,
			[]string{`{"id":"` + id + `"}`}, "bind {enghouse 4711 webshop ada}"},
		{"POST", "/v1/conversations", `{"integration":"enghouse","chatid":"4711","channel":"webshop"}`, 400, []string{`field \"customer\" is missing`}, ""},
		{"POST", "/v1/conversations/" + id + "/close", `{"reason":"by phone"}`, 202, []string{"{}"}, "close " + id + " by phone"},
		{"POST", "/v1/conversations/" + id + "/close", "", 202, []string{"{}"}, "close " + id + " "},
		{"POST", "/v1/conversations/" + id + "/control", `{"action":"pass","to":"bot","reason":"late","params":{"a":"b"}}`, 202,
			[]string{"{}"}, "control " + id + " pass bot late map[a:b]"},
		{"POST", "/v1/conversations/" + id + "/control", `{"action":"release"}`, 202, []string{"{}"}, "control " + id + " release   map[]"},
		{"POST", "/v1/conversations/" + id + "/control", `{"action":"pass"}`, 400, []string{`field \"to\" must be ccsp or bot`}, ""},
		{"POST", "/v1/conversations/" + id + "/control", `{"action":"release","to":"bot"}`, 400, []string{`no meaning`}, ""},
		{"POST", "/v1/conversations/" + id + "/control", `{"action":"take","to":"bot"}`, 400, []string{`none of offer`}, ""},
		{"POST", "/v1/conversations/" + id + "/control", "", 415, nil, ""},
		{"POST", "/v1/conversations/" + id + "/control", `{"action":"pass","to":"bot","reason":"` + strings.Repeat("x", 1025) + `"}`, 400, nil, ""},
		{"POST", "/v1/conversations/" + id + "/close", `{"reason":"` + strings.Repeat("x", 1025) + `"}`, 400, nil, ""},
		{"GET", "/v1/customers?channel=webshop&address=ada", "", 200, []string{`{"items":[{"conversation":"` + id + `","channel":"webshop","address":"ada",` +
			`"name":"Ada Lovelace","first_name":"Ada","last_name":"Lovelace","locale":"de-CH","timezone":"Europe/Zurich","addresses":{"sms":"+41"},` +
			`"attributes":{"tier":"gold"}}],"next":"n2"}`}, ""},
		{"GET", "/v1/customers?chanel=webshop", "", 400, []string{`unknown parameter`}, ""},
		{"GET", "/v1/customers/webshop/a%2Fb%20%C3%A9", "", 200, []string{`"address":"a/b é"`}, ""},
		{"GET", "/v1/customers/webshop/%ff", "", 400, []string{"the address in the path is not valid"}, ""},
		{"GET", "/v1/customers/webshop", "", 404, nil, ""},
		{"GET", "/v1/customers/nobody/ada", "", 404, []string{`no channel \"nobody\"`}, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"name":"A","locale":null,"timezone":"","addresses":null,"attributes":{"x":null,"a.b":"1"}}`, 200,
			[]string{`"address":"ada"`}, `customer ada ["addresses=" "attributes.a.b=1" "attributes.x=" "locale=" "name=A" "timezone="] false`},
		{"PATCH", "/v1/customers/webshop/ada", `{}`, 200, nil, `customer ada [] false`},
		{"PATCH", "/v1/customers/webshop/ada", ``, 415, nil, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"nam_e":"A"}`, 400, []string{`unknown field \"nam_e\"`}, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"address":"eve"}`, 400, []string{`unknown field \"address\"`}, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"name":5}`, 400, []string{`field \"name\" must be a string, not a number`}, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"attributes":{"a":5}}`, 400, []string{`must be a string, not a number`}, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"attributes":["a"]}`, 400, []string{`field \"attributes\" must be a `}, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"locale":"Swiss German"}`, 400, []string{`locale \"Swiss German\" is not one; write one such as \"de-CH\"`}, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"attributes":{" ":"x"}}`, 400, []string{`unknown field`}, ""},
		{"PATCH", "/v1/customers/webshop/ada", `{"name":"` + strings.Repeat("x", 5000) + `"}`, 400, []string{"the value of name is too long"}, ""},
		{"PUT", "/v1/customers/webshop/new", `{"name":"N"}`, 201, []string{`"address":"new"`}, `customer new ["name=N"] true`},
		{"PUT", "/v1/customers/webshop/new", ``, 201, []string{`"address":"new"`}, `customer new [] true`},
		{"DELETE", "/v1/customers/webshop/ada", "", 405, nil, ""},
		{"GET", "/v1/config", "", 200, []string{`"restart_needed":[{"setting":"listen","at":{"file":"gateway.hcl","line":3,"column":12}}]`, `"summary":"bad"`}, ""},
		{"DELETE", "/v1/channels/webshop", "", 409, []string{`channel \"webshop\" stands in gateway.hcl`}, ""},
		{"DELETE", "/v1/channels/old", "", 202, []string{"{}"}, "remove channel old"},
		{"DELETE", "/v1/integrations/old", "", 202, []string{"{}"}, "remove integration old"},
		{"GET", "/v1/integrations", "", 200, []string{`"provisioned":true`, `"state":"running"`,
			`"draining":{"since":"2026-11-22T10:00:00Z","counted":true,"chats":2,"commands":1,"forced":true}`}, ""},
		{"GET", "/v1/channels", "", 200, []string{`"ok":false,"health":"no broker"`}, ""},
		{"GET", "/v1/endpoints", "", 200, []string{`"reason":"it said 410 Gone"`, `"host":"https://ops.example.com"`}, ""},
		{"POST", "/v1/endpoints/crm/enable", "", 202, []string{"{}"}, "enable crm"},
		{"POST", "/v1/endpoints/crm/enable", "{}", 400, nil, ""},
		{"GET", "/v1/services", "", 200, []string{`"unattended_after":["15m"]`}, ""},
		{"GET", "/v1/rules", "", 200, []string{`"problems":[{"file":"rules.d/retail.yaml","line":3,"column":5,"summary":"unknown name prioritty","hint":"did you mean \"priority\"?"}]`, `"matched":7`, `{"hash":"9c","snap":"5a",`,
			`"warnings":[{"file":"rules.d/retail.yaml","line":3,"column":5,"severity":"warning","summary":"the condition is never true"}]`}, ""},
		{"GET", "/v1/snaps/5a", "", 200, []string{`{"snap":"5a","engine":"dev","rules":"9c","files":[{"path":"retail.yaml","text":"rules: []\n"}],"without":["slow"]}`}, ""},
		{"GET", "/v1/snaps/9c", "", 404, nil, ""},
		{"POST", "/v1/rules:explain", `{"event":"x/7","files":[{"path":"a.yaml","text":""}],"test":true}`, 200, []string{`"notes":["\"x/7\" 1 true false"]`}, ""},
		{"POST", "/v1/rules:explain", `{"event":"x/1"}`, 404, []string{"there is no conversation x"}, ""},
		{"POST", "/v1/rules:explain", `{}`, 400, []string{"event is missing"}, ""},
		{"POST", "/v1/rules:explain", `{"event":"x/1","fils":[]}`, 400, []string{"unknown field"}, ""},
		{"POST", "/v1/rules:try", `{"event":{"type":"chat_closed"}}`, 200, []string{`0 false true`, `"do":"tag","rule":"r","with":"a"`}, ""},
		{"POST", "/v1/rules:backtest", `{"since":"1h","files":[{"path":"a.yaml","text":""}]}`, 200, []string{`"note":"1h"`, `"set":"a.yaml"`}, ""},
		{"POST", "/v1/rules:reload", "", 200, []string{`"hash":"9c"`}, "reload false"},
		{"POST", "/v1/rules:reload", `{"allow_empty":true}`, 200, []string{`"hash":"9c"`}, "reload true"},
		{"GET", "/v1/rules/nobody%20answers/history?limit=3&since=1h", "", 200, []string{`"rule":"nobody answers"`, `"more":3`}, ""},
		{"GET", "/v1/rules/nobody%20answers/history?limits=3", "", 400, nil, ""},
		{"GET", "/v1/rules/nobody%20answers/history?after=x", "", 400, []string{"has no after"}, ""},
		{"GET", "/v1/dead-letters", "", 200, []string{`"reason":"too old"`}, ""},
		{"GET", "/v1/dead-letters/d1", "", 200, []string{`"conversation":"` + id + `"`, `"attempts":{"count":2,"not_before":"2026-11-22T10:00:00Z","last_error":"connection refused"}`}, ""},
		{"GET", "/v1/dead-letters/nope", "", 404, nil, ""},
		{"DELETE", "/v1/dead-letters/d1", "", 204, nil, "delete d1"},
		{"POST", "/v1/dead-letters/d%2F1/replay", "", 202, []string{`{"replayed":1}`}, "replay [d/1]"},
		{"POST", "/v1/dead-letters/replay", `{"ids":["a","b"]}`, 202, []string{`{"replayed":2}`}, "replay [a b]"},
		{"POST", "/v1/dead-letters/replay", `{"ids":[]}`, 400, nil, ""},
		{"POST", "/v1/dead-letters/replay", `{"ids":[""]}`, 400, nil, ""},
		{"POST", "/v1/dead-letters/replay", `{"ids":["` + strings.Repeat(`x","`, 200) + `"]}`, 400, nil, ""},
		{"GET", "/v1/media", "", 200, []string{`{"files":3,"lost":1,"bytes":12288,"max_file":100,"max_total":1000,"retention":"720h0m0s","link_ttl":"24h0m0s","types":["image/*"]}`}, ""},
		{"GET", "/v1/media/m1", "", 200, []string{`{"id":"m1","name":"a.png","mime":"image/png","bytes":5,"sha256":"2c","instance":"webshop","at":"2026-11-22T10:00:00Z","url":"https://gw/media/x"}`}, ""},
		{"GET", "/v1/media/nope", "", 404, nil, ""},
		{"DELETE", "/v1/media/m1", "", 204, nil, "delete media m1"},
		{"GET", "/v1/quarantine", "", 200, []string{`"bytes":5`, `"id":"q2"`}, ""},
		{"GET", "/v1/quarantine/q1", "", 200, []string{`"body":"AP9yYXc="`, `"value":"(hidden)"`}, ""},
		{"GET", "/v1/quarantine/q%2F2", "", 200, []string{`"mail":"CAE="`}, ""},
		{"DELETE", "/v1/quarantine/q1", "", 204, nil, "delete quarantined q1"},
		{"POST", "/v1/quarantine/q1/replay", "", 202, []string{`{"replayed":1}`}, "replay quarantined q1"},
		{"GET", "/v1/version", "", 200, []string{`"version":"dev"`}, ""},
		{"GET", "/v1/openapi.json", "", 200, []string{`"openapi": "3.1.0"`}, ""},
		{"GET", "/healthz", "", 200, []string{`{"ok":true}`}, ""},
		{"GET", "/readyz", "", 200, []string{`{"ready":true}`}, ""},
		{"GET", "/metrics", "", 200, []string{"gateway_http_requests_total{"}, ""},
		{"GET", "/v2", "", 404, nil, ""},
		{"GET", "/v1/conversations/", "", 404, nil, ""},
		{"PUT", "/v1/conversations", "", 405, []string{`"method_not_allowed"`}, ""},
		{"OPTIONS", "/v1/conversations", "", 405, nil, ""},
	}
	check := schemas(t)
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			t.Parallel()
			g := &gateway{}
			a := startAdmin(t, g)
			got := a.do(t, tt.method, tt.path, tt.body)
			if got.StatusCode != tt.code {
				t.Fatalf("%d %s, want %d", got.StatusCode, got.body, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.body, want) {
					t.Errorf("body %s\nhas no %s", got.body, want)
				}
			}
			if changed := strings.Join(g.changed, "; "); changed != tt.changed {
				t.Errorf("changed %q, want %q", changed, tt.changed)
			}
			if strings.Contains(got.body, "canary") || strings.Contains(got.body, "cursor") {
				t.Errorf("body %s shows what it must not", got.body)
			}
			check(t, tt.method, tt.path, got)
		})
	}
}

func TestAdminLists(t *testing.T) {
	tests := []struct {
		query string
		code  int
		after string
		limit int
	}{
		{"", 200, "", 50},
		{"limit=1", 200, "", 1},
		{"limit=200&after=abc", 200, "abc", 200},
		{"after=a%26b%2B", 200, "a&b+", 50},
		{"limit=0", 400, "", 0},
		{"limit=201", 400, "", 0},
		{"limit=-1", 400, "", 0},
		{"limit=x", 400, "", 0},
		{"limit=99999999999999999999", 400, "", 0},
		{"limit=1&limit=2", 400, "", 0},
		{"state=open", 400, "", 0},
		{"status=broken", 400, "", 0},
		{"after=%ff", 400, "", 0},
		{"after=" + strings.Repeat("x", 1025), 400, "", 0},
	}
	g := &gateway{}
	a := startAdmin(t, g)
	for _, tt := range tests {
		*g = gateway{}
		got := a.do(t, "GET", "/v1/conversations?"+tt.query, "")
		if got.StatusCode != tt.code || g.after != tt.after || g.limit != tt.limit {
			t.Errorf("%s: %d after %q limit %d, want %d %q %d", tt.query, got.StatusCode, g.after, g.limit, tt.code, tt.after, tt.limit)
		}
	}
	a.do(t, "GET", "/v1/conversations?status=open&service=s&channel=c&customer=%2B41&chatid=7", "")
	if want := (store.Filter{Status: "open", Service: "s", Channel: "c", Customer: "+41", ChatRef: "7"}); g.filter != want {
		t.Errorf("filter %+v, want %+v", g.filter, want)
	}
}

func TestAdminErrors(t *testing.T) {
	tests := []struct {
		err  error
		code int
	}{
		{core.Errorf(core.Conflict, "bound elsewhere"), 409},
		{fmt.Errorf("x: %w", store.ErrConflict), 409},
		{fmt.Errorf("x: %w", store.ErrNotFound), 404},
		{fmt.Errorf("x: %w", store.ErrUnavailable), 503},
		{fmt.Errorf("canary"), 500},
	}
	for _, tt := range tests {
		a := startAdmin(t, &gateway{err: tt.err})
		got := a.do(t, "DELETE", "/v1/dead-letters/d1", "")
		if got.StatusCode != tt.code || strings.Contains(got.body, "canary") {
			t.Errorf("%v: %d %s, want %d", tt.err, got.StatusCode, got.body, tt.code)
		}
		if logged := strings.Contains(a.log.String(), "canary"); logged != (tt.code == 500) {
			t.Errorf("%v: logged %v", tt.err, logged)
		}
	}
	a := startAdmin(t, &gateway{panics: true})
	if got := a.do(t, "GET", "/v1/conversations", ""); got.StatusCode != 500 || !strings.Contains(a.log.String(), "boom") {
		t.Errorf("panic: %d, log %s", got.StatusCode, a.log)
	}
}

// TestAdminIsClosed asks for every route without a token, and with wrong ones.
func TestAdminIsClosed(t *testing.T) {
	g := &gateway{}
	a := startAdmin(t, g)
	guards := []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + token[1:], "Bearer " + token + "x", "Bearer " + strings.ToUpper(token),
		"Basic " + token, token, "Bearer  " + token, "bearer", "Bearer " + strings.Repeat("x", 5000)}
	for route, open := range httpd.Routes() {
		method, path, _ := strings.Cut(route, " ")
		for _, auth := range guards {
			got := do(t, a.client, request(t, method, a.url+strings.ReplaceAll(path, "{id}", "d1"), "", "Authorization", auth))
			want := 401
			if open {
				want = 200
			}
			if got.StatusCode != want {
				t.Errorf("%s with %.30q: %d, want %d", route, auth, got.StatusCode, want)
			}
			if want == 401 && got.Header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: no WWW-Authenticate", route)
			}
		}
	}
	if len(g.changed) > 0 {
		t.Errorf("changed without a token: %v", g.changed)
	}
	for _, scheme := range []string{"Bearer ", "bearer "} {
		if got := do(t, a.client, request(t, "GET", a.url+"/v1/version", "", "Authorization", scheme+token)); got.StatusCode != 200 {
			t.Errorf("right token: %d, want 200", got.StatusCode)
		}
	}
}

func TestAdminWithoutATokenIsClosed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	adm := httpd.NewAdmin(httpd.AdminOptions{Gateway: &gateway{}, Gatherer: reg, Metrics: reg, Log: slog.New(slog.DiscardHandler)})
	serve(t, ln, adm.Serve)
	for _, auth := range []string{"", "Bearer", "Bearer "} {
		got := do(t, client(t), request(t, "GET", "http://"+ln.Addr().String()+"/v1/version", "", "Authorization", auth))
		if got.StatusCode != 401 {
			t.Errorf("%q: %d, want 401", auth, got.StatusCode)
		}
	}
}

// TestCrossSite asks every changing route as a page of another site would.
func TestCrossSite(t *testing.T) {
	g := &gateway{}
	a := startAdmin(t, g)
	host := strings.TrimPrefix(a.url, "http://")
	for route := range httpd.Routes() {
		method, path, _ := strings.Cut(route, " ")
		path = strings.ReplaceAll(path, "{id}", convID.String())
		if method == "GET" {
			continue
		}
		for _, h := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "x"},
			{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "http://" + host + ".evil.example"}, {"Origin", "http://127.0.0.1:1"},
			{"Sec-Fetch-Site", "cross-site", "Origin", a.url},
		} {
			if got := a.do(t, method, path, "", h...); got.StatusCode != 403 {
				t.Errorf("%s %v: %d, want 403", route, h, got.StatusCode)
			}
		}
	}
	if len(g.changed) > 0 {
		t.Errorf("changed by another site: %v", g.changed)
	}
	for _, h := range [][]string{{"Sec-Fetch-Site", "same-origin", "Origin", a.url}, {"Sec-Fetch-Site", "none"}, {"Origin", a.url}, {}} {
		if got := a.do(t, "DELETE", "/v1/dead-letters/d1", "", h...); got.StatusCode != 204 {
			t.Errorf("%v: %d, want 204", h, got.StatusCode)
		}
	}
	if got := a.do(t, "GET", "/v1/dead-letters/d1", "", "X-HTTP-Method-Override", "DELETE"); got.StatusCode != 200 {
		t.Errorf("method override: %d, want an ordinary 200", got.StatusCode)
	}
}

func TestAdminBodies(t *testing.T) {
	ok := `{"integration":"e","chatid":"4","channel":"w","customer":"a"}`
	tests := []struct {
		name, kind, body string
		code             int
	}{
		{"right", "application/json", ok, 200},
		{"with a charset", "application/json; charset=utf-8", ok, 200},
		{"as text", "text/plain", ok, 415},
		{"as a form", "application/x-www-form-urlencoded", ok, 415},
		{"of no type", "", ok, 415},
		{"empty", "application/json", "", 400},
		{"truncated", "application/json", ok[:20], 400},
		{"unknown field", "application/json", `{"integration":"e","chatid":"4","channel":"w","customer":"a","x":1}`, 400},
		{"wrong type", "application/json", `{"integration":1}`, 400},
		{"a list", "application/json", `[]`, 400},
		{"null", "application/json", `null`, 400},
		{"a number", "application/json", `NaN`, 400},
		{"two values", "application/json", ok + ok, 400},
		{"garbage behind", "application/json", ok + "x", 400},
		{"deep", "application/json", strings.Repeat(`{"integration":`, 20000), 400},
		{"deep list", "application/json", strings.Repeat(`[`, 100000), 400},
		{"not UTF-8", "application/json", "{\"integration\":\"\xff\"}", 400},
		{"byte order mark", "application/json", "\ufeff" + ok, 400},
		{"NUL", "application/json", "\x00", 400},
		{"a long value", "application/json", `{"integration":"` + strings.Repeat("x", 900000) + `","chatid":"4","channel":"w","customer":"a"}`, 400},
		{"at the limit", "application/json", ok + strings.Repeat(" ", 1<<20-len(ok)), 200},
		{"over it", "application/json", ok + strings.Repeat(" ", 1<<20-len(ok)+1), 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &gateway{}
			a := startAdmin(t, g)
			req := request(t, "POST", a.url+"/v1/conversations", tt.body, "Authorization", "Bearer "+token)
			if tt.kind != "" {
				req.Header.Set("Content-Type", tt.kind)
			}
			got := do(t, a.client, req)
			if got.StatusCode != tt.code {
				t.Errorf("%d %.200s, want %d", got.StatusCode, got.body, tt.code)
			}
			if changed := len(g.changed) > 0; changed != (tt.code == 200) {
				t.Errorf("changed: %v", g.changed)
			}
			if len(got.body) > 1000 || strings.Contains(got.body, "json:") || strings.Contains(got.body, "httpd.") {
				t.Errorf("the error is not in our words: %.200s", got.body)
			}
		})
	}
}

func TestReady(t *testing.T) {
	a := startAdmin(t, &gateway{})
	a.ready = []string{"plugin sms: starting"}
	got := do(t, a.client, request(t, "GET", a.url+"/readyz", ""))
	if want := `{"ready":false,"reasons":["plugin sms: starting"]}`; got.StatusCode != 503 || strings.TrimSpace(got.body) != want {
		t.Errorf("%d %s, want 503 %s", got.StatusCode, got.body, want)
	}
}

func TestAdminSocketNeedsNoToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	g, a := &gateway{}, &admin{}
	stop := serve(t, ln, newAdmin(a, g).ServeSocket)
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}
	t.Cleanup(tr.CloseIdleConnections)
	got := do(t, &http.Client{Transport: tr}, request(t, "DELETE", "http://gateway/v1/dead-letters/d1", ""))
	if got.StatusCode != 204 || len(g.changed) != 1 {
		t.Errorf("%d, changed %v; want 204 and one change", got.StatusCode, g.changed)
	}
	if err := stop(); err != nil {
		t.Errorf("ServeSocket: %v", err)
	}
}

// TestAddressesStayOutOfTheLog: an internal error is logged with a path that names
// no customer.
func TestAddressesStayOutOfTheLog(t *testing.T) {
	a := startAdmin(t, &gateway{err: errors.New("disk on fire")})
	if got := a.do(t, "GET", "/v1/customers/webshop/+41791111111", ""); got.StatusCode != 500 {
		t.Errorf("status %d", got.StatusCode)
	}
	if log := a.log.String(); !strings.Contains(log, "/v1/customers/…") || strings.Contains(log, "41791111111") {
		t.Errorf("log %s", log)
	}
}
