package twilio_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/sdk"
)

const (
	account = "AC00000000000000000000000000000001"
	token   = "12345abcdef67890"
	hook    = "https://gw.example.com/hooks/twilio/sms?tenant=7"
	jsonURL = "https://gw.example.com/hooks/twilio/json?bodySHA256=3103db2657a10ebdc4537d54a08114498db55ed4ab5e4e6955ed26b3e2dbc2fd"
	jsonDoc = `{"a":1,"t":"é"}`
)

func message() url.Values {
	return url.Values{"MessageSid": {"SM0123456789abcdef0123456789abcdef"}, "From": {"+447700900123"}, "To": {"+441172345678"},
		"Body": {"Hi there & café 😀"}, "NumMedia": {"0"}, "AccountSid": {account}}
}

func receiver() *twilio.Receiver {
	return &twilio.Receiver{Account: twilio.Account{AccountSID: account, AuthToken: token}}
}

func request(address, signature string, form url.Values) *sdk.WebhookRequest {
	_, query, _ := strings.Cut(address, "?")
	return &sdk.WebhookRequest{Method: http.MethodPost, URL: address, Query: query, Body: []byte(form.Encode()), Header: http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {signature}}}
}

func TestVectors(t *testing.T) {
	if got, want := twilio.Sign(token, hook, message()), "9um0fwU0PDBhpYQmWK3qiUUaClk="; got != want {
		t.Errorf("form: %s, want %s", got, want)
	}
	if got, want := twilio.Sign(token, jsonURL, nil), "IXkl5tKX7jN9YV31sVCFQ/HiuaI="; got != want {
		t.Errorf("JSON: %s, want %s", got, want)
	}
	w, err := receiver().Read(request(hook, "9um0fwU0PDBhpYQmWK3qiUUaClk=", message()))
	if err != nil || w.Get("Body") != "Hi there & café 😀" || w.Query.Get("tenant") != "7" {
		t.Errorf("%+v, %v", w, err)
	}
	r := request(jsonURL, "IXkl5tKX7jN9YV31sVCFQ/HiuaI=", nil)
	r.Body = []byte(jsonDoc)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if w, err = receiver().Read(r); err != nil || string(w.JSON) != jsonDoc {
		t.Errorf("%+v, %v", w, err)
	}
	r.Body = []byte(`{"a":2,"t":"é"}`)
	if _, err = receiver().Read(r); twilio.Refusal(err).Status != http.StatusUnauthorized {
		t.Errorf("another body: %v", err)
	}
}

// TestAddresses: what was signed, and what the gateway believes it was called.
func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		signed, called string
		ok             bool
	}{
		{"https://gw.example.com/a?b=c", "https://gw.example.com/a?b=c", true},
		{"https://gw.example.com:443/a", "https://gw.example.com/a", true},
		{"https://gw.example.com/a", "https://gw.example.com:443/a", true},
		{"http://gw.example.com:80/a", "http://gw.example.com/a", true},
		{"https://gw.example.com/a", "https://gw.example.com:8443/a", true},
		{"https://gw.example.com:8443/a", "https://gw.example.com:8443/a", true},
		{"https://[::1]:443/a", "https://[::1]/a", true},
		{"https://gw.example.com/a?x=%20'é+%2B", "https://gw.example.com/a?x=%20'é+%2B", true},
		{"https://gw.example.com/a?x=%20", "https://gw.example.com/a?x=+", false},
		{"https://gw.example.com/a?b=1&c=2", "https://gw.example.com/a?c=2&b=1", false},
		{"http://gw.example.com/a", "https://gw.example.com/a", false},
		{"https://gw.example.com:8443/a", "https://gw.example.com/a", false},
		{"https://gw.example.com/a", "https://gw.example.org/a", false},
		{"https://gw.example.com/a", "https://gw.example.com/a/", false},
	} {
		_, err := receiver().Read(request(tt.called, twilio.Sign(token, tt.signed, message()), message()))
		if (err == nil) != tt.ok {
			t.Errorf("signed %s, called %s: %v", tt.signed, tt.called, err)
		}
	}
	v := receiver()
	v.PublicURL = "https://gw.example.com/hooks/sms"
	r := request("", twilio.Sign(token, v.PublicURL+"/status?m=1", message()), message())
	r.Path, r.Query = "/status", "m=1"
	if _, err := v.Read(r); err != nil {
		t.Errorf("the address of the configuration: %v", err)
	}
}

