package storetest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

var outboxTests = []subtest{
	{name: "lanes are kept apart and in order", run: laneOrder},
	{name: "a command is replaced and ended", run: outReplace},
	{name: "pending commands survive a restart in order", run: pendingResume},
	{name: "one timer is set, replaced and cancelled", run: timerOps},
	{name: "timers survive a restart", run: timersResume},
	{name: "sent messages are kept until their receipt or their end", run: keptMessages},
}

func command(c core.ConversationID, n uint64) core.CommandID {
	return core.CommandID{Conversation: c, Epoch: 9, N: n}
}

func (f *fixture) lane(c core.ConversationID, l store.Lane, after uint64, limit int) string {
	f.Helper()
	id := command(c, after)
	if after == 0 {
		id = core.CommandID{}
	}
	items, err := f.shard(c).Lane(f.Context(), c, l, id, limit)
	if err != nil {
		f.Fatalf("Lane = %v", err)
	}
	got := ""
	for _, it := range items {
		if it.Lane != l || it.ID.Conversation != c {
			f.Fatalf("lane %q has %+v", l, it)
		}
		got += fmt.Sprintf("%d=%s ", it.ID.N, it.Body)
	}
	return got
}

func laneOrder(f *fixture) {
	c := conv(1)
	com := store.Commit{Conversation: c, Doc: []byte("d")}
	// Lanes of which one is the beginning of another, numbers around a byte.
	lanes := []store.Lane{"chat:1", "chat:10", "chat", "", "chat:1\x00"}
	for i, n := range []uint64{300, 2, 1, 255, 256} {
		for j, l := range lanes {
			com.Out = append(com.Out, store.OutItem{ID: command(c, n+uint64(j)*1000), Lane: l, Body: fmt.Append(nil, i)})
		}
	}
	f.commit(com)
	for j, l := range lanes {
		o := uint64(j) * 1000
		want := fmt.Sprintf("%d=2 %d=1 %d=3 %d=4 %d=0 ", o+1, o+2, o+255, o+256, o+300)
		if got := f.lane(c, l, 0, 100); got != want {
			f.Errorf("lane %q = %s, want %s", l, got, want)
		}
		if got, want := f.lane(c, l, o+2, 2), fmt.Sprintf("%d=3 %d=4 ", o+255, o+256); got != want {
			f.Errorf("lane %q after 2 = %s, want %s", l, got, want)
		}
	}
	if got := f.lane(conv(2), "chat", 0, 100); got != "" {
		f.Errorf("lane of another conversation = %s", got)
	}
}

func outReplace(f *fixture) {
	c := conv(1)
	item := func(n uint64, body string) store.OutItem {
		return store.OutItem{ID: command(c, n), Lane: "l", Body: []byte(body)}
	}
	ref := func(n uint64) store.OutRef { return store.OutRef{ID: command(c, n), Lane: "l"} }
	steps := []struct {
		name string
		c    store.Commit
		want string
	}{
		{"new", store.Commit{Out: []store.OutItem{item(1, "a"), item(2, "b")}}, "1=a 2=b "},
		{"replace", store.Commit{Out: []store.OutItem{item(1, "A")}}, "1=A 2=b "},
		{"end one, add one", store.Commit{Out: []store.OutItem{item(3, "c")}, OutDone: []store.OutRef{ref(1)}}, "2=b 3=c "},
		{"end what is not there", store.Commit{OutDone: []store.OutRef{ref(1), ref(99)}}, "2=b 3=c "},
		{"end all", store.Commit{OutDone: []store.OutRef{ref(2), ref(3)}}, ""},
	}
	for i, st := range steps {
		st.c.Conversation, st.c.Expect = c, store.Rev(i)
		if rev := f.commit(st.c); rev != store.Rev(i+1) {
			f.Fatalf("%s: revision %d, want %d", st.name, rev, i+1)
		}
		if got := f.lane(c, "l", 0, 100); got != st.want {
			f.Errorf("%s: lane = %q, want %q", st.name, got, st.want)
		}
	}
}

// pending returns the outbox of all shards, in the order it came.
func (f *fixture) pending() (refs []store.OutRef) {
	f.Helper()
	for _, s := range f.shards {
		for r, err := range s.Pending(f.Context()) {
			if err != nil {
				f.Fatalf("Pending = %v", err)
			}
			refs = append(refs, r)
		}
	}
	return refs
}

