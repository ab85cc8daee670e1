package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// space watches the free space. Badger writes through a memory map of a file
// with holes, so a full disk kills the process, and kills it again when it
// opens the store: there must never be none left.
//
//	free above watermark     all is well
//	below watermark          full: nothing new is accepted, draining goes on
//	below floor              the ballast file is deleted, which gives its size
//	still below floor        no write at all is safe: empty
type space struct {
	dir       string
	free      func(dir string) (uint64, error)
	watermark uint64
	floor     uint64
	ballast   uint64
	log       *slog.Logger

	mu    sync.Mutex // guards the ballast
	level atomic.Int32
	bytes atomic.Uint64
}

// Levels of free space.
const (
	enough int32 = iota
	full
	empty
)

const checkEvery = time.Second // without commits

// full is true while nothing new may be accepted.
func (p *space) full() bool { return p.level.Load() >= full }

// empty is true while nothing at all may be written.
func (p *space) empty() bool { return p.level.Load() == empty }

// check looks at the disk. The committer calls it before every group: another
// process fills a disk in a moment, and the call takes a microsecond.
func (p *space) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look()
}

// look sets the level. The caller holds mu, or is Open.
func (p *space) look() {
	n, err := p.free(p.dir)
	if err != nil {
		p.log.Error("free space unknown", "dir", p.dir, "err", err)
		return
	}
	if n < p.floor && p.dropBallast() {
		if n, err = p.free(p.dir); err != nil {
			return
		}
	}
	p.bytes.Store(n)
	level := enough
	switch {
	case n < p.floor:
		level = empty
	case n < p.watermark:
		level = full
	}
	was := p.level.Swap(level)
	switch {
	case level > was:
		p.log.Error("disk is filling up, new events are refused", "dir", p.dir, "free_bytes", n, "watermark_bytes", p.watermark)
	case level == enough && was != enough:
		p.log.Info("disk has room again", "dir", p.dir, "free_bytes", n)
	}
}

// watch looks every second until stop is closed, and keeps the ballast.
func (p *space) watch(stop <-chan struct{}) {
	t := time.NewTicker(checkEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			p.mu.Lock()
			p.look()
			p.keepBallast()
			p.mu.Unlock()
		}
	}
}

func (p *space) ballastPath() string { return filepath.Join(p.dir, "BALLAST") }

// dropBallast deletes the ballast and tells if there was one.
func (p *space) dropBallast() bool {
	err := os.Remove(p.ballastPath())
	if err == nil {
		p.log.Error("ballast file deleted to go on", "file", p.ballastPath())
	}
	return err == nil
}

// keepBallast creates the ballast if it is missing and there is ample room.
// Without it the store works as well, so an error is only told.
func (p *space) keepBallast() {
	if p.ballast == 0 || p.bytes.Load() < p.watermark+2*p.ballast {
		return
	}
	f, err := os.OpenFile(p.ballastPath(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	if err == nil {
		err = errors.Join(reserve(f, int64(p.ballast)), f.Close())
	}
	if err != nil {
		_ = os.Remove(p.ballastPath())
		p.log.Warn("no ballast file", "file", p.ballastPath(), "err", err)
	}
}

// diskFree returns the bytes that this process may still write in dir.
func diskFree(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:unconvert // their types differ between systems
}
