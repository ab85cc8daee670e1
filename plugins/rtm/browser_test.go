package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/openccsp/gateway/sdk"
)

// tab is a page with the widget in a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	w   *web
}

// patience is how long a busy browser may take. The widget itself waits half a minute
// for an answer before it asks again.
const patience = 3 * time.Minute

// chat is how the scripts below look into the widget.
const chat = `(() => {
	const chat = document.querySelector("openccsp-chat");
	const $ = (id) => chat?.shadowRoot.getElementById(id);
	const all = (selector) => [...(chat?.shadowRoot.querySelectorAll(selector) ?? [])];
	const type = (id, text) => { $(id).value = text; $(id).dispatchEvent(new Event("input")); };
	const visible = (id) => Boolean($(id)?.getClientRects().length);
	`

// openTab shows a page of another origin with a strict policy and one script tag.
func openTab(t *testing.T, w *web, attributes string) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("not run: no chromium (Debian: chromium)")
	}
	page := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Security-Policy", "default-src 'none'; script-src "+w.URL+
			"; connect-src "+w.URL+" "+strings.Replace(w.URL, "http", "ws", 1))
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		tag := ""
		if r.URL.Path != "/bare" {
			tag = `<script src="` + w.URL + `/widget.js" ` + attributes + `></script>`
		}
		fmt.Fprintf(out, `<!doctype html><html lang="en"><head><title>shop</title>%s</head><body><button id="before">b</button></body></html>`, tag)
	}))
	t.Cleanup(page.Close)
	w.cfg.Origins = []string{page.URL}
	o := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), // root has no sandbox
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), o...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.Navigate(page.URL+"/bare")); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	b := &tab{t, ctx, w}
	bare := get[[]string](b, `Object.getOwnPropertyNames(window)`)
	if err := chromedp.Do(ctx, chromedp.Navigate(page.URL)); err != nil {
		t.Fatal(err)
	}
	b.until("the widget is there", `return visible("launch")`)
	for _, name := range get[[]string](b, `Object.getOwnPropertyNames(window)`) {
		if !slices.Contains(bare, name) {
			t.Errorf("the page has a global %s from the widget", name)
		}
	}
	b.js(`document.hasFocus = () => true`) // the only window has none without a screen
	return b
}

// get evaluates an expression.
func get[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// js runs statements that know the widget's parts.
func (b *tab) js(statements string) {
	b.t.Helper()
	get[bool](b, chat+statements+";\nreturn true;\n})()")
}

// until waits for statements that return true.
func (b *tab) until(what, statements string) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	_, err := chromedp.Run(ctx, chromedp.Poll[bool](chat+statements+";\n})()", chromedp.WithPollingTimeout(0)))
	for err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "Cannot find context") { // the page was just replaced
		_, err = chromedp.Run(ctx, chromedp.Poll[bool](chat+statements+";\n})()", chromedp.WithPollingTimeout(0)))
	}
	if err != nil {
		b.t.Fatalf("%s: %v\nthe widget shows:\n%s", what, err, get[string](b, chat+`return $("panel")?.innerText ?? "nothing" })()`))
	}
}

func (b *tab) sees(text string) {
	b.t.Helper()
	q, _ := json.Marshal(text)
	b.until("see "+text, `return $("panel").innerText.includes(`+string(q)+`)`)
}

// keys presses keys as a person does.
func (b *tab) keys(keys string, o ...chromedp.KeyOption) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent(keys, o...)); err != nil {
		b.t.Fatal(err)
	}
}

// enter opens the panel and begins a chat; it returns the customer's id.
func (b *tab) enter(name string) string {
	b.t.Helper()
	b.js(`$("panel").hidden && $("launch").click(); type("name", "` + name + `"); $("start").click()`)
	b.until("online", `return $("link").textContent === chat.say("online")`)
	return get[string](b, `document.querySelector("openccsp-chat").talk.me.userId`)
}

