package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/openccsp/gateway/examples/internal/agent"
	"github.com/openccsp/gateway/examples/internal/rig"
	"github.com/openccsp/gateway/examples/wechat-sim/sim"
)

const (
	wechatKey = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	ada       = "oAda"
)

// picture is a JPEG.
var picture = func() []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		panic(err) // it is in memory
	}
	return b.Bytes()
}()

const pageHCL = `listen = %[1]q
public_url = "http://%[1]s"
data_dir = "data"
rules_dir = "rules.d"
plugin_dirs = ["plugins"]
admin {
  listen = %[2]q
}
media {
  allow_private = true
}
channel "wechat" "page" {
  settings {
    app_id           = "wx5823bf96d3bd56c7"
    app_secret       = "demo-app-secret"
    token            = "wxtoken"
    encoding_aes_key = %[3]q
    mode             = "compatible"
    base_url         = %[4]q
  }
}
service "page" {
  channels = ["page"]
  forward  = "none"
}
`

const pageRules = `rules:
  - name: echo
    on: customer_message
    when: (event.text ?? "") startsWith "say "
    do: [{ send: "you said {{ event.text ?? 'nothing' }}" }]
  - name: many
    on: customer_message
    when: (event.text ?? "") == "many"
    do: [{ send: one }, { send: two }, { send: three }, { send: four }, { send: five }, { send: six }, { send: seven }]
  - name: long
    on: customer_message
    when: (event.text ?? "") == "long"
    do: [{ send: %[2]q }]
  - name: show
    on: customer_message
    when: (event.text ?? "") == "show"
    do: [{ send: { text: Look, attachments: [{ url: %[1]q, mime: image/jpeg, name: a.jpg }] } }]
  - name: choose
    on: customer_message
    when: (event.text ?? "") == "choose"
    do: [{ send: { text: Which?, quick_replies: [{ title: That one, payload: order.7 }] } }]
  - name: chosen
    on: customer_message
    when: (event.quick_reply.payload ?? "") == "order.7"
    do: [{ send: b1 }, { send: b2 }, { send: b3 }, { send: b4 }, { send: b5 }, { send: b6 }, { send: b7 }, { send: b8 }, { send: b9 }]
  - name: clicked
    on: custom_event
    event_name: CLICK
    do: [{ send: c1 }, { send: c2 }, { send: c3 }, { send: c4 }]
  - name: a file
    on: customer_message
    when: len(event.attachments) > 0
    do: [{ send: "got {{ event.attachments[0].mime }}" }]
`

// longText has no place to cut but between its letters, and letters of 2, 3 and 4 bytes.
var longText = strings.Repeat("é你😀", 600)

// page is a built gateway with the driver, and the account at WeChat.
type page struct {
	*rig.Home
	sim     *sim.Sim
	process *rig.Process
	posts   atomic.Int64 // of WeChat's to the gateway
}

func startPage(t *testing.T) *page {
	t.Helper()
	home, err := rig.Build(t.Context(), t.TempDir(), "../..", "plugins/wechat")
	if err != nil {
		t.Fatal(err)
	}
	p := &page{Home: home}
	if p.sim, err = sim.New(sim.Options{AppID: "wx5823bf96d3bd56c7", Secret: "demo-app-secret", Token: "wxtoken", AESKey: wechatKey,
		Compatible: true, Limit: 2 * time.Second, Wire: p.count}); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(p.sim)
	t.Cleanup(api.Close)
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(picture) }))
	t.Cleanup(files.Close)
	p.sim.SetHook(p.Hook("page"))
	err = errors.Join(
		os.WriteFile(p.Path("gateway.hcl"), fmt.Appendf(nil, pageHCL, p.Listen, p.Admin, wechatKey, api.URL), 0o600),
		os.WriteFile(p.Path("rules.d", "a.yaml"), fmt.Appendf(nil, pageRules, files.URL+"/a.jpg", longText), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	p.start(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.LogTail())
		}
		p.process.Signal(syscall.SIGCONT)
		p.process.Kill()
	})
	return p
}

func (p *page) start(t *testing.T) {
	t.Helper()
	var err error
	if p.process, err = p.Start(t.Context(), nil, nil); err != nil {
		t.Fatalf("%v\n%s", err, p.LogTail())
	}
	p.until(t, "WeChat's check is answered", func() bool { return p.sim.Check(t.Context()) == nil })
}

// count counts what WeChat posts.
func (p *page) count(toHook bool, _ string) {
	if toHook {
		p.posts.Add(1)
	}
}

