package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
)

func (r *rig) doc(id core.ConversationID) *state.Document {
	r.Helper()
	b, _, err := r.mem.Reader().Document(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	doc := &state.Document{}
	if err := errors.Join(err, doc.UnmarshalVT(b)); err != nil {
		r.Fatal(err)
	}
	return doc
}

// history returns the records and the ends of commands, oldest first.
func (r *rig) history(id core.ConversationID) (records []*state.Record, ends []*state.Ended) {
	r.Helper()
	page, err := r.mem.Reader().History(context.Background(), id, "", 100_000)
	if err != nil {
		r.Fatal(err)
	}
	for _, line := range slices.Backward(page.Items) {
		e := &state.Entry{}
		if err := e.UnmarshalVT(line.Body); err != nil {
			r.Fatal(err)
		}
		if e.GetRecord() != nil {
			records = append(records, e.GetRecord())
		} else {
			ends = append(ends, e.GetEnded())
		}
	}
	return records, ends
}

// decided returns the texts of the decided events of a type, in order.
func (r *rig) decided(id core.ConversationID, typ string) (texts []string) {
	r.Helper()
	records, _ := r.history(id)
	for _, rec := range records {
		if rec.View.GetType() == typ {
			texts = append(texts, rec.View.Event.Text)
		}
	}
	return texts
}

// dead returns the dead letters, oldest first, as "text: reason".
func (r *rig) dead() (letters []string, ids []string) {
	r.Helper()
	page, err := r.mem.Reader().Dead(context.Background(), "", 10_000)
	if err != nil {
		r.Fatal(err)
	}
	for _, d := range slices.Backward(page.Items) {
		l := &state.DeadLetter{}
		if err := l.UnmarshalVT(d.Body); err != nil {
			r.Fatal(err)
		}
		letters = append(letters, l.Command.GetMessage().GetText()+": "+l.Reason)
		ids = append(ids, d.ID)
	}
	return letters, ids
}

func (r *rig) wantDead(letters ...string) {
	r.Helper()
	if got, _ := r.dead(); !slices.Equal(got, letters) {
		r.Fatalf("dead letters = %q, want %q", got, letters)
	}
}

// stored returns a command in the outbox, nil if it has ended.
func (r *rig) stored(key string) *state.Pending {
	r.Helper()
	id, err := core.ParseCommandID(key)
	if err != nil {
		r.Fatal(err)
	}
	items, err := r.mem.Reader().Outbox(context.Background(), id.Conversation, 100_000)
	if err != nil {
		r.Fatal(err)
	}
	for _, it := range items {
		if it.ID == id {
			return pendingOf(it.Body)
		}
	}
	return nil
}

func pendingOf(body []byte) *state.Pending {
	p := &state.Pending{}
	if err := p.UnmarshalVT(body); err != nil {
		panic(err)
	}
	return p
}

// storeEvent is a mail without an id.
func storeEvent(id core.ConversationID, m *state.Mail) store.Event {
	return store.Event{Conversation: id, Body: encode(m)}
}
