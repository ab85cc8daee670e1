package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// model is what a store should hold, in maps.
type model struct {
	convs map[core.ConversationID]*convModel
	index map[core.ConversationID]store.Index
}

type convModel struct {
	rev     store.Rev
	doc     string
	mail    map[store.Seq]string
	out     map[store.OutRef]string
	kept    map[uint64]string
	history map[uint64]string
	seen    map[string]bool
	timer   int64 // ms, 0: none
}

func (m *model) conv(c core.ConversationID) *convModel {
	if m.convs[c] == nil {
		m.convs[c] = &convModel{mail: map[store.Seq]string{}, out: map[store.OutRef]string{},
			kept: map[uint64]string{}, history: map[uint64]string{}, seen: map[string]bool{}}
	}
	return m.convs[c]
}

// agreesWithModel runs random operations on a few conversations, in the store
// and in the model, and compares all of both.
func agreesWithModel(f *fixture) {
	run := 0 // each run has conversations of its own, in the one store
	rapid.Check(f.T, func(t *rapid.T) {
		run++
		x := &modelRun{f: f, run: run, m: model{convs: map[core.ConversationID]*convModel{}, index: map[core.ConversationID]store.Index{}}}
		for i := range rapid.IntRange(1, 25).Draw(t, "steps") {
			op := rapid.SampledFrom([]string{"append", "commit", "commit", "commit", "stale", "reopen"}).Draw(t, "op")
			c := core.NewConversationID(fmt.Sprint("model", run), fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "conversation")))
			switch op {
			case "append":
				x.append(t, c)
			case "commit":
				x.commit(t, c)
			case "stale":
				x.stale(t, c)
			case "reopen":
				if f.o.Reopen != nil && i%5 == 0 {
					f.reopen()
				}
			}
		}
		x.compare(t)
	})
}

type modelRun struct {
	f   *fixture
	run int
	m   model
}

var smallIDs = rapid.SampledFrom([]string{"", "a", "b", "c", "d"})

func (x *modelRun) append(t *rapid.T, c core.ConversationID) {
	m := x.m.conv(c)
	var evs []store.Event
	for range rapid.IntRange(1, 3).Draw(t, "events") {
		evs = append(evs, event(c, smallIDs.Draw(t, "id"), rapid.String().Draw(t, "body")))
	}
	rs, err := x.f.Append(x.f.Context(), evs...)
	if err != nil {
		t.Fatalf("Append = %v", err)
	}
	for i, r := range rs {
		id := evs[i].Dedup.ID
		if r.Duplicate != (id != "" && m.seen[id]) {
			t.Fatalf("receipt %d of %q = %+v", i, id, r)
		}
		if !r.Duplicate {
			m.mail[r.Seq] = string(evs[i].Body)
			m.seen[id] = true
		}
	}
}

// draw makes a random commit on what the model holds.
func (x *modelRun) draw(t *rapid.T, c core.ConversationID) store.Commit {
	m := x.m.conv(c)
	com := store.Commit{ID: randomID(), Conversation: c, Expect: m.rev}
	chance := func(what string) bool { return rapid.Bool().Draw(t, what) }
	if chance("doc") {
		com.Doc = []byte(rapid.String().Draw(t, "document"))
	}
	if chance("fresh") {
		com.Fresh = []store.Dedup{{Instance: "i", ID: smallIDs.Draw(t, "id"), For: time.Hour}}
	}
	for _, seq := range slices.Sorted(maps.Keys(m.mail)) {
		if chance("consume") {
			com.Consume = append(com.Consume, seq)
		}
	}
	lane := rapid.SampledFrom([]store.Lane{"customer", "chat:1"})
	number := rapid.Uint64Range(1, 6)
	if chance("out") {
		com.Out = []store.OutItem{{ID: command(c, number.Draw(t, "out")), Lane: lane.Draw(t, "lane"), Body: []byte("o")}}
	}
	if chance("out done") {
		com.OutDone = []store.OutRef{{ID: command(c, 100+number.Draw(t, "done")), Lane: lane.Draw(t, "lane")}}
		for _, r := range slices.SortedFunc(maps.Keys(m.out), compareOut) {
			if len(com.Out) == 0 && chance("done") {
				com.OutDone = append(com.OutDone, r)
			}
		}
	}
	if chance("keep") {
		com.Keep = []store.Kept{{ID: command(c, number.Draw(t, "keep")), Body: []byte("k"), For: time.Hour}}
	} else if chance("unkeep") {
		com.Unkeep = []core.CommandID{command(c, number.Draw(t, "unkeep"))}
	}
	if chance("history") {
		com.History = []store.Entry{{N: number.Draw(t, "entry"), Body: []byte(rapid.String().Draw(t, "text"))}}
	}
	if chance("retire") {
		com.Retire, com.Retention = []uint64{number.Draw(t, "retired")}, time.Hour
	}
	if chance("timer") {
		com.Timer = store.TimerOp{Set: true}
		if due := rapid.Int64Range(0, 5).Draw(t, "due"); due > 0 {
			com.Timer.Due = time.UnixMilli(due)
		}
	}
	if chance("index") {
		com.Index = &store.Index{UpdatedMS: rapid.Int64Range(0, 9).Draw(t, "updated"), Service: fmt.Sprint(x.run),
			Status: rapid.SampledFrom([]string{"open", "closed"}).Draw(t, "status"), ChatRef: smallIDs.Draw(t, "ref"),
			Customer: fmt.Sprint("customer", x.run)}
	}
	return com
}

func compareOut(a, b store.OutRef) int {
	return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.ID.N, b.ID.N))
}

