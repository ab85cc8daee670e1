package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// manifestFile lies in the data folder.
const manifestFile = "manifests.json"

// LoadManifests returns the manifests of the plugins that were active when the
// gateway last ran with this data folder; none if it never did.
func LoadManifests(dataDir string) ([]*pluginv1.Manifest, error) {
	path := filepath.Join(dataDir, manifestFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cached manifests: %w", err)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("cached manifests %s: %w", path, err)
	}
	var all []*pluginv1.Manifest
	for _, r := range raw {
		m := &pluginv1.Manifest{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(r, m); err != nil {
			return nil, fmt.Errorf("cached manifests %s: %w", path, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// saveManifests replaces the cache.
func saveManifests(dataDir string, all []*pluginv1.Manifest) error {
	raw := make([]json.RawMessage, len(all))
	for i, m := range all {
		b, err := protojson.Marshal(m)
		if err != nil {
			return fmt.Errorf("manifest of %s: %w", m.PluginId, err)
		}
		raw[i] = b
	}
	b, err := json.MarshalIndent(raw, "", "  ")
	if err != nil {
		return fmt.Errorf("cached manifests: %w", err)
	}
	if err := replaceFile(filepath.Join(dataDir, manifestFile), b); err != nil {
		return fmt.Errorf("cached manifests: %w", err)
	}
	return nil
}

// saveManifests caches what is live for those who ask while the gateway is
// stopped.
func (h *Host) saveManifests() {
	h.saveMu.Lock()
	defer h.saveMu.Unlock()
	var all []*pluginv1.Manifest
	h.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(h.slots)) {
		if m := h.slots[id].manifest.Load(); m != nil {
			all = append(all, m.Manifest)
		}
	}
	h.mu.Unlock()
	if err := saveManifests(h.cfg.DataDir, all); err != nil {
		h.log.Warn("manifests are not cached", "err", err)
	}
}
