package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

var lifeTests = []subtest{
	{name: "serve gives every shard to an owner of its own", run: serveAll},
	{name: "serve returns the first error of an owner", run: serveError},
	{name: "a restart keeps everything", run: reopenAll},
	{name: "export, import, export are the same", run: exportImport},
	{name: "an import of garbage is refused", run: importGarbage},
	{name: "an ended context changes nothing and is told", run: cancelled},
	{name: "close during load answers every call", run: closeUnderLoad},
	{name: "a closed store says so", run: closed},
	{name: "a full disk refuses what is new and nothing else", run: diskFull},
	{name: "a failed sync ends the store", run: broken, ends: true},
}

func serveAll(f *fixture) {
	for i, s := range f.shards {
		if s == nil || s.ID() != i {
			f.Fatalf("shard %d = %v", i, s)
		}
	}
	for i := range 100 {
		f.append(event(conv(i), "", "x"))
	}
	n := 0
	for _, s := range f.shards {
		for r, err := range s.Feed(f.Context()) {
			if err != nil {
				f.Fatalf("Feed = %v", err)
			}
			if r == (store.Ref{}) {
				break
			}
			if f.shard(r.Conversation) != s {
				f.Errorf("shard %d feeds a mail of conversation %s", s.ID(), r.Conversation)
			}
			n++
		}
	}
	if n != 100 {
		f.Errorf("the feeds of all shards have %d mails, want 100", n)
	}
}

func serveError(f *fixture) {
	if err := f.unserve(); err != nil {
		f.Fatalf("Serve = %v after its context ended", err)
	}
	bad := errors.New("bad owner")
	var ended atomic.Int32
	err := f.Serve(f.Context(), func(ctx context.Context, s store.Shard) error {
		if s.ID() == 3 {
			return bad
		}
		<-ctx.Done()
		ended.Add(1)
		return nil
	})
	f.wantErr("Serve", err, bad)
	if ended.Load() != store.Shards-1 {
		f.Errorf("%d owners were ended before Serve returned", ended.Load())
	}
}

// fill writes something of everything and returns the conversations.
func (f *fixture) fill() []core.ConversationID {
	f.Helper()
	ctx := f.Context()
	var ids []core.ConversationID
	for i := range 50 {
		c := conv(i)
		ids = append(ids, c)
		rs := f.append(event(c, "a", "one"), event(c, "b", "two"))
		com := full(c, 0, rs[0].Seq)
		com.Dead[0].ID, com.Quarantine[0].ID = fmt.Sprint("d", i), fmt.Sprint("q", i)
		com.History = append(com.History, store.Entry{N: 2, Body: []byte("entry 2"), Expires: time.Hour})
		f.commit(com)
	}
	for _, err := range []error{
		f.Bind(ctx, "i", "ref", conv(1), 0), f.SetState(ctx, "i", "k", nil, []byte("state")),
		f.SetSecret(ctx, "i", "s", []byte("secret")), f.PutBlob(ctx, "h", []byte("blob")),
	} {
		if err != nil {
			f.Fatal(err)
		}
	}
	return ids
}

// everything describes all that fill has written.
func (f *fixture) everything(ids []core.ConversationID) map[string]map[string]string {
	f.Helper()
	ctx := f.Context()
	got := map[string]map[string]string{}
	for _, c := range ids {
		got[c.String()] = f.parts(c)
	}
	ref, err1 := f.Resolve(ctx, "i", "ref")
	st, err2 := f.State(ctx, "i", "k")
	sec, err3 := f.Secret(ctx, "i", "s")
	blob, err4 := f.Blob(ctx, "h")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		f.Fatal(err)
	}
	got["rest"] = map[string]string{"ref": ref.String(), "state": string(st), "secret": string(sec), "blob": string(blob)}
	return got
}

func reopenAll(f *fixture) {
	f.need(f.o.Reopen != nil, "Reopen")
	ids := f.fill()
	before := f.everything(ids)
	last := f.append(event(conv(0), "", "last"))[0].Seq
	f.commit(store.Commit{Conversation: conv(0), Expect: 1, Consume: []store.Seq{last}})
	before[conv(0).String()]["doc"] = `"doc2"`
	for range 2 {
		f.reopen()
		if diff := cmp.Diff(before, f.everything(ids)); diff != "" {
			f.Fatalf("after a restart:\n%s", diff)
		}
	}
	if r := f.append(event(conv(0), "", "next"))[0]; r.Seq <= last {
		f.Errorf("place %d after a restart, %d was given out before", r.Seq, last)
	}
	if !f.append(event(conv(0), "b", "two"))[0].Duplicate {
		f.Error("an event is forgotten after a restart")
	}
}

