package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

var mailTests = []subtest{
	{name: "append keeps the order of a call", run: appendOrder},
	{name: "concurrent appends are stored once, in each caller's order", run: appendConcurrently},
	{name: "a duplicate is not stored", run: appendDuplicate},
	{name: "a duplicate is forgotten after its time", run: dedupExpires},
	{name: "mail is read after a place, up to a limit", run: mailPages},
	{name: "a feed yields the backlog, a mark, then new mail", run: feedBacklog},
	{name: "a feed has no gap while mail arrives", run: feedNoGap},
	{name: "a feed ends with its context", run: feedEnds},
}

func appendOrder(f *fixture) {
	c := conv(1)
	var evs []store.Event
	for i := range 300 {
		evs = append(evs, event(c, "", fmt.Sprint(i)), event(conv(2), "", fmt.Sprint(i)))
	}
	rs := f.append(evs...)
	for i := 2; i < len(rs); i++ {
		if rs[i].Seq <= rs[i-2].Seq {
			f.Fatalf("receipt %d has place %d after %d", i, rs[i].Seq, rs[i-2].Seq)
		}
	}
	for i, m := range f.mails(c) {
		if string(m.Body) != fmt.Sprint(i) || m.Seq != rs[2*i].Seq {
			f.Fatalf("mail %d is %d %q, want %d", i, m.Seq, m.Body, rs[2*i].Seq)
		}
	}
	if n := len(f.mails(c)); n != 300 {
		f.Errorf("%d mails, want 300", n)
	}
}

func appendConcurrently(f *fixture) {
	const callers, each = 64, 20
	c := conv(1)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				if _, err := f.Append(f.Context(), event(c, fmt.Sprint(i, ".", j), fmt.Sprint(i, " ", j))); err != nil {
					f.Errorf("Append = %v", err)
				}
			}
		})
	}
	wg.Wait()
	next := make([]int, callers)
	mails := f.mails(c)
	for n, m := range mails {
		var i, j int
		if _, err := fmt.Sscan(string(m.Body), &i, &j); err != nil {
			f.Fatal(err)
		}
		if next[i] != j {
			f.Fatalf("caller %d: mail %d came when %d was due", i, j, next[i])
		}
		next[i]++
		if n > 0 && m.Seq <= mails[n-1].Seq {
			f.Fatalf("place %d after %d", m.Seq, mails[n-1].Seq)
		}
	}
	if len(mails) != callers*each {
		f.Errorf("%d mails, want %d", len(mails), callers*each)
	}
}

func appendDuplicate(f *fixture) {
	c := conv(1)
	if r := f.append(event(c, "a", "1"))[0]; r.Duplicate || r.Seq == 0 {
		f.Errorf("first receipt = %+v", r)
	}
	tests := []struct {
		name string
		ev   store.Event
		dup  bool
	}{
		{"the same", event(c, "a", "other body"), true},
		{"another id", event(c, "b", "2"), false},
		{"another conversation", event(conv(2), "a", "3"), false},
		{"another instance", store.Event{Conversation: c, Dedup: store.Dedup{Instance: "j", ID: "a", For: time.Hour}}, false},
		{"instance and id run together", store.Event{Conversation: c, Dedup: store.Dedup{Instance: "", ID: "ia", For: time.Hour}}, false},
		{"no id", event(c, "", "1"), false},
		{"no id again", event(c, "", "1"), false},
	}
	stored := 1
	for _, tt := range tests {
		if r := f.append(tt.ev)[0]; r.Duplicate != tt.dup {
			f.Errorf("%s: receipt = %+v, want duplicate %t", tt.name, r, tt.dup)
		}
		if !tt.dup && tt.ev.Conversation == c {
			stored++
		}
	}
	rs := f.append(event(c, "x", "1"), event(c, "x", "2"))
	if rs[0].Duplicate || !rs[1].Duplicate {
		f.Errorf("receipts of one call with a duplicate = %+v", rs)
	}
	if n := len(f.mails(c)); n != stored+1 {
		f.Errorf("%d mails, want %d", n, stored+1)
	}
}

