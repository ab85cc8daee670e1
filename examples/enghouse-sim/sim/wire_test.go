package sim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk/desktest"
)

const dll = "/scripts/ChatExtension.DLL"

func start(t *testing.T, o sim.Options) (*sim.Sim, string) {
	t.Helper()
	s := sim.New(o)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL
}

func do(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	return desktest.Do(t, r)
}

// post sends one verb and wants 200 with an empty body.
func post(t *testing.T, base, verb, body string) {
	t.Helper()
	if status, got := do(t, "POST", base+dll+"?"+verb, body); status != 200 || got != "" {
		t.Fatalf("%s: %d %q, want 200 and an empty body", verb, status, got)
	}
}

// joinBody is the body of joinchat as the vendor's own client sends it. change
// is put into it: another value, or nil to leave a field out.
func joinBody(t *testing.T, change map[string]any) string {
	t.Helper()
	all := map[string]any{"API_Version": "1.0", "Call_Center_Address": "ics1", "Call_Center_Port": "2324",
		"Call_Center_QueueName": "retail", "Calling_User_HardMessage": "Hello", "Calling_User_FirstName": "Ada",
		"Calling_User_LastName": "", "Calling_User_URL": "facebook", "Calling_User_Skills": "",
		"Calling_User_Priority": "-1", "TQOS": "0", "Routing_Priority": "0", "AccountID": "0", "ApplicationID": "7",
		"TenantID": "17", "OptionalParameterCount": []map[string]string{{"key": "channel", "value": "rtm"}}}
	for k, v := range change {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func join(t *testing.T, base, first string) string {
	t.Helper()
	return joinWith(t, base, map[string]any{"Calling_User_HardMessage": first})
}

func joinWith(t *testing.T, base string, change map[string]any) string {
	t.Helper()
	status, got := do(t, "POST", base+dll+"?joinchat", joinBody(t, change))
	var answer struct{ Connection_ID string }
	if err := json.Unmarshal([]byte(got), &answer); err != nil || status != 200 || answer.Connection_ID == "" {
		t.Fatalf("joinchat: %d %q (%v)", status, got, err)
	}
	return answer.Connection_ID
}

type wireEvent struct {
	Event_ID, Status_Code, Error_Code, Estimated_Time, Additional_Information any
	Command, Participant_Name, Message_Text, URL_Pushed, CallID               string
}

func poll(t *testing.T, base, id string, last int) []wireEvent {
	t.Helper()
	status, got := do(t, "GET", fmt.Sprintf("%s%s?command=getevents&Connection_ID=%s&Last_Event_ID=%d", base, dll, id, last), "")
	if status != 200 {
		t.Fatalf("getevents: %d %q", status, got)
	}
	var answer struct{ Events []wireEvent }
	if err := json.Unmarshal([]byte(got), &answer); err != nil {
		t.Fatalf("getevents: %q: %v", got, err)
	}
	return answer.Events
}

// lines says what the events are, one line each.
func lines(events []wireEvent) []string {
	var out []string
	for _, e := range events {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%v %s %s%s%s %s", e.Event_ID, e.Command,
			show(e.Status_Code), e.Message_Text, e.Participant_Name, e.CallID)))
	}
	return out
}

