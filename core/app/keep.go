package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/store"
)

// What was in force is kept in the store, encrypted as secrets are: an instance
// that is taken out of gateway.hcl, also while the gateway is stopped, still has
// chats to finish, and needs its settings for that.
const keptNames = "instances" // state of gatewayState: the names, with spaces between them

// keptInstance is an instance as it is kept.
type keptInstance struct {
	Kind           config.Kind             `json:"kind"`
	Driver         string                  `json:"driver"`
	Name           string                  `json:"name"`
	MessageRouting bool                    `json:"message_routing,omitempty"`
	Settings       json.RawMessage         `json:"settings"`
	Hidden         []string                `json:"hidden,omitempty"`
	Dispatch       config.Dispatch         `json:"dispatch"`
	Media          config.InstanceMedia    `json:"media"`
	Services       []*conversation.Service `json:"services,omitempty"`
	Left           time.Time               `json:"left,omitzero"`
	Forced         time.Time               `json:"forced,omitzero"`
}

func (k *known) encode() ([]byte, error) {
	b, err := json.Marshal(keptInstance{
		k.Kind, k.Driver, k.Name, k.MessageRouting, k.Settings.JSON(), k.Settings.Hidden, k.Dispatch, k.Media, k.services, k.left, k.forced,
	})
	if err != nil {
		return nil, fmt.Errorf("keep %s: %w", k.Name, err)
	}
	return b, nil
}

func decodeKnown(b []byte) (*known, error) {
	var k keptInstance
	if err := json.Unmarshal(b, &k); err != nil || k.Name == "" {
		return nil, errors.Join(err, errors.New("not an instance"))
	}
	return &known{
		Instance: &config.Instance{
			Kind: k.Kind, Driver: k.Driver, Name: k.Name, MessageRouting: k.MessageRouting,
			Settings: config.NewSettings(k.Settings, k.Hidden), Dispatch: k.Dispatch, Media: k.Media,
		},
		services: k.Services, left: k.Left, forced: k.Forced,
	}, nil
}

func keptKey(name string) string { return "instance/" + name }

// loadKnown reads the instances that were in force last.
func (g *gateway) loadKnown(ctx context.Context) (all []*known, err error) {
	names, err := g.store.State(ctx, gatewayState, keptNames)
	if err != nil {
		return nil, fmt.Errorf("instances of the last run: %w", err)
	}
	for _, name := range splitNames(names) {
		b, err := g.store.Secret(ctx, gatewayState, keptKey(name))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("instance %s of the last run: %w", name, err)
		}
		k, err := decodeKnown(b)
		if err != nil {
			g.log.Error("an instance of the last run cannot be read", "instance", name, "err", err)
			continue
		}
		all = append(all, k)
		g.kept[name] = b
	}
	return all, nil
}

// keepKnown keeps the instances of a setup before it is in force. Those that are
// kept and not in it are forgotten. The caller holds g.applying.
func (g *gateway) keepKnown(ctx context.Context, s *setup) error {
	var names []string
	for _, k := range s.known() {
		names = append(names, k.Name)
		b, err := k.encode()
		if err != nil {
			return err
		}
		if bytes.Equal(g.kept[k.Name], b) {
			continue
		}
		if err := g.store.SetSecret(ctx, gatewayState, keptKey(k.Name), b); err != nil {
			return fmt.Errorf("keep the settings of %s: %w", k.Name, err)
		}
		g.kept[k.Name] = b
	}
	old, err := g.store.State(ctx, gatewayState, keptNames)
	if err != nil {
		return fmt.Errorf("keep the instances: %w", err)
	}
	slices.Sort(names)
	if now := strings.Join(names, " "); now != string(old) {
		if err := g.store.SetState(ctx, gatewayState, keptNames, old, []byte(now)); err != nil {
			return fmt.Errorf("keep the instances: %w", err)
		}
	}
	for _, name := range splitNames(old) {
		if slices.Contains(names, name) {
			continue
		}
		delete(g.kept, name)
		if err := g.store.SetSecret(ctx, gatewayState, keptKey(name), []byte("{}")); err != nil {
			g.log.Warn("settings of an instance that is gone are not erased", "instance", name, "err", err)
		}
	}
	return nil
}

// dropSaved forgets secrets that a driver replaced, such as a renewed token: the
// operator has set them anew, or the instance is gone.
func (g *gateway) dropSaved(ctx context.Context, instance string, secrets ...string) {
	if len(secrets) == 0 {
		return
	}
	g.mu.Lock()
	for _, name := range secrets {
		delete(g.saved[instance], name)
	}
	g.mu.Unlock()
	old, err := g.store.State(ctx, instance, savedNames)
	if err == nil && old != nil {
		left := slices.DeleteFunc(splitNames(old), func(n string) bool { return slices.Contains(secrets, n) })
		err = g.store.SetState(ctx, instance, savedNames, old, []byte(strings.Join(left, " ")))
	}
	for _, name := range secrets {
		if err == nil {
			err = g.store.SetSecret(ctx, instance, name, []byte{0})
		}
	}
	if err != nil {
		g.log.Warn("secrets that a driver saved are not erased", "instance", instance, "err", err)
	}
}

// savedSecretsOf returns a copy of the secrets that an instance's driver saved.
func (g *gateway) savedSecretsOf(instance string) map[string][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.saved[instance])
}

// savedSecrets returns the names of the secrets that an instance's driver saved.
func (g *gateway) savedSecrets(instance string) (names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name := range g.saved[instance] {
		names = append(names, name)
	}
	return names
}

// setAnew returns those of names whose value in the settings is another one now.
func setAnew(old, now config.Settings, names []string) (changed []string) {
	var before, after map[string]json.RawMessage
	if json.Unmarshal(old.JSON(), &before) != nil || json.Unmarshal(now.JSON(), &after) != nil {
		return nil
	}
	for _, name := range names {
		if !bytes.Equal(before[name], after[name]) {
			changed = append(changed, name)
		}
	}
	return changed
}