func TestWidgetTalk(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, `data-lang="de" data-title="Laden" data-color="#7a1fa2"`)
	b.js(`$("launch").click()`)
	b.sees("Chat beginnen")
	b.sees("Laden")
	user := b.enter("Ada")

	b.js(`type("text", "Guten Tag")`)
	until(t, "the customer types", func() bool { return len(w.host.typed) > 0 })
	b.js(`$("send").click()`)
	until(t, "the message arrives", func() bool { return len(w.seen(sdk.CustomerMessage)) == 1 })
	if e := w.seen(sdk.CustomerMessage)[0]; e.Text != "Guten Tag" || e.Customer.Name != "Ada" || e.Customer.Address != user {
		t.Errorf("event %+v", e)
	}
	b.sees("gesendet")

	if err := w.TypingToCustomer(t.Context(), sdk.Customer{Address: user}, true); err != nil {
		t.Fatal(err)
	}
	b.until("the agent types", `return $("typing").textContent === "Jemand schreibt…"`)
	w.send(user, sdk.Message{ID: "c.1.1", Text: "Welche Grösse?", Author: sdk.AuthorAgent, Agent: sdk.Agent{Name: "Bea"},
		QuickReplies: []sdk.QuickReply{{Title: "Klein", Payload: "s"}, {Title: "Gross", Payload: "l"}},
		Attachments:  []sdk.Attachment{{URL: "https://gw.example.com/media/x", Name: "plan.pdf", Bytes: 2048}}})
	b.until("answer, file and choices", `return $("log").innerText.includes("Bea") && all(".bubble a").some((a) =>
		a.href === "https://gw.example.com/media/x" && a.textContent === "plan.pdf") && all("#choices button").length === 2`)
	until(t, "delivered and read", func() bool { return len(w.seen(sdk.MessageDelivered)) > 0 && len(w.seen(sdk.MessageRead)) > 0 })
	b.js(`all("#choices button")[1].click()`)
	until(t, "the choice arrives", func() bool { return len(w.seen(sdk.CustomerMessage)) == 2 })
	if q := w.seen(sdk.CustomerMessage)[1].QuickReply; q == nil || *q != (sdk.QuickReply{Title: "Gross", Payload: "l"}) {
		t.Errorf("quick reply %+v", q)
	}
	b.until("the choices are gone", `return all("#choices button").length === 0`)

	w.send(user, sdk.Message{ID: "c.1.2", Author: sdk.AuthorBot, Text: `{"form":{"id":"address","title":"Wohin?","fields":[
		{"name":"street","label":"Strasse","type":"text","required":true},
		{"name":"size","type":"choice","options":["S","M"]},{"name":"n","label":"Anzahl","type":"number"}]}}`})
	b.until("the form", `return all("form.ask input, form.ask select").length === 3`)
	b.js(`all("form.ask button")[0].click()`) // a field is missing
	b.js(`all("form.ask input")[0].value = "Hauptstrasse 1"; all("form.ask select")[0].value = "M"; all("form.ask button")[0].click()`)
	until(t, "the form comes back", func() bool { return len(w.seen(sdk.CustomEvent)) == 1 })
	if p := w.seen(sdk.CustomEvent)[0].Params; p["form"] != "address" || p["street"] != "Hauptstrasse 1" || p["size"] != "M" || len(p) != 3 {
		t.Errorf("params %v", p)
	}
	if got := w.seen(sdk.CustomerMessage)[2].Text; got != "Wohin?\nStrasse: Hauptstrasse 1\nsize: M" {
		t.Errorf("for people: %q", got)
	}
	b.until("it is answered once", `return all("form.ask button")[0].disabled`)
}

func TestWidgetFiles(t *testing.T) {
	w := newWeb(t, func(s *Settings) { s.MaxFile = 2 << 20 })
	b := openTab(t, w, `data-open`)
	b.enter("Ada")
	drop := func(name string, bytes int) string {
		return fmt.Sprintf(`const t = new DataTransfer();
			t.items.add(new File([new Uint8Array(%d).fill(7)], %q, { type: "image/png" }));
			$("panel").dispatchEvent(new DragEvent("dragover", { dataTransfer: t, bubbles: true, cancelable: true }));
			if (!visible("drop")) throw new Error("nothing says that files can be dropped");
			$("panel").dispatchEvent(new DragEvent("drop", { dataTransfer: t, bubbles: true, cancelable: true }))`, bytes, name)
	}
	b.until("the limit is known", `return chat.talk.config.maxFile < Infinity`)
	b.js(drop("big.png", 2<<20+1))
	b.sees("too large: at most 2.0 MB")
	b.js(drop("cat.png", 3*maxPart/2))
	until(t, "the file's message arrives", func() bool { return len(w.seen(sdk.CustomerMessage)) == 1 })
	a := w.seen(sdk.CustomerMessage)[0].Attachments
	if len(a) != 1 || a[0].Name != "cat.png" || a[0].MIME != "image/png" || len(w.host.file(a[0].MediaID)) != 3*maxPart/2 {
		t.Errorf("attachments %+v", a)
	}
	w.host.refuseFiles(sdk.Rejected("type", "this is no picture"))
	b.js(drop("dog.png", 100))
	b.sees("not sent: the file is not taken: this is no picture")
}

