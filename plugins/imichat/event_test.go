package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// samples are the payloads of the product page, byte for byte as printed.
var samples = []string{"flow_triggered", "customer_unattended", "chat_closed"}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func minutes(n float64) *time.Duration {
	d := time.Duration(n * float64(time.Minute))
	return &d
}

func number(n int) *int { return &n }

func score(n float64) *float64 { return &n }

// bare is an event without what every event has.
func bare(e sdk.Event) sdk.Event {
	e.ID, e.Payload = "", nil
	return e
}

func TestSamples(t *testing.T) {
	want := map[string]sdk.Event{
		"flow_triggered": {Type: sdk.FlowTriggered, Ref: "CSR123092121929", MessageID: "5",
			Params: map[string]string{"param1": "value", "param2": "value", "param3": "value"}},
		"customer_unattended": {Type: sdk.CustomerUnattended, Ref: "CSR123092121929", WaitTime: minutes(15)},
		"chat_closed":         {Type: sdk.ChatClosed, Ref: "CSR123092121929", Status: "closed", Reason: "closed"},
	}
	payload := map[string]string{
		"flow_triggered": `{"event_type":"flow_triggered","chatid":"CSR123092121929","messageid":"5",` +
			`"flowparams":{"param1":"value","param2":"value","param3":"value"}}`,
		"customer_unattended": `{"chatid":"CSR123092121929","event_type":"customer_unattended","wait_time":"15"}`,
		"chat_closed":         `{"chatid":"CSR123092121929","event_type":"chat_closed","status":"closed"}`,
	}
	c, _ := receiver(t)
	for _, name := range samples {
		body := sample(t, name)
		if json.Valid(body) || strings.Count(string(body), "“") < 3 {
			t.Errorf("%s is not as it was printed", name)
		}
		res := c.take(body)
		if len(res.Events) != 1 || res.Status != 0 || res.Quarantine != "" {
			t.Fatalf("%s: %+v", name, res)
		}
		e := res.Events[0]
		if diff := cmp.Diff(want[name], bare(e)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if string(e.Payload) != payload[name] || e.ID == "" {
			t.Errorf("%s: id %q, payload %s, want %s", name, e.ID, e.Payload, payload[name])
		}
	}
}

func TestEvents(t *testing.T) {
	ann := sdk.Agent{Name: "Ann"}
	custom := func(name string, params map[string]string) sdk.Event {
		return sdk.Event{Type: sdk.CustomEvent, EventName: name, Params: params}
	}
	invalid := func(name, problem string) sdk.Event {
		return custom("invalid", map[string]string{"event_type": name, "problem": problem})
	}
	for _, tt := range []struct {
		name, members string // beside chatid
		want          sdk.Event
	}{
		{"chat opened", `"event_type":"chat_opened","team_name":"Retail"`, sdk.Event{Type: sdk.ChatOpened, Queue: "Retail"}},
		{"chat opened, a team by number", `"event_type":"chat_opened","team_id":17`, sdk.Event{Type: sdk.ChatOpened, Queue: "17"}},
		{"chat idle", `"event_type":"chat_idle","idle_time":"10"`, sdk.Event{Type: sdk.ChatIdle, IdleTime: minutes(10)}},
		{"chat idle, nobody knows how long", `"event_type":"chat_idle"`, sdk.Event{Type: sdk.ChatIdle, IdleTime: minutes(0)}},
		{"chat idle, nonsense", `"event_type":"chat_idle","idle_time":"x"`, invalid("chat_idle", "idle_time is not a number of minutes")},
		{"unattended, a number", `"event_type":"customer_unattended","wait_time":15`, sdk.Event{Type: sdk.CustomerUnattended, WaitTime: minutes(15)}},
		{"unattended, a blank", `"event_type":"customer_unattended","wait_time":"15 "`, sdk.Event{Type: sdk.CustomerUnattended, WaitTime: minutes(15)}},
		{"unattended, a fraction", `"event_type":"customer_unattended","wait_time":"15.5"`, sdk.Event{Type: sdk.CustomerUnattended, WaitTime: minutes(15.5)}},
		{"unattended, negative", `"event_type":"customer_unattended","wait_time":"-1"`, invalid("customer_unattended", "wait_time is not a number of minutes")},
		{"unattended, NaN", `"event_type":"customer_unattended","wait_time":"NaN"`, invalid("customer_unattended", "wait_time is not a number of minutes")},
		{"unattended, endless", `"event_type":"customer_unattended","wait_time":1e300`, invalid("customer_unattended", "wait_time is not a number of minutes")},
		{"unattended, no time", `"event_type":"customer_unattended"`, invalid("customer_unattended", "wait_time is not a number of minutes")},
		{"chat closed", `"event_type":"chat_closed","status":"closed","closed_by":"Agent","reason":"solved"`,
			sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "solved", By: "agent"}},
		{"chat closed, nothing else", `"event_type":"chat_closed"`, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "closed"}},
		{"timed out", `"event_type":"chat_closed","status":"timed_out"`, sdk.Event{Type: sdk.ChatClosed, Status: "timed_out", Reason: "timed_out", TimedOut: true}},
		{"timed out by its reason", `"event_type":"chat_closed","reason":"Timeout"`, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "Timeout", TimedOut: true}},
		{"timed out by a flag", `"event_type":"chat_closed","timed_out":"true"`, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "timed_out", TimedOut: true}},
		{"message", `"event_type":"incoming_message","message":"Hi","messageid":7,"agent":"Ann"`,
			sdk.Event{Type: sdk.IncomingMessage, Text: "Hi", MessageID: "7", Agent: ann}},
		{"message that looks like JSON", `"event_type":"incoming_message","message":"{\"text\":\"x\"}"`,
			sdk.Event{Type: sdk.IncomingMessage, Text: `{"text":"x"}`}},
		{"message, a number", `"event_type":"incoming_message","message":42`, sdk.Event{Type: sdk.IncomingMessage, Text: "42"}},
		{"message, an object", `"event_type":"incoming_message","message":{"id":"m","text":" Hi "},"agent":{"id":3,"name":"Ann"}`,
			sdk.Event{Type: sdk.IncomingMessage, Text: " Hi ", MessageID: "m", Agent: sdk.Agent{ID: "3", Name: "Ann"}}},
		{"message, a file", `"event_type":"incoming_message","attachments":[{"url":"https://e.com/a","mime_type":"image/png","filename":"a.png","size":"12","caption":"A"}]`,
			sdk.Event{Type: sdk.IncomingMessage, Attachments: []sdk.Attachment{{URL: "https://e.com/a", MIME: "image/png", Name: "a.png", Bytes: 12, Caption: "A"}}}},
		{"message, files in a string", `"event_type":"incoming_message","message":"","attachments":"[{\"url\":\"https://e.com/a\",},]"`,
			sdk.Event{Type: sdk.IncomingMessage, Attachments: []sdk.Attachment{{URL: "https://e.com/a"}}}},
		{"message, a bare address", `"event_type":"incoming_message","attachments":"https://e.com/a"`,
			sdk.Event{Type: sdk.IncomingMessage, Attachments: []sdk.Attachment{{URL: "https://e.com/a"}}}},
		{"message, empty", `"event_type":"incoming_message","message":"","attachments":""`, invalid("incoming_message", "neither a text nor an attachment")},
		{"message, null", `"event_type":"incoming_message","message":null`, invalid("incoming_message", "neither a text nor an attachment")},
		{"message, a list", `"event_type":"incoming_message","message":["a"]`, invalid("incoming_message", "neither a text nor an attachment")},
		{"note", `"event_type":"incoming_message","message":"psst","visibility":"agent"`, sdk.Event{Type: sdk.IncomingMessage, Text: "psst", Private: true}},
		{"note, a visibility that nobody knows", `"event_type":"incoming_message","message":"psst","visibility":"team"`, sdk.Event{Type: sdk.IncomingMessage, Text: "psst", Private: true}},
		{"note by a flag", `"event_type":"incoming_message","message":"psst","private":"true"`, sdk.Event{Type: sdk.IncomingMessage, Text: "psst", Private: true}},
		{"note by its type", `"event_type":"incoming_message","message":{"type":"note","text":"psst"}`, sdk.Event{Type: sdk.IncomingMessage, Text: "psst", Private: true}},
		{"for all", `"event_type":"incoming_message","message":"Hi","visibility":"ALL","private":false`, sdk.Event{Type: sdk.IncomingMessage, Text: "Hi"}},
		{"the customer's own", `"event_type":"incoming_message","message":"Hi","direction":"inbound"`, custom("message_echo", nil)},
		{"picked", `"event_type":"chat_picked","agent":"Ann"`, sdk.Event{Type: sdk.ChatAssigned, Agent: ann}},
		{"picked by a login", `"event_type":"chat_picked","assignee":"ann@e.com"`, sdk.Event{Type: sdk.ChatAssigned, Agent: sdk.Agent{ID: "ann@e.com"}}},
		{"reopened", `"event_type":"chat_reopened"`, sdk.Event{Type: sdk.ChatReopened}},
		{"transferred", `"event_type":"chat_transferred","from":"Ann","team_id":4`, sdk.Event{Type: sdk.ChatTransferred, Kind: "queue", From: "Ann", To: "4"}},
		{"transferred to an agent", `"event_type":"chat_transferred","to_agent":"Bob"`, sdk.Event{Type: sdk.ChatTransferred, Kind: "agent", To: "Bob"}},
		{"transferred to a skill", `"event_type":"chat_transferred","kind":"skill","to":"French"`, sdk.Event{Type: sdk.ChatTransferred, Kind: "skill", To: "French"}},
		{"by an agent", `"event_type":"agent_chat_initiated","agent":"Ann","customer":"+41"`, custom("agent_chat_initiated", map[string]string{"agent": "Ann", "customer": "+41"})},
		{"by an agent, on an asset", `"event_type":"agent_chat_initiated","agent":"Ann","customer":"+41","asset":"a1"`,
			sdk.Event{Type: sdk.ChatOpened, By: "agent", Agent: ann, Channel: "shop", Customer: sdk.Customer{Address: "+41"}}},
		{"by an agent, with objects", `"event_type":"Agent Chat Initiated","team_name":"Retail","agent":{"id":"3"},"customer":{"id":41,"name":"Ada"},"asset":{"id":"a1"}`,
			sdk.Event{Type: sdk.ChatOpened, By: "agent", Agent: sdk.Agent{ID: "3"}, Channel: "shop", Queue: "Retail",
				Customer: sdk.Customer{Address: "41", Name: "Ada"}}},
		{"by an agent, flat", `"event_type":"agent_chat_initiated","customer_id":"+41","asset_id":"a1"`,
			sdk.Event{Type: sdk.ChatOpened, By: "agent", Channel: "shop", Customer: sdk.Customer{Address: "+41"}}},
		{"by an agent, an asset of two channels", `"event_type":"agent_chat_initiated","customer":"+41","asset":"a2"`,
			custom("agent_chat_initiated", map[string]string{"customer": "+41", "asset": "a2"})},
		{"by an agent, to nobody", `"event_type":"agent_chat_initiated","asset":"a1"`, custom("agent_chat_initiated", map[string]string{"asset": "a1"})},
		{"queued", `"event_type":"chat_queued","team_id":4,"queue_position":"0","estimated_wait":"x"`, sdk.Event{Type: sdk.ChatQueued, Queue: "4"}},
		{"on hold", `"event_type":"chat_on_hold","agent":"Ann","reason":"asks"`, sdk.Event{Type: sdk.ChatHeld, Agent: ann, Reason: "asks"}},
		{"hold", `"event_type":"Chat Hold"`, sdk.Event{Type: sdk.ChatHeld}},
		{"held", `"event_type":"chat_held"`, sdk.Event{Type: sdk.ChatHeld}},
		{"resumed", `"event_type":"chat_resumed"`, sdk.Event{Type: sdk.ChatResumed}},
		{"off hold", `"event_type":"chat_off_hold"`, sdk.Event{Type: sdk.ChatResumed}},
		{"assigned", `"event_type":"chat_assigned","agent":"Ann"`, sdk.Event{Type: sdk.ChatAssigned, Agent: ann}},
		{"rejected", `"event_type":"chat_rejected","reason":"no agents","reason_code":8`,
			sdk.Event{Type: sdk.ChatRejected, Status: "closed", Reason: "no agents", ReasonCode: "8"}},
		{"status queued", `"event_type":"chat_status","status":"QUEUED"`, sdk.Event{Type: sdk.ChatQueued}},
		{"status picked", `"event_type":"chat_updated","status":"picked","assignee":"ann"`, sdk.Event{Type: sdk.ChatAssigned, Agent: sdk.Agent{ID: "ann"}}},
		{"status onhold", `"event_type":"chat_status_changed","status":"onhold"`, sdk.Event{Type: sdk.ChatHeld}},
		{"status closed", `"event_type":"chat_status","status":"closed"`, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "closed"}},
		{"a status that nobody knows", `"event_type":"chat_updated","status":"snoozed"`, custom("chat_updated", map[string]string{"status": "snoozed"})},
		{"no status", `"event_type":"chat_updated"`, custom("chat_updated", map[string]string{})},
		{"joined", `"event_type":"agent_joined","agent":"Ann"`, sdk.Event{Type: sdk.AgentJoined, Agent: ann}},
		{"left", `"event_type":"agent_left","agent":"Ann","reason":"break"`, sdk.Event{Type: sdk.AgentLeft, Agent: ann, Reason: "break"}},
		{"rated", `"event_type":"survey_rated","score":"4.5","comment":"ok"`, sdk.Event{Type: sdk.SurveyRated, Score: score(4.5), Comment: "ok"}},
		{"rated, another name", `"event_type":"chat_rated","rating":5,"feedback":"ok"`, sdk.Event{Type: sdk.SurveyRated, Score: score(5), Comment: "ok"}},
		{"rated, no number", `"event_type":"survey_rated","score":"NaN"`, invalid("survey_rated", "score is not a number")},
		{"offered", `"event_type":"control_offered","to":"agent"`, sdk.Event{Type: sdk.ControlOffered, To: sdk.ToCCSP}},
		{"accepted", `"event_type":"control_accepted"`, sdk.Event{Type: sdk.ControlAccepted}},
		{"passed", `"event_type":"control_passed","to":"bot","reason":"done","params":{"a":1}`,
			sdk.Event{Type: sdk.ControlPassed, To: sdk.ToBot, Reason: "done", Params: map[string]string{"a": "1"}}},
		{"released", `"event_type":"control_released"`, sdk.Event{Type: sdk.ControlReleased}},
		{"passed by a custom event", `"event_type":"custom_event","event_name":"Control Passed","params":{"to":"BOT"}`, sdk.Event{Type: sdk.ControlPassed, To: sdk.ToBot}},
		{"passed by an alias", `"event_type":"custom_event","event_name":"back to the bot"`, sdk.Event{Type: sdk.ControlPassed}},
		{"passed to somebody", `"event_type":"control_passed","to":"mum"`, invalid("control_passed", "to is neither bot nor ccsp")},
		{"a custom event with the name of another", `"event_type":"custom_event","event_name":"chat_closed"`, custom("chat_closed", map[string]string{})},
		{"of a customer", `"event_type":"chat_picked","customer":{"name":"Ada L.","first_name":"Ada","last_name":"L.","locale":"de-CH",` +
			`"timezone":"Europe/Zurich","addresses":{"sms":"+41"},"attributes":{"tier":1}}`,
			sdk.Event{Type: sdk.ChatAssigned, Customer: sdk.Customer{Name: "Ada L.", FirstName: "Ada", LastName: "L.", Locale: "de-CH",
				Timezone: "Europe/Zurich", Addresses: map[string]string{"sms": "+41"}, Attributes: map[string]string{"tier": "1"}}}},
		{"of a customer in a string", `"event_type":"chat_picked","customer":"{\"name\":\"Ada\"}"`,
			sdk.Event{Type: sdk.ChatAssigned, Customer: sdk.Customer{Name: "Ada"}}},
		{"of a customer who is a text", `"event_type":"chat_picked","customer":"+41"`, sdk.Event{Type: sdk.ChatAssigned}},
		{"message, one file", `"event_type":"incoming_message","attachment":{"url":"https://e.com/a"}`,
			sdk.Event{Type: sdk.IncomingMessage, Attachments: []sdk.Attachment{{URL: "https://e.com/a"}}}},
		{"custom", `"event_type":"custom_event","event_name":"vip","params":{"level":3,"tags":["a", "b"],"none":null}`,
			custom("vip", map[string]string{"level": "3", "tags": `["a","b"]`, "none": ""})},
		{"custom, flat", `"event_type":"custom_event","event_name":"vip","order_id":"9"`, custom("vip", map[string]string{"order_id": "9"})},
		{"custom, no name", `"event_type":"Custom Event"`, custom("Custom Event", map[string]string{})},
		{"unknown", `"event_type":"Ticket-Made","ticket":"9","when":{"day":1}`, custom("Ticket-Made", map[string]string{"ticket": "9", "when": `{"day":1}`})},
		{"one of the gateway's own", `"event_type":"customer_message","message":"Hi"`, custom("customer_message", map[string]string{"message": "Hi"})},
		{"flow, parameters in a string", `"event_type":"flow_triggered","flowparams":"{\"a\":1}"`, sdk.Event{Type: sdk.FlowTriggered, Params: map[string]string{"a": "1"}}},
		{"flow, no parameters", `"event_type":"flow_triggered","flowparams":""`, sdk.Event{Type: sdk.FlowTriggered}},
		{"by its alias", `"event_type":"On Hold"`, sdk.Event{Type: sdk.ChatHeld}},
		{"queued by its alias", `"event_type":"waiting","position":"2","est_wait":3,"queue":"A"`,
			sdk.Event{Type: sdk.ChatQueued, Queue: "A", Position: number(2), EstWait: minutes(3)}},
		{"Chat Closed", `"event_type":"Chat Closed"`, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "closed"}},
		{"chat-closed", `"event_type":"chat-closed"`, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "closed"}},
		{"CHATCLOSED", `"event_type":"CHATCLOSED"`, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "closed"}},
		{"eventType", `"eventType":"chatClosed"`, sdk.Event{Type: sdk.ChatClosed, Status: "closed", Reason: "closed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := receiver(t, func(s *settings) {
				s.EventAliases = map[string]string{"on_hold": sdk.ChatHeld, "waiting": sdk.ChatQueued, "back_to_the_bot": sdk.ControlPassed}
				s.Assets = map[string]string{"shop": "a1", "x": "a2", "y": "a2"}
			})
			body := `{"chatid":"CSR9",` + tt.members + `,"never_seen":{"x":[1]}}`
			res := c.take([]byte(body))
			if len(res.Events) != 1 || res.Quarantine != "" {
				t.Fatalf("%+v, want one event", res)
			}
			want, got := tt.want, bare(res.Events[0])
			want.Ref = "CSR9"
			if p, ok := got.Params["never_seen"]; ok && p == `{"x":[1]}` {
				delete(got.Params, "never_seen") // a custom event has all there is
			}
			if want.Type == sdk.ChatIdle && *want.IdleTime == 0 {
				want.IdleTime = nil
				if d := got.IdleTime; d == nil || *d != 0 {
					t.Errorf("idle for %v, want 0", d)
				}
				got.IdleTime = nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if string(res.Events[0].Payload) != body {
				t.Errorf("payload %s, want %s", res.Events[0].Payload, body)
			}
		})
	}
}

