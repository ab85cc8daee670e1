package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"github.com/openccsp/gateway/sdk"
)

// TestWidgetOfAnotherUser: a browser that knows one customer shows that conversation
// neither to another one nor to a visitor.
func TestWidgetOfAnotherUser(t *testing.T) {
	w := newWeb(t, nil)
	as := func(user string) string {
		return backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": user})
	}
	b := openTab(t, w, fmt.Sprintf(`data-token=%q data-open`, as("alice")))
	b.until("alice is there", `return chat.talk.me?.userId === "alice" && chat.talk.status === "online"`)
	another := `window.%s = new chat.constructor(); %[1]s.open({ hook: chat.options.hook%s }); document.body.append(%[1]s)`
	b.js(fmt.Sprintf(another, "visitor", ""))
	if got := get[bool](b, `visitor.talk.me === null`); !got {
		t.Error("a visitor goes on as a customer whom the page has proved")
	}
	b.js(fmt.Sprintf(another, "bob", fmt.Sprintf(`, token: %q`, as("bob"))))
	if got := get[bool](b, `bob.talk.me?.userId !== "alice"`); !got {
		t.Error("bob goes on as alice")
	}
	b.until("bob is there", `return bob.talk.me?.userId === "bob"`)
}

// TestWidgetNewWord: what the page's backend says today counts, though the browser has
// a token of yesterday; without that, yesterday's goes on.
func TestWidgetNewWord(t *testing.T) {
	w := newWeb(t, nil)
	as := func(tier string, exp time.Time) string {
		return backendJWT(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{
			"exp": exp.Unix(), "profile": map[string]any{"attributes": map[string]string{"tier": tier}}})
	}
	tier := func(text string) (tier string) {
		t.Helper()
		until(t, "the message "+text, func() (there bool) {
			for _, e := range w.seen(sdk.CustomerMessage) {
				if e.Text == text {
					there, tier = true, e.Customer.Attributes["tier"]
				}
			}
			return there
		})
		return tier
	}
	later := time.Now().Add(time.Hour)
	b := openTab(t, w, fmt.Sprintf(`data-token=%q data-open`, as("basic", later)))
	b.until("alice is there", `return chat.talk.status === "online"`)
	b.js(`chat.talk.say("one")`)
	if got := tier("one"); got != "basic" {
		t.Errorf("at first the tier is %q", got)
	}
	another := `window.%s = new chat.constructor(); %[1]s.open({ hook: chat.options.hook, token: %q }); document.body.append(%[1]s)`
	leave := `%s.talk.session++; %[1]s.talk.client.end(true)` // as with the page
	b.js(fmt.Sprintf(leave, "chat"))
	b.js(fmt.Sprintf(another, "today", as("gold", later)))
	b.until("she is there again", `return today.talk.status === "online"`)
	b.js(`today.talk.say("two")`)
	if got := tier("two"); got != "gold" {
		t.Errorf("with another word of the backend the tier is %q", got)
	}
	b.js(fmt.Sprintf(leave, "today"))
	b.js(fmt.Sprintf(another, "stale", as("platinum", time.Now().Add(-time.Hour))))
	b.until("she is there with what is kept", `return stale.talk.status === "online"`)
	b.js(`stale.talk.say("three")`)
	if got := tier("three"); got != "gold" {
		t.Errorf("with a stale word of the backend the tier is %q", got)
	}
}

