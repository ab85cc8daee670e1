package main

import (
	"fmt"
	"testing"

	"github.com/golang-jwt/jwt/v5"
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