// TestChatIDs: numbers are ids, too, and its other spellings are known.
func TestChatIDs(t *testing.T) {
	c, _ := receiver(t)
	for members, want := range map[string]string{
		`"chatid":"CSR1"`: "CSR1", `"chatid":12345678901234567890`: "12345678901234567890", `"chat_id":"CSR1"`: "CSR1",
		`"chatId":" CSR1 "`: "CSR1", `"ChatID":"CSR1"`: "CSR1",
		`"chatid":""`: "", `"chatid":null`: "", `"chatid":{}`: "", `"chatid":["CSR1"]`: "", `"id":"CSR1"`: "",
		`"chatid":"` + strings.Repeat("x", 513) + `"`: "",
	} {
		res := c.take([]byte(`{"event_type":"chat_opened",` + members + `}`))
		if want == "" {
			if len(res.Events) > 0 || res.Status != 400 || res.Quarantine != "no chatid" {
				t.Errorf("%.40s: %+v, want it in quarantine", members, res)
			}
			continue
		}
		if len(res.Events) != 1 || res.Events[0].Ref != want {
			t.Errorf("%s: %+v, want %s", members, res, want)
		}
	}
}

// TestSameEvent: what makes an event the same one again.
func TestSameEvent(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 59, 0, time.UTC)
	message := func(id, text string) string {
		return `{"event_type":"incoming_message","chatid":"C","messageid":"` + id + `","message":"` + text + `"}`
	}
	waited := func(n string) string {
		return `{"event_type":"customer_unattended","chatid":"C","wait_time":"` + n + `"}`
	}
	flow := func(v string) string {
		return `{"event_type":"flow_triggered","chatid":"C","messageid":"5","flowparams":{"a":"` + v + `"}}`
	}
	for _, tt := range []struct {
		name, first, second string
		after               time.Duration
		same                bool
	}{
		{"a message", message("1", "a"), message("1", "a"), 20 * time.Hour, true},
		{"a message, masked meanwhile", message("1", "a"), message("1", "*"), 0, true},
		{"another message", message("1", "a"), message("2", "a"), 0, false},
		{"a repeated webhook", waited("15"), waited("15"), 4 * time.Minute, true},
		{"once more", waited("1"), waited("1"), repeatFor, false},
		{"waited longer", waited("15"), waited("30"), 0, false},
		{"a flow", flow("a"), flow("a"), 20 * time.Hour, true},
		{"another flow of that message", flow("a"), flow("b"), 0, false},
		{"another chat", waited("15"), strings.Replace(waited("15"), `"C"`, `"D"`, 1), 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, host := receiver(t)
			host.Set(at)
			first := c.take([]byte(tt.first)).Events[0].ID
			host.Set(at.Add(tt.after))
			second := c.take([]byte(tt.second)).Events[0].ID
			if first == "" || (first == second) != tt.same {
				t.Errorf("ids %q and %q, want the same: %t", first, second, tt.same)
			}
		})
	}
	c, _ := receiver(t)
	if id := c.take([]byte(`{"event_type":"incoming_message","chatid":"C","message":"a"}`)).Events[0].ID; id != "" {
		t.Errorf("a message without an id has the id %q", id)
	}
}

