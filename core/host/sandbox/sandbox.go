// Package sandbox starts a plugin with no more rights than it needs.
//
// Nothing of Linux can restrict another process, so the gateway starts itself
// again as a shim, which gives up its own rights and then becomes the plugin:
//
//	w, err := sandbox.Wrap(spec)      // in the gateway
//	cmd := w.Command()                // add pipes and SysProcAttr, start it
//	w.Started()
//	report, err := w.Report(ctx)      // what is in force, once the plugin runs
//
// and at the top of main, and of the TestMain of tests that start plugins:
//
//	sandbox.Main()
//
// What the kernel cannot do is left out and the report says so: a plugin is
// never refused for the want of a restriction. On other systems than Linux the
// plugin starts without the shim.
package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// Spec is what a plugin may do. Its paths are absolute. Those in DataDirs,
// ReadDirs and SocketDir must exist; none of the writable ones may lie in
// another of them, or the plugin could exchange it for a symbolic link.
//
// The operating system's own programs, libraries, certificates, time zones and
// name service files can always be read, and executed where they are programs.
type Spec struct {
	Command   []string // program and arguments; a name without a slash is looked up in Env's PATH
	Dir       string   // working folder; usually one of DataDirs
	DataDirs  []string // folders to read and write; nothing in them can be executed
	ReadDirs  []string // folders or files to read and execute, such as the plugin's own in the store
	SocketDir string   // folder of the plugin's unix socket, writable, too; may be empty
	Connect   []uint16 // TCP ports it may connect to; nil: all, empty: none
	Listen    []uint16 // TCP ports it may listen on, 0 is "any free one"; nil: all, empty: none
	Env       []string `json:"-"` // the whole environment; of the gateway's own nothing is added

	// Limits. 0 leaves what the gateway itself has.
	MaxFiles    uint64 // open descriptors
	MaxProcs    uint64 // processes and threads of the whole user, not of the plugin; root is not bound
	MaxFileSize uint64 // bytes of one file
	Memory      int64  // bytes; the Go runtime aims at 90 % of it. The ceiling itself is Leaf's or Watch's
	Cgroup      string // folder of a Leaf, which then bounds memory and processes; may be empty
}

// Names of restrictions.
const (
	NoNewPrivs   = "no_new_privs" // set-uid programs give no rights
	Capabilities = "capabilities" // root's privileges are given up
	Files        = "files"        // descriptors of the gateway are closed, rlimits on files
	Processes    = "processes"    // a ceiling on the number of processes
	LandlockFS   = "landlock_fs"  // file system
	LandlockTCP  = "landlock_tcp" // TCP ports; UDP is free, since names need it
	Scope        = "scope"        // no signals and no abstract sockets to processes outside
	UnixSockets  = "unix_sockets" // no sockets in folders it may not write to
	Memory       = "memory"       // a hard ceiling
	Environment  = "environment"  // nothing of the gateway's environment
)

// Restriction is one thing that a plugin may not do, or why it may.
type Restriction struct {
	Name   string `json:"name"`
	On     bool   `json:"on"`
	Detail string `json:"detail,omitempty"` // for people: what exactly, or why not
}

// Report is what is in force for a plugin's process, in the order of the
// names above.
type Report []Restriction

// With returns the report with r instead of the entry of that name.
func (r Report) With(e Restriction) Report {
	out := slices.Clone(r)
	for i := range out {
		if out[i].Name == e.Name {
			out[i] = e
			return out
		}
	}
	return append(out, e)
}

// Entry returns the restriction of that name; its zero value is off.
func (r Report) Entry(name string) Restriction {
	for _, e := range r {
		if e.Name == name {
			return e
		}
	}
	return Restriction{Name: name}
}

// String lists the names that are on, and those that are off with a minus.
func (r Report) String() string {
	words := make([]string, len(r))
	for i, e := range r {
		words[i] = e.Name
		if !e.On {
			words[i] = "-" + e.Name
		}
	}
	return strings.Join(words, " ")
}

// environment is what the plugin's process gets.
func (s *Spec) environment() []string {
	env := slices.Clone(s.Env)
	set := slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "GOMEMLIMIT=") })
	if s.Memory > 0 && !set {
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%d", s.Memory/10*9))
	}
	if env == nil {
		env = []string{} // nil would be the gateway's own
	}
	return env
}
