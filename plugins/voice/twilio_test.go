package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/twilio-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/plugins/internal/twiliotest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

const (
	account = "AC00000000000000000000000000000001"
	token   = "12345abcdef67890"
	own     = "+441172345678"
	ada     = "+447700900123"
	callID  = "c0ffee.1.1"
	sid     = "CA0123456789abcdef0123456789abcdef"
	publics = "https://gateway.example/hooks/phone"
)

func viaTwilio(base string, change ...func(*TwilioSettings)) settings {
	t := TwilioSettings{Account: twilio.Account{AccountSID: account, BaseURL: base}, From: own}
	for _, f := range change {
		f(&t)
	}
	return settings{Provider: providerTwilio, Twilio: &t, AuthToken: token}
}

// twilioRig is a gateway with the plugin, a Twilio, and what came in.
type twilioRig struct {
	*sdktest.Gateway
	sim  *sim.Sim
	hook *twiliotest.Hook
}

func startTwilio(t *testing.T, o sim.Options, change ...func(*TwilioSettings)) *twilioRig {
	t.Helper()
	o.AccountSID, o.AuthToken = account, token
	r := &twilioRig{sim: sim.New(o)}
	r.Gateway, r.hook = twiliotest.Connect(t, r.sim, publics, func(base string) *sdktest.Gateway {
		return sdktest.Start(t, plugin(), "phone", "voice", viaTwilio(base, change...))
	})
	return r
}

// call places one and waits until all has been told of it.
func (r *twilioRig) call(t *testing.T, to sdk.Customer, m sdk.Message) (sim.Call, []sdk.Event) {
	t.Helper()
	m.ID = callID
	receipt, err := r.Call(t.Context(), to, m)
	if err != nil {
		t.Fatal(err)
	}
	err = r.sim.Wait(t.Context(), func(_ []sim.Message, calls []sim.Call) bool { return len(calls) == 1 && calls[0].Ended })
	if err != nil {
		t.Fatal(err)
	}
	c := r.sim.Calls()[0]
	if c.SID != receipt.MessageID {
		t.Errorf("receipt %+v of %+v", receipt, c)
	}
	events := r.hook.Events()
	for _, e := range events {
		if e.CallID != callID || e.Ref != callID || e.ID == "" || len(e.Payload) == 0 {
			t.Errorf("%+v", e)
		}
	}
	return c, events
}

// named are events in a few words, sorted: their order in disorder is Twilio's.
func named(events []sdk.Event) (out []string) {
	for _, e := range events {
		out = append(out, strings.TrimSpace(e.Type+" "+e.Digits+e.Reason))
	}
	slices.Sort(out)
	return out
}

func TestTwilioConformance(t *testing.T) {
	s := sim.New(sim.Options{AccountSID: account, AuthToken: token})
	defer s.Close()
	far := httptest.NewServer(s)
	defer far.Close()
	block := func(change map[string]any) map[string]any {
		b := map[string]any{"account_sid": account, "from": own, "base_url": far.URL}
		for k, v := range change {
			b[k] = v
		}
		return map[string]any{"provider": "twilio", "auth_token": token, "twilio": b}
	}
	with := func(name string, value any) any { return block(map[string]any{name: value}) }
	sdktest.Run(t, sdktest.Config{Plugin: plugin(), Driver: "voice", Settings: block(nil), BadSettings: []any{
		map[string]any{"provider": "twilio", "auth_token": token}, map[string]any{"provider": "pigeon"},
		with("account_sid", "x"), with("from", "Acme"), with("language", "German"), with("voice", `"><Hangup/>`),
		with("voices", map[string]any{"de-DE": "a b"}), with("ring_for", "1s"), with("max_duration", "1y"), with("digits", 33),
		with("digits_for", "soon"), with("choice_text", "Press it."), with("machine_detection", "yes"), with("rate", -1),
	}})
}

