package app

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/config"
	"github.com/openccsp/gateway/core/conversation"
	"github.com/openccsp/gateway/core/flow"
	"github.com/openccsp/gateway/core/host"
	"github.com/openccsp/gateway/core/httpd"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/store"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// newSnap puts together what decisions depend on. Drivers that no plugin offers
// now or has offered before have no capabilities. earlier are versions of flows
// that may be under way.
func newSnap(c *setup, o offered, set *rules.Set, earlier []*core.FlowDef) (*conversation.Snap, error) {
	s := snapOf(c, o, set, earlier)
	b, err := encodeSnap(s, set)
	if err != nil {
		return nil, err
	}
	s.Hash = hashOf(b)
	return s, nil
}

// snapOf is newSnap without the hash.
func snapOf(c *setup, o offered, set *rules.Set, earlier []*core.FlowDef) *conversation.Snap {
	s := &conversation.Snap{
		Engine: core.Version, Services: c.services(), Instances: map[string]*conversation.Instance{},
		Versions: versionsOf(earlier),
	}
	for _, i := range c.instances() {
		s.Instances[i.Name] = newInstance(c, i, o)
	}
	if set != nil {
		s.Rules, s.Flows = set, flow.New(set.Flows(), earlier)
	}
	return s
}

// keptSnap is a snap as it is kept for the records that name it. The rule files
// are blobs of their own: a change of one file keeps that one again.
type keptSnap struct {
	Engine    string                            `json:"engine"`
	Services  map[string]*conversation.Service  `json:"services"`
	Instances map[string]*conversation.Instance `json:"instances"`
	Rules     []keptFile                        `json:"rules"`
	Without   []string                          `json:"without,omitempty"` // rules that were over their time budget
	Flows     []string                          `json:"flows,omitempty"`   // earlier versions
}

type keptFile struct {
	Path string `json:"path"`
	Hash string `json:"hash"`
}

func encodeSnap(s *conversation.Snap, set *rules.Set) ([]byte, error) {
	k := keptSnap{Engine: s.Engine, Services: s.Services, Instances: s.Instances, Flows: s.Versions}
	if set != nil {
		k.Rules, k.Without = keptFiles(set.Sources()), set.Out()
	}
	b, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("hash of what decisions depend on: %w", err)
	}
	return b, nil
}

// readSnap returns a kept snap and its rule files; store.ErrNotFound if none of
// that hash is kept.
func (g *gateway) readSnap(ctx context.Context, hash string) (keptSnap, []rules.Source, error) {
	return readSnap(ctx, g.store, hash)
}

// blobs is what of a store keeps snaps.
type blobs interface {
	Blob(ctx context.Context, hash string) ([]byte, error)
}

func readSnap(ctx context.Context, s blobs, hash string) (keptSnap, []rules.Source, error) {
	var k keptSnap
	b, err := s.Blob(ctx, hash)
	if err != nil {
		return k, nil, fmt.Errorf("snap %s: %w", hash, err)
	}
	if err := json.Unmarshal(b, &k); err != nil || k.Services == nil { // another kind of blob
		return k, nil, fmt.Errorf("snap %s: %w", hash, store.ErrNotFound)
	}
	files, err := readFiles(ctx, s, k.Rules)
	if err != nil {
		return k, nil, fmt.Errorf("snap %s: %w", hash, err)
	}
	return k, files, nil
}

// Snap implements httpd.Gateway.
func (g *gateway) Snap(ctx context.Context, hash string) (httpd.Snap, error) {
	k, files, err := g.readSnap(ctx, hash)
	if err != nil {
		return httpd.Snap{}, err
	}
	out := httpd.Snap{Snap: hash, Engine: k.Engine, Rules: rules.Hash(files), Without: k.Without}
	for _, f := range files {
		out.Files = append(out.Files, httpd.RuleFile{Path: f.Path, Text: f.Text})
	}
	return out, nil
}

func hashOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:16])
}

// keepSnap keeps a snap, by its hash, for the records that will name it and for
// the next start.
func (g *gateway) keepSnap(s *conversation.Snap, set *rules.Set) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepSnapFor)
	defer cancel()
	b, err := encodeSnap(s, set)
	if err != nil {
		return err
	}
	if _, err := g.store.Blob(ctx, s.Hash); err == nil {
		return g.keepLast(ctx, s.Hash) // it was in force before
	}
	for _, src := range set.Sources() {
		if err := g.keepFile(ctx, src); err != nil {
			return err
		}
	}
	if err := g.store.PutBlob(ctx, s.Hash, b); err != nil {
		return err
	}
	return g.keepLast(ctx, s.Hash)
}

// The hash of the last snap in force is kept as state of an instance whose
// name no other can have.
const (
	gatewayState = ".gateway"
	lastSnap     = "snap"
)

func (g *gateway) keepLast(ctx context.Context, hash string) error {
	old, err := g.store.State(ctx, gatewayState, lastSnap)
	if err != nil || string(old) == hash {
		return err
	}
	return g.store.SetState(ctx, gatewayState, lastSnap, old, []byte(hash))
}

// lastRules are the rule files that were in force last; store.ErrNotFound if
// none ever were.
func (g *gateway) lastRules(ctx context.Context) ([]rules.Source, error) {
	hash, err := g.store.State(ctx, gatewayState, lastSnap)
	if err != nil {
		return nil, err
	}
	if hash == nil {
		return nil, store.ErrNotFound
	}
	_, files, err := g.readSnap(ctx, string(hash))
	return files, err
}

// keepSnapFor bounds the writes of one snap.
const keepSnapFor = 10 * time.Second

func newInstance(c *setup, i *config.Instance, o offered) *conversation.Instance {
	d := o.inForce(i)
	in := &conversation.Instance{
		Name: i.Name, Channel: i.Kind == config.Channel, MessageRouting: i.MessageRouting,
		Caps: d.GetCapabilities(), Abilities: d.GetAbilities(), MaxParts: i.Dispatch.MaxParts,
		AmbiguousDead: i.Dispatch.Ambiguous == config.Dead, LaneAge: i.Dispatch.LaneAge,
		Removed: c.leaves(i.Name) != nil,
	}
	if in.Channel {
		in.Service = c.serviceName(i.Name)
	}
	return in
}

// hostInstance is what the host opens for an instance. saved are secrets that
// its driver has replaced, such as a renewed token.
func hostInstance(c *config.Config, i *config.Instance, d *pluginv1.Driver, saved map[string][]byte) host.Instance {
	public, secrets := i.Settings.Split(declaredSecrets(d))
	in := host.Instance{Name: i.Name, Driver: i.Driver, Settings: public, Secrets: secrets}
	if c.PublicURL != "" {
		in.PublicURL = c.PublicURL + "/hooks/" + i.Name
	}
	in.TextLimit, _ = textLimit(d, i)
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
	if l := in.TextLimit; l != nil { // without one the number is as it always was
		add(fmt.Append(nil, l.Limit, l.Unit))
	}
	for _, k := range slices.Sorted(maps.Keys(in.Secrets)) {
		add([]byte(k))
		add(in.Secrets[k])
	}
	return h.Sum64()
}