func exportImport(f *fixture) {
	ids := f.fill()
	before := f.everything(ids)
	var first, second bytes.Buffer
	if _, err := f.Export(f.Context(), &first, 0); err != nil {
		f.Fatalf("Export = %v", err)
	}
	to := &fixture{T: f.T, o: f.o, Store: f.open(f.T)}
	defer to.close()
	to.serve()
	if err := to.Import(f.Context(), bytes.NewReader(first.Bytes())); err != nil {
		f.Fatalf("Import = %v", err)
	}
	if diff := cmp.Diff(before, to.everything(ids)); diff != "" {
		f.Errorf("after the import:\n%s", diff)
	}
	if _, err := to.Export(f.Context(), &second, 0); err != nil {
		f.Fatalf("Export = %v", err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		f.Errorf("exports differ: %d and %d bytes", first.Len(), second.Len())
	}
	if err := to.Import(f.Context(), bytes.NewReader(first.Bytes())); err == nil {
		f.Error("a store that is not empty imports")
	}
	mails := f.mails(conv(0))
	if r := to.append(event(conv(0), "", "next"))[0]; r.Seq <= mails[len(mails)-1].Seq {
		f.Errorf("place %d after the import, the last mail has %d", r.Seq, mails[len(mails)-1].Seq)
	}
}

func importGarbage(f *fixture) {
	f.fill()
	var buf bytes.Buffer
	if _, err := f.Export(f.Context(), &buf, 0); err != nil {
		f.Fatalf("Export = %v", err)
	}
	good := buf.Bytes()
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 4
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "cut": good[:len(good)/2], "cut sum": good[:len(good)-1], "flipped": flipped,
	} {
		to := &fixture{T: f.T, o: f.o, Store: f.open(f.T)}
		to.serve()
		if err := to.Import(f.Context(), bytes.NewReader(b)); err == nil {
			f.Errorf("%s: imported", name)
		}
		to.close()
	}
}

func cancelled(f *fixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	stored := 0
	for range 50 {
		_, err := f.Append(ctx, event(conv(1), "", "x"))
		if err == nil {
			stored++
			continue
		}
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			f.Fatalf("Append with an ended context = %v", err)
		}
	}
	if n := len(f.mails(conv(1))); n != stored {
		f.Errorf("%d mails are stored, %d were acknowledged", n, stored)
	}
}

// closeUnderLoad closes the store while it is written to. Every call returns,
// and what was acknowledged is there afterwards.
func closeUnderLoad(f *fixture) {
	var mu sync.Mutex
	acked := map[string]bool{}
	var wg sync.WaitGroup
	started := make(chan struct{}, 1)
	old := f.Store
	for i := range 16 {
		wg.Go(func() {
			for j := 0; ; j++ {
				body := fmt.Sprint(i, ".", j)
				_, err := old.Append(context.Background(), event(conv(i), body, body))
				if errors.Is(err, store.ErrClosed) {
					return
				}
				if err != nil {
					f.Errorf("Append = %v", err)
					return
				}
				mu.Lock()
				acked[body] = true
				if len(acked) == 500 {
					started <- struct{}{}
				}
				mu.Unlock()
			}
		})
	}
	<-started
	if err := f.unserve(); err != nil {
		f.Errorf("Serve = %v", err)
	}
	if f.o.Reopen == nil {
		if err := f.Close(); err != nil {
			f.Errorf("Close = %v", err)
		}
		wg.Wait()
		return
	}
	f.Store = f.o.Reopen(f.T, old)
	wg.Wait()
	f.serve()
	stored := map[string]bool{}
	for i := range 16 {
		for _, m := range f.mails(conv(i)) {
			stored[string(m.Body)] = true
		}
	}
	for body := range acked {
		if !stored[body] {
			f.Errorf("mail %s was acknowledged and is gone", body)
		}
	}
}

