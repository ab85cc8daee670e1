package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

var readerTests = []subtest{
	{name: "history is paged, newest first", run: historyPages},
	{name: "history entries end when they expire or are retired", run: historyEnds},
	{name: "conversations are listed, last changed first", run: listOrder},
	{name: "lists are filtered", run: listFilter},
	{name: "list cursors are stable under writes", run: listCursor},
	{name: "a chat ref that changed is found by the new one only", run: listRefChange},
	{name: "dead letters are listed, replayed and deleted", run: deadReplay},
	{name: "a cursor from elsewhere is refused", run: badCursor},
}

// pages reads all pages of a list and returns the items, and how many pages
// there were.
func pages[T any](f *fixture, read func(cursor string) (store.Page[T], error)) (all []T, n int) {
	f.Helper()
	for cursor := ""; ; n++ {
		p, err := read(cursor)
		if err != nil {
			f.Fatalf("page %d: %v", n, err)
		}
		all = append(all, p.Items...)
		if cursor = p.Next; cursor == "" {
			return all, n + 1
		}
		if n > 1000 {
			f.Fatal("pages do not end")
		}
	}
}

func historyPages(f *fixture) {
	c := conv(1)
	com := store.Commit{Conversation: c}
	for n := uint64(1); n <= 25; n++ {
		com.History = append(com.History, store.Entry{N: n * 100, Body: fmt.Append(nil, n*100)})
	}
	f.commit(com)
	f.commit(store.Commit{Conversation: c, Expect: 1, History: []store.Entry{{N: 100, Body: []byte("new")}}})
	f.commit(store.Commit{Conversation: conv(2), History: []store.Entry{{N: 5, Body: []byte("other")}}})
	for _, limit := range []int{1, 5, 7, 25, 26, 100} {
		all, n := pages(f, func(cursor string) (store.Page[store.Entry], error) {
			return f.Reader().History(f.Context(), c, cursor, limit)
		})
		if len(all) != 25 || n != (25+limit-1)/limit {
			f.Errorf("limit %d: %d entries on %d pages", limit, len(all), n)
		}
		for i, e := range all {
			want := store.Entry{N: uint64(25-i) * 100, Body: fmt.Append(nil, (25-i)*100)}
			if i == 24 {
				want.Body = []byte("new")
			}
			if !cmp.Equal(e, want) {
				f.Errorf("limit %d: entry %d = %v, want %v", limit, i, e, want)
			}
		}
	}
}

func historyEnds(f *fixture) {
	c := conv(1)
	f.commit(store.Commit{Conversation: c, History: []store.Entry{
		{N: 1, Body: []byte("1")}, {N: 2, Body: []byte("2"), Expires: time.Second},
		{N: 3, Body: []byte("3")}, {N: 4, Body: []byte("4")}}})
	f.commit(store.Commit{Conversation: c, Expect: 1, Retire: []uint64{3, 99}, Retention: time.Second})
	f.commit(store.Commit{Conversation: c, Expect: 2, Retire: []uint64{4}, Retention: time.Hour})
	f.commit(store.Commit{Conversation: c, Expect: 3, History: []store.Entry{{N: 5, Body: []byte("5")}},
		Retire: []uint64{5}, Retention: time.Second})
	f.eventually("entries 2, 3 and 5 go", func() bool {
		p, err := f.Reader().History(f.Context(), c, "", 10)
		if err != nil {
			f.Fatalf("History = %v", err)
		}
		return cmp.Equal(p.Items, []store.Entry{{N: 4, Body: []byte("4")}, {N: 1, Body: []byte("1")}})
	})
}

// index puts conversation n into the list.
func (f *fixture) index(n int, expect store.Rev, x store.Index) {
	f.Helper()
	f.commit(store.Commit{Conversation: conv(n), Expect: expect, Index: &x})
}

