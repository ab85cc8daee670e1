package stage

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"
)

// Config is what a Stager needs. Store is required; zero values of the others
// mean their defaults.
type Config struct {
	Dirs     []string // plugin directories
	Optional []string // those of Dirs that are missing without an alarm until they are there
	Store    string   // folder of this gateway alone
	Trust    Trust
	Log      *slog.Logger
	Keep     func() []string // digests in use, beside those in the catalog; it must not block

	MaxSize  int64 // bytes of a plugin; 512 MiB
	MaxFiles int   // plugins in one directory; 256

	Quiet    time.Duration // no change for so long means settled; 250 ms
	MaxQuiet time.Duration // what Quiet grows to while changes go on; 2 s
	Absent   time.Duration // before a removal counts; 1.5 s
	Rescan   time.Duration // 10 s
	KeepFor  time.Duration // copies that are no longer in use; 24 h
}

func (c Config) check() (Config, error) {
	if c.Store == "" {
		return c, errors.New("plugin store: no folder")
	}
	var err error
	if c.Store, err = filepath.Abs(c.Store); err != nil {
		return c, fmt.Errorf("plugin store: %w", err)
	}
	for _, list := range []*[]string{&c.Dirs, &c.Optional} {
		var dirs []string
		for _, d := range *list {
			if d, err = filepath.Abs(d); err != nil {
				return c, fmt.Errorf("plugin directory: %w", err)
			}
			if !slices.Contains(dirs, d) {
				dirs = append(dirs, d)
			}
		}
		*list = dirs
	}
	if c.Trust, err = c.Trust.check(); err != nil {
		return c, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Keep == nil {
		c.Keep = func() []string { return nil }
	}
	orDefault(&c.MaxSize, 512<<20)
	orDefault(&c.MaxFiles, 256)
	orDefault(&c.Quiet, 250*time.Millisecond)
	orDefault(&c.MaxQuiet, 2*time.Second)
	orDefault(&c.Absent, 1500*time.Millisecond)
	orDefault(&c.Rescan, 10*time.Second)
	orDefault(&c.KeepFor, 24*time.Hour)
	return c, nil
}

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
