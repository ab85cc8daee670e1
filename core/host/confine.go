package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/openccsp/gateway/core/host/sandbox"
)

// watchEvery is how often the plugins' memory is looked at where the kernel does
// not keep the ceiling.
const watchEvery = time.Second

// What no plugin needs more of, in the sandbox.
const (
	maxFiles    = 1 << 16 // open descriptors
	maxFileSize = 1 << 30 // bytes
	maxProcs    = 1 << 13 // processes and threads: of the gateway's user, or of the plugin if it has a cgroup
)

// PluginLimits is what one plugin is held to beside the others.
type PluginLimits struct {
	Connect []uint16 // TCP ports that it may connect to, in the sandbox; nil: all, empty: none
	Listen  []uint16 // TCP ports that it may listen on, 0 is any free one; nil: all, empty: none
	Memory  int64    // ceiling, in bytes, if it is lower than that of all; 0: that of all
}

// limits is what plugin processes are held to.
type limits struct {
	sandbox bool
	read    []string                // what plugins may read beside their own
	memory  int64                   // bytes of one plugin; 0: no ceiling
	each    map[string]PluginLimits // by plugin id
	cgroup  *sandbox.Cgroup         // nil: watch looks after it
	watch   *sandbox.Watch
}

// openLimits finds out who keeps the memory ceilings. The watch runs until ctx
// ends.
func (h *Host) openLimits(ctx context.Context) {
	h.limits.sandbox, h.limits.memory, h.limits.each = h.cfg.Sandbox, h.cfg.Memory, h.cfg.Each
	for _, path := range h.cfg.Read {
		path, err := filepath.Abs(path) // plugins start in folders of their own
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			h.log.Warn("plugins cannot be let read what is not there", "err", err)
			continue
		}
		h.limits.read = append(h.limits.read, path)
	}
	if h.limits.anyCeiling() {
		group, err := sandbox.OpenCgroup()
		if err != nil {
			h.log.Info("the memory of plugins is watched, there is no cgroup for them", "reason", err)
		}
		h.limits.cgroup = group // nil with an error
	}
	h.instWG.Go(func() { // until the last plugin has been stopped
		if err := h.limits.watch.Run(ctx); err != nil {
			h.log.Warn("the memory of plugins is not watched", "err", err)
		}
	})
}

// anyCeiling says that the configuration bounds the memory of a plugin.
func (l *limits) anyCeiling() bool {
	for _, own := range l.each {
		if own.Memory > 0 {
			return true
		}
	}
	return l.memory > 0
}

// of is what a program that is probably plugin id is held to: of several
// ceilings the lowest.
func (l *limits) of(id string, p program) PluginLimits {
	held := l.each[id]
	for _, other := range []int64{l.memory, p.sidecar.Memory} {
		if other > 0 && (held.Memory == 0 || other < held.Memory) {
			held.Memory = other
		}
	}
	return held
}

// wrap prepares the start of the process under its limits: nil if it has no
// sandbox.
func (p *process) wrap() (*sandbox.Wrapped, error) {
	if !p.limits.sandbox {
		return nil, nil
	}
	s := sandbox.Spec{
		Command: p.argv, Dir: p.dir, DataDirs: []string{p.dir}, SocketDir: p.socketDir, Env: p.env,
		Connect: p.held.Connect, Listen: p.held.Listen,
		Memory: p.held.Memory, MaxFiles: maxFiles, MaxFileSize: maxFileSize, MaxProcs: maxProcs,
	}
	s.ReadDirs = slices.Clone(p.limits.read)
	if p.store != "" {
		s.ReadDirs = append(s.ReadDirs, p.store)
	}
	if p.held.Memory > 0 && p.limits.cgroup != nil {
		leaf, err := p.limits.cgroup.Leaf(filepath.Base(p.dir)+"-"+strconv.FormatUint(p.lines.number, 10), p.held.Memory, maxProcs)
		if err != nil {
			p.lines.log.Load().Warn("the plugin has no cgroup, its memory is watched", "err", err)
		} else {
			p.leaf, s.Cgroup = leaf, leaf.Dir()
		}
	}
	return sandbox.Wrap(s)
}

// guard has the memory of the started process watched, if nothing else does.
func (p *process) guard() {
	if p.held.Memory == 0 || p.leaf != nil {
		return
	}
	entries := p.limits.watch.Add(p.pid, sandbox.Limits{Memory: p.held.Memory}, func(u sandbox.Usage) {
		p.greed.Store(u.Memory)
		p.kill()
	})
	for _, e := range entries {
		p.report = p.report.With(e)
	}
}

// overMemory says that the process was ended because of its memory, nil if not.
// It is called when it has ended.
func (p *process) overMemory() error {
	switch used := p.greed.Load(); {
	case used > 0:
		return fmt.Errorf("it used %d MiB of memory, its ceiling is %d MiB", used>>20, p.held.Memory>>20)
	case p.oom:
		return fmt.Errorf("it used more memory than its ceiling of %d MiB", p.held.Memory>>20)
	}
	return nil
}