// list returns the conversations of a filter.
func (f *fixture) list(fl store.Filter, limit int) []core.ConversationID {
	f.Helper()
	all, _ := pages(f, func(cursor string) (store.Page[store.Listed], error) {
		return f.Reader().List(f.Context(), fl, cursor, limit)
	})
	ids := []core.ConversationID{}
	for _, l := range all {
		ids = append(ids, l.ID)
	}
	return ids
}

func convs(ns ...int) []core.ConversationID {
	ids := []core.ConversationID{}
	for _, n := range ns {
		ids = append(ids, conv(n))
	}
	return ids
}

func listOrder(f *fixture) {
	f.index(1, 0, store.Index{UpdatedMS: 300})
	f.index(2, 0, store.Index{UpdatedMS: -5})
	f.index(3, 0, store.Index{UpdatedMS: 1 << 40})
	f.index(4, 0, store.Index{UpdatedMS: 200})
	f.commit(store.Commit{Conversation: conv(5), Doc: []byte("not listed")})
	for _, limit := range []int{1, 2, 3, 4, 5} {
		if got, want := f.list(store.Filter{}, limit), convs(3, 1, 4, 2); !slices.Equal(got, want) {
			f.Errorf("limit %d: list = %v, want %v", limit, got, want)
		}
	}
	f.index(2, 1, store.Index{UpdatedMS: 400})
	f.index(1, 1, store.Index{UpdatedMS: 300, Status: "open"})
	if got, want := f.list(store.Filter{}, 10), convs(3, 2, 1, 4); !slices.Equal(got, want) {
		f.Errorf("list after an update = %v, want %v", got, want)
	}
	f.commit(store.Commit{Conversation: conv(1), Expect: 2, Doc: []byte("x")})
	if got, want := f.list(store.Filter{Status: "open"}, 10), convs(1); !slices.Equal(got, want) {
		f.Errorf("a commit without index changed it: %v, want %v", got, want)
	}
}

func listFilter(f *fixture) {
	for i := range 60 {
		x := store.Index{UpdatedMS: int64(i), Status: "open", Service: fmt.Sprint("s", i%3),
			Channel: fmt.Sprint("c", i%2), ChatRef: fmt.Sprint("r", i%10), Customer: fmt.Sprint("k", i%20)}
		if i%5 == 0 {
			x.Status = "closed"
		}
		f.index(i, 0, x)
	}
	tests := []struct {
		f    store.Filter
		want func(i int) bool
	}{
		{store.Filter{}, func(int) bool { return true }},
		{store.Filter{Status: "closed"}, func(i int) bool { return i%5 == 0 }},
		{store.Filter{Service: "s1", Channel: "c0"}, func(i int) bool { return i%3 == 1 && i%2 == 0 }},
		{store.Filter{ChatRef: "r3"}, func(i int) bool { return i%10 == 3 }},
		{store.Filter{Customer: "k3"}, func(i int) bool { return i%20 == 3 }},
		{store.Filter{ChatRef: "r3", Customer: "k13"}, func(i int) bool { return i%20 == 13 }},
		{store.Filter{ChatRef: "r3", Service: "s0"}, func(i int) bool { return i%10 == 3 && i%3 == 0 }},
		{store.Filter{ChatRef: "k3"}, func(int) bool { return false }},
	}
	for _, tt := range tests {
		want := []core.ConversationID{}
		for i := 59; i >= 0; i-- {
			if tt.want(i) {
				want = append(want, conv(i))
			}
		}
		for _, limit := range []int{1, 4, 1000} {
			if got := f.list(tt.f, limit); !slices.Equal(got, want) {
				f.Errorf("%+v, limit %d: %d conversations, want %d", tt.f, limit, len(got), len(want))
			}
		}
	}
}

