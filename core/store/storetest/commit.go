package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

var commitTests = []subtest{
	{name: "a document that never was is not found", run: loadMissing},
	{name: "a commit changes every part", run: commitAll},
	{name: "a conflict leaves nothing", run: conflictLeavesNothing},
	{name: "a duplicate event leaves nothing", run: freshLeavesNothing},
	{name: "fresh and appended events know each other", run: freshAndAppended},
	{name: "the same commit twice is applied once", run: commitTwice},
	{name: "a commit without a document keeps it", run: commitNoDoc},
	{name: "of concurrent commits one wins", run: commitRace},
	{name: "what is too large is refused as a whole", run: tooLarge},
}

func loadMissing(f *fixture) {
	_, _, err := f.shard(conv(1)).Load(f.Context(), conv(1))
	f.wantErr("Load", err, store.ErrNotFound)
	_, _, err = f.Reader().Document(f.Context(), conv(1))
	f.wantErr("Document", err, store.ErrNotFound)
}

// full is a commit that sets every field.
func full(c core.ConversationID, expect store.Rev, mail store.Seq) store.Commit {
	id := core.CommandID{Conversation: c, Epoch: 7, N: 1}
	return store.Commit{
		Conversation: c, Expect: expect, Doc: []byte("doc"),
		Fresh:      []store.Dedup{{Instance: "i", ID: "fresh", For: time.Hour}},
		Consume:    []store.Seq{mail},
		Out:        []store.OutItem{{ID: id, Lane: "customer", Body: []byte("out")}},
		Keep:       []store.Kept{{ID: id, Body: []byte("kept"), For: time.Hour}},
		Timer:      store.TimerOp{Set: true, Due: time.UnixMilli(5000)},
		History:    []store.Entry{{N: 1, Body: []byte("entry")}},
		Dead:       []store.Dead{{ID: "dead-1", Body: []byte("dead")}},
		Quarantine: []store.Dead{{ID: "bad-1", Body: []byte("bad")}},
		Index:      &store.Index{UpdatedMS: 1000, Status: "open", Service: "s", Channel: "ch", ChatRef: "ref", Customer: "cu"},
	}
}

// parts describes everything that is stored of a conversation.
func (f *fixture) parts(c core.ConversationID) map[string]string {
	f.Helper()
	got := map[string]string{}
	note := func(part string, v any, err error) {
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			f.Fatalf("%s = %v", part, err)
		}
		if err == nil {
			got[part] = fmt.Sprintf("%q", fmt.Sprintf("%v", v))
		}
	}
	ctx, r := f.Context(), f.Reader()
	doc, rev, err := f.shard(c).Load(ctx, c)
	note("doc", fmt.Sprint(string(doc), rev), err)
	for _, m := range f.mails(c) {
		note(fmt.Sprint("mail ", m.Seq), string(m.Body), nil)
	}
	outs, err := r.Outbox(ctx, c, 100)
	note("outbox", outs, err)
	kept, err := r.Kept(ctx, c, core.CommandID{}, 100)
	for i := range kept {
		kept[i].For = 0
	}
	note("kept", kept, err)
	for t, err := range f.shard(c).Timers(ctx) {
		note("timer "+t.Conversation.String(), t.Due.UnixMilli(), err)
	}
	hist, err := r.History(ctx, c, "", 100)
	note("history", hist, err)
	dead, err := r.Dead(ctx, "", 100)
	note("dead", dead, err)
	bad, err := r.Quarantined(ctx, "", 100)
	note("quarantine", bad, err)
	list, err := r.List(ctx, store.Filter{}, "", 100)
	note("list", list, err)
	return got
}

