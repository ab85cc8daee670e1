package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
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

func open(t *testing.T, browser context.Context, name, address string) *tab {
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
	ctx, stop := context.WithTimeout(p.ctx, stepLimit)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("%s: %s: %v\nthe page shows:\n%s", p.name, what, err, p.shown())
	}
}

// shown is the text of the page.
func (p *tab) shown() string {
	ctx, stop := context.WithTimeout(p.ctx, 5*time.Second)
	defer stop()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return "nothing: " + err.Error()
	}
	return text
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// write types text as a person does, in place of what is there.
func (p *tab) write(selector, text string) {
	p.t.Helper()
	p.until("have "+selector, fmt.Sprintf(`(document.querySelector(%s)?.select(), true)`, strconv.Quote(selector)))
	p.do("write into "+selector,
		chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// sees waits for a text in what a selector names.
func (p *tab) sees(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("see %q in %s", text, selector), fmt.Sprintf(
		`[...document.querySelectorAll(%s)].some((e) => e.offsetParent !== null && e.innerText.includes(%s))`,
		strconv.Quote(selector), strconv.Quote(text)))
}

// until waits for an expression of JavaScript to become true.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, stepLimit)
	defer stop()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(0))); err != nil {
		p.t.Fatalf("%s: %s: %v\nthe page shows:\n%s", p.name, what, err, p.shown())
	}
}

func TestBrowser(t *testing.T) {
	s, err := newStage(t.TempDir(), built)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := browser(t)
	customer := open(t, b, "customer", s.page)
	agent := open(t, b, "agent", s.desk)
	customer.write("#name", "Ada")
	customer.click("#welcome button")
	customer.sees("#link", "online")
	customer.write("#text", "Where is my parcel?\r")
	agent.sees("#queued", "Ada")
	agent.click("#queued button")
	agent.click(`button[data-act="take"]`)
	agent.write("#text", "It comes tomorrow.\r")
	customer.sees("#log", "It comes tomorrow.")
}