func TestForged(t *testing.T) {
	good := twilio.Sign(token, hook, message())
	more := message()
	more.Set("Body", "Pay me")
	foreign := message()
	foreign.Set("AccountSid", "AC00000000000000000000000000000002")
	twice := message()
	twice.Add("AccountSid", "AC00000000000000000000000000000002")
	for _, tt := range []struct {
		name   string
		change func(*sdk.WebhookRequest)
		status int
	}{
		{"as it was", func(*sdk.WebhookRequest) {}, 0},
		{"no signature", func(r *sdk.WebhookRequest) { r.Header.Del("X-Twilio-Signature") }, 401},
		{"two signatures", func(r *sdk.WebhookRequest) { r.Header.Add("X-Twilio-Signature", good) }, 401},
		{"empty", func(r *sdk.WebhookRequest) { r.Header.Set("X-Twilio-Signature", "") }, 401},
		{"no base64", func(r *sdk.WebhookRequest) { r.Header.Set("X-Twilio-Signature", "%%%") }, 401},
		{"cut", func(r *sdk.WebhookRequest) { r.Header.Set("X-Twilio-Signature", good[:24]) }, 401},
		{"other bits at the end", func(r *sdk.WebhookRequest) { r.Header.Set("X-Twilio-Signature", strings.Replace(good, "k=", "l=", 1)) }, 401},
		{"another token", func(r *sdk.WebhookRequest) {
			r.Header.Set("X-Twilio-Signature", twilio.Sign("another-token-16", hook, message()))
		}, 401},
		{"another text", func(r *sdk.WebhookRequest) { r.Body = []byte(more.Encode()) }, 401},
		{"one more parameter", func(r *sdk.WebhookRequest) { r.Body = append(r.Body, "&x=y"...) }, 401},
		{"another query", func(r *sdk.WebhookRequest) { r.URL += "8" }, 401},
		{"as JSON", func(r *sdk.WebhookRequest) { r.Header.Set("Content-Type", "application/json") }, 401},
		{"as text", func(r *sdk.WebhookRequest) { r.Header.Set("Content-Type", "text/plain") }, 415},
		{"without a type", func(r *sdk.WebhookRequest) { r.Header.Del("Content-Type") }, 415},
		{"compressed", func(r *sdk.WebhookRequest) { r.Header.Set("Content-Encoding", "gzip") }, 415},
		{"GET", func(r *sdk.WebhookRequest) { r.Method = http.MethodGet }, 405},
		{"too large", func(r *sdk.WebhookRequest) { r.Body = bytes.Repeat([]byte("a"), 256<<10+1) }, 413},
		{"another account", func(r *sdk.WebhookRequest) {
			*r = *request(hook, twilio.Sign(token, hook, foreign), foreign)
		}, 403},
		{"two accounts", func(r *sdk.WebhookRequest) { *r = *request(hook, twilio.Sign(token, hook, twice), twice) }, 403},
		{"broken form", func(r *sdk.WebhookRequest) {
			r.Header.Set("X-Twilio-Signature", twilio.Sign(token, hook, url.Values{"a": {"1"}}))
			r.Body = []byte("a=1&b=%zz")
		}, 400},
		{"not UTF-8", func(r *sdk.WebhookRequest) {
			r.Header.Set("X-Twilio-Signature", twilio.Sign(token, hook, url.Values{"a": {"\xff"}}))
			r.Body = []byte("a=%ff")
		}, 400},
		{"very many parameters", func(r *sdk.WebhookRequest) { r.Body = bytes.Repeat([]byte("a=1&"), 600) }, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(hook, good, message())
			tt.change(r)
			status, quarantine := 0, ""
			if _, err := receiver().Read(r); err != nil {
				res := twilio.Refusal(err)
				status, quarantine = res.Status, res.Quarantine
			}
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			if authentic := status == 400 || status == 403; authentic != (quarantine != "") {
				t.Errorf("status %d, quarantine %q", status, quarantine)
			}
		})
	}
}

// checked is what Twilio's own library says.
type checked struct {
	Valid     bool
	Signature string
	TwiML     string
}

func ask(t *testing.T, questions []map[string]any) (answers []checked) {
	t.Helper()
	in, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	cmd := plugintest.Node(t, "../../..", "testdata/twilio.cjs")
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(questions) {
		t.Fatalf("%s: %v", out, err)
	}
	return answers
}

