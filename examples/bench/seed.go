package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// openShare: one conversation in so many has an open chat, and a timer.
const openShare = 10

// seededCustomer is the address of conversation n.
func seededCustomer(n int) string { return fmt.Sprintf("k%07d", n) }

// seed fills the store of a gateway that does not run with n conversations.
func seed(ctx context.Context, data string, n int) (err error) {
	st, err := badger.Open(badger.Options{Dir: filepath.Join(data, "store"), Ballast: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	shards := make([]store.Shard, store.Shards)
	var ready, served sync.WaitGroup
	ready.Add(store.Shards)
	served.Go(func() {
		_ = st.Serve(ctx, func(ctx context.Context, s store.Shard) error {
			shards[s.ID()] = s
			ready.Done()
			<-ctx.Done()
			return nil
		})
	})
	defer func() { cancel(); served.Wait() }()
	ready.Wait()
	return seedAll(ctx, shards, n)
}

func seedAll(ctx context.Context, shards []store.Shard, n int) error {
	var next atomic.Int64
	var writers sync.WaitGroup
	failed := make(chan error, 256)
	now := time.Now()
	for range cap(failed) {
		writers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := seedOne(ctx, shards, i, now); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	writers.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// seedOne stores one conversation: its document, its place in the lists, one
// line of history, and the timer of an open chat.
func seedOne(ctx context.Context, shards []store.Shard, i int, now time.Time) error {
	customer := seededCustomer(i)
	id := core.NewConversationID("webshop", customer)
	chat := &state.Chat{
		Number: 1, Integration: "desk", Ref: id.String() + "-1", State: state.ChatState_CHAT_CLOSED,
		OpenedMs: now.UnixMilli(), CustomerMessages: 3, AgentMessages: 2, Queue: "retail", Assigned: true,
		Agent: &pluginv1.Agent{Id: "17", Name: "Ada"},
	}
	doc := &state.Document{
		Id: id[:], Epoch: uint64(i) + 1, Commands: 5, Records: 1, Channel: "webshop", ChannelType: "sms", Service: "retail",
		Customer: &pluginv1.Customer{Address: customer, Name: "Customer " + customer, Locale: "de-CH", Timezone: "Europe/Zurich"},
		Chat:     chat, CreatedMs: now.UnixMilli(), CustomerMs: now.UnixMilli(), AgentMs: now.UnixMilli(),
	}
	c := &store.Commit{
		Conversation: id, History: []store.Entry{{N: 1, Body: make([]byte, 300), Expires: 24 * time.Hour}},
		Index: &store.Index{UpdatedMS: now.UnixMilli(), Status: "closed", Service: "retail", Channel: "webshop",
			ChatRef: chat.Ref, Customer: customer},
	}
	if i%openShare == 0 {
		due := now.Add(2 * time.Hour)
		chat.State, doc.Owner, doc.TimerMs, c.Index.Status = state.ChatState_CHAT_OPEN, state.Owner_OWNER_CCSP, due.UnixMilli(), "open"
		c.Timer = store.TimerOp{Set: true, Due: due}
	} else {
		chat.ClosedMs = now.UnixMilli()
	}
	_, _ = rand.Read(c.ID[:])
	var err error
	if c.Doc, err = doc.MarshalVT(); err != nil {
		return err
	}
	_, err = shards[store.ShardOf(id)].Commit(ctx, c)
	return err
}