func TestTwilioCapabilities(t *testing.T) {
	for rate, want := range map[float64]float64{0: 1, 5: 5} { // 0 is absent here
		c := startTwilio(t, sim.Options{}, func(s *TwilioSettings) { s.Rate = rate }).Capabilities()
		if c.GetToOutside().GetLimit() != 4096 || c.GetRatePerSecond() != want || !c.GetQuickReplies() || c.GetMaxQuickReplies() != 9 || !c.GetNeedsPublicUrl() {
			t.Errorf("%v", c)
		}
	}
}

func TestTwilioValidate(t *testing.T) {
	r := startTwilio(t, sim.Options{})
	far := httptest.NewServer(r.sim)
	defer far.Close()
	if err := r.Validate(t.Context(), viaTwilio(far.URL)); err != nil {
		t.Errorf("good: %v", err)
	}
	if err := r.Validate(t.Context(), viaTwilio(far.URL, func(s *TwilioSettings) { s.ChoiceText = "x" })); err == nil || !strings.Contains(err.Error(), "choice_text") {
		t.Errorf("bad: %v", err)
	}
}

// TestTwilioOutcomes: what becomes of a call, told in order, backwards, twice.
func TestTwilioOutcomes(t *testing.T) {
	for _, tt := range []struct {
		fate sim.Fate
		want []string
	}{
		{sim.Fate{}, []string{"call_answered", "call_ended completed"}},
		{sim.Fate{AnsweredBy: "machine_start"}, []string{"call_answered machine_start", "call_ended completed"}},
		{sim.Fate{Status: "busy", Code: "486"}, []string{"call_ended busy"}},
		{sim.Fate{Status: "no-answer"}, []string{"call_ended no-answer"}},
		{sim.Fate{Status: "failed", Code: "404"}, []string{"call_ended failed"}},
		{sim.Fate{Status: "canceled"}, []string{"call_ended canceled"}},
		{sim.Fate{Press: "42"}, []string{"call_answered", "call_digits 42", "call_ended completed"}},
	} {
		for _, o := range []sim.Options{{}, {Disorder: true}, {Duplicate: true}, {Disorder: true, Duplicate: true}} {
			t.Run(fmt.Sprintf("%+v/%v %v", tt.fate, o.Disorder, o.Duplicate), func(t *testing.T) {
				r := startTwilio(t, o, func(s *TwilioSettings) { s.MachineDetection, s.Digits = "enable", 2 })
				r.sim.SetFate(ada, tt.fate)
				_, events := r.call(t, sdk.Customer{Address: ada}, sdk.Message{Text: "Hello"})
				if diff := cmp.Diff(tt.want, named(events)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for _, e := range events {
					if e.Type == sdk.CallEnded && (e.Reason == "completed") != (e.Duration != nil) || e.Type == sdk.CallEnded && e.ReasonCode != tt.fate.Code {
						t.Errorf("%+v", e)
					}
				}
			})
		}
	}
}

// TestTwilioSpeech: what the phone hears.
func TestTwilioSpeech(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/wav")
		_, _ = io.WriteString(w, "RIFF")
	}))
	defer files.Close()
	recording := sdk.Attachment{URL: files.URL + "/wait.wav?a=1&b=2", MIME: "audio/wav"}
	yesNo := []sdk.QuickReply{{Title: "yes", Payload: "y"}, {Title: "no <b>", Payload: "n"}}
	for _, tt := range []struct {
		name   string
		locale string
		m      sdk.Message
		press  string
		want   []string
	}{
		{"a text", "", sdk.Message{Text: "A & B < C"}, "", []string{"say en-GB Polly.Amy: A & B < C"}},
		{"German", "de-DE", sdk.Message{Text: "Grüße"}, "", []string{"say de-DE Polly.Vicki: Grüße"}},
		{"Swiss German", "de_CH", sdk.Message{Text: "Grüezi"}, "", []string{"say de-DE Polly.Vicki: Grüezi"}},
		{"French, Twilio's voice", "fr", sdk.Message{Text: "Salut"}, "", []string{"say fr-FR: Salut"}},
		{"another English", "en-US", sdk.Message{Text: "Hi"}, "", []string{"say en-GB Polly.Amy: Hi"}},
		{"Japanese", "ja-JP", sdk.Message{Text: "Hi"}, "", []string{"say en-GB Polly.Amy: Hi"}},
		{"a recording", "", sdk.Message{Attachments: []sdk.Attachment{recording}}, "", []string{"play audio/wav, 4 bytes"}},
		{"both", "", sdk.Message{Text: "Listen", Attachments: []sdk.Attachment{recording}}, "", []string{"say en-GB Polly.Amy: Listen", "play audio/wav, 4 bytes"}},
		{"a choice", "", sdk.Message{Text: "Shall we?", QuickReplies: yesNo}, "2", []string{"say en-GB Polly.Amy: Shall we?",
			"say en-GB Polly.Amy: Press 1 for yes.", "say en-GB Polly.Amy: Press 2 for no <b>.", "hang up"}},
		{"a choice that nobody makes", "", sdk.Message{Text: "Shall we?", QuickReplies: yesNo[:1]}, "", []string{"say en-GB Polly.Amy: Shall we?",
			"say en-GB Polly.Amy: Press 1 for yes."}},
		{"digits", "", sdk.Message{Text: "Your code?", Extras: map[string]string{"digits": "4"}}, "1234", []string{"say en-GB Polly.Amy: Your code?", "hang up"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startTwilio(t, sim.Options{AllowHTTP: true}, func(s *TwilioSettings) {
				s.Language, s.Voice = "en-GB", "Polly.Amy"
				s.Voices = map[string]string{"de-DE": "Polly.Vicki", "fr-FR": "", "en-US": "Polly.Joanna"}
				if tt.name == "another English" {
					delete(s.Voices, "en-US")
				}
			})
			r.sim.SetFate(ada, sim.Fate{Press: tt.press})
			c, _ := r.call(t, sdk.Customer{Address: ada, Locale: tt.locale}, tt.m)
			if diff := cmp.Diff(tt.want, c.Did); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c.Pressed != tt.press {
				t.Errorf("pressed %q", c.Pressed)
			}
		})
	}
}

