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
	"sync"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/openccsp/gateway/sdk/pluginv1"
)

// maxManifests is how many programs the ledger knows at most.
const maxManifests = 256

// ledger is what the gateway keeps of its plugins over its own restarts: their
// past, and what each program has said of itself, so that those which need not
// run need not be started to learn it.
type ledger struct {
	path string

	mu        sync.Mutex
	plugins   map[string]json.RawMessage
	manifests map[string]*manifest // by digest
}

// book is the ledger's file.
type book struct {
	Plugins   map[string]json.RawMessage `json:"plugins"`
	Manifests map[string]json.RawMessage `json:"manifests"`
}

// openLedger reads the file, if there is one. What cannot be read is an error;
// the ledger is empty then, and can be used.
func openLedger(path string) (*ledger, error) {
	l := &ledger{path: path, plugins: make(map[string]json.RawMessage), manifests: make(map[string]*manifest)}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("ledger of plugins: %w", err)
	}
	var b book
	if err := json.Unmarshal(text, &b); err != nil {
		return l, fmt.Errorf("ledger of plugins %s: %w", path, err)
	}
	maps.Copy(l.plugins, b.Plugins)
	for digest, raw := range b.Manifests {
		m := &pluginv1.Manifest{}
		if (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, m) != nil {
			continue // it is asked again
		}
		if mf, err := checkManifest(m); err == nil {
			l.manifests[digest] = mf
		}
	}
	return l, nil
}

// past returns what is known of a plugin.
func (l *ledger) past(id string) (p past) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = json.Unmarshal(l.plugins[id], &p) // what is not understood is forgotten
	return p
}

// manifest returns what a program said of itself, nil if it was never asked.
func (l *ledger) manifest(digest string) *manifest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.manifests[digest]
}

// learn remembers what a program says of itself. inUse are the programs that
// must not be forgotten for it.
func (l *ledger) learn(digest string, m *manifest, inUse []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manifests[digest] = m
	for d := range l.manifests {
		if len(l.manifests) > maxManifests && d != digest && !slices.Contains(inUse, d) {
			delete(l.manifests, d)
		}
	}
	return l.save()
}

// write replaces the past of a plugin.
func (l *ledger) write(id string, p past) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("ledger of plugins: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plugins[id] = raw
	return l.save()
}

// save replaces the file. The caller holds l.mu.
func (l *ledger) save() error {
	b := book{Plugins: l.plugins, Manifests: make(map[string]json.RawMessage)}
	for digest, m := range l.manifests {
		raw, err := protojson.Marshal(m.Manifest)
		if err != nil {
			return fmt.Errorf("ledger of plugins: manifest of %s: %w", m.PluginId, err)
		}
		b.Manifests[digest] = raw
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("ledger of plugins: %w", err)
	}
	if err := replaceFile(l.path, text); err != nil {
		return fmt.Errorf("ledger of plugins: %w", err)
	}
	return nil
}

// replaceFile writes a file so that a crash leaves the old or the new one.
func replaceFile(path string, text []byte) error {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// keep writes down the past of a slot.
func (h *Host) keep(s *slot) {
	s.mu.Lock()
	p := s.past
	p.Crashes = slices.Clone(p.Crashes)
	p.Rejected = maps.Clone(p.Rejected)
	p.Before = make(map[string]program)
	for path, list := range s.shelf.paths {
		if len(list) > 1 && !list[1].attached {
			p.Before[path] = list[1].program
		}
	}
	s.mu.Unlock()
	if err := h.ledger.write(s.id, p); err != nil {
		h.log.Warn("what is known of a plugin is not kept", "plugin", s.id, "err", err)
	}
}

// inUse returns the digests whose programs run, may run, or are to run again
// if what came after them fails.
func (h *Host) inUse() (digests []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.inUseLocked()
}

func (h *Host) inUseLocked() (digests []string) {
	for _, p := range h.places {
		digests = append(digests, p.digest)
	}
	for _, s := range h.slots {
		s.mu.Lock()
		digests = append(digests, s.digest)
		for _, list := range s.shelf.paths {
			for _, o := range list {
				digests = append(digests, o.Digest)
			}
		}
		s.mu.Unlock()
	}
	return digests
}

// ledgerPath is where the ledger of the gateway with that data folder lies.
func ledgerPath(dataDir string) string { return filepath.Join(dataDir, "plugins", "ledger.json") }
