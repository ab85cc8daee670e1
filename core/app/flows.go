package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/rules"
	"github.com/openccsp/gateway/core/store"
)

const (
	keptFlows   = "flows" // state of gatewayState: a JSON list of keptFlow
	maxVersions = 500     // that are kept; flows of an older one end as errors
)

// flowVersions are those of flows that may be under way: a flow goes on with the
// version that it began with. What they were made of is in the store, so that
// they are there after a restart.
type flowVersions struct {
	list []keptFlow
	defs map[string][]*core.FlowDef // by version; none if it cannot be compiled any more
	of   *rules.Set                 // what list is up to date with; nil: nothing is read yet
	news bool                       // list is not written yet
}

// keptFlow is a version of flows as it is kept.
type keptFlow struct {
	Version string     `json:"version"`
	Files   []keptFile `json:"files"`
	Until   time.Time  `json:"until,omitzero"` // zero: it is in force
}

// keptFor is how long a version is kept that is no longer in force. It is more
// than its flows can take: timers are late while the gateway is stopped.
func keptFor(defs []*core.FlowDef) time.Duration {
	var life time.Duration
	for _, d := range defs {
		life = max(life, d.Life)
	}
	return 2*life + 24*time.Hour
}

// earlier returns the versions of flows that are kept beside those of set, and
// sees to it that those of set will be. The caller holds g.mu.
func (g *gateway) earlier(set *rules.Set, world func() rules.World, now time.Time) (defs []*core.FlowDef) {
	ctx, cancel := context.WithTimeout(context.Background(), keepSnapFor)
	defer cancel()
	v := &g.flows
	if v.of == nil {
		if err := g.readFlows(ctx, set, world, now); err != nil {
			g.log.Error("earlier versions of flows cannot be read now, those under way end as errors", "err", err)
			return nil // they are read with the next change, and nothing is written over them
		}
	}
	if v.of != set {
		v.news = v.follow(set, now) || v.news
		v.of = set
	}
	if v.news {
		if err := g.writeFlows(ctx, set); err != nil {
			g.log.Error("flows that begin now may not survive a restart", "err", err)
		} else {
			v.news = false
		}
	}
	for _, k := range v.list {
		if !k.Until.IsZero() {
			defs = append(defs, v.defs[k.Version]...)
		}
	}
	return defs
}

// follow takes over the versions of set, and says whether the list has changed.
func (v *flowVersions) follow(set *rules.Set, now time.Time) (changed bool) {
	current := map[string][]*core.FlowDef{}
	for _, d := range set.Flows() {
		if d.Life > 0 { // another one ends as it begins
			current[d.Version] = append(current[d.Version], d)
		}
	}
	if v.defs == nil {
		v.defs = map[string][]*core.FlowDef{}
	}
	for i := range v.list {
		k := &v.list[i]
		switch in := current[k.Version] != nil; {
		case in && !k.Until.IsZero():
			k.Until, changed = time.Time{}, true
		case !in && k.Until.IsZero():
			k.Until, changed = now.Add(keptFor(v.defs[k.Version])).UTC(), true
		}
	}
	for _, version := range slices.Sorted(maps.Keys(current)) {
		v.defs[version] = current[version]
		if !slices.ContainsFunc(v.list, func(k keptFlow) bool { return k.Version == version }) {
			v.list, changed = append(v.list, keptFlow{Version: version, Files: keptFiles(set.FlowFiles(version))}), true
		}
	}
	return v.prune(now) || changed
}

// prune forgets versions that nothing can be under way with, and the oldest
// ones if there are too many.
func (v *flowVersions) prune(now time.Time) bool {
	n := len(v.list)
	v.list = slices.DeleteFunc(v.list, func(k keptFlow) bool { return !k.Until.IsZero() && k.Until.Before(now) })
	for i := 0; len(v.list) > maxVersions && i < len(v.list); {
		if v.list[i].Until.IsZero() {
			i++
			continue
		}
		v.list = slices.Delete(v.list, i, i+1)
	}
	for version := range v.defs {
		if !slices.ContainsFunc(v.list, func(k keptFlow) bool { return k.Version == version }) {
			delete(v.defs, version)
		}
	}
	return len(v.list) != n
}

// readFlows reads and compiles the versions that are kept.
func (g *gateway) readFlows(ctx context.Context, set *rules.Set, world func() rules.World, now time.Time) error {
	b, err := g.store.State(ctx, gatewayState, keptFlows)
	if err != nil || b == nil {
		return err
	}
	v := flowVersions{defs: map[string][]*core.FlowDef{}}
	if err := json.Unmarshal(b, &v.list); err != nil {
		g.log.Error("the list of earlier versions of flows is broken, those under way end as errors", "err", err)
		return nil
	}
	for i := range v.list {
		k := &v.list[i]
		if set.FlowFiles(k.Version) != nil {
			continue
		}
		defs, err := g.compileFlows(ctx, k, world())
		if err != nil {
			g.log.Error("an earlier version of flows cannot be used, those under way with it end as errors", "version", k.Version, "err", err)
			continue
		}
		v.defs[k.Version] = defs
		if !k.Until.IsZero() && k.Until.Before(now) { // while the gateway was stopped
			k.Until = now.Add(keptFor(defs)).UTC()
		}
	}
	g.flows = v
	return nil
}

func (g *gateway) compileFlows(ctx context.Context, k *keptFlow, w rules.World) ([]*core.FlowDef, error) {
	files, err := readFiles(ctx, g.store, k.Files)
	if err != nil {
		return nil, err
	}
	defs, problems := rules.CompileFlows(g.config.RulesDir, files, w)
	return defs, problems.Err()
}

// writeFlows keeps the list, and the files of what is in force.
func (g *gateway) writeFlows(ctx context.Context, set *rules.Set) error {
	for _, k := range g.flows.list {
		for _, src := range set.FlowFiles(k.Version) {
			if err := g.keepFile(ctx, src); err != nil {
				return err
			}
		}
	}
	b, err := json.Marshal(g.flows.list)
	if err != nil {
		return fmt.Errorf("versions of flows: %w", err)
	}
	old, err := g.store.State(ctx, gatewayState, keptFlows)
	if err != nil || string(old) == string(b) {
		return err
	}
	return g.store.SetState(ctx, gatewayState, keptFlows, old, b)
}

func keptFiles(files []rules.Source) (kept []keptFile) {
	for _, src := range files {
		kept = append(kept, keptFile{src.Path, hashOf([]byte(src.Text))})
	}
	return kept
}

// keepFile keeps a rule file by its hash.
func (g *gateway) keepFile(ctx context.Context, src rules.Source) error {
	hash := hashOf([]byte(src.Text))
	_, err := g.store.Blob(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		err = g.store.PutBlob(ctx, hash, []byte(src.Text))
	}
	if err != nil {
		return fmt.Errorf("keep rule file %s: %w", src.Path, err)
	}
	return nil
}

// readFiles reads what keepFile has kept.
func readFiles(ctx context.Context, s blobs, kept []keptFile) (files []rules.Source, err error) {
	for _, f := range kept {
		text, err := s.Blob(ctx, f.Hash)
		if err != nil {
			return nil, fmt.Errorf("rule file %s: %w", f.Path, err)
		}
		files = append(files, rules.Source{Path: f.Path, Text: string(text)})
	}
	return files, nil
}

// versionsOf are the versions of flows, sorted.
func versionsOf(defs []*core.FlowDef) (versions []string) {
	for _, d := range defs {
		versions = append(versions, d.Version)
	}
	slices.SortFunc(versions, strings.Compare)
	return slices.Compact(versions)
}
