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
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/openccsp/gateway/examples/twilio-sim/sim"
	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/plugins/internal/twilio"
	"github.com/openccsp/gateway/plugins/internal/twiliotest"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/sdktest"
)

const (
	twilioAccount = "AC00000000000000000000000000000001"
	twilioToken   = "12345abcdef67890"
	twilioOwn     = "+441172345678"
	twilioAda     = "+447700900123"
	twilioInSID   = "SM0123456789abcdef0123456789abcdef"
	twilioPublics = "https://gateway.example/hooks/texts"
)

func viaTwilio(base string, change ...func(*TwilioSettings)) settings {
	t := TwilioSettings{Account: twilio.Account{AccountSID: twilioAccount, BaseURL: base}, From: twilioOwn}
	for _, f := range change {
		f(&t)
	}
	return settings{Provider: "twilio", Twilio: &t, AuthToken: twilioToken}
}

// twilioRig is a gateway with the plugin, a Twilio, and what came in.
type twilioRig struct {
	*sdktest.Gateway
	sim  *sim.Sim
	hook *twiliotest.Hook
}

// startTwilio connects both. The gateway's public address is one that does not
// exist: the simulator reaches it nevertheless.
func startTwilio(t *testing.T, o sim.Options, change ...func(*TwilioSettings)) *twilioRig {
	t.Helper()
	o.AccountSID, o.AuthToken = twilioAccount, twilioToken
	r := &twilioRig{sim: sim.New(o)}
	r.Gateway, r.hook = twiliotest.Connect(t, r.sim, twilioPublics, func(base string) *sdktest.Gateway {
		r.sim.SetHook(twilioPublics, base)
		return sdktest.Start(t, plugin(), "texts", "sms", viaTwilio(base, change...))
	})
	return r
}

func (r *twilioRig) send(t *testing.T, id, text string, files ...sdk.Attachment) (sdk.Receipt, error) {
	t.Helper()
	return r.Send(t.Context(), sdk.Customer{Address: twilioAda}, sdk.Message{ID: id, Text: text, Attachments: files, Parts: 1, Part: 1})
}

