package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/openccsp/gateway/examples/internal/agent"
)

// browser is a real one, without a window. The test is skipped where none is installed.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium: apt-get install chromium")
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), // root has no sandbox
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), o...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return ctx
}

// tab is one page of it.
type tab struct {
	t    *testing.T
	ctx  context.Context
	name string
}

func open(browser context.Context, t *testing.T, name, address string) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(browser)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil { // the tab lasts as long as the context of its first action
		t.Fatalf("%s: no tab: %v", name, err)
	}
	p := &tab{t, ctx, name}
	p.do("open "+address, chromedp.Navigate("http://"+address+"/"))
	return p
}

// do fails the test with what the page shows if the actions cannot be done.
func (p *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, agent.StepLimit)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %s: %v\nthe page shows:\n%s", p.name, what, err, p.shown())
	}
}

// find looks into the page and into the shadow trees of its elements.
const find = `var all = (selector) => [document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)]
	.flatMap((root) => [...root.querySelectorAll(selector)]);
`

// shown is the text of the page.
func (p *tab) shown() string {
	ctx, stop := context.WithTimeout(p.ctx, 5*time.Second)
	defer stop()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](find+`all("body, #panel").map((e) => e.innerText).join("\n")`))
	if err != nil {
		return "nothing: " + err.Error()
	}
	return text
}

// click clicks what a selector names, as soon as a person could: it is there and
// nothing lies over it. A click by coordinates could miss what just moves.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.until("click "+selector, fmt.Sprintf(`(() => {
		const e = all(%s)[0];
		e?.scrollIntoView({ block: "nearest" });
		const r = e?.getBoundingClientRect();
		const top = r?.width && e.getRootNode().elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
		if (!top || !e.contains(top) || e.disabled) return false;
		e.click();
		return true;
	})()`, strconv.Quote(selector)))
}

// write types text as a person does, in place of what is there.
func (p *tab) write(selector, text string) {
	p.t.Helper()
	p.until("have "+selector, fmt.Sprintf(`(() => {
		const e = all(%s)[0];
		if (!e?.getClientRects().length) return false;
		e.focus();
		e.select();
		return true;
	})()`, strconv.Quote(selector)))
	p.do("write into "+selector, chromedp.KeyEvent(text))
}

// sees waits for a text in what a selector names.
func (p *tab) sees(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("see %q in %s", text, selector), fmt.Sprintf(
		`all(%s).some((e) => e.getClientRects().length > 0 && e.innerText.includes(%s))`,
		strconv.Quote(selector), strconv.Quote(text)))
}

// until waits for an expression of JavaScript to become true.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, agent.StepLimit)
	defer stop()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool]("(() => {\n"+find+"return "+expression+";\n})()", chromedp.WithPollingTimeout(0))); err != nil {
		p.t.Fatalf("%s: %s: %v\nthe page shows:\n%s", p.name, what, err, p.shown())
	}
}

// specialistRule moves a chat from the club's contact center to the webshop's.
const specialistRule = `rules:
  - name: to a specialist
    on: custom_event
    event_name: to_specialist
    service: club
    do:
      - send: A specialist takes over.
      - transfer: { service: demo }
`

// A whole talk in a real browser: a guest, a bot, an agent at IMIchat, and one at
// Enghouse, to whom the first one hands over.
func TestBrowser(t *testing.T) {
	b := browser(t)
	s, err := newStage(t.TempDir(), built)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(s.rules("specialist.yaml"), []byte(specialistRule), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.start(t.Context()), s.openClub(t.Context())); err != nil {
		t.Fatalf("%v\n%s", err, s.home.LogTail())
	}
	defer func() {
		if t.Failed() {
			t.Log(s.home.LogTail())
		}
	}()
	guest := open(b, t, "guest", s.clubPage)
	first := open(b, t, "agent at IMIchat", s.club)
	second := open(b, t, "agent at Enghouse", s.desk)

	guest.write("#name", "Cleo")
	guest.click("#welcome button")
	guest.sees("#link", "online")
	guest.write("#text", "Hello\r")
	guest.sees("#log", "Hello Cleo, I am the shop's bot.")
	guest.press("#choices", "Talk to a person")
	guest.sees("#log", "One moment")

	first.write("#agent", "Zoe")
	first.sees("#queued", "Cleo")
	first.click("#queued button")
	first.click(`[data-act="pick"]`)
	first.sees("#log", "I am the shop's bot.")
	first.write("#text", "Zoe here, how can I help?\r")
	guest.sees("#log", "Zoe here, how can I help?")
	first.click("#private")
	first.write("#text", "Never for the guest.\r")
	first.sees("#log", "Never for the guest.")
	first.click("#private")

	guest.write("#text", "My card does not work\r")
	first.sees("#log", "My card does not work")
	first.click(`[data-testid="event-menu"] summary`)
	first.write("#event-name", "to_specialist")
	first.click(`[data-testid="event-send"]`)
	guest.sees("#log", "A specialist takes over.")

	second.write("#agent", "Sam")
	second.sees("#queued", "Cleo")
	second.click("#queued button")
	second.click(`[data-act="take"]`)
	second.sees("#log", "My card does not work")
	second.write("#text", "Sam here, your card works again.\r")
	guest.sees("#log", "Sam here, your card works again.")
	first.sees("#closed", "Cleo")

	second.click(`[data-testid="close-menu"] summary`)
	second.click(`[data-testid="close-send"]`)
	second.sees("#closed", "Cleo")
	err = agent.Until(t.Context(), "the gateway knows that the chat is closed", func(ctx context.Context) (bool, error) {
		var open struct{ Items []conversation }
		err := s.home.Get(ctx, "/v1/conversations?status=open", &open)
		return err == nil && len(open.Items) == 0, err
	})
	if err != nil {
		t.Fatal(err)
	}
	guest.write("#text", "Bye\r")
	guest.sees("#log", "goodbye")
	if shown := guest.shown(); strings.Contains(shown, "Never for the guest") {
		t.Errorf("the guest sees a note among agents:\n%s", shown)
	}
	for _, desk := range []string{s.club, s.desk} {
		var refused struct {
			Refused []any
			Wrong   int
		}
		if err := agent.Call(t.Context(), http.MethodGet, "http://"+desk+"/sim/refused", nil, nil, &refused); err != nil || refused.Wrong > 0 {
			t.Errorf("%s refused %v, %v; want nothing that breaks the contract", desk, refused.Refused, err)
		}
	}
}

// press clicks the button that says name, within what a selector names.
func (p *tab) press(within, name string) {
	p.t.Helper()
	p.until("press "+name, fmt.Sprintf(`(() => {
		const b = all(%s).find((b) => b.innerText === %s);
		b?.click();
		return b !== undefined;
	})()`, strconv.Quote(within+" button"), strconv.Quote(name)))
}