// TestWidgetTabs: what one tab knows is not lost to another one, and whom one has
// forgotten no other one brings back.
func TestWidgetTabs(t *testing.T) {
	w := newWeb(t, nil)
	one := openTab(t, w, "data-open")
	user := one.enter("Ada")
	one.js(`chat.talk.say("one")`)
	ctx, stop := chromedp.NewContext(one.ctx)
	t.Cleanup(stop)
	two := &tab{t, ctx, w}
	if err := chromedp.Do(ctx, chromedp.Navigate(get[string](one, "location.href"))); err != nil {
		t.Fatal(err)
	}
	two.until("the second tab goes on", `return chat?.talk.status === "online" && chat.talk.me.userId === "`+user+`"`)
	two.js(`chat.talk.say("two")`)
	until(t, "two arrives", func() bool { return len(w.seen(sdk.CustomerMessage)) >= 2 })
	one.until("the first tab shows it", `return all("#log li.mine.sent").length === 2`)
	one.js(`chat.talk.say("three")`)
	until(t, "three arrives", func() bool { // two may have come from both tabs
		return slices.ContainsFunc(w.seen(sdk.CustomerMessage), func(e sdk.Event) bool { return e.Text == "three" })
	})
	for _, e := range w.seen(sdk.CustomerMessage) {
		if err := w.ReceiptToCustomer(t.Context(), sdk.Customer{Address: user}, e.MessageID, "read"); err != nil {
			t.Fatal(err)
		}
	}
	if err := chromedp.Do(ctx, chromedp.Reload()); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*tab{one, two} {
		b.until("all is there, in order", `return all("#log li.mine.read .bubble").map((e) => e.textContent).join() === "one,two,three"`)
	}

	one.js(`$("leave").click()`)
	two.until("the second tab has heard", `return chat.talk.kept.off`)
	w.outage(true)
	two.until("away", `return chat.talk.status !== "online"`)
	w.outage(false)
	two.js(`dispatchEvent(new Event("online"))`)
	two.until("it goes on by itself", `return chat.talk.status === "online" && chat.talk.me.userId === "`+user+`" && all("#log li").length === 3`)
	two.js(`chat.talk.keep()`)
	if got := get[bool](one, chat+`return chat.talk.me === null && chat.talk.kept.read("me") === null && chat.talk.kept.read("log") === null })()`); !got {
		t.Error("the customer is back")
	}
}

// TestWidgetKeepsTheCustomer: an answer that ends in the middle is none.
func TestWidgetKeepsTheCustomer(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, "")
	user := b.enter("Ada")
	w.outage(true)
	b.until("away", `return chat.talk.status !== "online"`)
	w.mu.Lock()
	w.cut = true
	w.mu.Unlock()
	w.outage(false)
	b.js(`dispatchEvent(new Event("online"))`)
	b.until("back", `return chat.talk.status === "online"`)
	if now := get[string](b, chat+`return chat.talk.me.userId })()`); now != user || w.cuts("/register") {
		t.Errorf("the customer is %s, was %s", now, user)
	}
}

// TestWidgetRenews: a page that stays open for days goes on as the same customer.
func TestWidgetRenews(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, "")
	b.js(`const timer = window.setTimeout;
		window.setTimeout = (f, ms, ...more) => {
			if (ms < 3_600_000) return timer(f, ms, ...more);
			window.renew = f;
			window.term = ms;
			return 0;
		}`)
	user := b.enter("Ada")
	if hours := get[int](b, `window.term / 3_600_000`); hours != 12 {
		t.Errorf("renewed after %d hours, want half of a day", hours)
	}
	began := time.Now()
	for _, later := range []time.Duration{12 * time.Hour, 30 * time.Hour} { // in time, and past the first token's end
		w.host.setNow(began.Add(later))
		b.js(`window.old = chat.talk.me.accessToken; window.renew()`)
		b.until("online, with another token", `return chat.talk.status === "online" && chat.talk.me.accessToken !== window.old`)
		if now := get[string](b, chat+`return chat.talk.me.userId })()`); now != user {
			t.Errorf("%v later the customer is %s, was %s", later, now, user)
		}
	}
}

// TestWidgetStartsAfresh: an answer on its way does not bring back who was forgotten.
func TestWidgetStartsAfresh(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, "")
	b.enter("Ada")
	b.js(`const talk = chat.talk; talk.register().finally(() => { window.ended = true; }); talk.forget()`)
	b.until("the answer is there", `return window.ended === true`)
	if got := get[bool](b, chat+`return chat.talk.me === null && chat.talk.kept.read("me") === null })()`); !got {
		t.Error("the customer is back")
	}
}