// told waits until n callbacks were answered.
func (r *twilioRig) told(t *testing.T, n int) []sim.Message {
	t.Helper()
	err := r.sim.Wait(t.Context(), func(ms []sim.Message, _ []sim.Call) bool {
		got := 0
		for _, m := range ms {
			got += len(m.Told)
		}
		return got >= n
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.sim.Messages()
}

func TestTwilioConformance(t *testing.T) {
	s := sim.New(sim.Options{AccountSID: twilioAccount, AuthToken: twilioToken})
	defer s.Close()
	far := httptest.NewServer(s)
	defer far.Close()
	block := func(change map[string]any) map[string]any {
		b := map[string]any{"account_sid": twilioAccount, "from": twilioOwn, "base_url": far.URL}
		for k, v := range change {
			b[k] = v
		}
		return map[string]any{"provider": "twilio", "auth_token": twilioToken, "twilio": b}
	}
	sdktest.Run(t, sdktest.Config{Plugin: plugin(), Driver: "sms", Settings: block(nil), BadSettings: []any{
		map[string]any{"provider": "twilio", "auth_token": twilioToken}, map[string]any{"provider": "pigeon"},
		block(map[string]any{"account_sid": "x"}), block(map[string]any{"from": ""}), block(map[string]any{"from": "a long name of many letters"}),
		block(map[string]any{"media": "fax"}), block(map[string]any{"validity": "11h"}), block(map[string]any{"timeout": "soon"}),
		block(map[string]any{"rate": -1}), block(map[string]any{"messaging_service_sid": "MG1"}), block(map[string]any{"frmo": twilioOwn}),
	}})
}

func TestTwilioCapabilities(t *testing.T) {
	r := startTwilio(t, sim.Options{}, func(s *TwilioSettings) { s.Rate = 3 })
	c := r.Capabilities()
	if l := c.GetToOutside(); l.GetLimit() != 1600 || c.GetRatePerSecond() != 3 || !c.GetReceipts() || !c.GetNeedsPublicUrl() || c.GetMaxAttachmentBytes() != 5<<20 {
		t.Errorf("%v", c)
	}
}

// TestTwilioRoomForLinks: the gateway splits texts so that a link fits.
func TestTwilioRoomForLinks(t *testing.T) {
	s := viaTwilio("https://x.example.com", func(s *TwilioSettings) { s.Media = twilioMediaLink })
	c := s.Capabilities(capabilities())
	p := &twilioProvider{settings: *s.Twilio, host: &twilioNoHost{}}
	_, _, err := p.content(sdk.Message{Text: strings.Repeat("a", c.Text.Limit),
		Attachments: []sdk.Attachment{{URL: "https://gw.example.com/media/" + strings.Repeat("x", 200)}}})
	if err != nil || c.MaxAttachment != 0 || !slices.Equal(c.MediaTypes, []string{"*/*"}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestTwilioValidate: the live check.
func TestTwilioValidate(t *testing.T) {
	r := startTwilio(t, sim.Options{})
	far := httptest.NewServer(r.sim)
	defer far.Close()
	if err := r.Validate(t.Context(), viaTwilio(far.URL)); err != nil {
		t.Errorf("good: %v", err)
	}
	if err := r.Validate(t.Context(), viaTwilio(far.URL, func(s *TwilioSettings) { s.From = "?" })); err == nil || !strings.Contains(err.Error(), "from") {
		t.Errorf("bad: %v", err)
	}
}

// TestTwilioReceipts: what becomes of a message, told in order, backwards, twice.
func TestTwilioReceipts(t *testing.T) {
	for _, tt := range []struct {
		fate sim.Fate
		want []string // in any order
	}{
		{sim.Fate{}, []string{"message_delivered"}},
		{sim.Fate{Status: "undelivered", Code: "30003"}, []string{"message_failed 30003 the phone cannot be reached; often for a while"}},
		{sim.Fate{Status: "failed", Code: "30005"}, []string{"message_failed 30005 the number is unknown or no longer in use"}},
		{sim.Fate{Status: "failed", Code: "39999"}, []string{"message_failed 39999 failed"}},
		{sim.Fate{Status: "read"}, []string{"message_delivered", "message_read"}},
	} {
		for _, o := range []sim.Options{{}, {Disorder: true}, {Duplicate: true}, {Disorder: true, Duplicate: true}} {
			t.Run(fmt.Sprintf("%s/%v %v", tt.fate.Status, o.Disorder, o.Duplicate), func(t *testing.T) {
				r := startTwilio(t, o)
				r.sim.SetFate(twilioAda, tt.fate)
				receipt, err := r.send(t, "c0ffee.1.1", "Hi")
				if err != nil {
					t.Fatal(err)
				}
				n := 3
				if o.Duplicate {
					n = 6
				}
				m := r.told(t, n)[0]
				if m.SID != receipt.MessageID || m.Body != "Hi" || m.From != twilioOwn || m.To != twilioAda {
					t.Errorf("sent %+v, receipt %+v", m, receipt)
				}
				var got []string
				for _, e := range r.hook.Events() {
					got = append(got, strings.TrimSpace(e.Type+" "+e.Code+" "+e.Reason))
					if e.MessageID != "c0ffee.1.1" || e.Customer.Address != twilioAda || e.ID == "" {
						t.Errorf("%+v", e)
					}
				}
				slices.Sort(got)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestTwilioOverrides: what tells Twilio to repeat callbacks is not sent, whether
// or not it is signed.
func TestTwilioOverrides(t *testing.T) {
	for _, o := range []sim.Options{{}, {SignFragment: true}} {
		r := startTwilio(t, o, func(s *TwilioSettings) { s.CallbackOptions = "rc=3&rp=all" })
		if _, err := r.send(t, "c0ffee.1.1", "Hi"); err != nil {
			t.Fatal(err)
		}
		if m := r.told(t, 3)[0]; !strings.HasSuffix(m.Callback, "#rc=3&rp=all") || len(r.hook.Events()) != 1 {
			t.Errorf("%+v, events %+v", m, r.hook.Events())
		}
	}
}

// TestTwilioNeverGoesBack: of two ends of one message the first counts.
func TestTwilioNeverGoesBack(t *testing.T) {
	r := startTwilio(t, sim.Options{})
	var ids []string
	for _, status := range []string{"delivered", "undelivered", "failed", "delivered", "sent", "queued", "accepted", "sending", "scheduled", "read"} {
		res := r.post(t, "/status?"+twilioReceiptQuery("c0ffee.1.1", twilioAda), url.Values{"AccountSid": {twilioAccount}, "MessageSid": {twilioInSID}, "MessageStatus": {status}})
		for _, e := range res.Events {
			ids = append(ids, e.ID)
		}
	}
	end, read := twilioInSID+".end", twilioInSID+".read"
	if diff := cmp.Diff([]string{end, end, end, end, read}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// post hands a signed form to the plugin.
func (r *twilioRig) post(t *testing.T, path string, form url.Values) sdk.WebhookResponse {
	t.Helper()
	res, err := r.Webhook(t.Context(), twilioSignedForm(path, form))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func twilioSignedForm(path string, form url.Values) *sdk.WebhookRequest {
	return twiliotest.Form(twilioToken, twilioPublics, path, form)
}

func twilioIncoming(change func(url.Values)) url.Values {
	f := url.Values{"AccountSid": {twilioAccount}, "MessageSid": {twilioInSID}, "From": {twilioAda}, "To": {twilioOwn}, "Body": {"Hi"}, "NumMedia": {"0"}}
	if change != nil {
		change(f)
	}
	return f
}

func TestTwilioIncoming(t *testing.T) {
	r := startTwilio(t, sim.Options{})
	ignore := cmpopts.IgnoreFields(sdk.Event{}, "Payload", "At")
	plain := sdk.Event{Type: sdk.CustomerMessage, ID: twilioInSID, MessageID: twilioInSID, Customer: sdk.Customer{Address: twilioAda}, Text: "Hi"}
	with := func(change func(*sdk.Event)) *sdk.Event { e := plain; change(&e); return &e }
	for _, tt := range []struct {
		name string
		form url.Values
		want *sdk.Event // nil: 400 and quarantine
	}{
		{"a text", twilioIncoming(nil), &plain},
		{"by its older name", twilioIncoming(func(f url.Values) { f.Set("SmsSid", f.Get("MessageSid")); f.Del("MessageSid") }), &plain},
		{"WhatsApp", twilioIncoming(func(f url.Values) { f.Set("From", "whatsapp:"+twilioAda); f.Set("ProfileName", "Ada") }),
			with(func(e *sdk.Event) { e.Customer = sdk.Customer{Address: "whatsapp:" + twilioAda, Name: "Ada"} })},
		{"nothing in it", twilioIncoming(func(f url.Values) { f.Del("Body") }), with(func(e *sdk.Event) { e.Text = emptyText })},
		{"a file whose type has a line break", twilioIncoming(func(f url.Values) { f.Set("NumMedia", "1"); f.Set("MediaContentType0", "image/png\r\nX: y") }),
			with(func(e *sdk.Event) { e.Text = "Hi\n[a file could not be fetched: unknown type]" })},
		{"a file that is not there", twilioIncoming(func(f url.Values) { f.Set("NumMedia", "1"); f.Set("MediaContentType0", "image/png") }),
			with(func(e *sdk.Event) { e.Text = "Hi\n[a file was refused: image/png, unsupported protocol scheme]" })},
		{"NumMedia of nonsense", twilioIncoming(func(f url.Values) { f.Set("NumMedia", "many") }), &plain},
		{"STOP", twilioIncoming(func(f url.Values) { f.Set("Body", "STOP"); f.Set("OptOutType", "STOP") }),
			&sdk.Event{Type: sdk.CustomEvent, EventName: "opt_out", ID: twilioInSID, Customer: plain.Customer, Params: map[string]string{"text": "STOP", "to": twilioOwn}}},
		{"START", twilioIncoming(func(f url.Values) { f.Set("Body", "Start"); f.Set("OptOutType", "START") }),
			&sdk.Event{Type: sdk.CustomEvent, EventName: "opt_in", ID: twilioInSID, Customer: plain.Customer, Params: map[string]string{"text": "Start", "to": twilioOwn}}},
		{"no id", twilioIncoming(func(f url.Values) { f.Del("MessageSid") }), nil},
		{"nobody", twilioIncoming(func(f url.Values) { f.Del("From") }), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := r.post(t, "", tt.form)
			if tt.want == nil {
				if res.Status != 400 || res.Quarantine == "" || len(res.Events) > 0 {
					t.Errorf("%+v", res)
				}
				return
			}
			if res.Status != 200 || string(res.Body) != twilio.Silence || res.Header.Get("Content-Type") != "text/xml" || len(res.Events) != 1 {
				t.Fatalf("%+v", res)
			}
			got := res.Events[0]
			if strings.Contains(tt.name, "not there") && strings.HasPrefix(got.Text, "Hi\n[a file ") && strings.Contains(got.Text, "image/png") {
				got.Text = tt.want.Text // the words are the host's
			}
			if diff := cmp.Diff(*tt.want, got, ignore, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for path, want := range map[string]int{"/x": 404, "/status": 400} {
		if res := r.post(t, path, twilioIncoming(func(f url.Values) { f.Del("MessageSid") })); res.Status != want {
			t.Errorf("%s: %d, want %d", path, res.Status, want)
		}
	}
	for _, q := range []string{"", "?m=1", "?m=1&a=%2B44", "?m=1&a=", "?m=%3C&a=QQ", "?a=QQ", "?m=1&a=_w"} {
		if res := r.post(t, "/status"+q, url.Values{"AccountSid": {twilioAccount}, "MessageSid": {twilioInSID}, "MessageStatus": {"delivered"}}); res.Status != 200 || len(res.Events) > 0 {
			t.Errorf("%s, a message of somebody else's: %+v", q, res)
		}
	}
}

// TestTwilioFiles: both ways, and what becomes of those that cannot be had.
func TestTwilioFiles(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "PNG")
	}))
	defer files.Close()
	r := startTwilio(t, sim.Options{AllowHTTP: true, Duplicate: true})
	if err := r.sim.Receive(twilioAda, twilioOwn, "Look", sim.Media{MIME: "image/jpeg", Data: []byte("JPEG")}, sim.Media{MIME: "text/vcard", Data: []byte("VCARD")}); err != nil {
		t.Fatal(err)
	}
	es := r.hook.Events()
	if len(es) != 1 || es[0].Text != "Look" || len(es[0].Attachments) != 2 {
		t.Fatalf("%+v", es)
	}
	for i, want := range []string{"JPEG", "VCARD"} {
		a := es[0].Attachments[i]
		if string(r.Media(a.MediaID)) != want || a.URL != "" {
			t.Errorf("%+v is not %s", a, want)
		}
	}
	r.RefuseMedia("media_too_large", "too large")
	if err := r.sim.Receive(twilioAda, twilioOwn, "", sim.Media{MIME: "image/jpeg"}); err != nil {
		t.Fatal(err)
	}
	if e := r.hook.Events()[1]; e.Text != "[a file was refused: image/jpeg, too large]" || len(e.Attachments) > 0 {
		t.Errorf("%+v", e)
	}
	_, err := r.send(t, "c0ffee.1.2", "Here", sdk.Attachment{URL: files.URL + "/a.png", MIME: "image/png", Caption: "a map"})
	if err != nil {
		t.Fatal(err)
	}
	if m := r.told(t, 6)[0]; m.Body != "Here\na map" || !slices.Equal(m.Fetched, []string{"image/png, 3 bytes"}) {
		t.Errorf("%+v", m)
	}
}

// TestTwilioContent: what goes out, and what does not.
func TestTwilioContent(t *testing.T) {
	picture := sdk.Attachment{URL: "https://gw.example.com/media/x", MIME: "image/png"}
	for _, tt := range []struct {
		name  string
		media string
		m     sdk.Message
		want  url.Values // with Body and MediaUrl only
		err   string
	}{
		{"a text", "mms", sdk.Message{Text: "Hi"}, url.Values{"Body": {"Hi"}}, ""},
		{"a file", "mms", sdk.Message{Attachments: []sdk.Attachment{picture}}, url.Values{"MediaUrl": {picture.URL}}, ""},
		{"a link", "link", sdk.Message{Text: "Hi", Attachments: []sdk.Attachment{picture}}, url.Values{"Body": {"Hi\n" + picture.URL}}, ""},
		{"a page", "mms", sdk.Message{Text: "See", URLPush: "https://x"}, url.Values{"Body": {"See\nhttps://x"}}, ""},
		{"1600", "mms", sdk.Message{Text: strings.Repeat("é", 1600)}, url.Values{"Body": {strings.Repeat("é", 1600)}}, ""},
		{"1601", "mms", sdk.Message{Text: strings.Repeat("é", 1601)}, nil, "rejected too_long"},
		{"nothing", "mms", sdk.Message{Text: " "}, nil, "rejected empty"},
		{"no link", "mms", sdk.Message{Attachments: []sdk.Attachment{{MediaID: "m1"}}}, nil, "rejected no_link"},
		{"eleven", "mms", sdk.Message{Attachments: slices.Repeat([]sdk.Attachment{picture}, 11)}, nil, "rejected too_many_files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &twilioProvider{settings: TwilioSettings{Media: tt.media, From: twilioOwn}, validity: time.Hour, host: &twilioNoHost{}}
			f, err := p.form(sdk.Customer{Address: "447700900123"}, tt.m)
			if tt.err != "" {
				if got := plugintest.Verdict(err); got != tt.err {
					t.Errorf("%s, want %s", got, tt.err)
				}
				return
			}
			tt.want["To"], tt.want["From"], tt.want["ValidityPeriod"] = []string{twilioAda}, []string{twilioOwn}, []string{"3600"}
			if diff := cmp.Diff(tt.want, f); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// twilioNoHost is a gateway without a public address.
type twilioNoHost struct{ plugintest.Host }

func (*twilioNoHost) PublicURL() string { return "" }

// TestTwilioRefusals: what the simulator, and Twilio's own numbers for tests, say.
func TestTwilioRefusals(t *testing.T) {
	r := startTwilio(t, sim.Options{})
	for to, want := range map[string]string{
		"+15005550001": "recipient gone: 21211", "+15005550002": "rejected 21612", "+15005550003": "rejected 21408",
		"+15005550004": "recipient gone: 21610", "+15005550009": "recipient gone: 21614", "ada": "recipient gone",
	} {
		_, err := r.Send(t.Context(), sdk.Customer{Address: to}, sdk.Message{ID: "m1", Text: "Hi"})
		if got := plugintest.Verdict(err); !strings.HasPrefix(strings.ReplaceAll(got, "recipient gone: recipient gone", "recipient gone"), want) {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
	if err := r.sim.Receive(twilioAda, twilioOwn, "STOP"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.send(t, "m2", "Hi"); err == nil || !strings.Contains(err.Error(), "recipient gone") {
		t.Errorf("after STOP: %v", err)
	}
	if e := r.hook.Events()[0]; e.EventName != "opt_out" {
		t.Errorf("%+v", e)
	}
}

// TestTwilioFaults: what the gateway is told when Twilio misbehaves.
func TestTwilioFaults(t *testing.T) {
	for _, tt := range []struct {
		fault sim.Fault
		want  string
	}{
		{sim.Fault{Kind: "429", RetryAfter: 7}, "throttled 7s"},
		{sim.Fault{Kind: "500"}, "retry"},
		{sim.Fault{Kind: "503"}, "retry"},
		{sim.Fault{Kind: "html"}, "ambiguous"},
		{sim.Fault{Kind: "half"}, "ambiguous"},
		{sim.Fault{Kind: "redirect"}, "rejected http_307"},
		{sim.Fault{Kind: "rst", After: true}, "ambiguous"},
		{sim.Fault{Kind: "hang", After: true}, "ambiguous"},
	} {
		t.Run(tt.fault.Kind, func(t *testing.T) {
			r := startTwilio(t, sim.Options{}, func(s *TwilioSettings) { s.Timeout = "1s" })
			tt.fault.Count = 1
			if err := r.sim.SetFault(tt.fault); err != nil {
				t.Fatal(err)
			}
			_, err := r.send(t, "m1", "Hi")
			if got := plugintest.Verdict(err); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if _, err := r.send(t, "m1", "Hi"); err != nil {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

// TestTwilioMalformed: 10,000 malformed bodies for each route.
func TestTwilioMalformed(t *testing.T) {
	form := twilioIncoming(func(f url.Values) { f.Set("MessageStatus", "delivered"); f.Set("NumMedia", "0") })
	twilioReceiver(t).Malformed(t, form, "", "/status?"+twilioReceiptQuery("c0ffee.1.1", twilioAda))
}

// twilioReceiver is the plugin with what its events must have.
func twilioReceiver(t testing.TB) twiliotest.Receiver {
	return twiliotest.Receiver{WebhookReceiver: twilioProvided(t), Token: twilioToken, Publics: twilioPublics, Wrong: func(e sdk.Event) string {
		if e.Customer.Address == "" || e.ID == "" || e.Type == "" {
			return "it lacks a customer, an id or a type"
		}
		return ""
	}}
}

// twilioProvided is a provider without frames around it.
func twilioProvided(t testing.TB) *twilioProvider {
	t.Helper()
	s, err := viaTwilio("http://127.0.0.1:1").twilio()
	if err != nil {
		t.Fatal(err)
	}
	p, err := openTwilio(t.Context(), s, &twilioMediaHost{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// twilioMediaHost has no files.
type twilioMediaHost struct{ plugintest.Host }

func (*twilioMediaHost) PublicURL() string { return twilioPublics }

func (*twilioMediaHost) FetchMedia(context.Context, string, http.Header) (sdk.Attachment, error) {
	return sdk.Attachment{}, sdk.Rejected("no_file", "there are no files")
}

func FuzzTwilioWebhook(f *testing.F) {
	f.Add(true, "", twilioIncoming(nil).Encode())
	f.Add(true, "/status?"+twilioReceiptQuery("c0ffee.1.1", twilioAda), "AccountSid="+twilioAccount+"&MessageSid="+twilioInSID+"&MessageStatus=read")
	f.Add(false, "/", twilioIncoming(nil).Encode())
	twilioReceiver(f).Fuzz(f)
}