func TestWidgetAwayAndBack(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, "")
	user := b.enter("Ada")
	b.js(`$("close").click()`)
	w.send(user, text(1))
	w.send(user, text(2))
	b.until("the badge", `return $("launch").textContent === "💬 2" && $("launch").getAttribute("aria-label") === "Open chat, 2 unread"`)
	if n := len(w.seen(sdk.MessageRead)); n != 0 {
		t.Errorf("%d read receipts while it was closed", n)
	}
	b.js(`$("launch").click()`)
	until(t, "read", func() bool { return len(w.seen(sdk.MessageRead)) == 2 })
	b.until("no badge", `return $("launch").textContent === "💬"`)

	w.outage(true)
	b.until("it says that it is offline", `return ["offline, trying again", "connecting again…"].includes($("link").textContent)`)
	b.js(`type("text", "while away"); $("send").click()`)
	b.sees("sending…")
	w.host.keep(user, text(3)) // meanwhile
	w.outage(false)
	b.js(`dispatchEvent(new Event("online"))`)
	until(t, "what was written arrives", func() bool { return len(w.seen(sdk.CustomerMessage)) == 1 })
	b.sees("message 3")
	if n := get[int](b, chat+`return all("#log li").length })()`); n != 4 {
		t.Errorf("%d rows, want 4: none twice", n)
	}
	if err := chromedp.Do(b.ctx, chromedp.Reload()); err != nil {
		t.Fatal(err)
	}
	b.until("the conversation is still there", `return all("#log li").length === 4 && chat.talk.me.userId === "`+user+`"`)
}

// A connection on which nothing is answered is none, wherever the answers end.
func TestWidgetHalfOpen(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, "")
	b.enter("Ada")
	for _, stage := range []mute{muteAtOnce, muteSocket, muteConnack} {
		w.mu.Lock()
		w.mute = stage
		w.mu.Unlock()
		w.outage(true)
		b.until("away", `return chat.talk.status !== "online"`)
		w.outage(false)
		b.js(`dispatchEvent(new Event("online"))`)
		b.until("online", `return chat.talk.status === "online"`)
		w.mu.Lock()
		if w.mute != noMute {
			t.Errorf("stage %d: there was another connection before the mute one", stage)
		}
		w.mu.Unlock()
	}
}

func TestWidgetIsAccessible(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, "")
	b.js(`$("launch").focus()`)
	b.keys("\r")
	b.until("focus goes into the panel", `return chat.shadowRoot.activeElement === $("name")`)
	b.keys("Ada\r")
	b.until("then to the text", `return visible("text") && chat.shadowRoot.activeElement === $("text")`)
	for range 12 { // more than there is to stop at
		b.keys("\t")
		b.until("focus stays inside", `return $("panel").contains(chat.shadowRoot.activeElement)`)
	}
	for range 12 {
		b.keys("\t", chromedp.KeyModifiers(8)) // shift
		b.until("backwards, too", `return $("panel").contains(chat.shadowRoot.activeElement)`)
	}
	b.keys("\x1b")
	b.until("escape closes, and focus goes back", `return !visible("panel") && chat.shadowRoot.activeElement === $("launch")`)
	b.js(`$("launch").click()`)
	b.until("everything has a name", `return all("button, input:not(.unseen), textarea").every((e) =>
		(e.getAttribute("aria-label") || e.textContent || e.labels?.[0]?.textContent || "").trim() !== "")`)
	b.until("what is new is read aloud", `return $("log").ariaLive === "polite" && $("problem").getAttribute("role") === "alert"`)

	user := get[string](b, `document.querySelector("openccsp-chat").talk.me.userId`)
	w.send(user, text(1))
	b.js(`chat.talk.say("hello")`)
	b.sees("message 1")
	for _, theme := range []string{"light", "dark"} {
		b.js(`chat.style.colorScheme = "` + theme + `"`)
		low := get[string](b, chat+contrast)
		if low != "" {
			t.Errorf("%s: too little contrast: %s", theme, low)
		}
	}
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(360, 640)); err != nil {
		t.Fatal(err)
	}
	b.until("it fills a phone", `const r = $("panel").getBoundingClientRect(); return r.width === 360 && r.height === 640 && r.left === 0`)
	b.until("nothing sticks out", `return all("#panel *").every((e) => e.classList.contains("unseen") || e.getBoundingClientRect().right <= 361)`)
}