func show(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func act(t *testing.T, s *sim.Sim, id, name string, a sim.Args) {
	t.Helper()
	if err := s.Act(id, name, a); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestLife(t *testing.T) {
	s, base := start(t, sim.Options{})
	id := join(t, base, "Hello")
	if diff := cmp.Diff([]string{"1 status 104", "2 status 133", "3 status 165"}, lines(poll(t, base, id, 0))); diff != "" {
		t.Errorf("after joinchat (-want +got):\n%s", diff)
	}
	if got := poll(t, base, id, 3); got != nil {
		t.Errorf("with nothing new: %v, want no Events", got)
	}
	act(t, s, id, "take", sim.Args{Agent: "Ann"})
	act(t, s, id, "typing", sim.Args{On: true})
	act(t, s, id, "say", sim.Args{Text: "<b>Hi</b>"})
	act(t, s, id, "hold", sim.Args{})
	act(t, s, id, "resume", sim.Args{})
	post(t, base, "sendmsg", `{"Connection_ID":"`+id+`","Message_Text":"Thanks"}`)
	post(t, base, "typingmsg", `{"Connection_ID":"`+id+`","typing_status":1}`)
	post(t, base, "fireevent", `{"Connection_ID":"`+id+`","Fire_Event_Name":"vip","OptionalParameterCount":""}`)
	act(t, s, id, "close", sim.Args{})
	want := []string{"4 status 166 CALL1", "5 status 106", "6 typingStatus 1Ann", "7 read <b>Hi</b>Ann", "8 status 157",
		"9 status 106", "10 status 107", "11 ParticipantDisconnected Ann"}
	if diff := cmp.Diff(want, lines(poll(t, base, id, 3))); diff != "" {
		t.Errorf("life (-want +got):\n%s", diff)
	}
	if got := len(poll(t, base, id, 10)); got != 1 {
		t.Errorf("above Last_Event_ID 10: %d events, want 1", got)
	}
}

func TestLooseNumbers(t *testing.T) {
	s, base := start(t, sim.Options{})
	id := join(t, base, "Hello")
	act(t, s, id, "take", sim.Args{})
	kinds := map[string]bool{}
	for _, e := range poll(t, base, id, 0) {
		kinds[fmt.Sprintf("id %T", e.Event_ID)] = true
		kinds[fmt.Sprintf("code %T", e.Status_Code)] = true
	}
	for _, k := range []string{"id float64", "id string", "code float64", "code string"} {
		if !kinds[k] {
			t.Errorf("no %s among the events", k)
		}
	}
}

func TestTextIsCut(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		units            int
	}{
		{"exactly the limit", strings.Repeat("a", 1024), strings.Repeat("a", 1024), 1024},
		{"one more", strings.Repeat("a", 1025), strings.Repeat("a", 1024), 1025},
		{"emoji count two", strings.Repeat("😀", 513), strings.Repeat("😀", 512), 1026},
		{"a pair is cut", "a" + strings.Repeat("😀", 512), "a" + strings.Repeat("😀", 511) + "\uFFFD", 1025},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, base := start(t, sim.Options{})
			id := join(t, base, tt.text)
			body, err := json.Marshal(map[string]string{"Connection_ID": id, "Message_Text": tt.text})
			if err != nil {
				t.Fatal(err)
			}
			post(t, base, "sendmsg", string(body))
			_, list, err := s.Messages(id, 0)
			if err != nil || len(list) != 2 {
				t.Fatalf("%d lines (%v), want joinchat's and sendmsg's", len(list), err)
			}
			for _, e := range list {
				if e.Text != tt.want || e.Units != tt.units || e.Truncated != (tt.units > 1024) {
					t.Errorf("%s: %d units, truncated %v, text of %d bytes; want %d, %v, %d", e.Request, e.Units,
						e.Truncated, len(e.Text), tt.units, tt.units > 1024, len(tt.want))
				}
			}
		})
	}
}

