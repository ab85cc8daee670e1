package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

var keepTests = []subtest{
	{name: "a ref is bound to one conversation", run: bind},
	{name: "of concurrent binds one wins", run: bindRace},
	{name: "state of an instance is compared and set", run: instanceState},
	{name: "state of an instance ends after its time", run: stateEnds},
	{name: "secrets are kept", run: secrets},
	{name: "blobs are kept, large ones too", run: blobs},
	{name: "quarantine without a conversation", run: quarantine},
	{name: "names with any bytes do not meet", run: hostileNames},
}

func bind(f *fixture) {
	ctx := f.Context()
	_, err := f.Resolve(ctx, "i", "r")
	f.wantErr("Resolve of nothing", err, store.ErrNotFound)
	if err := f.Bind(ctx, "i", "r", conv(1), 0); err != nil {
		f.Fatalf("Bind = %v", err)
	}
	if err := f.Bind(ctx, "i", "r", conv(1), time.Hour); err != nil {
		f.Errorf("Bind of the same = %v", err)
	}
	f.wantErr("Bind to another", f.Bind(ctx, "i", "r", conv(2), 0), store.ErrConflict)
	if c, err := f.Resolve(ctx, "i", "r"); c != conv(1) || err != nil {
		f.Errorf("Resolve = %s, %v", c, err)
	}
	if err := f.Bind(ctx, "j", "r", conv(2), time.Second); err != nil {
		f.Errorf("Bind of another instance = %v", err)
	}
	f.eventually("the binding ends", func() bool {
		_, err := f.Resolve(ctx, "j", "r")
		return errors.Is(err, store.ErrNotFound)
	})
	if err := f.Bind(ctx, "j", "r", conv(3), 0); err != nil {
		f.Errorf("Bind after the end = %v", err)
	}
	if f.o.Reopen != nil {
		f.reopen()
		if c, err := f.Resolve(ctx, "i", "r"); c != conv(1) || err != nil {
			f.Errorf("Resolve after a restart = %s, %v", c, err)
		}
	}
}