// TestTwilioLibrary: it takes our signatures, and we take its.
func TestTwilioLibrary(t *testing.T) {
	forms := []url.Values{
		message(),
		{"AccountSid": {account}},
		{"AccountSid": {account}, "Tag": {"b", "a", "b"}, "a": {""}, "B": {"ü=&+% "}},
		{"AccountSid": {account}, "MediaUrl10": {"x"}, "MediaUrl2": {"y"}, "MediaUrl1": {"z"}},
	}
	addresses := []string{hook, "https://gw.example.com:443/a", "http://127.0.0.1:8080/hooks/sms/status?m=a.b.1&a=%2B44", "https://gw.example.com/a?x='é"}
	var questions []map[string]any
	var requests []*sdk.WebhookRequest
	for _, f := range forms {
		for _, a := range addresses {
			params := map[string]any{}
			for name, v := range f {
				if len(v) == 1 {
					params[name] = v[0]
				} else {
					params[name] = v
				}
			}
			questions = append(questions, map[string]any{"token": token, "url": a, "params": params, "signature": twilio.Sign(token, a, f)})
			requests = append(requests, request(a, "", f))
		}
	}
	questions = append(questions, map[string]any{"token": token, "url": jsonURL, "body": jsonDoc, "signature": twilio.Sign(token, jsonURL, nil)})
	r := request(jsonURL, "", nil)
	r.Body = []byte(jsonDoc)
	r.Header.Set("Content-Type", "application/json")
	requests = append(requests, r)
	for i, a := range ask(t, questions) {
		if !a.Valid {
			t.Errorf("it does not take our signature of %v", questions[i])
		}
		requests[i].Header.Set("X-Twilio-Signature", a.Signature)
		if _, err := receiver().Read(requests[i]); err != nil {
			t.Errorf("we do not take its signature of %v: %v", questions[i], err)
		}
	}
}

// element is XML without the order of attributes.
type element struct {
	Name     string
	Attrs    map[string]string
	Text     string
	Elements []element
}

func parse(t *testing.T, text string) element {
	t.Helper()
	type node struct {
		XMLName xml.Name
		Attrs   []xml.Attr `xml:",any,attr"`
		Text    string     `xml:",chardata"`
		Nodes   []node     `xml:",any"`
	}
	var n node
	if err := xml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var plain func(node) element
	plain = func(n node) element {
		e := element{Name: n.XMLName.Local, Text: n.Text, Attrs: map[string]string{}}
		for _, a := range n.Attrs {
			e.Attrs[a.Name.Local] = a.Value
		}
		for _, c := range n.Nodes {
			e.Elements = append(e.Elements, plain(c))
		}
		return e
	}
	return plain(n)
}

// TestTwiML: ours means what that of Twilio's library means.
func TestTwiML(t *testing.T) {
	const action, said, play = "https://gw.example.com/hooks/phone/digits?m=1&n=2", `Grüße & <b>"Tom's"</b> 😀`, "https://x/a.wav?a=1&b=2"
	ours, err := twilio.TwiML(
		twilio.Gather{Input: "dtmf", NumDigits: 1, Timeout: 5, Action: action, Method: "POST", Verbs: []twilio.Verb{
			twilio.Say{Voice: "alice", Language: "de-DE", Text: said}, twilio.Play{URL: play}}},
		twilio.Pause{Seconds: 1}, twilio.Hangup{})
	if err != nil {
		t.Fatal(err)
	}
	theirs := ask(t, []map[string]any{{"say": said, "play": play, "action": action}})[0].TwiML
	if diff := cmp.Diff(parse(t, theirs), parse(t, ours)); diff != "" {
		t.Errorf("(-twilio +ours):\n%s", diff)
	}
	if diff := cmp.Diff(element{Name: "Response", Attrs: map[string]string{}}, parse(t, twilio.Silence)); diff != "" {
		t.Error(diff)
	}
}

// covered is what a signature covers, but for the port: address, names and values
// in a row.
func covered(address string, form url.Values) string {
	b := strings.Builder{}
	b.WriteString(strings.Replace(strings.Replace(address, ":443", "", 1), ":80", "", 1))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, v := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			b.WriteString(name + v)
		}
	}
	return b.String()
}

func FuzzSignature(f *testing.F) {
	good := twilio.Sign(token, hook, message())
	f.Add(good, hook, message().Encode())
	f.Add(good[:27], hook+"&a=b", "a=b")
	f.Add("", "https://gw.example.com:443/hooks/twilio/sms?tenant=7", "%zz&;")
	f.Fuzz(func(t *testing.T, signature, address, body string) {
		r := request(address, signature, nil)
		r.Body = []byte(body)
		w, err := receiver().Read(r)
		if err == nil && (signature != good || covered(address, w.Form) != covered(hook, message())) {
			t.Errorf("%q %q %q is taken", signature, address, body)
		}
		if err != nil {
			if res := twilio.Refusal(err); res.Status < 400 || res.Status > 415 || len(res.Events) > 0 {
				t.Errorf("%+v", res)
			}
		}
	})
}