func TestTyping(t *testing.T) {
	c, host := receiver(t)
	res := c.take([]byte(`[{"event_type":"typing_start","chatid":"C"},{"event_type":"typingStop","chatid":"C"}]`))
	if len(res.Events) != 0 || res.Quarantine != "" {
		t.Errorf("%+v, want nothing", res)
	}
	want := []plugintest.Typed{{Ref: "C", On: true}, {Ref: "C"}}
	if diff := cmp.Diff(want, host.Typing()); diff != "" {
		t.Errorf("typing (-want +got):\n%s", diff)
	}
}

// FuzzWebhook: whatever an authentic body is, an event names its chat, and what
// is no event is kept.
func FuzzWebhook(f *testing.F) {
	for _, name := range samples {
		f.Add(sample(f, name))
	}
	for _, s := range []string{
		`{"event_type":"incoming_message","chatid":1,"message":{"text":"a","visibility":"agent"},"attachments":"[{}]"}`,
		`[{"event_type":"chat_transferred","chatid":"C","to":"x"},{"event_type":"custom_event","chatid":"C","params":"{}"},7]`,
		`{"event_type":"chat_idle","chatid":"C","idle_time":"1e9"}`, `"{\"event_type\":\"x\",\"chatid\":\"y\"}"`,
		`{"event_type":"incoming_message","chatid":"C","agent":{"name":1},"attachments":[null,1,"u",{"url":"u","size":-1}]}`,
	} {
		f.Add([]byte(s))
	}
	c, _ := receiver(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		res := c.take(body)
		if res.Status != 0 && (res.Quarantine == "" || len(res.Events) > 0) {
			t.Fatalf("%q: %+v", body, res)
		}
		for _, e := range res.Events {
			if e.Ref == "" || e.Type == "" || !json.Valid(e.Payload) || !utf8.ValidString(e.Text) || !utf8.ValidString(e.EventName) {
				t.Errorf("%q: event %+v", body, e)
			}
			if e.Type == sdk.CustomEvent && e.EventName == "" || e.WaitTime != nil && *e.WaitTime < 0 {
				t.Errorf("%q: event %+v", body, e)
			}
		}
	})
}