func closed(f *fixture) {
	if err := f.unserve(); err != nil {
		f.Errorf("Serve = %v", err)
	}
	if err := f.Close(); err != nil {
		f.Errorf("Close = %v", err)
	}
	if err := f.Close(); err != nil {
		f.Errorf("Close again = %v", err)
	}
	for what, err := range f.calls() {
		f.wantErr(what, err, store.ErrClosed)
	}
	err := f.Serve(f.Context(), func(ctx context.Context, _ store.Shard) error {
		<-ctx.Done()
		return nil
	})
	f.wantErr("Serve", err, store.ErrClosed)
}

// calls makes one call of every kind.
func (f *fixture) calls() map[string]error {
	ctx, c := f.Context(), conv(1)
	_, errAppend := f.Append(ctx, event(c, "", "x"))
	_, errCommit := f.tryCommit(store.Commit{Conversation: c, Expect: 1, Doc: []byte("x")})
	_, _, errLoad := f.shard(c).Load(ctx, c)
	_, errMail := f.shard(c).Mail(ctx, c, 0, 1)
	_, errResolve := f.Resolve(ctx, "i", "r")
	_, errList := f.Reader().List(ctx, store.Filter{}, "", 1)
	var errFeed error
	for _, err := range f.shard(c).Feed(ctx) {
		if errFeed = err; err != nil {
			break
		}
	}
	return map[string]error{
		"Append": errAppend, "Commit": errCommit, "Load": errLoad, "Mail": errMail, "Resolve": errResolve,
		"List": errList, "Feed": errFeed, "Bind": f.Bind(ctx, "i", "r", c, 0),
		"SetState": f.SetState(ctx, "i", "k", nil, nil), "Quarantine": f.Quarantine(ctx, store.Dead{ID: "x"}),
	}
}

func diskFull(f *fixture) {
	f.need(f.o.Full != nil, "Full")
	ctx, c := f.Context(), conv(1)
	mail := f.append(event(c, "a", "x"))[0].Seq
	com := store.Commit{ID: randomID(), Conversation: c, Doc: []byte("1"), Fresh: []store.Dedup{{Instance: "i", ID: "f", For: time.Hour}}}
	f.commit(com)
	f.o.Full(f.Store, true)
	f.eventually("the store is full", func() bool { return f.Health().Full })
	_, err := f.Append(ctx, event(c, "", "x"))
	f.wantErr("Append", err, store.ErrFull)
	_, err = f.tryCommit(store.Commit{Conversation: c, Expect: 1, Fresh: []store.Dedup{{Instance: "i", ID: "g"}}})
	f.wantErr("Commit with a fresh event", err, store.ErrFull)
	if rev := f.commit(com); rev != 1 {
		f.Errorf("the same commit again = %d while the disk is full", rev)
	}
	f.commit(store.Commit{Conversation: c, Expect: 1, Doc: []byte("2"), Consume: []store.Seq{mail}})
	if err := f.Bind(ctx, "i", "r", c, 0); err != nil {
		f.Errorf("Bind = %v while the disk is full", err)
	}
	if err := f.SetState(ctx, "i", "k", nil, []byte("v")); err != nil {
		f.Errorf("SetState = %v while the disk is full", err)
	}
	if ms := f.mails(c); len(ms) != 0 {
		f.Errorf("mails = %v", ms)
	}
	f.o.Full(f.Store, false)
	f.eventually("the store takes events again", func() bool {
		_, err := f.Append(ctx, event(c, "", "y"))
		return err == nil
	})
	if h := f.Health(); h.Full || !h.OK {
		f.Errorf("Health = %+v", h)
	}
}

func broken(f *fixture) {
	f.need(f.o.Break != nil, "Break")
	c := conv(1)
	f.commit(store.Commit{Conversation: c, Doc: []byte("1")})
	select {
	case <-f.Failed():
		f.Fatal("Failed is closed")
	default:
	}
	f.o.Break(f.Store)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			_, err := f.Append(f.Context(), event(conv(i), "", "x"))
			f.wantErr("Append", err, store.ErrBroken)
		})
	}
	wg.Wait()
	select {
	case <-f.Failed():
	case <-time.After(time.Minute):
		f.Fatal("Failed is not closed")
	}
	for what, err := range f.calls() {
		f.wantErr(what, err, store.ErrBroken)
	}
	if h := f.Health(); h.OK || !errors.Is(h.Err, store.ErrBroken) {
		f.Errorf("Health = %+v", h)
	}
	f.wantErr("Serve", f.unserve(), store.ErrBroken)
}