func listCursor(f *fixture) {
	for i := range 30 {
		f.index(i, 0, store.Index{UpdatedMS: int64(1000 + i)})
	}
	seen := map[core.ConversationID]int{}
	n := 0
	all, _ := pages(f, func(cursor string) (store.Page[store.Listed], error) {
		p, err := f.Reader().List(f.Context(), store.Filter{}, cursor, 4)
		for _, l := range p.Items { // what was seen moves to the front
			x := l.Index
			x.UpdatedMS += 10000
			if _, err := f.tryCommit(store.Commit{Conversation: l.ID, Expect: 1, Index: &x}); err != nil {
				f.Fatalf("Commit = %v", err)
			}
		}
		f.index(100+n, 0, store.Index{UpdatedMS: 50000}) // and new ones come
		n++
		return p, err
	})
	for _, l := range all {
		seen[l.ID]++
	}
	for i := range 30 {
		if seen[conv(i)] != 1 {
			f.Errorf("conversation %d was listed %d times", i, seen[conv(i)])
		}
	}
}

func listRefChange(f *fixture) {
	f.index(1, 0, store.Index{UpdatedMS: 1, ChatRef: "old", Customer: "k"})
	f.index(1, 1, store.Index{UpdatedMS: 2, ChatRef: "new", Customer: "k"})
	for ref, want := range map[string][]core.ConversationID{"old": {}, "new": convs(1)} {
		if got := f.list(store.Filter{ChatRef: ref}, 10); !slices.Equal(got, want) {
			f.Errorf("list of %s = %v, want %v", ref, got, want)
		}
	}
	if got := f.list(store.Filter{Customer: "k"}, 10); !slices.Equal(got, convs(1)) {
		f.Errorf("list of the customer = %v", got)
	}
	if got := f.list(store.Filter{}, 10); !slices.Equal(got, convs(1)) {
		f.Errorf("list = %v", got)
	}
}

func deadReplay(f *fixture) {
	c := conv(1)
	com := store.Commit{Conversation: c}
	var want []string
	for i := range 12 {
		com.Dead = append(com.Dead, store.Dead{ID: fmt.Sprintf("d%02d", i), Body: []byte("letter")})
		want = append(want, fmt.Sprintf("d%02d", 11-i))
	}
	f.commit(com)
	list := func() (ids []string) {
		all, _ := pages(f, func(cursor string) (store.Page[store.Dead], error) {
			return f.Reader().Dead(f.Context(), cursor, 5)
		})
		for _, d := range all {
			ids = append(ids, d.ID)
		}
		return ids
	}
	if got := list(); !slices.Equal(got, want) {
		f.Errorf("Dead = %v, want %v", got, want)
	}
	d, err := f.Reader().DeadLetter(f.Context(), "d03")
	if err != nil {
		f.Fatalf("DeadLetter = %v", err)
	}
	f.append(store.Event{Conversation: c, Body: d.Body})
	if err := f.DeleteDead(f.Context(), "d03"); err != nil {
		f.Fatalf("DeleteDead = %v", err)
	}
	f.wantErr("DeleteDead again", f.DeleteDead(f.Context(), "d03"), store.ErrNotFound)
	_, err = f.Reader().DeadLetter(f.Context(), "d03")
	f.wantErr("DeadLetter", err, store.ErrNotFound)
	if ms := f.mails(c); len(ms) != 1 || string(ms[0].Body) != "letter" {
		f.Errorf("mails after the replay = %v", ms)
	}
	if got, want := list(), slices.DeleteFunc(want, func(id string) bool { return id == "d03" }); !slices.Equal(got, want) {
		f.Errorf("Dead = %v, want %v", got, want)
	}
}

func badCursor(f *fixture) {
	r, ctx := f.Reader(), f.Context()
	for _, cursor := range []string{"!", "AA", "äöü", string(make([]byte, 5000))} {
		if _, err := r.List(ctx, store.Filter{}, cursor, 1); core.CodeOf(err) != core.Invalid {
			f.Errorf("List with cursor %.10q = %v", cursor, err)
		}
		if _, err := r.History(ctx, conv(1), cursor, 1); core.CodeOf(err) != core.Invalid {
			f.Errorf("History with cursor %.10q = %v", cursor, err)
		}
	}
}
