package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// manifestFile lies in the data folder.
const manifestFile = "manifests.json"

var (
	pluginIDForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+$`)
	driverNameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
)

// manifest is what a plugin said of itself, checked.
type manifest struct {
	*pluginv1.Manifest
	semver  semver
	schemas map[string]*jsonschema.Schema // by driver
	drivers map[string]*pluginv1.Driver
}

func (m *manifest) exclusive() bool { return m.Handover == pluginv1.Handover_EXCLUSIVE }

func checkManifest(m *pluginv1.Manifest) (*manifest, error) {
	if len(m.PluginId) > 128 || !pluginIDForm.MatchString(m.PluginId) {
		return nil, fmt.Errorf("plugin id %q is not a name such as \"org.example.acme\"", clip(m.PluginId, 128))
	}
	v, err := parseSemver(m.Version)
	if err != nil {
		return nil, err
	}
	out := &manifest{
		Manifest: m, semver: v,
		schemas: make(map[string]*jsonschema.Schema), drivers: make(map[string]*pluginv1.Driver),
	}
	for _, d := range m.Drivers {
		if !driverNameForm.MatchString(d.Name) {
			return nil, fmt.Errorf("driver name %q is not letters, digits, - and _", clip(d.Name, 64))
		}
		if out.drivers[d.Name] != nil {
			return nil, fmt.Errorf("driver %s is offered twice", d.Name)
		}
		if d.Kind != pluginv1.DriverKind_CHANNEL && d.Kind != pluginv1.DriverKind_CONNECTOR {
			return nil, fmt.Errorf("driver %s is neither a channel nor a connector", d.Name)
		}
		if out.schemas[d.Name], err = compileSchema(d); err != nil {
			return nil, err
		}
		out.drivers[d.Name] = d
	}
	if len(out.drivers) == 0 {
		return nil, errors.New("plugin offers no driver")
	}
	return out, nil
}

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
	path := filepath.Join(dataDir, manifestFile)
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		return fmt.Errorf("cached manifests: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("cached manifests: %w", err)
	}
	return nil
}