func commitAll(f *fixture) {
	c := conv(1)
	mail := f.append(event(c, "", "mail"))[0].Seq
	if rev := f.commit(full(c, 0, mail)); rev == 0 {
		f.Error("revision 0 after a commit")
	}
	r, ctx := f.Reader(), f.Context()
	id := core.CommandID{Conversation: c, Epoch: 7, N: 1}
	if doc, rev, err := f.shard(c).Load(ctx, c); string(doc) != "doc" || rev == 0 || err != nil {
		f.Errorf("Load = %q, %d, %v", doc, rev, err)
	}
	if ms := f.mails(c); len(ms) != 0 {
		f.Errorf("mails = %v, want none", ms)
	}
	outs, err := r.Outbox(ctx, c, 10)
	if want := []store.OutItem{{ID: id, Lane: "customer", Body: []byte("out")}}; err != nil || !cmp.Equal(outs, want) {
		f.Errorf("Outbox = %v, %v", outs, err)
	}
	kept, err := r.Kept(ctx, c, core.CommandID{}, 10)
	if err != nil || len(kept) != 1 || kept[0].ID != id || string(kept[0].Body) != "kept" {
		f.Errorf("Kept = %v, %v", kept, err)
	}
	hist, err := r.History(ctx, c, "", 10)
	if want := []store.Entry{{N: 1, Body: []byte("entry")}}; err != nil || !cmp.Equal(hist.Items, want) {
		f.Errorf("History = %v, %v", hist, err)
	}
	if d, err := r.DeadLetter(ctx, "dead-1"); err != nil || string(d.Body) != "dead" {
		f.Errorf("DeadLetter = %v, %v", d, err)
	}
	if d, err := r.QuarantinedItem(ctx, "bad-1"); err != nil || string(d.Body) != "bad" {
		f.Errorf("QuarantinedItem = %v, %v", d, err)
	}
	list, err := r.List(ctx, store.Filter{ChatRef: "ref"}, "", 10)
	if want := []store.Listed{{ID: c, Index: *full(c, 0, 0).Index}}; err != nil || !cmp.Equal(list.Items, want) {
		f.Errorf("List = %v, %v", list, err)
	}
	if got := f.timers(); !cmp.Equal(got, map[core.ConversationID]int64{c: 5000}) {
		f.Errorf("timers = %v", got)
	}
	if !f.append(event(c, "fresh", "again"))[0].Duplicate {
		f.Error("the fresh event is not known")
	}
}

func conflictLeavesNothing(f *fixture) {
	c := conv(1)
	mail := f.append(event(c, "", "mail"))[0].Seq
	for _, expect := range []store.Rev{1, 2, 1 << 40} {
		before := f.parts(c)
		_, err := f.tryCommit(full(c, expect, mail))
		f.wantErr("Commit with a wrong revision", err, store.ErrConflict)
		if diff := cmp.Diff(before, f.parts(c)); diff != "" {
			f.Errorf("a conflict stored:\n%s", diff)
		}
	}
	if f.append(event(c, "fresh", "x"))[0].Duplicate {
		f.Error("a conflict stored the id of its fresh event")
	}
}

func freshLeavesNothing(f *fixture) {
	c := conv(1)
	rs := f.append(event(c, "", "mail"), event(c, "fresh", "x"))
	before := f.parts(c)
	com := full(c, 0, rs[0].Seq)
	com.Fresh = []store.Dedup{
		{Instance: "i", ID: "new", For: time.Hour},
		{Instance: "i", ID: "fresh", For: time.Hour},
		{Instance: "i", ID: ""},
		{Instance: "i", ID: "new", For: time.Hour},
	}
	_, err := f.tryCommit(com)
	f.wantErr("Commit", err, store.ErrDuplicate)
	var dup *store.DuplicateError
	if !errors.As(err, &dup) || !slices.Equal(dup.Fresh, []int{1, 3}) {
		f.Errorf("Commit = %v, want duplicates 1 and 3", err)
	}
	if diff := cmp.Diff(before, f.parts(c)); diff != "" {
		f.Errorf("a duplicate stored:\n%s", diff)
	}
	if f.append(event(c, "new", "x"))[0].Duplicate {
		f.Error("a refused commit stored the id of its fresh event")
	}
}

func freshAndAppended(f *fixture) {
	c := conv(1)
	fresh := []store.Dedup{{Instance: "i", ID: "a", For: time.Hour}}
	f.commit(store.Commit{Conversation: c, Doc: []byte("1"), Fresh: fresh})
	_, err := f.tryCommit(store.Commit{Conversation: c, Expect: 1, Doc: []byte("2"), Fresh: fresh})
	f.wantErr("Commit of a fresh event again", err, store.ErrDuplicate)
	if !f.append(event(c, "a", "x"))[0].Duplicate {
		f.Error("Append of a fresh event is no duplicate")
	}
	if f.append(event(conv(2), "a", "x"))[0].Duplicate {
		f.Error("Append to another conversation is a duplicate")
	}
}

func commitTwice(f *fixture) {
	c := conv(1)
	mail := f.append(event(c, "", "mail"))[0].Seq
	com := full(c, 0, mail)
	com.ID = randomID()
	first := f.commit(com)
	before := f.parts(c)
	if again := f.commit(com); again != first {
		f.Errorf("the same commit again = %d, want %d", again, first)
	}
	if f.o.Reopen != nil {
		f.reopen()
		if again := f.commit(com); again != first {
			f.Errorf("the same commit after a restart = %d, want %d", again, first)
		}
	}
	if diff := cmp.Diff(before, f.parts(c)); diff != "" {
		f.Errorf("the same commit again stored:\n%s", diff)
	}
	f.commit(store.Commit{Conversation: c, Expect: first})
	_, err := f.tryCommit(com)
	f.wantErr("an older commit again", err, store.ErrConflict)
}