// TestTwilioLongSpeech: what is too long to go along is kept until the call ends.
func TestTwilioLongSpeech(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("one & two ", 409))
	r := startTwilio(t, sim.Options{})
	c, events := r.call(t, sdk.Customer{Address: ada}, sdk.Message{Text: long})
	if len(c.Did) != 1 || c.Did[0] != "say en-US: "+long {
		t.Errorf("did %q", c.Did)
	}
	if diff := cmp.Diff([]string{"call_answered", "call_ended completed"}, named(events)); diff != "" {
		t.Error(diff)
	}
	if kept := r.State(stateKey(callID)); kept != nil {
		t.Errorf("%d bytes are still kept", len(kept))
	}
	if _, err := r.Call(t.Context(), sdk.Customer{Address: "+15005550001"}, sdk.Message{ID: "m2", Text: long}); err == nil {
		t.Error("a number that is none is called")
	}
	if kept := r.State(stateKey("m2")); kept != nil {
		t.Errorf("%d bytes are kept of a call that was refused", len(kept))
	}
	res := r.post(t, "/twiml?m=m2", url.Values{"AccountSid": {account}, "CallSid": {sid}})
	if res.Status != 404 {
		t.Errorf("what was forgotten: %d", res.Status)
	}
}

// TestTwilioNeverTwice: after a lost answer nobody's phone rings again.
func TestTwilioNeverTwice(t *testing.T) {
	for _, tt := range []struct {
		fault sim.Fault
		want  string
	}{
		{sim.Fault{Kind: "hang", After: true}, "ambiguous"},
		{sim.Fault{Kind: "rst", After: true}, "ambiguous"},
		{sim.Fault{Kind: "half", After: true}, "ambiguous"},
		{sim.Fault{Kind: "html"}, "ambiguous"},
		{sim.Fault{Kind: "500"}, "ambiguous"},
		{sim.Fault{Kind: "502"}, "ambiguous"},
		{sim.Fault{Kind: "503", RetryAfter: 2}, "throttled 2s"}, // it says that it did nothing
		{sim.Fault{Kind: "429", RetryAfter: 7}, "throttled 7s"},
	} {
		t.Run(tt.fault.Kind, func(t *testing.T) {
			r := startTwilio(t, sim.Options{}, func(s *TwilioSettings) { s.Timeout = "1s" })
			tt.fault.Count = 1
			if err := r.sim.SetFault(tt.fault); err != nil {
				t.Fatal(err)
			}
			_, err := r.Call(t.Context(), sdk.Customer{Address: ada}, sdk.Message{ID: "m1", Text: "Hi"})
			if got := plugintest.Verdict(err); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if n := r.sim.Asked(); n != 1 {
				t.Errorf("asked %d times", n)
			}
			_, err = r.Call(t.Context(), sdk.Customer{Address: ada}, sdk.Message{ID: "m1", Text: "Hi", Resent: true, Attempt: 2})
			if got := plugintest.Verdict(err); got != "rejected ambiguous" || r.sim.Asked() != 1 {
				t.Errorf("once more: %s, asked %d times", got, r.sim.Asked())
			}
		})
	}
}