func bindRace(f *fixture) {
	for round := range 20 {
		ref := fmt.Sprint(round)
		var mu sync.Mutex
		won := map[core.ConversationID]bool{}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				err := f.Bind(f.Context(), "i", ref, conv(i%4), 0)
				if err != nil && !errors.Is(err, store.ErrConflict) {
					f.Errorf("Bind = %v", err)
				}
				if err == nil {
					mu.Lock()
					won[conv(i%4)] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		c, err := f.Resolve(f.Context(), "i", ref)
		if err != nil || len(won) != 1 || !won[c] {
			f.Fatalf("Resolve = %s, %v; %d conversations were told they have it", c, err, len(won))
		}
	}
}

func instanceState(f *fixture) {
	ctx := f.Context()
	steps := []struct {
		name     string
		old, new []byte
		err      error
		want     []byte
	}{
		{"delete nothing", nil, nil, nil, nil},
		{"wrong old", []byte("x"), []byte("a"), store.ErrConflict, nil},
		{"first", nil, []byte("a"), nil, []byte("a")},
		{"nil is not a", nil, []byte("b"), store.ErrConflict, []byte("a")},
		{"empty is not a", []byte{}, []byte("b"), store.ErrConflict, []byte("a")},
		{"next", []byte("a"), []byte("b"), nil, []byte("b")},
		{"empty", []byte("b"), []byte{}, nil, []byte{}},
		{"nil is not empty", nil, []byte("c"), store.ErrConflict, []byte{}},
		{"delete", []byte{}, nil, nil, nil},
	}
	for _, st := range steps {
		err := f.SetState(ctx, "i", "k", st.old, st.new)
		f.wantErr(st.name, err, st.err)
		got, err := f.State(ctx, "i", "k")
		if err != nil || !bytes.Equal(got, st.want) || (got == nil) != (st.want == nil) {
			f.Errorf("%s: State = %q, %v, want %q", st.name, got, err, st.want)
		}
	}
	if err := f.SetState(ctx, "i", "k", nil, []byte("kept")); err != nil {
		f.Fatal(err)
	}
	if f.o.Reopen != nil {
		f.reopen()
	}
	if got, err := f.State(ctx, "i", "k"); string(got) != "kept" || err != nil {
		f.Errorf("State = %q, %v", got, err)
	}
}

func stateEnds(f *fixture) {
	ctx := f.Context()
	if err := f.SetStateFor(ctx, "i", "k", nil, []byte("a"), time.Second); err != nil {
		f.Fatalf("SetStateFor = %v", err)
	}
	f.wantErr("wrong old", f.SetStateFor(ctx, "i", "k", []byte("x"), []byte("b"), time.Hour), store.ErrConflict)
	f.eventually("the value ends", func() bool {
		got, err := f.State(ctx, "i", "k")
		return got == nil && err == nil
	})
	f.wantErr("old value after its end", f.SetState(ctx, "i", "k", []byte("a"), []byte("b")), store.ErrConflict)
	if err := f.SetStateFor(ctx, "i", "k", nil, []byte("b"), time.Second); err != nil {
		f.Errorf("SetStateFor after the end = %v", err)
	}
	if err := f.SetStateFor(ctx, "i", "k", []byte("b"), []byte("c"), 0); err != nil {
		f.Errorf("SetStateFor for ever = %v", err)
	}
	if err := f.SetStateFor(ctx, "i", "other", nil, []byte("d"), time.Second); err != nil {
		f.Fatal(err)
	}
	f.eventually("another value ends", func() bool {
		got, err := f.State(ctx, "i", "other")
		return got == nil && err == nil
	})
	if f.o.Reopen != nil {
		f.reopen()
	}
	if got, err := f.State(ctx, "i", "k"); string(got) != "c" || err != nil {
		f.Errorf("what is set for ever: State = %q, %v", got, err)
	}
}

func secrets(f *fixture) {
	ctx := f.Context()
	_, err := f.Secret(ctx, "i", "token")
	f.wantErr("Secret of nothing", err, store.ErrNotFound)
	for _, v := range []string{"one", "two", ""} {
		if err := f.SetSecret(ctx, "i", "token", []byte(v)); err != nil {
			f.Fatalf("SetSecret = %v", err)
		}
		if got, err := f.Secret(ctx, "i", "token"); string(got) != v || err != nil {
			f.Errorf("Secret = %q, %v, want %q", got, err, v)
		}
	}
	if err := f.SetSecret(ctx, "i", "token", []byte("last")); err != nil {
		f.Fatal(err)
	}
	if f.o.Reopen != nil {
		f.reopen()
	}
	if got, err := f.Secret(ctx, "i", "token"); string(got) != "last" || err != nil {
		f.Errorf("Secret = %q, %v", got, err)
	}
	_, err = f.Secret(ctx, "j", "token")
	f.wantErr("Secret of another instance", err, store.ErrNotFound)
}

func blobs(f *fixture) {
	ctx := f.Context()
	_, err := f.Blob(ctx, "h0")
	f.wantErr("Blob of nothing", err, store.ErrNotFound)
	for i, n := range []int{0, 1, store.MaxBody, 1 << 20, 3<<20 + 7} {
		b := bytes.Repeat([]byte{byte(i + 1)}, n)
		for range 2 {
			if err := f.PutBlob(ctx, fmt.Sprint("h", i), b); err != nil {
				f.Fatalf("PutBlob of %d bytes = %v", n, err)
			}
		}
		if got, err := f.Blob(ctx, fmt.Sprint("h", i)); err != nil || !bytes.Equal(got, b) {
			f.Errorf("Blob of %d bytes = %d bytes, %v", n, len(got), err)
		}
	}
}

func quarantine(f *fixture) {
	ctx := f.Context()
	if err := f.Quarantine(ctx, store.Dead{ID: "q1", Body: []byte("bad")}); err != nil {
		f.Fatalf("Quarantine = %v", err)
	}
	if d, err := f.Reader().QuarantinedItem(ctx, "q1"); string(d.Body) != "bad" || err != nil {
		f.Errorf("QuarantinedItem = %v, %v", d, err)
	}
	f.wantErr("DeleteDead of a quarantined input", f.DeleteDead(ctx, "q1"), store.ErrNotFound)
	if err := f.DeleteQuarantined(ctx, "q1"); err != nil {
		f.Errorf("DeleteQuarantined = %v", err)
	}
	f.wantErr("DeleteQuarantined again", f.DeleteQuarantined(ctx, "q1"), store.ErrNotFound)
	_, err := f.Reader().QuarantinedItem(ctx, "q1")
	f.wantErr("QuarantinedItem", err, store.ErrNotFound)
}

// hostileNames uses names that would meet if they were put into keys as they
// are.
func hostileNames(f *fixture) {
	ctx := f.Context()
	names := []string{"", "a", "a\x00", "\x00", "*", ">", "a.b", "a/b", "a:b", "\xff\xff", "a\nb", string(make([]byte, 10<<10))}
	n := 0
	for _, a := range names {
		for _, b := range names {
			v := fmt.Append(nil, n)
			if err := f.SetState(ctx, a, b, nil, v); err != nil {
				f.Fatalf("SetState(%.20q, %.20q) = %v", a, b, err)
			}
			if err := f.Bind(ctx, a, b, conv(n), 0); err != nil {
				f.Fatalf("Bind(%.20q, %.20q) = %v", a, b, err)
			}
			ev := event(conv(0), b, "x")
			if ev.Dedup.Instance = a; f.append(ev)[0].Duplicate {
				f.Fatalf("event (%.20q, %.20q) is a duplicate", a, b)
			}
			n++
		}
	}
	n = 0
	for _, a := range names {
		for _, b := range names {
			if got, err := f.State(ctx, a, b); string(got) != fmt.Sprint(n) || err != nil {
				f.Errorf("State(%.20q, %.20q) = %q, %v, want %d", a, b, got, err, n)
			}
			if c, err := f.Resolve(ctx, a, b); c != conv(n) || err != nil {
				f.Errorf("Resolve(%.20q, %.20q) = %s, %v", a, b, c, err)
			}
			n++
		}
	}
	ids := []string{"../x", "a", "a\x00", "a b", "\xff", "\xff\xff\xff"}
	for _, id := range ids {
		if err := f.Quarantine(ctx, store.Dead{ID: id, Body: []byte(id)}); err != nil {
			f.Fatalf("Quarantine(%q) = %v", id, err)
		}
	}
	for _, id := range ids {
		if d, err := f.Reader().QuarantinedItem(ctx, id); string(d.Body) != id || err != nil {
			f.Errorf("QuarantinedItem(%q) = %v, %v", id, d, err)
		}
	}
	all, _ := pages(f, func(cursor string) (store.Page[store.Dead], error) {
		return f.Reader().Quarantined(ctx, cursor, 2)
	})
	if len(all) != len(ids) || all[0].ID != ids[len(ids)-1] {
		f.Errorf("Quarantined = %v, want %q, the last first", all, ids)
	}
	f.wantErr("DeleteDead of a long id", f.DeleteDead(ctx, string(make([]byte, 100<<10))), store.ErrNotFound)
}