// contrast lists texts with less than 4.5 to 1 against what is behind them.
const contrast = `const rgb = (c) => {
		const x = document.createElement("canvas").getContext("2d");
		x.fillStyle = c; x.fillRect(0, 0, 1, 1);
		return [...x.getImageData(0, 0, 1, 1).data];
	};
	const lum = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((s, c, i) => s + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255]; };
	const low = [];
	for (const e of all("#title, #link, button, .bubble, .note, textarea, #typing")) {
		if (!e.getClientRects().length) continue;
		const [a, b] = [lum(rgb(getComputedStyle(e).color)), lum(behind(e))].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < 4.5) low.push((e.id || e.className) + " " + ratio.toFixed(2));
	}
	return low.join(", ");
})()`

// attacks are texts that would run if they were markup.
func attacks(n int) (list []string) {
	forms := []string{`<img src=x onerror="hack(%d)">`, `<script>hack(%d)</script>`, `"><svg onload=hack(%d)>`,
		`<iframe srcdoc="<script>parent.hack(%d)</script>"></iframe>`, `</li><b onmouseover=hack(%d)>`, `{{constructor.constructor("hack(%d)")()}}`,
		`<a href="javascript:hack(%d)">x</a>`, `<math><mi xlink:href="data:x,<script>hack(%d)</script>">`, "`${hack(%d)}`", `<details open ontoggle=hack(%d)>`}
	for i := range n {
		list = append(list, fmt.Sprintf(forms[i%len(forms)], i))
	}
	return list
}

func TestWidgetShowsTextsAsTexts(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, "")
	user := b.enter(`<img src=x onerror=hack()>`)
	b.js(`window.hacked = 0; window.hack = () => window.hacked++`)
	list := attacks(500)
	const batch = 100
	for from := 0; from < len(list); from += batch {
		for i, text := range list[from : from+batch] {
			m := sdk.Message{ID: fmt.Sprintf("c.2.%d", from+i), Text: text, Author: sdk.AuthorAgent, Agent: sdk.Agent{Name: text}}
			switch i % 4 {
			case 0:
				m.Attachments = []sdk.Attachment{{URL: "javascript:hack()", Name: text, Caption: text, MIME: text}}
			case 1:
				m.QuickReplies = []sdk.QuickReply{{Title: text, Payload: text}}
			case 2:
				m.URLPush = "javascript:hack()//" + text
			case 3:
				f, _ := json.Marshal(form{ID: "f", Title: text, Submit: text, Fields: []formField{
					{Name: "a", Label: text, Type: "text"}, {Name: "b", Label: text, Type: "choice", Options: []string{text}}}})
				m.Extras = map[string]string{"form": string(f)}
			}
			w.send(user, m)
		}
		wanted, _ := json.Marshal(list[from : from+batch])
		b.until("all as they were written", `const rows = all("#log li").slice(-100).map((li) => li.textContent);
			return rows.length === 100 && `+string(wanted)+`.every((text, i) => rows[i].includes(text))`)
	}
	if n := get[int](b, "window.hacked"); n != 0 {
		t.Errorf("%d of the texts ran", n)
	}
	if got := get[string](b, chat+`return all("img, script, svg, iframe, math, details, b, [onerror], [onload], a[href^='javascript'], a[href^='data']").map((e) => e.outerHTML).join() })()`); got != "" {
		t.Errorf("texts became elements: %.300s", got)
	}
}