func commitNoDoc(f *fixture) {
	c := conv(1)
	rev := f.commit(store.Commit{Conversation: c, Doc: []byte("doc")})
	for range 3 {
		next := f.commit(store.Commit{Conversation: c, Expect: rev})
		if next <= rev {
			f.Fatalf("revision %d after %d", next, rev)
		}
		rev = next
	}
	if doc, got, err := f.shard(c).Load(f.Context(), c); string(doc) != "doc" || got != rev || err != nil {
		f.Errorf("Load = %q, %d, %v, want doc, %d", doc, got, err, rev)
	}
	next := f.commit(store.Commit{Conversation: c, Expect: rev, Doc: []byte{}})
	if doc, got, err := f.shard(c).Load(f.Context(), c); len(doc) != 0 || got != next || err != nil {
		f.Errorf("Load of an empty document = %q, %d, %v, want rev %d", doc, got, err, next)
	}
}

func commitRace(f *fixture) {
	c := conv(1)
	rev := f.commit(store.Commit{Conversation: c, Doc: []byte("0")})
	for range 20 {
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, err := f.tryCommit(store.Commit{Conversation: c, Expect: rev, Doc: []byte("x")})
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, store.ErrConflict) {
					f.Errorf("Commit = %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			f.Fatalf("%d of 16 commits on one revision were applied", won.Load())
		}
		_, rev, _ = f.shard(c).Load(f.Context(), c)
	}
}

func tooLarge(f *fixture) {
	c := conv(1)
	id := core.CommandID{Conversation: c, Epoch: 1, N: 1}
	most, over := make([]byte, store.MaxBody), make([]byte, store.MaxBody+1)
	lane := store.Lane(make([]byte, store.MaxLane+1))
	tests := []struct {
		name string
		c    store.Commit
	}{
		{"document", store.Commit{Doc: over}},
		{"command", store.Commit{Out: []store.OutItem{{ID: id, Lane: "l", Body: over}}}},
		{"lane", store.Commit{Out: []store.OutItem{{ID: id, Lane: lane}}}},
		{"lane done", store.Commit{OutDone: []store.OutRef{{ID: id, Lane: lane}}}},
		{"kept", store.Commit{Keep: []store.Kept{{ID: id, Body: over, For: time.Hour}}}},
		{"entry", store.Commit{History: []store.Entry{{N: 1, Body: over}}}},
		{"dead letter", store.Commit{Dead: []store.Dead{{ID: "d", Body: over}}}},
		{"quarantine", store.Commit{Quarantine: []store.Dead{{ID: "d", Body: over}}}},
	}
	before := f.parts(c)
	for _, tt := range tests {
		tt.c.Conversation = c
		_, err := f.tryCommit(tt.c)
		f.wantErr(tt.name, err, store.ErrTooLarge)
	}
	_, err := f.Append(f.Context(), event(c, "", "small"), store.Event{Conversation: c, Body: over})
	f.wantErr("Append", err, store.ErrTooLarge)
	f.wantErr("Quarantine", f.Quarantine(f.Context(), store.Dead{ID: "d", Body: over}), store.ErrTooLarge)
	f.wantErr("SetState", f.SetState(f.Context(), "i", "k", nil, over), store.ErrTooLarge)
	f.wantErr("SetSecret", f.SetSecret(f.Context(), "i", "k", over), store.ErrTooLarge)
	if diff := cmp.Diff(before, f.parts(c)); diff != "" {
		f.Errorf("what was refused stored:\n%s", diff)
	}
	f.commit(store.Commit{Conversation: c, Doc: most, History: []store.Entry{{N: 1, Body: most}},
		Out: []store.OutItem{{ID: id, Lane: lane[:store.MaxLane], Body: most}}, Dead: []store.Dead{{ID: "d", Body: most}}})
	if doc, _, err := f.shard(c).Load(f.Context(), c); len(doc) != store.MaxBody || err != nil {
		f.Errorf("Load of the largest document = %d bytes, %v", len(doc), err)
	}
	var evs []store.Event
	for range 20 {
		evs = append(evs, store.Event{Conversation: c, Body: most})
	}
	f.append(evs...)
	if n := len(f.mails(c)); n != 20 {
		f.Errorf("%d of the largest mails, want 20", n)
	}
}
