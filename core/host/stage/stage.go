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

import "time"

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