// TestRefusals: what is refused, and that it is remembered. Late calls are those
// that a good client makes, too.
func TestRefusals(t *testing.T) {
	s, base := start(t, sim.Options{})
	left, closed, open := join(t, base, "a"), join(t, base, "b"), join(t, base, "c")
	post(t, base, "leavechat", `{"Connection_ID":"`+left+`"}`)
	act(t, s, closed, "take", sim.Args{})
	act(t, s, closed, "close", sim.Args{})
	joins := func(name string, value any) string { return joinBody(t, map[string]any{name: value}) }
	const wrong, late = false, true
	for _, tt := range []struct {
		name, method, query, body string
		want                      int
		late                      bool
	}{
		{"unknown id, sendmsg", "POST", "sendmsg", `{"Connection_ID":"x","Message_Text":"a"}`, 404, late},
		{"unknown id, leavechat", "POST", "leavechat", `{"Connection_ID":"x"}`, 404, late},
		{"unknown id, getevents", "GET", "command=getevents&Connection_ID=x&Last_Event_ID=0", "", 404, late},
		{"left, getevents", "GET", "command=getevents&Connection_ID=" + left + "&Last_Event_ID=0", "", 404, late},
		{"left twice", "POST", "leavechat", `{"Connection_ID":"` + left + `"}`, 404, late},
		{"closed, sendmsg", "POST", "sendmsg", `{"Connection_ID":"` + closed + `","Message_Text":"a"}`, 404, late},
		{"closed, fireevent", "POST", "fireevent", `{"Connection_ID":"` + closed + `","Fire_Event_Name":"a","OptionalParameterCount":""}`, 404, late},
		{"unknown verb", "POST", "joinChat2", `{}`, 400, wrong},
		{"unknown field", "POST", "joinchat", joins("Queue", "x"), 400, wrong},
		{"number for a string", "POST", "joinchat", joins("Call_Center_Port", 2324), 400, wrong},
		{"word for a number", "POST", "joinchat", joins("Calling_User_Priority", "high"), 400, wrong},
		{"another version", "POST", "joinchat", joins("API_Version", "2.0"), 400, wrong},
		{"half a body", "POST", "joinchat", `{"API_Version":"1.0"`, 400, wrong},
		{"two bodies", "POST", "joinchat", joinBody(t, nil) + "{}", 400, wrong},
		{"a count of parameters", "POST", "joinchat", joins("OptionalParameterCount", 2), 400, wrong},
		{"parameters null", "POST", "joinchat", strings.Replace(joins("OptionalParameterCount", ""), `"OptionalParameterCount":""`, `"OptionalParameterCount":null`, 1), 400, wrong},
		{"an object of parameters", "POST", "joinchat", joins("OptionalParameterCount", map[string]string{"a": "b"}), 400, wrong},
		{"a parameter without a key", "POST", "joinchat", joins("OptionalParameterCount", []map[string]string{{"value": "b"}}), 400, wrong},
		{"a parameter that is a number", "POST", "joinchat", joins("OptionalParameterCount", []map[string]any{{"key": "a", "value": 1}}), 400, wrong},
		{"too large", "POST", "joinchat", joins("Calling_User_HardMessage", strings.Repeat("x", sim.BodyLimit)), 413, wrong},
		{"no id", "POST", "sendmsg", `{"Message_Text":"a"}`, 400, wrong},
		{"an id that is a number", "POST", "sendmsg", `{"Connection_ID":7,"Message_Text":"a"}`, 400, wrong},
		{"no text", "POST", "sendmsg", `{"Connection_ID":"` + open + `"}`, 400, wrong},
		{"typing that is neither", "POST", "typingmsg", `{"Connection_ID":"` + open + `","typing_status":3}`, 400, wrong},
		{"no typing", "POST", "typingmsg", `{"Connection_ID":"` + open + `"}`, 400, wrong},
		{"an event without a name", "POST", "fireevent", `{"Connection_ID":"` + open + `","OptionalParameterCount":""}`, 400, wrong},
		{"an event without parameters", "POST", "fireevent", `{"Connection_ID":"` + open + `","Fire_Event_Name":"a"}`, 400, wrong},
		{"GET for a POST", "GET", "joinchat", "", 405, wrong},
		{"POST for a GET", "POST", "command=getevents&Connection_ID=" + open + "&Last_Event_ID=0", "", 405, wrong},
		{"no cursor", "GET", "command=getevents&Connection_ID=" + open, "", 400, wrong},
		{"a cursor below 0", "GET", "command=getevents&Last_Event_ID=-1&Connection_ID=" + open, "", 400, wrong},
		{"no id, getevents", "GET", "command=getevents&Last_Event_ID=0", "", 400, wrong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.Refused(true))
			if status, body := do(t, tt.method, base+dll+"?"+tt.query, tt.body); status != tt.want {
				t.Errorf("%d %q, want %d", status, body, tt.want)
			}
			list := s.Refused(true)
			if len(list) != before+1 || list[before].Status != tt.want || list[before].Late != tt.late {
				t.Errorf("remembered %+v, want one more: %d, late %t", list[before:], tt.want, tt.late)
			}
		})
	}
	for _, path := range []string{"/scripts/Other.DLL?joinchat", "/SocialConnectorHelperAPI/api/helper/other"} {
		if status, _ := do(t, "POST", base+path, "{}"); status != 404 {
			t.Errorf("%s: %d, want 404", path, status)
		}
	}
	r, err := http.Post(base+dll+"?sendmsg", "text/plain", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 415 {
		t.Errorf("text/plain: %d, want 415", r.StatusCode)
	}
	if _, list, _ := s.Messages(open, 0); len(list) != 1 {
		t.Errorf("%d lines, want 1: what is refused does nothing", len(list))
	}
}

