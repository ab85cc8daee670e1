package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/conversation"
)

func TestConversationsThatWaitAreNotInMemory(t *testing.T) {
	const n = 2000
	conf := func(r *rig) { r.opt.CacheBytes = 16 << 10 } // next to nothing
	engine(t, conf, func(r *rig) {
		r.e.InstanceDown("desk")
		want := map[core.ConversationID][]string{}
		for i := range n {
			name := fmt.Sprint("c", i)
			for k := range 3 {
				text := fmt.Sprint(name, ".", k)
				if err := r.tryAccept("chan", from(name, text, text)); err != nil {
					t.Fatal(err)
				}
				id := core.NewConversationID("chan", name)
				want[id] = append(want[id], text)
			}
		}
		r.after(time.Minute)
		for id := range want {
			c := r.e.shard(id).awake(id)
			if c == nil {
				t.Fatalf("conversation %s has a command and no cell", id)
			}
			c.mu.Lock()
			if c.doc != nil || c.lanes[conversation.ChatLane(1)].items != nil {
				t.Fatalf("conversation %s waits and is in memory", id)
			}
			c.mu.Unlock()
		}
		r.up("desk")
		r.after(time.Minute)
		got := map[core.ConversationID][]string{}
		for _, c := range r.all() {
			got[c.conv] = append(got[c.conv], c.Message.GetText())
		}
		for id, texts := range want {
			if !slices.Equal(got[id], texts) {
				t.Fatalf("conversation %s got %q, want %q", id, got[id], texts)
			}
		}
		r.idle()
	})
}
