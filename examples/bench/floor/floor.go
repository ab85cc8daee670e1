package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/store/badger"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxFlying is how many calls may be under way, as in the gateway.
const maxFlying = 1024

// callTimeout bounds a call, as in the gateway.
const callTimeout = 30 * time.Second

// floor carries messages from the channel to the connector.
type floor struct {
	options
	host   *host.Host
	store  *badger.Store
	client *fasthttp.Client // of the part http
	keys   number
	places chan struct{} // taken by calls under way
	flying sync.WaitGroup
	busy   atomic.Int64 // messages accepted and not ended
	failed atomic.Int64
}

// values of the writes. Nobody changes them.
var event, document, end = make([]byte, eventBytes), make([]byte, documentBytes), make([]byte, endBytes)

// Accept implements host.Core: the event is durable when it returns. What
// follows goes on by itself.
func (f *floor) Accept(ctx context.Context, _ string, events []*pluginv1.Event) error {
	if f.store == nil { // the part frames
		return nil
	}
	for _, e := range events {
		if err := f.store.WriteRaw(ctx, f.keys.next(), event); err != nil {
			return &core.Error{Code: core.Unavailable, Message: "not durable", Err: err}
		}
		f.busy.Add(1)
		f.flying.Go(func() { f.forward(e) })
	}
	return nil
}

// forward writes the document, calls the connector, and writes the end.
func (f *floor) forward(e *pluginv1.Event) {
	defer f.busy.Add(-1)
	ctx := context.Background()
	if f.writes > 1 && !f.ok(f.store.WriteRaw(ctx, f.keys.next(), document)) {
		return
	}
	f.places <- struct{}{}
	fate := f.call(e.Customer.GetAddress(), e.Text)
	<-f.places
	if fate != core.Answered {
		f.ok(fmt.Errorf("call: fate %v", fate))
		return
	}
	if f.writes > 1 {
		f.ok(f.store.WriteRaw(ctx, f.keys.next(), end))
	}
}

func (f *floor) ok(err error) bool {
	if err != nil && f.failed.Add(1) == 1 {
		fmt.Fprintln(os.Stderr, "floor: first failure:", err)
	}
	return err == nil
}

// call sends one message through the connector and waits for its answer.
func (f *floor) call(address, text string) core.Fate {
	id := core.NewConversationID(channelName, address)
	key := core.CommandID{Conversation: id, Epoch: 1, N: f.keys.n.Add(1)}.String()
	answered := make(chan core.Fate, 1)
	f.host.Call(connectorName, id, &pluginv1.Call{
		Op: pluginv1.Op_SEND, Key: key, Attempt: 1,
		Chat: &pluginv1.Chat{Conversation: id.String(), Number: 1, Ref: id.String(),
			Channel: channelName, ChannelType: "sms", Service: "retail"},
		Customer: &pluginv1.Customer{Address: address},
		Message:  &pluginv1.Message{Id: key, Text: text, Part: 1, Parts: 1},
	}, callTimeout, func(_ *pluginv1.Result, fate core.Fate) { answered <- fate })
	return <-answered
}

// The rest of host.Core; the benchmark's plugin needs none of it.

// State implements host.Core.
func (f *floor) State(context.Context, string, string) ([]byte, error) { return nil, nil }

// SetState implements host.Core.
func (f *floor) SetState(context.Context, string, string, []byte, []byte) error { return nil }

// SaveSecret implements host.Core.
func (f *floor) SaveSecret(context.Context, string, string, []byte) error { return nil }

// Undelivered implements host.Core.
func (f *floor) Undelivered(context.Context, string, string, string, int) ([]*pluginv1.Message, error) {
	return nil, nil
}

// FetchMedia implements host.Core.
func (f *floor) FetchMedia(context.Context, string, *pluginv1.MediaFetch) (*pluginv1.Attachment, error) {
	return nil, errNoFiles
}

// PutMedia implements host.Core.
func (f *floor) PutMedia(context.Context, string, *pluginv1.MediaPut) (string, *pluginv1.Attachment, error) {
	return "", nil, errNoFiles
}

// GetMedia implements host.Core.
func (f *floor) GetMedia(context.Context, string, *pluginv1.MediaGet) ([]byte, *pluginv1.Attachment, error) {
	return nil, nil, errNoFiles
}

var errNoFiles = core.Errorf(core.Invalid, "the floor keeps no files")

// Typing implements host.Core.
func (f *floor) Typing(string, *pluginv1.Typing) {}

// InstanceUp implements host.Core.
func (f *floor) InstanceUp(string) {}

// InstanceDown implements host.Core.
func (f *floor) InstanceDown(string)    {}
func (f *floor) InstanceChanged(string) {}
