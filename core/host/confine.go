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

// limits is what plugin processes are held to.
type limits struct {
	sandbox bool
	read    []string        // what plugins may read beside their own
	memory  int64           // bytes of one plugin; 0: no ceiling
	cgroup  *sandbox.Cgroup // nil: watch looks after it
	watch   *sandbox.Watch
}

// openLimits finds out who keeps the memory ceilings. The watch runs until ctx
// ends.
func (h *Host) openLimits(ctx context.Context) {
	h.limits.sandbox, h.limits.memory = h.cfg.Sandbox, h.cfg.Memory
	for _, path := range h.cfg.Read {
		if _, err := os.Stat(path); err != nil {
			h.log.Warn("plugins cannot be let read what is not there", "err", err)
			continue
		}
		h.limits.read = append(h.limits.read, path)
	}
	if h.cfg.Memory > 0 {
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

// ceiling is the memory a program may use, in bytes; 0: any.
func (l *limits) ceiling(p program) int64 {
	if own := p.sidecar.Memory; own > 0 && (l.memory == 0 || own < l.memory) {
		return own
	}
	return l.memory
}

// wrap prepares the start of the process under its limits: nil if it has no
// sandbox.
func (p *process) wrap() (*sandbox.Wrapped, error) {
	if !p.limits.sandbox {
		return nil, nil
	}
	s := sandbox.Spec{
		Command: p.argv, Dir: p.dir, DataDirs: []string{p.dir}, SocketDir: p.socketDir, Env: p.env, Memory: p.memory,
	}
	s.ReadDirs = slices.Clone(p.limits.read)
	if p.store != "" {
		s.ReadDirs = append(s.ReadDirs, p.store)
	}
	if p.memory > 0 && p.limits.cgroup != nil {
		leaf, err := p.limits.cgroup.Leaf(filepath.Base(p.dir)+"-"+strconv.FormatUint(p.lines.number, 10), p.memory, 0)
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
	if p.memory == 0 || p.leaf != nil {
		return
	}
	entries := p.limits.watch.Add(p.pid, sandbox.Limits{Memory: p.memory}, func(u sandbox.Usage) {
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
		return fmt.Errorf("it used %d MiB of memory, its ceiling is %d MiB", used>>20, p.memory>>20)
	case p.oom:
		return fmt.Errorf("it used more memory than its ceiling of %d MiB", p.memory>>20)
	}
	return nil
}
