// Package stage turns the plugin directories into files that may be run.
//
// The directories are the desired state: what lies there shall run. A file
// counts once it is quiet, complete and trusted. Then its content is copied
// into a private store, and only that copy is ever executed: nobody can change
// what was checked, and the user's file may be overwritten or deleted at any
// time. See [File] for what becomes of the content that was there before.
//
// What counts as a plugin:
//
//   - a regular file with an exec bit: a program for this system, or a script
//     that begins with "#!";
//   - a folder with a plugin.yaml, for languages that need an interpreter; see
//     [Manifest]. Other folders, such as those with source code, are ignored;
//   - a link to either, as long as it leads to a place in the plugin
//     directories. A link elsewhere is refused.
//
// Dot-files, what editors and copy tools leave for a moment, and what lies
// beside a plugin (<file>.sig, <file>.sha256, <file>.plugin.yaml) are ignored.
package stage

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"
)

// State is how far what lies at a path has come.
type State string

// The states of a file.
const (
	Settling State = "settling" // being written, incomplete, or not looked at yet
	Ready    State = "ready"
	Refused  State = "refused" // until it, or what decides about it, changes
)

// File is a plugin in a plugin directory.
//
// State, Reason, Warnings, Sidecar and ModTime are of what lies at Path now.
// Digest, Command, Dir and Claim are of what may run for Path, and empty if
// nothing may. In state Ready that is the content at Path. In the other states
// it is what was Ready there before, if anything: new content that is
// incomplete or refused does not take away what is in force. What was
// withdrawn (disabled, no longer in the lock file) is taken away.
type File struct {
	Path     string // as found: a program, or a folder with plugin.yaml; absolute
	State    State
	Reason   string   // of Settling and Refused, for people, with a hint
	Digest   string   // SHA-256 in hex of the program, or of the folder (see [Digest])
	Command  []string // what to run, with Dir as its working directory; the first is absolute
	Dir      string   // the folder in the store with the copy
	ModTime  time.Time
	Since    time.Time // of State, or of the new Digest
	Claim    Claim
	Warnings []string // such as that the file is group-writable, in mode open
	Sidecar  Sidecar
}

// Claim is what a signature or the lock file vouches for; zero in mode open.
// The plugin's own manifest must agree with it.
type Claim struct {
	ID      string // plugin id
	Version string
}

// Alarm is trouble with a plugin directory, or with the lock file: what came
// of it before stays in force.
type Alarm struct {
	Dir   string
	Err   error
	Since time.Time
}

// Catalog is the whole desired state, sorted by path.
type Catalog struct {
	Files  []File
	Alarms []Alarm
}

// Mode says what makes a file trusted.
type Mode string

// The modes of trust. In Pinned and Signed, files and directories that others
// may write to or own are refused. In Open, a group-writable one is a warning
// and a world-writable one is refused.
const (
	Open   Mode = "open"   // all files are
	Pinned Mode = "pinned" // those in the lock file
	Signed Mode = "signed" // those with a signature by one of Keys
)

// Trust says whom to trust.
type Trust struct {
	Mode     Mode                // "": Open
	LockFile string              // of Pinned
	Keys     []ed25519.PublicKey // of Signed
}

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

func (t Trust) check() (Trust, error) {
	if t.Mode == "" {
		t.Mode = Open
	}
	var err error
	switch t.Mode {
	case Open:
	case Pinned:
		if t.LockFile == "" {
			return t, errors.New("plugin trust: mode pinned needs a lock file")
		}
		if t.LockFile, err = filepath.Abs(t.LockFile); err != nil {
			return t, fmt.Errorf("plugin trust: lock file: %w", err)
		}
	case Signed:
		if len(t.Keys) == 0 {
			return t, errors.New("plugin trust: mode signed needs a public key")
		}
	default:
		return t, fmt.Errorf("plugin trust: mode %q is none of open, pinned, signed", t.Mode)
	}
	for i, k := range t.Keys {
		if len(k) != ed25519.PublicKeySize {
			return t, fmt.Errorf("plugin trust: key %d has %d bytes, want %d", i+1, len(k), ed25519.PublicKeySize)
		}
	}
	return t, nil
}

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