func dedupExpires(f *fixture) {
	ev := event(conv(1), "a", "1")
	ev.Dedup.For = time.Second
	begun := time.Now()
	f.append(ev)
	if !f.append(ev)[0].Duplicate && time.Since(begun) < ev.Dedup.For {
		f.Error("not a duplicate at once")
	}
	f.eventually("the id is forgotten", func() bool { return !f.append(ev)[0].Duplicate })
}

func mailPages(f *fixture) {
	c := conv(1)
	rs := f.append(event(c, "", "0"), event(c, "", "1"), event(c, "", "2"), event(c, "", "3"))
	ms, err := f.shard(c).Mail(f.Context(), c, rs[0].Seq, 2)
	want := []store.Mail{{Seq: rs[1].Seq, Body: []byte("1")}, {Seq: rs[2].Seq, Body: []byte("2")}}
	if err != nil || !cmp.Equal(ms, want) {
		f.Errorf("Mail = %v, %v, want %v", ms, err, want)
	}
	if ms, err := f.shard(c).Mail(f.Context(), c, rs[3].Seq, 2); len(ms) != 0 || err != nil {
		f.Errorf("Mail after the last = %v, %v", ms, err)
	}
	f.commit(store.Commit{Conversation: c, Doc: []byte("d"), Consume: []store.Seq{rs[0].Seq, rs[2].Seq}})
	if ms := f.mails(c); len(ms) != 2 || ms[0].Seq != rs[1].Seq || ms[1].Seq != rs[3].Seq {
		f.Errorf("mails after consuming two = %v", ms)
	}
}

func feedBacklog(f *fixture) {
	c := conv(1)
	old := f.append(event(c, "", "0"), event(c, "", "1"))
	var got []store.Seq
	for r, err := range f.shard(c).Feed(f.Context()) {
		if err != nil {
			f.Fatalf("Feed = %v", err)
		}
		if r.Conversation != c && r != (store.Ref{}) {
			f.Fatalf("Feed yields %+v of another conversation", r)
		}
		got = append(got, r.Seq)
		if len(got) == 3 {
			old = append(old, store.Receipt{}, f.append(event(c, "", "2"))[0])
		}
		if len(got) == 4 {
			break
		}
	}
	want := []store.Seq{old[0].Seq, old[1].Seq, 0, old[3].Seq}
	if !slices.Equal(got, want) {
		f.Errorf("Feed yields %v, want %v", got, want)
	}
}

// feedNoGap opens feeds while appends are under way: every mail must come,
// once and in order, whether as backlog or as new.
func feedNoGap(f *fixture) {
	const rounds, each = 5, 200
	c := conv(1)
	for range rounds {
		var want []store.Seq
		for _, m := range f.mails(c) {
			want = append(want, m.Seq)
		}
		appended := make(chan []store.Seq, 1)
		go func() {
			var seqs []store.Seq
			for range each {
				rs, err := f.Append(f.Context(), event(c, "", "x"))
				if err != nil {
					f.Errorf("Append = %v", err)
					break
				}
				seqs = append(seqs, rs[0].Seq)
			}
			appended <- seqs
		}()
		got := f.feed(c, len(want)+each)
		if want = append(want, <-appended...); !slices.Equal(got, want) {
			f.Fatalf("Feed yields %v, want %v", got, want)
		}
	}
}

// feed reads n mails from a feed.
func (f *fixture) feed(c core.ConversationID, n int) (seqs []store.Seq) {
	ctx, cancel := context.WithTimeout(f.Context(), time.Minute)
	defer cancel()
	for r, err := range f.shard(c).Feed(ctx) {
		if err != nil {
			f.Errorf("Feed = %v", err)
			break
		}
		if r != (store.Ref{}) {
			seqs = append(seqs, r.Seq)
		}
		if len(seqs) == n {
			break
		}
	}
	return seqs
}

func feedEnds(f *fixture) {
	ctx, cancel := context.WithCancel(f.Context())
	done := make(chan string, 1)
	go func() {
		var seen []string
		for r, err := range f.shard(conv(1)).Feed(ctx) {
			seen = append(seen, fmt.Sprint(r.Seq, err))
			cancel()
		}
		done <- strings.Join(seen, ",")
	}()
	select {
	case got := <-done:
		if got != "0 <nil>" {
			f.Errorf("Feed of nothing yields %s", got)
		}
	case <-time.After(time.Minute):
		f.Fatal("Feed goes on after its context ended")
	}
}
