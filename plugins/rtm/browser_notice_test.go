package main

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/openccsp/gateway/sdk"
)

// TestWidgetNotices: the customer sees what became of each message and who is
// there, also of the time when the page was away.
func TestWidgetNotices(t *testing.T) {
	w := newWeb(t, nil)
	b := openTab(t, w, `data-lang="de"`)
	user := b.enter("Ada")
	customer := sdk.Customer{Address: user}
	receipt := func(tid, status string) {
		t.Helper()
		if err := w.ReceiptToCustomer(t.Context(), customer, tid, status); err != nil {
			t.Fatal(err)
		}
	}
	event := func(name, agent string) {
		t.Helper()
		if err := w.EventToCustomer(t.Context(), customer, name, map[string]string{"name": agent}); err != nil {
			t.Fatal(err)
		}
	}
	note := func(row, ticks, word string) {
		t.Helper()
		b.until(word, `const note = all("#log li.mine .note")[`+row+`];
			const tick = note?.querySelector(".tick");
			return tick?.textContent === "`+ticks+`" && tick.getAttribute("aria-hidden") === "true" &&
				note.textContent.startsWith("`+ticks+` `+word+`,") && note.getAttribute("aria-live") === "off"`)
	}
	b.js(`chat.talk.say("eins"); chat.talk.say("zwei")`)
	until(t, "both arrive", func() bool { return len(w.seen(sdk.CustomerMessage)) == 2 })
	one, two := w.seen(sdk.CustomerMessage)[0].MessageID, w.seen(sdk.CustomerMessage)[1].MessageID
	note("0", "✓", "gesendet")
	b.js(`all("#log li.mine")[0].kept = true`)
	receipt(one, "delivered")
	note("0", "✓✓", "zugestellt")
	receipt(one, "read")
	receipt(one, "delivered") // late
	note("0", "✓✓", "gelesen")
	note("1", "✓", "gesendet")
	b.until("the message is not read aloud again", `return all("#log li.mine")[0].kept`)

	event("agent_joined", "Anna")
	b.sees("Anna ist jetzt da")
	w.send(user, sdk.Message{ID: "c.1.1", Text: "Ja?", Author: sdk.AuthorAgent, QuickReplies: []sdk.QuickReply{{Title: "Ja"}}})
	event("agent_joined", "Bea")
	b.sees("Bea ist jetzt da")
	b.until("the choices stay", `return all("#choices button").length === 1`)

	// away, and back
	b.js(`$("close").click()`)
	w.outage(true)
	b.until("away", `return chat.talk.status !== "online"`)
	receipt(two, "read")
	event("agent_left", "Anna")
	event("agent_left", "Carl") // who was never seen
	w.host.keep(user, text(3))
	w.outage(false)
	b.js(`dispatchEvent(new Event("online"))`)
	b.until("only the message is unread", `return chat.talk.log.some((m) => m.event === "agent_left") && $("launch").textContent === "💬 1"`)
	b.js(`$("launch").click()`)
	note("1", "✓✓", "gelesen")
	rows := `const rows = all("#log li").map((li) => li.querySelector(".bubble, .note").textContent);
		return rows.join("|") === "eins|zwei|Anna ist jetzt da|Ja?|Bea ist jetzt da|Anna hat den Chat verlassen|message 3" ||
			rows.join("|") === "eins|zwei|Anna ist jetzt da|Ja?|Bea ist jetzt da|message 3|Anna hat den Chat verlassen"`
	b.until("everything once, in order", rows)
	if err := chromedp.Do(b.ctx, chromedp.Reload()); err != nil {
		t.Fatal(err)
	}
	b.until("and after a reload", `if (chat?.talk.status !== "online") return false; `+rows)
	note("1", "✓✓", "gelesen")
	if low := get[string](b, chat+contrast); low != "" {
		t.Errorf("too little contrast: %s", low)
	}
}