func pendingResume(f *fixture) {
	f.need(f.o.Reopen != nil, "Reopen")
	for i := range 40 {
		com := store.Commit{Conversation: conv(i), Doc: []byte("d")}
		for n := uint64(20); n > 0; n-- {
			com.Out = append(com.Out, store.OutItem{ID: command(conv(i), n), Lane: store.Lane(fmt.Sprint("l", n%2)), Body: []byte("b")})
		}
		f.commit(com)
		f.commit(store.Commit{Conversation: conv(i), Expect: 1, OutDone: []store.OutRef{{ID: command(conv(i), 1), Lane: "l1"}}})
	}
	f.reopen()
	refs := f.pending()
	if len(refs) != 40*19 {
		f.Errorf("%d commands pending, want %d", len(refs), 40*19)
	}
	type lane struct {
		c core.ConversationID
		l store.Lane
	}
	last := map[lane]uint64{}
	for _, r := range refs {
		k := lane{r.ID.Conversation, r.Lane}
		if r.ID.N <= last[k] {
			f.Fatalf("command %d after %d in lane %q", r.ID.N, last[k], k.l)
		}
		last[k] = r.ID.N
	}
}

// timers returns all armed timers in milliseconds.
func (f *fixture) timers() map[core.ConversationID]int64 {
	f.Helper()
	got := map[core.ConversationID]int64{}
	for _, s := range f.shards {
		for t, err := range s.Timers(f.Context()) {
			if err != nil {
				f.Fatalf("Timers = %v", err)
			}
			if _, ok := got[t.Conversation]; ok {
				f.Fatalf("conversation %s has two timers", t.Conversation)
			}
			got[t.Conversation] = t.Due.UnixMilli()
		}
	}
	return got
}

func timerOps(f *fixture) {
	c := conv(1)
	at := func(ms int64) store.TimerOp { return store.TimerOp{Set: true, Due: time.UnixMilli(ms)} }
	steps := []struct {
		name string
		op   store.TimerOp
		want map[core.ConversationID]int64
	}{
		{"leave", store.TimerOp{}, map[core.ConversationID]int64{}},
		{"set", at(7000), map[core.ConversationID]int64{c: 7000}},
		{"leave again", store.TimerOp{}, map[core.ConversationID]int64{c: 7000}},
		{"earlier", at(3000), map[core.ConversationID]int64{c: 3000}},
		{"later", at(9000), map[core.ConversationID]int64{c: 9000}},
		{"cancel", store.TimerOp{Set: true}, map[core.ConversationID]int64{}},
		{"cancel again", store.TimerOp{Set: true}, map[core.ConversationID]int64{}},
	}
	for i, st := range steps {
		f.commit(store.Commit{Conversation: c, Expect: store.Rev(i), Timer: st.op})
		if got := f.timers(); !cmp.Equal(got, st.want) {
			f.Errorf("%s: timers = %v, want %v", st.name, got, st.want)
		}
	}
}

func timersResume(f *fixture) {
	f.need(f.o.Reopen != nil, "Reopen")
	want := map[core.ConversationID]int64{}
	for i := range 200 {
		f.commit(store.Commit{Conversation: conv(i), Timer: store.TimerOp{Set: true, Due: time.UnixMilli(int64(i))}})
		want[conv(i)] = int64(i)
		if i%3 == 0 {
			f.commit(store.Commit{Conversation: conv(i), Expect: 1, Timer: store.TimerOp{Set: true}})
			delete(want, conv(i))
		}
	}
	f.reopen()
	if diff := cmp.Diff(want, f.timers()); diff != "" {
		f.Errorf("timers after a restart:\n%s", diff)
	}
}

func keptMessages(f *fixture) {
	c := conv(1)
	com := store.Commit{Conversation: c, Doc: []byte("d")}
	for n := uint64(1); n <= 5; n++ {
		k := store.Kept{ID: command(c, n), Body: fmt.Append(nil, n), For: time.Hour}
		if n == 5 {
			k.For = time.Second
		}
		com.Keep = append(com.Keep, k)
	}
	f.commit(com)
	f.commit(store.Commit{Conversation: c, Expect: 1, Unkeep: []core.CommandID{command(c, 2)}})
	kept := func(after core.CommandID, limit int) string {
		ks, err := f.Reader().Kept(f.Context(), c, after, limit)
		if err != nil {
			f.Fatalf("Kept = %v", err)
		}
		got := ""
		for _, k := range ks {
			got += fmt.Sprintf("%d=%s ", k.ID.N, k.Body)
		}
		return got
	}
	if got := kept(command(c, 1), 2); got != "3=3 4=4 " {
		f.Errorf("kept after 1 = %s", got)
	}
	f.eventually("message 5 goes", func() bool { return kept(core.CommandID{}, 10) == "1=1 3=3 4=4 " })
}