func TestTwilioRefusals(t *testing.T) {
	r := startTwilio(t, sim.Options{})
	many := make([]sdk.QuickReply, 10)
	for _, tt := range []struct {
		name, to string
		m        sdk.Message
		want     string
	}{
		{"no number", "ada", sdk.Message{Text: "Hi"}, "recipient gone"},
		{"number of nobody", "+15005550001", sdk.Message{Text: "Hi"}, "recipient gone"},
		{"region", "+15005550003", sdk.Message{Text: "Hi"}, "rejected 21408"},
		{"nothing", ada, sdk.Message{}, "rejected empty"},
		{"blank", ada, sdk.Message{Text: " \n"}, "rejected empty"},
		{"too long", ada, sdk.Message{Text: strings.Repeat("a", 4097)}, "rejected too_long"},
		{"no link", ada, sdk.Message{Attachments: []sdk.Attachment{{MediaID: "m1"}}}, "rejected no_link"},
		{"ten choices", ada, sdk.Message{Text: "Hi", QuickReplies: many}, "rejected too_many_choices"},
		{"digits of nonsense", ada, sdk.Message{Text: "Hi", Extras: map[string]string{"digits": "x"}}, "rejected digits"},
	} {
		tt.m.ID = "m1"
		_, err := r.Call(t.Context(), sdk.Customer{Address: tt.to}, tt.m)
		if got := plugintest.Verdict(err); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	_, err := r.Send(t.Context(), sdk.Customer{Address: ada}, sdk.Message{ID: "m1", Text: "Hi"})
	if got := plugintest.Verdict(err); !strings.HasPrefix(got, "unsupported") {
		t.Errorf("send: %s", got)
	}
}

func (r *twilioRig) post(t *testing.T, path string, form url.Values) sdk.WebhookResponse {
	t.Helper()
	res, err := r.Webhook(t.Context(), signedForm(path, form))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func signedForm(path string, form url.Values) *sdk.WebhookRequest {
	return twiliotest.Form(token, publics, path, form)
}

func TestTwilioWebhook(t *testing.T) {
	r := startTwilio(t, sim.Options{})
	form := func(pairs ...string) url.Values {
		f := url.Values{"AccountSid": {account}, "CallSid": {sid}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	for _, tt := range []struct {
		path   string
		form   url.Values
		status int
		events []string
	}{
		{"/status?m=" + callID, form("CallStatus", "ringing"), 200, nil},
		{"/status?m=" + callID, form("CallStatus", "in-progress", "AnsweredBy", "human"), 200, []string{"call_answered human"}},
		{"/status?m=" + callID, form("CallStatus", "completed", "CallDuration", "soon"), 200, []string{"call_answered", "call_ended completed"}},
		{"/status?m=" + callID, form(), 400, nil},
		{"/status?m=" + callID, form("CallSid", "CA1"), 400, nil},
		{"/status?m=%3Cx%3E", form("CallStatus", "completed"), 400, nil},
		{"/status", form("CallStatus", "completed"), 200, nil}, // a call of somebody else's
		{"/digits?m=" + callID, form("Digits", "1#*"), 200, []string{"call_answered", "call_digits 1#*"}},
		{"/digits?m=" + callID, form("Digits", ""), 200, nil},
		{"/digits?m=" + callID, form("Digits", "<x>"), 400, nil},
		{"/twiml?m=" + callID, form(), 404, nil},
		{"/x", form(), 404, nil},
		{"", form("From", ada), 200, []string{"custom_event"}},
		{"/", form("From", "anonymous"), 200, nil},
		{"", form("CallSid", ""), 400, nil},
	} {
		res := r.post(t, tt.path, tt.form)
		if res.Status != tt.status || !slices.Equal(named(res.Events), tt.events) {
			t.Errorf("%s %v: %d %v, want %d %v", tt.path, tt.form, res.Status, named(res.Events), tt.status, tt.events)
		}
		forged := signedForm(tt.path, tt.form)
		forged.Header.Set("X-Twilio-Signature", twilio.Sign("another-token-16", forged.URL, tt.form))
		res, err := r.Webhook(t.Context(), forged)
		if err != nil || res.Status != 401 && res.Status != 404 || len(res.Events) > 0 {
			t.Errorf("%s, forged: %+v, %v", tt.path, res, err)
		}
	}
	// A copy of a request has the same ids: it is no news.
	again := signedForm("/status?m="+callID, form("CallStatus", "completed"))
	a, _ := r.Webhook(t.Context(), again)
	b, _ := r.Webhook(t.Context(), again)
	if len(a.Events) != 2 || a.Events[0].ID != b.Events[0].ID || a.Events[1].ID != b.Events[1].ID || a.Events[0].ID == a.Events[1].ID {
		t.Errorf("%+v\n%+v", a.Events, b.Events)
	}
}

// TestTwilioDetects: who has answered is told once Twilio knows it, also if that is
// only when it asks what to say, or at the end.
func TestTwilioDetects(t *testing.T) {
	r := startTwilio(t, sim.Options{}, func(s *TwilioSettings) { s.MachineDetection = "enable" })
	r.sim.SetFate(ada, sim.Fate{AnsweredBy: "human"})
	if c, _ := r.call(t, sdk.Customer{Address: ada}, sdk.Message{Text: "Hello"}); len(c.Did) != 1 || c.Did[0] != "say en-US: Hello" {
		t.Errorf("did %q", c.Did)
	}
	r.SetState(stateKey("other"), []byte("<Response/>"))
	for _, tt := range []struct {
		path, status, by string
		events           []string
	}{
		{"/status?m=other", "in-progress", "", nil},
		{"/twiml?m=other", "in-progress", "machine_start", []string{"call_answered machine_start"}},
		{"/twiml?m=other", "in-progress", "", nil},
		{"/status?m=other", "in-progress", "human", []string{"call_answered human"}},
		{"/status?m=other", "completed", "human", []string{"call_answered human", "call_ended completed"}},
	} {
		res := r.post(t, tt.path, url.Values{"AccountSid": {account}, "CallSid": {sid}, "CallStatus": {tt.status}, "AnsweredBy": {tt.by}})
		if res.Status != 200 || !slices.Equal(named(res.Events), tt.events) {
			t.Errorf("%+v: %d %v", tt, res.Status, named(res.Events))
		}
	}
}

// TestTwilioRings: who rings the number is greeted, and told of.
func TestTwilioRings(t *testing.T) {
	for greeting, want := range map[string]string{
		"":                       `<Reject reason="busy"></Reject>`,
		"We call back & so <on>": `<Say language="en-US">We call back &amp; so &lt;on&gt;</Say><Hangup></Hangup>`,
	} {
		r := startTwilio(t, sim.Options{}, func(s *TwilioSettings) { s.Greeting = greeting })
		twiml, err := r.sim.Ring(publics, ada, own)
		if err != nil || !strings.Contains(twiml, "<Response>"+want+"</Response>") {
			t.Errorf("%s, %v, want %s", twiml, err, want)
		}
		if len(r.hook.Events()) != 1 || r.hook.Events()[0].EventName != "incoming_call" || r.hook.Events()[0].Customer.Address != ada || r.hook.Events()[0].Params["to"] != own {
			t.Errorf("%+v", r.hook.Events())
		}
	}
}

// stateHost keeps nothing.
type stateHost struct{ plugintest.Host }

func (*stateHost) PublicURL() string                             { return publics }
func (*stateHost) State(context.Context, string) ([]byte, error) { return nil, nil }

func provided(t testing.TB) *twilioProvider {
	t.Helper()
	p, err := openTwilio(t.Context(), viaTwilio("http://127.0.0.1:1").twilio(), &stateHost{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sound says what is wrong with an event of a webhook, "" if nothing is.
func sound(e sdk.Event) string {
	switch {
	case e.CallID == "" || e.Ref == "" || e.ID == "":
		return "it names no call"
	case e.Type != sdk.CallAnswered && e.Type != sdk.CallEnded && e.Type != sdk.CallDigits:
		return "it is of another type"
	case e.Duration != nil && *e.Duration < 0:
		return "it took less than no time"
	case (e.Type == sdk.CallDigits) != (e.Digits != ""):
		return "it has digits, or none"
	}
	return ""
}

// receiver is the plugin with what its events must have.
func receiver(t testing.TB) twiliotest.Receiver {
	return twiliotest.Receiver{WebhookReceiver: provided(t), Token: token, Publics: publics, Wrong: sound}
}

// TestTwilioMalformed: 10,000 malformed bodies for each route.
func TestTwilioMalformed(t *testing.T) {
	form := url.Values{"AccountSid": {account}, "CallSid": {sid}, "CallStatus": {"completed"}, "CallDuration": {"7"}, "Digits": {"12"}}
	receiver(t).Malformed(t, form, "/status?m="+callID, "/digits?m="+callID, "/twiml?m="+callID)
}

func FuzzTwilioWebhook(f *testing.F) {
	f.Add(true, "/status?m="+callID, "AccountSid="+account+"&CallSid="+sid+"&CallStatus=completed&CallDuration=7")
	f.Add(true, "/digits?m="+callID, "AccountSid="+account+"&CallSid="+sid+"&Digits=1")
	f.Add(false, "/twiml?m="+callID, "AccountSid="+account+"&CallSid="+sid)
	receiver(f).Fuzz(f)
}

// FuzzTwilioSpeech: whatever is to be said, the document is TwiML, and says it.
func FuzzTwilioSpeech(f *testing.F) {
	f.Add("Hello", "Yes", "de-DE")
	f.Add("</Say><Hangup/>", `"&amp;]]>`, "x\x00")
	p := provided(f)
	f.Fuzz(func(t *testing.T, text, title, locale string) {
		doc, err := p.document(sdk.Customer{Locale: locale}, sdk.Message{ID: callID, Text: text, QuickReplies: []sdk.QuickReply{{Title: title}}})
		if err != nil {
			return
		}
		if n := strings.Count(doc, "<Say "); n > 2 || strings.Contains(doc, "<Hangup") || strings.Count(doc, "<Gather ") != 1 {
			t.Errorf("%q %q: %s", text, title, doc)
		}
	})
}
