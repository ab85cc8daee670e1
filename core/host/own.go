package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// able is what an instance can do with its settings, as its driver said when it
// opened.
type able struct {
	driver   *pluginv1.Driver // name and capabilities; without those it can what every instance can
	settings string           // a hash
}

func (a *able) equal(b *able) bool {
	return a != nil && b != nil && a.settings == b.settings && proto.Equal(a.driver, b.driver)
}

// of says that a is of an instance as spec has it.
func (a *able) of(spec Instance) bool {
	return a.driver.Name == spec.Driver && a.settings == settingsHash(spec)
}

// settingsHash says nothing of secrets: what an instance can do does not depend
// on them, and one that is renewed while the gateway is stopped is no news.
func settingsHash(spec Instance) string {
	h := sha256.Sum256(spec.Settings)
	return hex.EncodeToString(h[:16])
}

// Own are the name and the capabilities of drivers whose instances have others
// with their settings, by instance. It is known once an instance has been open, and
// stays while the plugin restarts, and while the gateway does, if the settings are
// the same. The values are shared: they must not be changed.
func (h *Host) Own() map[string]*pluginv1.Driver {
	all := map[string]*pluginv1.Driver{}
	for name, a := range h.ables() {
		all[name] = a.driver
	}
	return all
}

// ables are the instances that can something else than every instance.
func (h *Host) ables() map[string]*able {
	all := map[string]*able{}
	for name, i := range *h.instances.Load() {
		i.mu.Lock()
		if i.own != nil && i.own.driver.Capabilities != nil {
			all[name] = i.own
		}
		i.mu.Unlock()
	}
	return all
}

// ownFile lies in the data folder.
const ownFile = "capabilities.json"

// keptAble is an able as it is kept.
type keptAble struct {
	Driver       string          `json:"driver"`
	Settings     string          `json:"settings"`
	Capabilities json.RawMessage `json:"capabilities"`
}

// LoadOwn is [Host.Own] for instances of a gateway that is stopped, as far as they
// were open with these settings when it last ran with this data folder.
func LoadOwn(dataDir string, instances []Instance) (map[string]*pluginv1.Driver, error) {
	known, err := readOwn(dataDir)
	own := map[string]*pluginv1.Driver{}
	for _, spec := range instances {
		if a := known[spec.Name]; a != nil && a.of(spec) {
			own[spec.Name] = a.driver
		}
	}
	return own, err
}

// readOwn reads the file, if there is one.
func readOwn(dataDir string) (map[string]*able, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, ownFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var kept map[string]keptAble
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	all := map[string]*able{}
	for name, k := range kept {
		d := &pluginv1.Driver{Name: k.Driver, Capabilities: &pluginv1.Capabilities{}}
		if (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(k.Capabilities, d.Capabilities) == nil { // else it is asked again
			all[name] = &able{d, k.Settings}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cached capabilities: %w", err)
	}
	return all, nil
}

// recallOwn has the instances able to do what they were when the gateway last ran,
// until they are open.
func (h *Host) recallOwn() {
	known, err := readOwn(h.cfg.DataDir)
	if err != nil {
		h.log.Warn("what instances could do in the last run is not readable, they are asked first", "err", err)
	}
	for name, i := range *h.instances.Load() {
		i.mu.Lock()
		if a := known[name]; a != nil && i.own == nil && a.of(i.spec) {
			i.own = a
		}
		i.mu.Unlock()
	}
}

// saveOwn keeps what instances can do for the next start, and for those who ask
// while the gateway is stopped.
func (h *Host) saveOwn() {
	h.saveMu.Lock()
	defer h.saveMu.Unlock()
	text, err := h.encodeOwn()
	if err == nil && !bytes.Equal(text, h.savedOwn) { // else another one's turn has done it
		err = replaceFile(filepath.Join(h.cfg.DataDir, ownFile), text)
	}
	if err != nil {
		h.log.Warn("what instances can do is not cached", "err", err)
		return
	}
	h.savedOwn = text
}

func (h *Host) encodeOwn() ([]byte, error) {
	kept := map[string]keptAble{}
	for name, a := range h.ables() {
		caps, err := protojson.Marshal(a.driver.Capabilities)
		if err != nil {
			return nil, fmt.Errorf("capabilities of %s: %w", name, err)
		}
		kept[name] = keptAble{a.driver.Name, a.settings, caps}
	}
	return json.MarshalIndent(kept, "", "  ")
}