// until waits for what another process does.
func (p *page) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	if err := agent.Until(t.Context(), what, func(context.Context) (bool, error) { return done(), nil }); err != nil {
		t.Fatal(err)
	}
}

// shown are the texts that a customer got.
func (p *page) shown(who string) (texts []string) {
	for _, sh := range p.sim.Shown() {
		if sh.To == who {
			texts = append(texts, sh.Text)
		}
	}
	return texts
}

// sees waits until a customer has seen n messages, and returns their texts.
func (p *page) sees(t *testing.T, who string, n int) []string {
	t.Helper()
	err := agent.Until(t.Context(), fmt.Sprint(who, " sees ", n), func(context.Context) (bool, error) { return len(p.shown(who)) >= n, nil })
	if err != nil {
		t.Fatalf("%v: %q", err, p.shown(who))
	}
	return p.shown(who)
}

// history waits until a customer's history has a text, and returns it.
func (p *page) history(t *testing.T, who, text string) string {
	t.Helper()
	var last []byte
	err := agent.Until(t.Context(), "the history of "+who+" has "+text, func(ctx context.Context) (bool, error) {
		var found struct{ Items []struct{ ID string } }
		if err := p.Get(ctx, "/v1/conversations?customer="+who, &found); err != nil || len(found.Items) == 0 {
			return false, err
		}
		var all rawJSON
		err := p.Get(ctx, "/v1/conversations/"+found.Items[0].ID+"/history?limit=100", &all)
		last = all
		return bytes.Contains(all, []byte(text)), err
	})
	if err != nil {
		t.Fatalf("%v: %s", err, last)
	}
	return string(last)
}

type rawJSON []byte

func (r *rawJSON) UnmarshalJSON(b []byte) error {
	*r = bytes.Clone(b)
	return nil
}

func (p *page) says(t *testing.T, who, text string) {
	t.Helper()
	if err := p.sim.Say(t.Context(), who, text); err != nil {
		t.Fatal(err)
	}
}

// TestGateway plays WeChat against the built gateway with the built driver.
func TestGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the gateway")
	}
	p := startPage(t)
	t.Run("plain text is refused", func(t *testing.T) { playForged(t, p) })
	t.Run("windows", func(t *testing.T) { playWindows(t, p) })
	t.Run("long texts and files", func(t *testing.T) { playLong(t, p) })
	t.Run("a gateway that stands still", func(t *testing.T) { playSlow(t, p) })
	t.Run("a gateway that is killed", func(t *testing.T) { playKilled(t, p) })
	if b := p.sim.Breaks(); len(b) > 0 {
		t.Errorf("the contract with WeChat was broken: %q", b)
	}
	log, err := os.ReadFile(p.Path("gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"demo-app-secret", "wxtoken", wechatKey, p.sim.Token(), "access_token"} {
		if bytes.Contains(log, []byte(secret)) {
			t.Errorf("the log has %s", secret)
		}
	}
}

// playForged has somebody send who has seen a request.
func playForged(t *testing.T, p *page) {
	q, body, err := p.sim.Request(ada, p.sim.XML(ada, "text", []sim.Field{{K: "Content", V: "say mine"}, {K: "MsgId", V: "1"}}))
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.Split(q, "&encrypt_type")[0]
	for name, query := range map[string]string{"without the type": "nonce" + strings.Split(q, "nonce")[1], "with it": q, "cut": plain} {
		forged := strings.Replace(body[:strings.Index(body, "<Encrypt>")]+"</xml>", "mine", "forged", 1)
		res, err := http.Post(p.Hook("page")+"?"+query, "text/xml", strings.NewReader(forged))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", name, res.StatusCode)
		}
	}
	if err := p.sim.Deliver(t.Context(), q, body); err != nil {
		t.Errorf("the request itself: %v", err)
	}
}