func (x *modelRun) commit(t *rapid.T, c core.ConversationID) {
	com := x.draw(t, c)
	m := x.m.conv(c)
	dup := len(com.Fresh) > 0 && com.Fresh[0].ID != "" && m.seen[com.Fresh[0].ID]
	rev, err := x.f.tryCommit(com)
	if dup {
		if !errors.Is(err, store.ErrDuplicate) {
			t.Fatalf("Commit of a duplicate = %v", err)
		}
		return
	}
	if err != nil || rev <= m.rev {
		t.Fatalf("Commit = %d, %v on revision %d", rev, err, m.rev)
	}
	m.apply(&com, rev)
	if com.Index != nil {
		x.m.index[c] = *com.Index
	}
	if again, err := x.f.tryCommit(com); again != rev || err != nil {
		t.Fatalf("the same commit again = %d, %v, want %d", again, err, rev)
	}
}

func (m *convModel) apply(com *store.Commit, rev store.Rev) {
	m.rev = rev
	if com.Doc != nil {
		m.doc = string(com.Doc)
	}
	for _, d := range com.Fresh {
		m.seen[d.ID] = true
	}
	for _, seq := range com.Consume {
		delete(m.mail, seq)
	}
	for _, r := range com.OutDone {
		delete(m.out, r)
	}
	for _, o := range com.Out {
		m.out[store.OutRef{ID: o.ID, Lane: o.Lane}] = string(o.Body)
	}
	for _, id := range com.Unkeep {
		delete(m.kept, id.N)
	}
	for _, k := range com.Keep {
		m.kept[k.ID.N] = string(k.Body)
	}
	for _, e := range com.History {
		m.history[e.N] = string(e.Body)
	}
	if com.Timer.Set {
		m.timer = 0
		if !com.Timer.Due.IsZero() {
			m.timer = com.Timer.Due.UnixMilli()
		}
	}
}

// stale commits on a revision that is not the last.
func (x *modelRun) stale(t *rapid.T, c core.ConversationID) {
	com := x.draw(t, c)
	com.Expect += store.Rev(rapid.Uint64Range(1, 3).Draw(t, "ahead"))
	if _, err := x.f.tryCommit(com); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("Commit on revision %d of %d = %v", com.Expect, x.m.conv(c).rev, err)
	}
}

// compare reads everything back.
func (x *modelRun) compare(t *rapid.T) {
	timers, pending := x.f.timers(), map[store.OutRef]bool{}
	for _, r := range x.f.pending() {
		pending[r] = true
	}
	for c, m := range x.m.convs {
		got := x.read(t, c, m)
		got.timer = timers[c]
		if diff := gocmp.Diff(m, got, gocmp.AllowUnexported(convModel{})); diff != "" {
			t.Fatalf("conversation %s (-model +store):\n%s", c, diff)
		}
		for r := range m.out {
			if !pending[r] {
				t.Fatalf("command %s of lane %q is not pending", r.ID, r.Lane)
			}
		}
	}
	x.compareIndex(t)
}

// read returns what the store has of a conversation.
func (x *modelRun) read(t *rapid.T, c core.ConversationID, m *convModel) *convModel {
	f, ctx := x.f, x.f.Context()
	got := &convModel{mail: map[store.Seq]string{}, out: map[store.OutRef]string{}, kept: map[uint64]string{},
		history: map[uint64]string{}, seen: m.seen}
	doc, rev, err := f.shard(c).Load(ctx, c)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Load = %v", err)
	}
	got.doc, got.rev = string(doc), rev
	for _, ml := range f.mails(c) {
		got.mail[ml.Seq] = string(ml.Body)
	}
	outs, err := f.Reader().Outbox(ctx, c, 1000)
	if err != nil {
		t.Fatalf("Outbox = %v", err)
	}
	for _, o := range outs {
		got.out[store.OutRef{ID: o.ID, Lane: o.Lane}] = string(o.Body)
	}
	kept, err := f.Reader().Kept(ctx, c, core.CommandID{}, 1000)
	if err != nil {
		t.Fatalf("Kept = %v", err)
	}
	for _, k := range kept {
		got.kept[k.ID.N] = string(k.Body)
	}
	hist, err := f.Reader().History(ctx, c, "", 1000)
	if err != nil {
		t.Fatalf("History = %v", err)
	}
	for _, e := range hist.Items {
		got.history[e.N] = string(e.Body)
	}
	return got
}

func (x *modelRun) compareIndex(t *rapid.T) {
	service := fmt.Sprint(x.run)
	filters := []store.Filter{{Service: service}, {Service: service, Status: "open"}, {Customer: "customer" + service},
		{Service: service, ChatRef: "a"}, {Service: service, ChatRef: "b"}}
	for _, fl := range filters {
		want := map[core.ConversationID]store.Index{}
		for c, ix := range x.m.index {
			if (fl.Status == "" || fl.Status == ix.Status) && (fl.ChatRef == "" || fl.ChatRef == ix.ChatRef) {
				want[c] = ix
			}
		}
		all, _ := pages(x.f, func(cursor string) (store.Page[store.Listed], error) {
			return x.f.Reader().List(x.f.Context(), fl, cursor, 2)
		})
		got := map[core.ConversationID]store.Index{}
		for i, l := range all {
			got[l.ID] = l.Index
			if i > 0 && l.Index.UpdatedMS > all[i-1].Index.UpdatedMS {
				t.Fatalf("list %+v: %d after %d", fl, l.Index.UpdatedMS, all[i-1].Index.UpdatedMS)
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" || len(all) != len(got) {
			t.Fatalf("list %+v, %d items (-model +store):\n%s", fl, len(all), diff)
		}
	}
}
