package app

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// newSnap puts together what decisions depend on. Drivers that no plugin offers
// now or has offered before have no capabilities.
func newSnap(c *config.Config, drivers []*pluginv1.Driver, set *rules.Set) (*conversation.Snap, error) {
	s := &conversation.Snap{
		Engine: core.Version, Services: map[string]*conversation.Service{}, Instances: map[string]*conversation.Instance{},
	}
	for _, svc := range c.Services {
		s.Services[svc.Name] = &conversation.Service{
			Name: svc.Name, Integration: svc.Integration, Bot: svc.Bot, Channels: svc.Channels,
			Forward: ownerOf(svc.Forward), Timezone: svc.Timezone.String(), IdleAfter: svc.IdleAfter,
			UnattendedAfter: svc.UnattendedAfter, CloseAfter: svc.CloseAfter,
		}
	}
	for _, i := range c.Instances() {
		s.Instances[i.Name] = newInstance(c, i, drivers)
	}
	b, err := json.Marshal(struct {
		Engine    string
		Services  map[string]*conversation.Service
		Instances map[string]*conversation.Instance
	}{s.Engine, s.Services, s.Instances})
	if err != nil {
		return nil, fmt.Errorf("hash of what decisions depend on: %w", err)
	}
	h := sha256.New()
	h.Write(b)
	if set != nil {
		s.Rules = set
		h.Write([]byte(set.Hash()))
	}
	s.Hash = hex.EncodeToString(h.Sum(nil)[:16])
	return s, nil
}

func newInstance(c *config.Config, i *config.Instance, drivers []*pluginv1.Driver) *conversation.Instance {
	d := driverAmong(drivers, i)
	in := &conversation.Instance{
		Name: i.Name, Channel: i.Kind == config.Channel, MessageRouting: i.MessageRouting,
		Caps: d.GetCapabilities(), Abilities: d.GetAbilities(), MaxParts: i.Dispatch.MaxParts,
		AmbiguousDead: i.Dispatch.Ambiguous == config.Dead, LaneAge: i.Dispatch.LaneAge,
	}
	if svc := c.ServiceOf(i.Name); in.Channel && svc != nil {
		in.Service = svc.Name
	}
	return in
}

func ownerOf(f config.Forward) state.Owner {
	switch f {
	case config.ForwardCCSP:
		return state.Owner_OWNER_CCSP
	case config.ForwardBot:
		return state.Owner_OWNER_BOT
	case config.ForwardBoth:
		return state.Owner_OWNER_BOTH
	}
	return state.Owner_OWNER_NONE
}

func driverAmong(drivers []*pluginv1.Driver, i *config.Instance) *pluginv1.Driver {
	return driverOf([]*pluginv1.Manifest{{Drivers: drivers}}, i)
}

// hostInstance is what the host opens for an instance. saved are secrets that
// its driver has replaced, such as a renewed token.
func hostInstance(c *config.Config, i *config.Instance, declared []string, saved map[string][]byte) host.Instance {
	public, secrets := i.Settings.Split(declared)
	in := host.Instance{Name: i.Name, Driver: i.Driver, Settings: public, Secrets: secrets}
	if c.PublicURL != "" {
		in.PublicURL = c.PublicURL + "/hooks/" + i.Name
	}
	in.Revision = revision(in)
	in.Secrets = maps.Clone(secrets)
	if in.Secrets == nil {
		in.Secrets = map[string][]byte{}
	}
	maps.Copy(in.Secrets, saved)
	return in
}

// revision numbers a configuration by its content, without what a driver saved.
func revision(in host.Instance) uint64 {
	h := fnv.New64a()
	var n [8]byte
	add := func(b []byte) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	add([]byte(in.Driver))
	add(in.Settings)
	add([]byte(in.PublicURL))
	for _, k := range slices.Sorted(maps.Keys(in.Secrets)) {
		add([]byte(k))
		add(in.Secrets[k])
	}
	return h.Sum64()
}
