package app

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// savedNames is the key under which the names of the secrets that a driver
// replaced are kept among its instance's state.
const savedNames = ".secrets"

func splitNames(b []byte) []string { return strings.Fields(string(b)) }

// Accept implements host.Core.
func (g *gateway) Accept(ctx context.Context, instance string, events []*pluginv1.Event) error {
	return g.engine.Accept(ctx, instance, events)
}

// State implements host.Core.
func (g *gateway) State(ctx context.Context, instance, key string) ([]byte, error) {
	return g.store.State(ctx, instance, "driver/"+key)
}

// SetState implements host.Core.
func (g *gateway) SetState(ctx context.Context, instance, key string, old, next []byte) error {
	return g.store.SetState(ctx, instance, "driver/"+key, old, next)
}

// SaveSecret implements host.Core. The value is used when the instance is
// opened the next time; now the driver has it already.
func (g *gateway) SaveSecret(ctx context.Context, instance, name string, value []byte) error {
	if err := g.store.SetSecret(ctx, instance, name, value); err != nil {
		return err
	}
	old, err := g.store.State(ctx, instance, savedNames)
	if err != nil {
		return err
	}
	if names := splitNames(old); !slices.Contains(names, name) {
		next := []byte(strings.Join(append(names, name), " "))
		if err := g.store.SetState(ctx, instance, savedNames, old, next); err != nil {
			return err
		}
	}
	g.mu.Lock()
	g.remember(instance, name, value)
	g.mu.Unlock()
	g.setInstances(g.manifests())
	return nil
}

// Undelivered implements host.Core.
func (g *gateway) Undelivered(ctx context.Context, instance, address, after string, limit int) ([]*pluginv1.Message, error) {
	return g.engine.Undelivered(ctx, instance, address, after, limit)
}

// Typing implements host.Core.
func (g *gateway) Typing(instance string, t *pluginv1.Typing) { g.engine.Typing(instance, t) }

// InstanceUp implements host.Core. A plugin may have come back with other
// capabilities.
func (g *gateway) InstanceUp(instance string) {
	g.InstanceChanged(instance)
	g.engine.InstanceUp(instance)
}

// InstanceChanged implements host.Core.
func (g *gateway) InstanceChanged(string) {
	g.worlds.Lock()
	g.rules.SetWorld(g.world())
	g.worlds.Unlock()
	_ = g.publish() // it logs what goes wrong, and the old snap goes on
}

// InstanceDown implements host.Core.
func (g *gateway) InstanceDown(instance string) { g.engine.InstanceDown(instance) }

// Webhook implements httpd.Hooks.
func (g *gateway) Webhook(ctx context.Context, instance string, r *pluginv1.WebhookRequest) (*pluginv1.WebhookAnswer, error) {
	a, err := g.host.Webhook(ctx, instance, r)
	if err != nil || !a.GetQuarantine() {
		return a, err
	}
	now := time.Now()
	q := &state.Quarantined{
		Id: quarantineID(now), Instance: instance, AtMs: now.UnixMilli(), Reason: a.Detail, Webhook: r,
	}
	if err := g.keep(ctx, q); err != nil {
		return nil, err
	}
	g.log.WarnContext(ctx, "request could not be read, it is in quarantine", "instance", instance, "quarantine", q.Id)
	return a, nil
}

// Socket implements httpd.Hooks.
func (g *gateway) Socket(ctx context.Context, instance string, r *pluginv1.WebhookRequest, subprotocol string, conn net.Conn) error {
	return g.host.Socket(ctx, instance, r, subprotocol, conn)
}

// SocketProtocols implements httpd.Hooks.
func (g *gateway) SocketProtocols(instance string) []string { return g.host.SocketProtocols(instance) }

// OnlyWidget implements httpd.Hooks: it is of the only channel of RTM.
func (g *gateway) OnlyWidget() (string, error) {
	var found []string
	for name, i := range g.engine.Snap().Instances {
		if i.Caps.GetChannelType() == "rtm" {
			found = append(found, name)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return "", core.Errorf(core.NotFound, "there are %d rtm channels; say which, as in /widget.js?channel=NAME", len(found))
}

// count adds the verdicts of a decided event to the rules' counters.
func (g *gateway) count(at time.Time, verdicts []*state.RuleVerdict) {
	g.rules.Counters().Count(at, verdicts)
}
