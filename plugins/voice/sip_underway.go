package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/openccsp/gateway/plugins/voice/phone"
	"github.com/openccsp/gateway/sdk"
)

// stateCalls is where the gateway keeps which calls are under way, so that also those
// have an end that die with this process.
const stateCalls = "calls"

// underWay changes the calls that the gateway knows of.
func (p *sipProvider) underWay(ctx context.Context, change func(ids []string) []string) error {
	p.noting.Lock()
	defer p.noting.Unlock()
	for {
		old, ids, err := p.known(ctx)
		if err != nil {
			return err
		}
		var kept []byte
		if ids = change(ids); len(ids) > 0 {
			kept, _ = json.Marshal(ids) // strings can always be written
		}
		if err := p.host.SetState(ctx, stateCalls, old, kept); !errors.Is(err, sdk.ErrConflict) {
			return err
		}
	}
}

func (p *sipProvider) known(ctx context.Context) (kept []byte, ids []string, err error) {
	if kept, err = p.host.State(ctx, stateCalls); err != nil || kept == nil {
		return kept, nil, err
	}
	return kept, ids, json.Unmarshal(kept, &ids)
}

// begins notes a call before it is placed, and that it is of this process.
func (p *sipProvider) begins(ctx context.Context, id string) error {
	return p.underWay(ctx, func(ids []string) []string {
		p.own[id] = true
		return append(ids, id)
	})
}

// over forgets a call whose end was told, or that was not placed.
func (p *sipProvider) over(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	err := p.underWay(ctx, func(ids []string) []string {
		delete(p.own, id)
		return slices.DeleteFunc(ids, func(other string) bool { return other == id })
	})
	if err != nil {
		p.host.Log().Warn("a call that has ended is still noted", "call", id, "err", err)
	}
}

// bury tells the end of the calls that died with the process that had placed them.
func (p *sipProvider) bury(ctx context.Context, emit func(context.Context, ...sdk.Event) error) error {
	_, ids, err := p.known(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		p.noting.Lock()
		own := p.own[id]
		p.noting.Unlock()
		if own {
			continue
		}
		p.host.Log().Warn("a call died with the process that had placed it", "call", id)
		if err := p.report(ctx, emit, phone.Event{ID: id, At: p.host.Now(), Ended: phone.Failed}); err != nil {
			return err
		}
	}
	return nil
}
