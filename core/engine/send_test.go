package engine

import (
	"context"
	"sync"
	"testing/synctest"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/sdk"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

func ada() core.ConversationID { return core.NewConversationID("chan", "ada") }

// from is a message of a customer.
func from(address, id, text string) *pluginv1.Event {
	return &pluginv1.Event{Type: sdk.CustomerMessage, Id: id, Customer: &pluginv1.Customer{Address: address}, Text: text}
}

// said is a message of an agent in a chat.
func said(ref, id, text string) *pluginv1.Event {
	return &pluginv1.Event{Type: sdk.IncomingMessage, Id: id, Ref: ref, Text: text}
}

// accept has events accepted and fails the test if they are not.
func (r *rig) accept(instance string, evs ...*pluginv1.Event) {
	r.Helper()
	if err := r.tryAccept(instance, evs...); err != nil {
		r.Fatalf("Accept = %v", err)
	}
	synctest.Wait()
}

func (r *rig) tryAccept(instance string, evs ...*pluginv1.Event) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // in fake time: never
	defer cancel()
	return r.e.Accept(ctx, instance, evs)
}

// start begins an Accept and returns its outcome.
func (r *rig) start(instance string, evs ...*pluginv1.Event) *pending {
	p := &pending{}
	go func() {
		err := r.tryAccept(instance, evs...)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.n++
		p.err = err
	}()
	synctest.Wait()
	return p
}

// pending is an Accept under way.
type pending struct {
	mu  sync.Mutex
	n   int
	err error
}

func (p *pending) outcome() (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n, p.err
}

// open lets ada write and the desk open a chat for her.
func (r *rig) open() {
	r.Helper()
	r.accept("chan", from("ada", "hello", "hello"))
	if doc := r.doc(ada()); doc.GetChat().GetRef() == "" {
		r.Fatalf("no chat was opened: %v", doc)
	}
	r.forget()
}
