package engine

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// gone has the desk not know chat-1 any more.
func (c *call) gone() {
	if c.Op == pluginv1.Op_SEND && c.instance == "desk" && c.Chat.Ref == "chat-1" {
		c.outcome(pluginv1.Outcome_CHAT_GONE, 0)
		return
	}
	c.ok()
}

// TestTheLastWordsOfAChatThatIsGone: they are read before the chat is lost, also
// if polls are lost while the vendor says that it does not know the chat.
func TestTheLastWordsOfAChatThatIsGone(t *testing.T) {
	for _, lost := range []int32{0, 1, 3, 6} {
		t.Run(fmt.Sprint(lost, " polls are lost"), func(t *testing.T) {
			v := &vendor{}
			engine(t, polling, func(r *rig) {
				r.onPoll = v.poll
				r.open()
				r.after(10500 * time.Millisecond)
				v.says(said("", "1", "bye"), &pluginv1.Event{Type: sdk.ChatClosed, Id: "2", Status: "closed", Reason: "done"})
				r.answer((*call).gone)
				var left atomic.Int32
				left.Store(lost)
				r.pollWith(func(p *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
					switch {
					case p.Chat.Ref != "chat-1":
						return &pluginv1.PollAnswer{Result: good}, core.Answered, 0
					case left.Add(-1) >= 0:
						return nil, core.Lost, 100 * time.Millisecond
					}
					return v.poll(p)
				})
				r.accept("chan", from("ada", "2", "more"))
				r.after(2 * time.Minute)
				r.want("chan", "bye")
				if c := r.to("desk", pluginv1.Op_OPEN); len(c) != 1 || c[0].Message.Text != "more" {
					t.Errorf("opened %d chats, want one with what was to be said", len(c))
				}
			})
		})
	}
}

// TestAChatThatCannotBePolledIsLost: what waits for it does not wait for ever.
func TestAChatThatCannotBePolledIsLost(t *testing.T) {
	engine(t, polling, func(r *rig) {
		r.open()
		r.answer((*call).gone)
		r.pollWith(func(p *pluginv1.Poll) (*pluginv1.PollAnswer, core.Fate, time.Duration) {
			if p.Chat.Ref != "chat-1" {
				return &pluginv1.PollAnswer{Result: good}, core.Answered, 0
			}
			return nil, core.Lost, 0
		})
		r.accept("chan", from("ada", "2", "more"))
		r.after(5 * time.Minute)
		sends := r.to("desk", pluginv1.Op_SEND)
		if n := len(sends); n != goneMost+1 {
			t.Errorf("%d tries, want %d", n, goneMost+1)
		}
		if doc := r.doc(ada()); doc.Chat.Number != 2 || doc.Chat.State != state.ChatState_CHAT_OPEN {
			t.Errorf("the chat is %v", doc.Chat)
		}
	})
}

// TestALaneThatCannotBeReadIsNotOvertaken: what waits for a closed chat moves
// all together, or later.
func TestALaneThatCannotBeReadIsNotOvertaken(t *testing.T) {
	engine(t, nil, func(r *rig) {
		r.open()
		r.answer(func(c *call) {
			if c.instance == "desk" && c.Chat.Ref == "chat-1" {
				c.outcome(pluginv1.Outcome_RETRY, time.Minute)
				return
			}
			c.ok()
		})
		var want []string
		for i := range 3 * maxHeads {
			want = append(want, fmt.Sprint("m", i))
			r.accept("chan", from("ada", fmt.Sprint(i), want[i]))
		}
		r.accept("desk", &pluginv1.Event{Type: sdk.ChatClosed, Ref: "chat-1", Id: "closed", Status: "closed"})
		r.forget()
		var reads atomic.Int32
		r.disk.hook(func(op string, _ *store.Commit) error {
			if op == "lane" && reads.Add(1)%3 == 2 { // some of the reads fail
				return store.ErrUnavailable
			}
			return nil
		}, nil)
		r.after(10 * time.Minute)
		r.want("desk", want...)
		if reads.Load() < 3 || !r.logs.has("lane could not be read") {
			t.Errorf("%d reads, none failed: %s", reads.Load(), strings.Join(r.texts("desk"), " "))
		}
		r.idle()
	})
}