// TestMissingFields: each field that the vendor's client sends is wanted.
func TestMissingFields(t *testing.T) {
	s, base := start(t, sim.Options{})
	var sent map[string]any
	if err := json.Unmarshal([]byte(joinBody(t, nil)), &sent); err != nil {
		t.Fatal(err)
	}
	for name := range sent {
		status, body := do(t, "POST", base+dll+"?joinchat", joinBody(t, map[string]any{name: nil}))
		if status != 400 || !strings.HasPrefix(body, name+" is missing") {
			t.Errorf("without %s: %d %q", name, status, body)
		}
	}
	if n := len(s.Refused(false)); n != len(sent) {
		t.Errorf("%d refusals are remembered, want %d", n, len(sent))
	}
	for name, value := range map[string]string{"Call_Center_Name": "Acme", "Calling_User_PhoneType": "CHAT", "TenantName": "acme"} {
		joinWith(t, base, map[string]any{name: value})
	}
	joinWith(t, base, map[string]any{"OptionalParameterCount": ""})
}

func TestNotConnected(t *testing.T) {
	_, base := start(t, sim.Options{Queues: []string{"sales", "retail"}, Skills: []string{"fr", "en"}})
	for _, tt := range []struct{ field, value, want string }{
		{"Call_Center_QueueName", "sales", "165 1"},
		{"Call_Center_QueueName", "nowhere", "107 9"},
		{"Call_Center_QueueName", "", "107 9"},
		{"Calling_User_Skills", "fr", "165 1"},
		{"Calling_User_Skills", "fr, en", "165 1"},
		{"Calling_User_Skills", "fr,cobol", "107 13"},
	} {
		events := poll(t, base, joinWith(t, base, map[string]any{tt.field: tt.value}), 0)
		last := events[len(events)-1]
		got := show(last.Status_Code) + " " + show(last.Additional_Information)
		if tt.want == "165 1" {
			got = show(last.Status_Code) + " 1"
		}
		if got != tt.want {
			t.Errorf("%s %q: %s, want %s", tt.field, tt.value, got, tt.want)
		}
	}
}

func TestFaults(t *testing.T) {
	s, base := start(t, sim.Options{})
	status, body := do(t, "POST", base+"/sim/faults", `{"verb":"joinchat","kind":"503","count":1,"retry_after":7}`)
	if status != 200 {
		t.Fatalf("%d %q", status, body)
	}
	res, err := http.Post(base+dll+"?joinchat", "application/json; charset=utf-8", strings.NewReader(joinBody(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "7" {
		t.Errorf("%d, Retry-After %q; want 503 and 7", res.StatusCode, res.Header.Get("Retry-After"))
	}
	id := join(t, base, "the fault is used up")
	if err := s.SetFault(sim.Fault{Verb: "sendmsg", Kind: "html", Count: 1, After: true}); err != nil {
		t.Fatal(err)
	}
	_, got := do(t, "POST", base+dll+"?sendmsg", `{"Connection_ID":"`+id+`","Message_Text":"a"}`)
	if !strings.Contains(got, "<html>") {
		t.Errorf("answer %q, want HTML", got)
	}
	if _, list, _ := s.Messages(id, 0); len(list) != 2 {
		t.Errorf("%d lines, want 2: the call was carried out before the fault", len(list))
	}
	// Every call, because Go's client tries a GET again.
	if err := s.SetFault(sim.Fault{Kind: "rst"}); err != nil {
		t.Fatal(err)
	}
	if res, err := http.Get(base + dll + "?command=getevents&Connection_ID=" + id + "&Last_Event_ID=0"); err == nil {
		res.Body.Close()
		t.Error("no error after a reset")
	}
	s.ClearFaults()
	poll(t, base, id, 0)
	if err := s.SetFault(sim.Fault{Kind: "explode"}); err == nil {
		t.Error("an unknown kind is taken")
	}
}
