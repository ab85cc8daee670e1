package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// ticks lets ada's app show receipts and agents.
func ticks(r *rig) {
	r.snap.Instances["chan"].Abilities = []string{pluginv1.AbilityReceipt, pluginv1.AbilitySendEvent}
}

// write is a customer's message with an id of the channel's.
func write(address, id string) *pluginv1.Event {
	ev := from(address, id, "text "+id)
	ev.MessageId = id
	return ev
}

// noticed are the notices that the channel was asked to show, in order.
func (r *rig) noticed() (all []string) {
	for _, c := range r.all() {
		switch {
		case c.instance != "chan":
		case c.Op == pluginv1.Op_RECEIPT:
			all = append(all, c.Customer.Address+" "+c.Status+" "+c.MessageId)
		case c.Op == pluginv1.Op_EVENT:
			all = append(all, c.Customer.Address+" "+c.EventName+" "+c.Params["name"])
		}
	}
	return all
}

func (r *rig) wantNoticed(want ...string) {
	r.Helper()
	r.after(0)
	if diff := cmp.Diff(want, r.noticed()); diff != "" {
		r.Errorf("-want +got:\n%s", diff)
	}
}

func TestNotices(t *testing.T) {
	engine(t, ticks, func(r *rig) {
		r.open()
		r.accept("chan", write("ada", "m1"))
		r.accept("desk", &pluginv1.Event{Type: sdk.ChatAssigned, Id: "1", Ref: "chat-1", Agent: &pluginv1.Agent{Name: "Bob"}})
		r.accept("chan", write("ada", "m2"))
		r.wantNoticed("ada delivered m1", "ada agent_joined Bob", "ada delivered m2")
		if c := r.to("chan", pluginv1.Op_RECEIPT)[0]; c.conv == ada() || c.Attempt != 1 {
			t.Errorf("it stands before her messages, or is attempt %d", c.Attempt)
		}
		r.wantMetric("gateway_notices_dropped_total", "", 0)
		r.idle()
	})
}

// A channel that shows none pays nothing for them, and one that does no write.
func TestNoticesAreNotStored(t *testing.T) {
	var writes [2]int
	for i, conf := range []func(*rig){nil, ticks} {
		engine(t, conf, func(r *rig) {
			r.open()
			before := len(r.disk.made()) + r.disk.appends
			r.accept("chan", write("ada", "m1"))
			r.after(time.Minute)
			if got := len(r.noticed()); got != i {
				t.Errorf("%d notices, want %d", got, i)
			}
			writes[i] = len(r.disk.made()) + r.disk.appends - before
		})
	}
	if writes[0] != writes[1] {
		t.Errorf("%d writes without notices, %d with them", writes[0], writes[1])
	}
}

// What becomes of a notice is nothing to the messages.
func TestNoticesAreTriedForAWhile(t *testing.T) {
	on := func(fate core.Fate, o pluginv1.Outcome, times int) func(*call) {
		return func(c *call) {
			if c.Op == pluginv1.Op_RECEIPT && int(c.Attempt) <= times {
				c.done(&pluginv1.Result{Outcome: o}, fate)
				return
			}
			c.ok()
		}
	}
	tests := []struct {
		name    string
		on      func(*call)
		calls   int
		dropped float64
	}{
		{"no plugin for a while", on(core.NoPlugin, 0, 3), 4, 0},
		{"no plugin", on(core.NoPlugin, 0, 1000), noticeTries, 1},
		{"its plugin ends", on(core.Lost, 0, 1), 2, 0},
		{"to be tried again", on(core.Answered, pluginv1.Outcome_RETRY, 1), 2, 0},
		{"refused", on(core.Answered, pluginv1.Outcome_REJECTED, 1000), 1, 0},
		{"answered twice", func(c *call) {
			if c.Op == pluginv1.Op_RECEIPT {
				c.ok()
			}
			c.ok()
		}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			engine(t, ticks, func(r *rig) {
				r.open()
				r.answer(tt.on)
				r.accept("chan", write("ada", "m1"))
				r.after(0)
				r.agentSays("at once")
				r.want("chan", "at once")
				r.idle() // a notice keeps nothing in memory but itself
				r.after(5 * time.Minute)
				if n := len(r.to("chan", pluginv1.Op_RECEIPT)); n != tt.calls {
					t.Errorf("%d calls, want %d", n, tt.calls)
				}
				r.wantMetric("gateway_notices_dropped_total", "", tt.dropped)
				if n := r.e.instance("chan").notices.left(); n != 0 {
					t.Errorf("%d customers are left", n)
				}
			})
		})
	}
}

func (n *notices) left() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.all) + len(n.ready) + n.calls
}

// A customer is told one thing after the other, few customers at a time, and a
// channel that answers nothing keeps no more than so many notices.
func TestNoticesAreBounded(t *testing.T) {
	engine(t, ticks, func(r *rig) {
		n := &r.e.instance("chan").notices
		r.answer(func(c *call) {
			if c.Op != pluginv1.Op_RECEIPT {
				c.ok()
			}
		})
		const many = maxNoticing + 10
		for i := range many {
			r.accept("chan", write(fmt.Sprint("c", i), "first"))
		}
		for i := range maxNotices + 4 {
			r.accept("chan", write("c0", fmt.Sprint("m", i)))
		}
		r.after(0)
		calls := r.to("chan", pluginv1.Op_RECEIPT)
		if len(calls) != maxNoticing {
			t.Errorf("%d calls are under way, want %d", len(calls), maxNoticing)
		}
		r.wantMetric("gateway_notices_dropped_total", "", 5)
		r.answer(nil)
		for _, c := range calls {
			c.ok()
		}
		r.after(0)
		var told []string
		for _, line := range r.noticed() {
			if id, ok := cutCustomer(line, "c0"); ok {
				told = append(told, id)
			}
		}
		if want := append([]string{"first"}, numbersFrom("m", maxNotices+4)[5:]...); !slices.Equal(told, want) {
			t.Errorf("c0 is told of %q, want %q", told, want)
		}
		if all := len(r.noticed()); all != many+maxNotices-1 || n.left() != 0 {
			t.Errorf("%d notices, %d left", all, n.left())
		}
	})
}

// cutCustomer returns the message of a receipt to a customer.
func cutCustomer(line, address string) (id string, ok bool) {
	n, err := fmt.Sscanf(line, address+" delivered %s", &id)
	return id, n == 1 && err == nil
}

// Two sides that have one message are one tick, while the first one waits.
func TestNoticesOfOneMessageAreOne(t *testing.T) {
	engine(t, ticks, func(r *rig) {
		r.open()
		n := &r.e.instance("chan").notices
		r.answer(func(c *call) {
			if c.Op != pluginv1.Op_RECEIPT {
				c.ok()
			}
		})
		again := write("ada", "m1")
		again.Id = "m1 again"
		r.accept("chan", write("ada", "m1"), again)
		r.after(0)
		r.wantNoticed("ada delivered m1")
		if n.mu.Lock(); len(n.all[ada()].waiting) != 1 {
			t.Errorf("%v wait", n.all[ada()].waiting)
		}
		n.mu.Unlock()
	})
}