// playWindows has rules write more than WeChat allows: WeChat is not asked.
func playWindows(t *testing.T, p *page) {
	p.says(t, "oBob", "many")
	p.history(t, "oBob", `"window_closed"`)
	if got, want := p.sees(t, "oBob", 5), []string{"one", "two", "three", "four", "five"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := p.sim.Act(t.Context(), "oBob", "CLICK", sim.Field{K: "EventKey", V: "HELP"}); err != nil {
		t.Fatal(err)
	}
	if got, want := p.sees(t, "oBob", 8)[5:], []string{"c1", "c2", "c3"}; !slices.Equal(got, want) {
		t.Errorf("after a click: %q, want %q", got, want)
	}
	p.says(t, "oCleo", "choose")
	p.sees(t, "oCleo", 1)
	if err := p.sim.Choose(t.Context(), "oCleo", 0); err != nil {
		t.Fatal(err)
	}
	p.history(t, "oCleo", `"window_closed"`)
	if got := p.sees(t, "oCleo", 8); len(got) != 8 || got[7] != "b7" { // three of the click, four that the message left
		t.Errorf("after a button: %q, want b1 to b7", got)
	}
}

// playLong sends what has to be split, and files both ways.
func playLong(t *testing.T, p *page) {
	p.says(t, "oDan", "long")
	got := p.sees(t, "oDan", 3)
	if strings.Join(got, "") != longText {
		t.Errorf("%d pieces of %d bytes are not the text of %d", len(got), len(strings.Join(got, "")), len(longText))
	}
	for i, piece := range got {
		if len(piece) > 2047 || !utf8.ValidString(piece) {
			t.Errorf("piece %d has %d bytes, valid %t", i, len(piece), utf8.ValidString(piece))
		}
	}
	p.says(t, "oEve", "show")
	p.sees(t, "oEve", 2)
	if all := p.sim.Shown(); !slices.ContainsFunc(all, func(sh sim.Shown) bool { return sh.To == "oEve" && bytes.Equal(sh.File, picture) }) {
		t.Errorf("the picture did not come: %q", p.shown("oEve"))
	}
	for kind, data := range map[string][]byte{
		"image/jpeg": picture, "audio/amr": []byte("#!AMR\nvoice"), "video/mp4": []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"),
	} {
		typ := map[string]string{"image/jpeg": "image", "audio/amr": "voice", "video/mp4": "video"}[kind]
		who := "oFay-" + typ
		if err := p.sim.Message(t.Context(), who, typ, sim.Field{K: "MediaId", V: p.sim.AddMedia(typ, kind, data)}); err != nil {
			t.Fatal(err)
		}
		if got := p.sees(t, who, 1); got[0] != "got "+kind {
			t.Errorf("%s: %q", kind, got)
		}
		if h := p.history(t, who, `"media_id"`); strings.Contains(h, p.sim.Token()) {
			t.Errorf("the history has the access token: %s", h)
		}
	}
}

// playSlow has the gateway stand still longer than WeChat waits: WeChat repeats its
// request, and the customer is answered once.
func playSlow(t *testing.T, p *page) {
	p.process.Signal(syscall.SIGSTOP)
	posts := p.posts.Load()
	told := make(chan error, 2)
	go func() { told <- p.sim.Say(t.Context(), "oGus", "say it once") }()
	go func() { told <- p.sim.Act(t.Context(), "oHal", "CLICK", sim.Field{K: "EventKey", V: "K"}) }()
	p.until(t, "WeChat tries again", func() bool { return p.posts.Load() >= posts+4 })
	p.process.Signal(syscall.SIGCONT)
	for range 2 {
		if err := <-told; err != nil {
			t.Error(err)
		}
	}
	p.sees(t, "oHal", 3)
	p.says(t, "oGus", "say more")
	if got, want := p.sees(t, "oGus", 2), []string{"you said say it once", "you said say more"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := p.shown("oHal"); !slices.Equal(got, []string{"c1", "c2", "c3"}) {
		t.Errorf("%q, want the answers to one click", got)
	}
}

// playKilled kills the gateway while it answers, and has another process renew the
// token: eight customers at once make it ask for one once, and force none.
func playKilled(t *testing.T, p *page) {
	p.says(t, "oIda", "say a")
	p.process.Kill()
	p.sim.Rotate()
	calls := p.sim.TokenCalls()
	p.start(t)
	if got := p.sees(t, "oIda", 1); got[0] != "you said say a" {
		t.Errorf("%q: what was acknowledged before the kill is lost", got)
	}
	p.says(t, "oKim", "say c")
	p.sees(t, "oKim", 1)
	p.until(t, "the settings are checked, too", func() bool { return p.sim.TokenCalls() >= calls+2 })
	before := p.sim.TokenCalls()
	p.sim.Rotate()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := p.sim.Say(t.Context(), fmt.Sprint("oJoe", i), "say b"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 8 {
		if got := p.sees(t, fmt.Sprint("oJoe", i), 1); got[0] != "you said say b" {
			t.Errorf("%q", got)
		}
	}
	if asked, forced := p.sim.TokenCalls()-before, p.sim.Forced(); asked != 1 || forced != 0 {
		t.Errorf("a token was asked for %d times and forced %d times, want 1 and none", asked, forced)
	}
}
